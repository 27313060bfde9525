"""Designs that mislead a search for causes, on which the method was mended. ``_funnel_held_out`` has the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from benchmarks._funnel_held_out import people
from benchmarks._funnel_shop import any_step, chosen, plant_some, shop_design
from benchmarks._funnel_simulation import Design, Features, Planted, Values


def gaps(seed: int) -> Design:
    """Numbers are missing where they are large, and where another cause holds. That a value is missing does nothing."""
    parameters, design, pool = shop_design(seed, 21)
    inner = design.draw
    bound = float(parameters.uniform(7, 11))

    def draw(rng: np.random.Generator, n: int) -> Features:
        f = inner(rng, n)
        size = rng.lognormal(1.6, 0.7, n)
        f["_size"] = size
        f["upload_mb"] = np.where(rng.random(n) < np.where(size > bound, 0.25, 0.05), np.nan, size)
        accuracy = rng.lognormal(2.5, 0.6, n)
        f["gps_m"] = np.where(rng.random(n) < np.where(f["power_saving"], 0.6, 0.05), np.nan, accuracy)
        f["steps_today"] = np.where(rng.random(n) < 0.35, np.nan, rng.gamma(2, 3000, n))
        return f

    design.draw = draw
    design.planted += [
        Planted(("power_saving",), any_step(parameters, design), 1.3, pool["power_saving"]),
        Planted(("upload_mb",), any_step(parameters, design), 1.3, lambda f: f["_size"].astype(float) > bound),
    ]
    plant_some(parameters, design, pool, "os country payment first_visit", 1, 1)
    return design


def long_waits(seed: int) -> Design:
    """Four waits with long tails and their sum; above a bound one of them matters, at one step."""
    parameters, design, pool = shop_design(seed, 22)
    inner = design.draw
    names = ("ocr_ms", "upload_ms", "reply_ms", "queue_ms")
    cause = str(parameters.choice(names))
    bound = float(np.exp(5.5 + 1.2 * parameters.uniform(1.0, 1.5)))

    def draw(rng: np.random.Generator, n: int) -> Features:
        f = inner(rng, n)
        common = rng.normal(0, 0.8, n)
        for name in names:
            f[name] = np.exp(5.5 + common + rng.normal(0, 0.9, n))
        f["total_ms"] = np.sum([f[name].astype(float) for name in names], axis=0)
        f["timed_out"] = f["total_ms"].astype(float) > 8000
        return f

    design.draw = draw
    step, effect = any_step(parameters, design), float(parameters.uniform(1.2, 1.6))
    design.planted.append(Planted((cause,), step, effect, lambda f: f[cause].astype(float) > bound))
    plant_some(parameters, design, pool, "vpn guest plan camera_poor referrer", 1, 1)
    return design


def release(seed: int) -> Design:
    """From one day on a build is rolled out, which drives people away; a code by SMS does so only from then on."""
    parameters, design, pool = shop_design(seed, 23)
    first = int(parameters.integers(25, 40))
    inner = design.draw

    def draw(rng: np.random.Generator, n: int) -> Features:
        f = inner(rng, n)
        f["day"] = rng.integers(0, 60, n)
        after = f["day"].astype(int) >= first
        older = chosen(rng, n, "b7 b8", 0.4, 0.6)
        f["build"] = np.where(after & (rng.random(n) < 0.5), "b9", older)
        f["banner"] = rng.random(n) < np.where(after, 0.85, 0.03)
        f["sms_code"] = rng.random(n) < 0.4
        return f

    design.draw = draw
    one, two = parameters.permutation(np.arange(1, 4))[:2].tolist()
    design.planted += [
        Planted(("build",), one, float(parameters.uniform(1.1, 1.4)), lambda f: f["build"] == "b9"),
        Planted(("sms_code", "day"), two, 1.6, lambda f: f["sms_code"] & (f["day"].astype(int) >= first)),
    ]
    plant_some(parameters, design, pool, "country payment typing_s", 1, 1)
    return design


def branches(seed: int) -> Design:
    """Sixty branches, each with a rate of its own, and with features of a branch that do nothing."""
    parameters, design, pool = shop_design(seed, 24)
    inner = design.draw
    share = parameters.gamma(2.0, 1.0, 60)
    own = parameters.normal(0.0, 0.5, (3, 60))
    city, printer, staff = (parameters.integers(0, k, 60) for k in (6, 2, 15))

    def draw(rng: np.random.Generator, n: int) -> Features:
        f = inner(rng, n)
        branch = rng.choice(60, n, p=share / share.sum())
        f["_branch"] = branch
        f["branch"] = np.char.add("branch ", branch.astype(str))
        f["city"] = np.char.add("city ", city[branch].astype(str))
        f["printer"] = printer[branch] == 1
        f["staff"] = staff[branch] + 1
        return f

    design.draw = draw
    for step in (1, 2, 3):
        rates = own[step - 1]
        design.planted.append(Planted(("branch",), step, 0.99, lambda f, r=rates: r[f["_branch"].astype(int)]))  # type: ignore[misc]
    plant_some(parameters, design, pool, "", 2, 1)
    return design


def models(seed: int) -> Design:
    """Two hundred models of phones, one of which is bad."""
    parameters, design, pool = shop_design(seed, 25)
    inner = design.draw
    weights = 1 / np.arange(1, 201) ** 0.9
    bad = int(parameters.integers(5, 12))

    def draw(rng: np.random.Generator, n: int) -> Features:
        f = inner(rng, n)
        model = rng.choice(200, n, p=weights / weights.sum())
        f["model"] = np.char.add("model ", model.astype(str))
        f["os_patch"] = (model % 7) + rng.integers(0, 2, n)
        f["notch"] = (model % 3) == 0
        return f

    design.draw = draw
    step = int(parameters.integers(1, 3))
    design.planted.append(Planted(("model",), step, 2.0, lambda f: f["model"] == f"model {bad}"))
    plant_some(parameters, design, pool, "", 2, 1)
    return design


def after_leaving(seed: int) -> Design:
    """Lengths and counts over the whole session: who left early has less of all. Nothing of that made anybody leave."""
    parameters, design, pool = shop_design(seed, 26)
    plant_some(parameters, design, pool, "", 2, 1)
    last = len(design.base) + 1

    def grow(rng: np.random.Generator, f: Features, reached: npt.NDArray[np.int64]) -> None:
        n = len(reached)
        f["session_s"] = rng.gamma(3.0 * reached, 20.0)
        f["retries"] = rng.poisson(0.5 * reached)
        f["screens"] = 3 * reached - rng.integers(0, 3, n)
        f["scrolled"] = np.clip(rng.normal(0.2 + 0.15 * reached, 0.15), 0, 1)
        f["rating"] = np.where(reached == last, rng.integers(1, 6, n), 0)
        f["mail_sent"] = reached == last

    design.grow = grow
    return design


def simpson(seed: int) -> Design:
    """Help is offered where it is hard: it keeps people, though those who got it leave more often."""
    parameters, design, pool = shop_design(seed, 27)
    inner = design.draw

    def draw(rng: np.random.Generator, n: int) -> Features:
        f = inner(rng, n)
        f["contract"] = chosen(rng, n, "single family business", 0.6, 0.25, 0.15)
        hard = f["contract"] != "single"
        f["express"] = rng.random(n) < np.where(hard, 0.75, 0.1)
        f["agent"] = rng.random(n) < np.where(f["contract"] == "business", 0.8, 0.08)
        f["pages"] = rng.poisson(np.where(hard, 9, 4))
        return f

    design.draw = draw
    step = any_step(parameters, design)
    for level, effect in (("family", 1.3), ("business", 1.6)):
        design.planted.append(Planted(("contract",), step, effect, lambda f, v=level: f["contract"] == v))  # type: ignore[misc]
    for name in ("express", "agent"):
        design.background.append(Planted((name,), step, -0.4, lambda f, k=name: f[k]))  # type: ignore[misc]
    plant_some(parameters, design, pool, "vpn latency_ms glare guest", 1, 1)
    return design


def most_leave(seed: int) -> Design:
    """Two steps, at each of which three in five leave."""
    parameters, design, pool = shop_design(seed, 28, (0.4, 0.4))
    plant_some(parameters, design, pool, "", 3, 1)
    return design


def noise(seed: int) -> Design:
    """Nothing matters; columns are constant, empty, unique, a hundred copies of one value, and with long tails."""
    _, design, _ = shop_design(seed, 29)
    inner = design.draw

    def draw(rng: np.random.Generator, n: int) -> Features:
        f = inner(rng, n)
        f["constant"], f["empty"] = np.ones(n), np.full(n, np.nan)
        f["id"] = np.char.add("id ", np.arange(n).astype(str))
        f["nearly_always"] = rng.random(n) < 0.995
        f["cauchy"] = rng.standard_cauchy(n)
        f["mostly_zero"] = np.where(rng.random(n) < 0.97, 0.0, rng.lognormal(0, 2, n))
        f["town"] = np.char.add("town ", rng.zipf(1.4, n).clip(max=400).astype(str))
        common: Values = rng.normal(0, 1, n)
        for k in range(8):
            f[f"score_{k}"] = common + rng.normal(0, 0.7, n)
        return f

    return replace(design, draw=draw)


def people_known(seed: int) -> Design:
    """The design ``people`` of those held out, where the search is told which sessions are one person's."""
    design = people(seed)
    inner = design.draw

    def draw(rng: np.random.Generator, n: int) -> Features:
        f = inner(rng, n)
        f["_whose"] = f["_person"]
        return f

    return replace(design, draw=draw)


