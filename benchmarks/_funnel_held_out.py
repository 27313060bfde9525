"""Designs that mislead a search for causes, none of which was looked at while the method was made or mended."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from benchmarks._funnel_shop import any_step, plant_some, shop_design
from benchmarks._funnel_simulation import Design, Features, Planted


def both_ends(seed: int) -> Design:
    """Very low and very high temperatures drive people away, and so does the night, which runs over midnight."""
    parameters, design, pool = shop_design(seed, 31)
    inner = design.draw

    def draw(rng: np.random.Generator, n: int) -> Features:
        f = inner(rng, n)
        f["room_c"] = rng.normal(21, 4, n)
        f["humidity"] = np.clip(f["room_c"].astype(float) * 2 + rng.normal(0, 6, n), 5, 95)
        f["hour"] = rng.integers(0, 24, n)
        f["lights_on"] = rng.random(n) < np.where((f["hour"].astype(int) >= 18) | (f["hour"].astype(int) < 6), 0.8, 0.2)
        return f

    def extreme(f: Features) -> npt.NDArray[np.bool_]:
        room = f["room_c"].astype(float)
        return (room < 17) | (room > 25)

    def night(f: Features) -> npt.NDArray[np.bool_]:
        hour = f["hour"].astype(int)
        return (hour >= 22) | (hour < 4)

    design.draw = draw
    design.planted.append(Planted(("room_c",), any_step(parameters, design), 1.4, extreme))
    design.planted.append(Planted(("hour",), any_step(parameters, design), 1.3, night))
    plant_some(parameters, design, pool, "plan vpn payment guest", 1, 1)
    return design


def elsewhere(seed: int) -> Design:
    """Of four features that go together each matters at one step and only goes with the cause at the others."""
    parameters, design, pool = shop_design(seed, 32)
    inner = design.draw

    def draw(rng: np.random.Generator, n: int) -> Features:
        f = inner(rng, n)
        shaky = rng.random(n) < 0.25
        f["blur"] = rng.random(n) < np.where(shaky, 0.7, 0.1)
        f["dark"] = rng.random(n) < np.where(shaky, 0.65, 0.12)
        f["retakes"] = rng.poisson(np.where(shaky, 2.0, 0.4))
        f["focus"] = rng.normal(np.where(shaky, -1.2, 0.0), 1.0)
        return f

    design.draw = draw
    order = parameters.permutation(3) + 1
    effects = parameters.uniform(1.1, 1.4, 3).tolist()
    design.planted += [
        Planted(("blur",), int(order[0]), effects[0], lambda f: f["blur"]),
        Planted(("dark",), int(order[1]), effects[1], lambda f: f["dark"]),
        Planted(("focus",), int(order[2]), effects[2], lambda f: f["focus"].astype(float) < -1.0),
    ]
    plant_some(parameters, design, pool, "country referrer", 0, 1)
    return design


def dwell(seed: int) -> Design:
    """Who stays long in a step meets more of everything; of that only a long stay in the second step matters."""
    parameters, design, pool = shop_design(seed, 33)
    inner = design.draw
    bound = float(parameters.uniform(4.5, 6.0))

    def draw(rng: np.random.Generator, n: int) -> Features:
        f = inner(rng, n)
        pace = rng.lognormal(0, 0.5, n)
        for step in (1, 2, 3):
            minutes = pace * rng.gamma(2.0, 1.3, n)
            f[f"minutes_{step}"] = minutes
            f[f"alerts_{step}"] = rng.poisson(0.5 * minutes)
            f[f"call_{step}"] = rng.random(n) < 1 - np.exp(-0.08 * minutes)
        return f

    design.draw = draw
    design.known_at = {f"{name}_{k}": k for name in ("minutes", "alerts", "call") for k in (1, 2, 3)}
    effect = float(parameters.uniform(1.2, 1.5))
    design.planted.append(Planted(("minutes_2",), 2, effect, lambda f: f["minutes_2"].astype(float) > bound))
    plant_some(parameters, design, pool, "os vpn guest camera_poor plan", 1, 1)
    return design


def seldom(seed: int) -> Design:
    """One session in a hundred meets a failure after which most leave; a common cause hides at the same step."""
    parameters, design, pool = shop_design(seed, 34)
    inner = design.draw

    def draw(rng: np.random.Generator, n: int) -> Features:
        f = inner(rng, n)
        f["card_refused"] = rng.random(n) < np.where(f["payment"] == "card", 0.016, 0.005)
        f["bank_down"] = rng.random(n) < 0.01
        return f

    design.draw = draw
    design.planted.append(
        Planted(("card_refused",), 1, float(parameters.uniform(2.2, 2.8)), lambda f: f["card_refused"])
    )
    design.planted.append(Planted(("payment",), 1, 1.1, lambda f: f["payment"] == "transfer"))
    plant_some(parameters, design, pool, "os first_visit typing_s", 1, 1)
    return design


def three_together(seed: int) -> Design:
    """Three features drive people away only where all three hold; two of them also in another combination."""
    parameters, design, pool = shop_design(seed, 35)
    inner = design.draw

    def draw(rng: np.random.Generator, n: int) -> Features:
        f = inner(rng, n)
        for name, share in (("dark_mode", 0.5), ("zoomed", 0.45), ("landscape", 0.5), ("split_view", 0.3)):
            f[name] = rng.random(n) < share
        return f

    design.draw = draw
    one, two = parameters.permutation(np.arange(1, 4))[:2].tolist()
    design.planted += [
        Planted(
            ("dark_mode", "zoomed", "landscape"), one, 2.0, lambda f: f["dark_mode"] & f["zoomed"] & f["landscape"]
        ),
        Planted(("dark_mode", "split_view"), two, 1.5, lambda f: f["dark_mode"] & f["split_view"]),
    ]
    plant_some(parameters, design, pool, "os country latency_ms glare", 1, 1)
    return design


def copies(seed: int) -> Design:
    """One cause, a flag that nearly always says the same, and a number from which it follows but for some noise."""
    parameters, design, pool = shop_design(seed, 36)
    inner = design.draw
    wrong = float(parameters.uniform(0.04, 0.08))

    def draw(rng: np.random.Generator, n: int) -> Features:
        f = inner(rng, n)
        score = rng.normal(0, 1, n)
        f["legacy_api"] = score + rng.normal(0, 0.3, n) > 0.6
        f["old_sdk"] = f["legacy_api"] ^ (rng.random(n) < wrong)
        f["sdk_age"] = np.round(score, 2)
        return f

    design.draw = draw
    effect = float(parameters.uniform(1.2, 1.6))
    design.planted.append(Planted(("legacy_api",), any_step(parameters, design), effect, lambda f: f["legacy_api"]))
    plant_some(parameters, design, pool, "country payment cart_value guest", 1, 1)
    return design


def few_leave(seed: int) -> Design:
    """One in fifty leaves at each step; causes touch a third of the sessions."""
    parameters, design, pool = shop_design(seed, 37, (-3.9, -3.9, -3.9))
    plant_some(parameters, design, pool, "first_visit os guest age_years latency_ms typing_s", 2, 0)
    return design


def six_steps(seed: int) -> Design:
    """Six steps, four strong causes and two weak ones."""
    base = tuple(np.random.default_rng([seed, 381]).uniform(-2.2, -1.6, 6).tolist())
    parameters, design, pool = shop_design(seed, 38, base)
    plant_some(parameters, design, pool, "", 4, 2)
    return design


def people(seed: int) -> Design:
    """Nothing matters but who it is: each person has five sessions, a rate of their own, and features of their own."""
    _, design, _ = shop_design(seed, 39)
    inner = design.draw

    def draw(rng: np.random.Generator, n: int) -> Features:
        persons = -(-n // 5)
        person = rng.integers(0, persons, n)
        f = {name: values[person] for name, values in inner(rng, persons).items()}
        f["latency_ms"] = rng.lognormal(5.0, 0.9, n)
        f["popups"] = rng.poisson(0.6, n)
        f["_person"] = rng.normal(0.0, 0.7, persons)[person]
        return f

    design.draw = draw
    for step in (1, 2, 3):
        design.background.append(Planted(("_person",), step, 1.0, lambda f: f["_person"]))
    return design


HELD_OUT: dict[str, Callable[[int], Design]] = {
    "both ends": both_ends,
    "elsewhere": elsewhere,
    "dwell": dwell,
    "seldom": seldom,
    "three together": three_together,
    "copies": copies,
    "few leave": few_leave,
    "six steps": six_steps,
    "people": people,
}
