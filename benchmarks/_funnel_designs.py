"""Simulated funnels whose causes are known, for ``benchmarks.funnel_causes``.

Every design draws its parameters from its seed: which features are causes, at which step, where the bounds of numbers
lie, and how strong the effects are.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from benchmarks._funnel_simulation import Design, Features, Floats, Holds, Planted, Values


def sessions_like(parameters: np.random.Generator) -> Callable[[np.random.Generator, int], Features]:
    """Twenty features of onboarding sessions, many of which go together."""
    shares = parameters.uniform(0.6, 1.5, 12)

    def draw(rng: np.random.Generator, n: int) -> Features:
        def happens(share: float | Floats) -> npt.NDArray[np.bool_]:
            return rng.random(n) < share

        def one_of(levels: str, *weights: float) -> Values:
            p = np.array(weights)
            return rng.choice(np.array(levels.split()), n, p=p / p.sum())

        f: Features = {}
        f["channel"] = one_of("app web kiosk", 0.6, 0.3, 0.1)
        f["net"] = one_of("fast medium slow", 0.55, 0.33, 0.12 * shares[0])
        f["locale"] = one_of("en de es pl tr", 0.5, 0.2, 0.13, 0.1, 0.07 * shares[1])
        f["form"] = one_of("meter receipt id letter", 0.4, 0.25, 0.2, 0.15 * shares[2])
        f["version"] = one_of("7.0 7.1 7.2", 0.3, 0.5, 0.2)
        f["campaign"] = one_of("mail poster friend none", 0.3, 0.3, 0.2, 0.2)
        slow = f["net"] == "slow"
        f["outage"] = happens(0.06 * shares[3])
        f["silent"] = happens(0.09 * shares[4])
        f["refused"] = happens(np.where(f["form"] == "receipt", 0.16, 0.08))
        f["old_phone"] = happens(np.where(f["channel"] == "app", 0.25, 0.08))
        f["large_text"] = happens(0.06 + 0.2 * f["old_phone"])
        f["retried"] = happens(np.where(f["outage"], 0.6, 0.06))
        f["returning"] = happens(0.2)
        f["reconnects"] = np.minimum(rng.poisson(np.where(slow, 0.9, 0.15)), 5)
        f["answer_s"] = rng.lognormal(-0.6, 0.5, n) * np.where(slow, 1.7, 1.0)
        f["queue_s"] = rng.lognormal(1.1, 0.8, n) + 10.0 * f["outage"]
        f["confidence"] = np.clip(rng.beta(8, 2, n) - 0.13 * (f["locale"] == "tr"), 0.0, 1.0)
        f["words"] = rng.lognormal(4.0, 0.6, n).round()
        f["hour"] = rng.integers(0, 24, n)
        f["day"] = rng.integers(0, 90, n)
        gaps = happens(0.04)
        f["answer_s"] = np.where(gaps, np.nan, f["answer_s"])
        f["locale"] = f["locale"].astype(object)
        f["locale"][happens(0.03)] = None
        return f

    return draw


def pool(parameters: np.random.Generator, sample: Features) -> dict[str, Holds]:
    """Conditions that may be planted, by feature; bounds of numbers are drawn."""

    def above(name: str) -> Holds:
        bound = float(np.nanquantile(sample[name].astype(float), parameters.uniform(0.6, 0.9)))
        return lambda f: f[name].astype(float) > bound

    def below(name: str) -> Holds:
        bound = float(np.nanquantile(sample[name].astype(float), parameters.uniform(0.1, 0.35)))
        return lambda f: f[name].astype(float) < bound

    def level(name: str, value: str) -> Holds:
        return lambda f: f[name] == value

    found: dict[str, Holds] = {name: (lambda f, name=name: f[name]) for name in FLAGS}  # type: ignore[misc]
    found |= {name: above(name) for name in ("answer_s", "queue_s", "words")}
    found |= {"confidence": below("confidence")}
    found |= {name: level(name, value) for name, value in LEVELS.items()}
    return found


FLAGS = ("silent", "refused", "outage", "old_phone", "retried", "returning")
LEVELS = {"net": "slow", "locale": "pl", "form": "id", "version": "7.2", "channel": "web", "campaign": "poster"}


def _start(seed: int) -> tuple[np.random.Generator, Design, dict[str, Holds]]:
    parameters = np.random.default_rng([seed, 0])
    draw = sessions_like(parameters)
    one, two, three = parameters.uniform(-1.7, -1.0, 3).tolist()
    sample = draw(np.random.default_rng([seed, 9]), 4000)
    return parameters, Design(draw, (one, two, three)), pool(parameters, sample)


def plant(parameters: np.random.Generator, design: Design, from_pool: dict[str, Holds], strong: int, weak: int) -> None:
    names = parameters.permutation(np.array(list(from_pool)))[: strong + weak].tolist()
    for place, name in enumerate(names):
        effect = parameters.uniform(1.05, 1.4) if place < strong else parameters.uniform(0.35, 0.6)
        design.planted.append(
            Planted((name,), int(parameters.integers(1, len(design.base) + 1)), float(effect), from_pool[name])
        )


def plain(seed: int) -> Design:
    """Three strong causes and two weak ones among features that go together."""
    parameters, design, from_pool = _start(seed)
    plant(parameters, design, from_pool, 3, 2)
    return design


def interaction(seed: int) -> Design:
    """Two features that matter only together, and two strong causes that matter alone."""
    parameters, design, from_pool = _start(seed)
    common = ["old_phone", "returning", "net", "form", "version", "channel", "words", "queue_s", "campaign"]
    one, two = parameters.permutation(np.array(common))[:2].tolist()
    first, second = from_pool.pop(one), from_pool.pop(two)
    effect = float(parameters.uniform(1.3, 1.8))
    step = int(parameters.integers(1, 4))
    plant(parameters, design, from_pool, 2, 0)
    design.planted.append(Planted((one, two), step, effect, lambda f: first(f).astype(bool) & second(f).astype(bool)))
    return design


def confounded(seed: int) -> Design:
    """One cause that brings five other things with it, none of which matters."""
    parameters, design, from_pool = _start(seed)
    name = str(parameters.choice(["old_phone", "version", "net", "words"]))
    holds = from_pool[name]
    near, far = parameters.uniform(0.4, 0.7, 3), parameters.uniform(0.05, 0.15, 3)
    inner = design.draw

    def draw(rng: np.random.Generator, n: int) -> Features:
        f = inner(rng, n)
        c = holds(f).astype(bool)
        for k, follower in enumerate(("silent", "refused", "retried")):
            f[follower] = rng.random(n) < np.where(c, near[k], far[k])
        f["queue_s"] = rng.lognormal(1.1, 0.6, n) * np.where(c, 2.5, 1.0)
        f["confidence"] = np.clip(rng.beta(8, 2, n) - 0.2 * c, 0.0, 1.0)
        return f

    design.draw = draw
    design.planted.append(Planted((name,), int(parameters.integers(1, 4)), float(parameters.uniform(1.1, 1.5)), holds))
    others = {k: v for k, v in from_pool.items() if k in {"form", "locale", "campaign"}}
    plant(parameters, design, others, 1, 1)
    return design


def exposure(seed: int) -> Design:
    """Long talks leave more often and meet more of everything; one count also goes on growing with each step."""
    parameters, design, from_pool = _start(seed)
    inner = design.draw
    rate = parameters.uniform(0.15, 0.3, 3)

    def draw(rng: np.random.Generator, n: int) -> Features:
        f = inner(rng, n)
        minutes = rng.gamma(2.0, 1.5, n)
        f["minutes"] = minutes
        f["words"] = rng.poisson(60 * minutes * rng.lognormal(0.0, 0.5, n))
        for k, name in enumerate(("silent", "refused", "retried")):
            f[name] = rng.random(n) < 1 - np.exp(-rate[k] * minutes)
        f["reconnects"] = rng.poisson(0.4 * minutes)
        return f

    def grow(rng: np.random.Generator, f: Features, reached: npt.NDArray[np.int64]) -> None:
        f["events"] = rng.poisson(3.0 * reached * (0.5 + f["minutes"].astype(float) / 6))
        f["helped"] = rng.random(len(reached)) < 1 - np.exp(-0.3 * reached)

    design.draw, design.grow = draw, grow
    slope = float(parameters.uniform(0.5, 0.9))
    for step in (1, 2, 3):
        design.planted.append(Planted(("minutes",), step, slope, lambda f: np.log(f["minutes"].astype(float) + 0.1)))
    chosen = {k: v for k, v in from_pool.items() if k in {"form", "locale", "campaign", "outage", "net", "version"}}
    plant(parameters, design, chosen, 1, 1)
    return design


def incident(seed: int) -> Design:
    """A bad week, in which outages and long queues are common; a new version comes in just then."""
    parameters, design, from_pool = _start(seed)
    first = int(parameters.integers(10, 75))
    inner = design.draw

    def draw(rng: np.random.Generator, n: int) -> Features:
        f = inner(rng, n)
        day = f["day"].astype(int)
        bad = (day >= first) & (day < first + 7)
        f["outage"] = rng.random(n) < np.where(bad, 0.5, 0.04)
        f["retried"] = rng.random(n) < np.where(f["outage"], 0.6, 0.06)
        f["queue_s"] = rng.lognormal(1.1, 0.7, n) * np.where(bad, 2.5, 1.0)
        newer = rng.random(n) < np.where(day >= first, 0.6, 0.02)
        f["version"] = np.where(newer, "7.2", f["version"])
        return f

    def in_bad_week(f: Features) -> Values:
        day = f["day"].astype(int)
        return (day >= first) & (day < first + 7)

    design.draw = draw
    design.planted.append(
        Planted(("day",), int(parameters.integers(1, 4)), float(parameters.uniform(1.1, 1.5)), in_bad_week)
    )
    chosen = {k: v for k, v in from_pool.items() if k not in {"outage", "retried", "queue_s", "version"}}
    plant(parameters, design, chosen, 1, 1)
    return design


def censored(seed: int) -> Design:
    """A third is under way: some features more than others, and of the last days leavers are not yet known as such."""
    parameters, design, from_pool = _start(seed)
    plant(parameters, design, from_pool, 3, 1)
    share = float(parameters.uniform(0.1, 0.3))

    def under_way(rng: np.random.Generator, f: Features, leaves: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        slow = np.where(f["channel"] == "app", 1.6, 0.7) * np.where(f["large_text"].astype(bool), 1.5, 1.0)
        recent = f["day"].astype(int) >= 84
        stays: npt.NDArray[np.bool_] = (rng.random(len(leaves)) < share * slow) | (recent & leaves)
        return stays

    design.under_way = under_way
    return design


def rare(seed: int) -> Design:
    """One session in fifty meets something that makes most of them leave; two strong causes are common."""
    parameters, design, from_pool = _start(seed)
    inner = design.draw
    share = float(parameters.uniform(0.015, 0.025))

    def draw(rng: np.random.Generator, n: int) -> Features:
        f = inner(rng, n)
        f["crashed"] = rng.random(n) < share
        return f

    design.draw = draw
    design.planted.append(
        Planted(
            ("crashed",), int(parameters.integers(1, 3)), float(parameters.uniform(1.8, 2.4)), lambda f: f["crashed"]
        )
    )
    plant(parameters, design, from_pool, 1, 1)
    return design


def null(seed: int) -> Design:
    """Nothing matters."""
    return _start(seed)[1]


DESIGNS: dict[str, Callable[[int], Design]] = {
    "plain": plain,
    "interaction": interaction,
    "confounded": confounded,
    "exposure": exposure,
    "incident": incident,
    "censored": censored,
    "rare": rare,
    "null": null,
}