def stayed_longer(seed: int) -> Design:
    """What exists because a session lasted longer, in six forms; the search is not told when each is known."""
    parameters, design, pool = shop_design(seed, 27)

    def grow(rng: np.random.Generator, f: Features, reached: npt.NDArray[np.int64]) -> None:
        n, step = len(reached), np.arange(1, 4)[:, None]
        share = np.where(step == reached, rng.random(n), step < reached)  # of each step's time
        seconds = (rng.lognormal(4.5, 0.6, (3, n)) * share).sum(axis=0)
        f["seconds"] = seconds
        f["seconds_with_idle_time"] = seconds + 1800.0 * (reached < 4)
        f["rotations"] = rng.poisson(seconds / 400)
        f["waited_s"] = rng.lognormal(1.2, 0.8, n) + 0.1 * rng.random(n) * seconds
        f["turns_in_second"] = rng.poisson(6.0 * share[1])
        f["seconds_of_third"] = np.where(reached >= 3, rng.lognormal(2.0, 0.5, n), np.nan)
        f["seen_in_third"] = reached >= 3

    design.grow = grow
    plant_some(parameters, design, pool, "vpn os country typing_s guest first_visit", 2, 1)
    return design


def kept(seed: int) -> Design:
    """A flag that keeps people, two of which one has to hold without the other, and a low number at every step.

    The search is told that these are known from the start, and not since when the flags are known of what happens with
    time. Those that leave a step early meet less of that, and nothing of it makes anybody leave.
    """
    parameters, design, pool = shop_design(
        seed, 28, tuple(np.random.default_rng([seed, 281]).uniform(-1.9, -1.2, 3).tolist())
    )
    inner = design.draw

    def draw(rng: np.random.Generator, n: int) -> Features:
        f = inner(rng, n)
        f["hint"], f["left"], f["right"] = rng.random((3, n)) < 0.5
        f["battery"] = rng.uniform(0, 100, n).round()
        return f

    def grow(rng: np.random.Generator, f: Features, reached: npt.NDArray[np.int64]) -> None:
        n, step = len(reached), np.arange(1, 4)[:, None]
        share = np.where(step == reached, rng.random(n), step < reached)
        seconds = rng.lognormal(4.5, 0.6, (3, n)) * share
        for k in range(3):
            f[f"met_in_{k + 1}"] = rng.random(n) < 1 - np.exp(-0.004 * seconds[k])
        for per_hour in (1, 4, 12):
            f[f"met_{per_hour}_per_hour"] = rng.random(n) < 1 - np.exp(-per_hour * seconds.sum(axis=0) / 3600)

    design.draw, design.grow = draw, grow
    design.known_at = dict.fromkeys(("hint", "left", "right", "battery"), 1)
    one, two = parameters.permutation(np.arange(1, 4))[:2].tolist()
    design.planted.append(Planted(("hint",), one, float(parameters.uniform(1.2, 1.6)), lambda f: ~f["hint"]))
    design.planted.append(Planted(("left", "right"), two, 1.6, lambda f: f["left"] ^ f["right"]))
    for step in (1, 2, 3):
        design.planted.append(Planted(("battery",), step, 1.5, lambda f: f["battery"].astype(float) < 20))
    plant_some(parameters, design, pool, "os country guest", 1, 0)
    return design


TRAPS: dict[str, Callable[[int], Design]] = {
    "gaps": gaps,
    "long waits": long_waits,
    "release": release,
    "branches": branches,
    "models": models,
    "after leaving": after_leaving,
    "simpson": simpson,
    "most leave": most_leave,
    "noise": noise,
    "people known": people_known,
    "stayed longer": stayed_longer,
    "kept": kept,
}
