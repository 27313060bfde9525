"""Designs written when the search for causes was done, and looked at once.

``one week`` showed a fault at that look, which was mended. ``long talks`` was written after that.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from benchmarks._funnel_shop import any_step, plant_some, shop_design
from benchmarks._funnel_simulation import Design, Features, Planted


def one_week(seed: int) -> Design:
    """In one week of eight those that pay by wallet leave; a banner is shown in that week, and does nothing."""
    parameters, design, pool = shop_design(seed, 41)
    inner = design.draw
    first = 7 * int(parameters.integers(1, 7))

    def draw(rng: np.random.Generator, n: int) -> Features:
        f = inner(rng, n)
        f["day"] = rng.integers(0, 56, n)
        f["banner"] = rng.random(n) < np.where(in_week(f), 0.8, 0.05)
        f["weekday"] = np.char.add("day ", (f["day"].astype(int) % 7).astype(str))
        return f

    def in_week(f: Features) -> npt.NDArray[np.bool_]:
        day = f["day"].astype(int)
        return (day >= first) & (day < first + 7)

    design.draw = draw
    holds = Planted(
        ("payment", "day"), any_step(parameters, design), 2.0, lambda f: (f["payment"] == "wallet") & in_week(f)
    )
    design.planted.append(holds)
    plant_some(parameters, design, pool, "vpn country typing_s guest", 1, 1)
    return design


def twins(seed: int) -> Design:
    """Two devices that mostly come together, of which one makes people leave; and what both come with."""
    parameters, design, pool = shop_design(seed, 42)
    inner = design.draw
    cause, other = ("headset", "hub") if parameters.random() < 0.5 else ("hub", "headset")

    def draw(rng: np.random.Generator, n: int) -> Features:
        f = inner(rng, n)
        f[cause] = rng.random(n) < 0.25
        f[other] = rng.random(n) < np.where(f[cause], 0.85, 0.07)
        f["firmware"] = np.where(f[cause] | f[other], rng.choice(["f1", "f2", "f3"], n), "none")
        f["cables"] = rng.poisson(np.where(f[other], 3.0, 1.0))
        return f

    design.draw = draw
    effect = float(parameters.uniform(1.2, 1.6))
    design.planted.append(Planted((cause,), any_step(parameters, design), effect, lambda f: f[cause]))
    plant_some(parameters, design, pool, "os plan latency_ms first_visit", 1, 1)
    return design


def long_talks(seed: int) -> Design:
    """A noisy room makes people leave in long talks only; in these most are asked to repeat, which does nothing."""
    parameters, design, pool = shop_design(seed, 43)
    inner = design.draw
    bound = float(parameters.uniform(6.0, 8.5))

    def draw(rng: np.random.Generator, n: int) -> Features:
        f = inner(rng, n)
        f["talk_min"] = rng.gamma(2.0, 2.0, n)
        f["noisy"] = rng.random(n) < 0.35
        f["asked_again"] = rng.random(n) < np.where(f["talk_min"].astype(float) > bound, 0.75, 0.1)
        f["words"] = rng.poisson(60 * f["talk_min"].astype(float))
        return f

    def holds(f: Features) -> npt.NDArray[np.bool_]:
        return f["noisy"].astype(bool) & (f["talk_min"].astype(float) > bound)

    design.draw = draw
    design.planted.append(Planted(("noisy", "talk_min"), any_step(parameters, design), 1.8, holds))
    plant_some(parameters, design, pool, "os payment age_years glare", 1, 1)
    return design


UNSEEN: dict[str, Callable[[int], Design]] = {"one week": one_week, "twins": twins, "long talks": long_talks}
