"""Designs of a sceptical reader, written on 2026-11-29 after all others, before the search was tried on them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from benchmarks._funnel_shop import any_step, chosen, plant_some, shop_design
from benchmarks._funnel_simulation import Design, Features, Planted

Bools = npt.NDArray[np.bool_]


def chain(seed: int) -> Design:
    """An old phone makes an app slow, which makes it time out, which alone drives people away.

    Who met a time-out, or visits for the first time, calls for help: a common effect of a cause and of what is none.
    """
    parameters, design, pool = shop_design(seed, 51)
    inner = design.draw
    bound = float(parameters.uniform(3.0, 4.0))

    def draw(rng: np.random.Generator, n: int) -> Features:
        f = inner(rng, n)
        f["old_phone"] = rng.random(n) < 0.3
        f["start_s"] = rng.lognormal(0.8, 0.5, n) * np.where(f["old_phone"], 1.8, 1.0)
        f["timed_out"] = rng.random(n) < np.where(f["start_s"].astype(float) > bound, 0.55, 0.04)
        asks = 0.05 + 0.4 * f["timed_out"].astype(float) + 0.35 * f["first_visit"].astype(float)
        f["asked_for_help"] = rng.random(n) < asks
        f["help_s"] = np.where(f["asked_for_help"], rng.gamma(2, 60, n), 0.0)
        return f

    design.draw = draw
    effect = float(parameters.uniform(1.1, 1.6))
    design.planted.append(Planted(("timed_out",), any_step(parameters, design), effect, lambda f: f["timed_out"]))
    plant_some(parameters, design, pool, "vpn plan cart_value country", 1, 1)
    return design


def narrow(seed: int) -> Design:
    """One device in one language, a failure in 0.8 % of all sessions, and a cause that has two names."""
    parameters, design, pool = shop_design(seed, 52)
    inner = design.draw

    def draw(rng: np.random.Generator, n: int) -> Features:
        f = inner(rng, n)
        f["device"] = chosen(rng, n, "a10 a20 p6 p7 x1 z3", 0.3, 0.22, 0.18, 0.14, 0.1, 0.06)
        f["language"] = chosen(rng, n, "en de es fr it", 0.4, 0.22, 0.16, 0.12, 0.1)
        f["disk_full"] = rng.random(n) < 0.008
        f["beta"] = rng.random(n) < 0.2
        f["beta_user"] = f["beta"].copy()
        f["os_name"] = f["os"]
        return f

    design.draw = draw
    design.planted += [
        Planted(
            ("device", "language"),
            any_step(parameters, design),
            float(parameters.uniform(1.9, 2.4)),
            lambda f: (f["device"] == "p6") & (f["language"] == "es"),
        ),
        Planted(("disk_full",), 1, float(parameters.uniform(2.2, 2.8)), lambda f: f["disk_full"]),
    ]
    step = any_step(parameters, design)
    design.planted.append(Planted(("beta",), step, float(parameters.uniform(1.1, 1.4)), lambda f: f["beta"]))
    design.planted.append(Planted(("beta_user",), step, 0.0, lambda f: f["beta_user"]))  # the other name is no error
    plant_some(parameters, design, pool, "payment typing_s guest", 0, 1)
    return design


def lopsided(seed: int) -> Design:
    """3 % leave at one step and 90 % at the next; a delay with an endless tail matters in its middle only."""
    parameters, design, pool = shop_design(seed, 53, (-3.6, 2.0, -0.5))
    inner = design.draw
    low = float(parameters.uniform(0.7, 1.0))

    def draw(rng: np.random.Generator, n: int) -> Features:
        f = inner(rng, n)
        f["delay_s"] = np.abs(rng.standard_cauchy(n))
        f["retry_s"] = f["delay_s"].astype(float) * rng.lognormal(0, 0.8, n)
        f["balance"] = rng.standard_t(1.5, n) * 100
        return f

    def middle(f: Features) -> Bools:
        delay = f["delay_s"].astype(float)
        return (delay > low) & (delay < 2.5 * low)

    design.draw = draw
    design.planted.append(Planted(("delay_s",), 2, float(parameters.uniform(1.3, 1.7)), middle))
    rich = float(parameters.uniform(20, 60))
    design.planted.append(Planted(("balance",), 1, 1.5, lambda f: f["balance"].astype(float) < -rich))
    plant_some(parameters, design, {"guest": pool["guest"], "first_visit": pool["first_visit"]}, "", 0, 1)
    return design


def calendar(seed: int) -> Design:
    """Lunch, weekends, and a year with a slow wave; warmth, daylight and staff follow hour and season."""
    parameters, design, pool = shop_design(seed, 54)
    inner = design.draw
    phase = float(parameters.uniform(0, 365))
    noon = int(parameters.integers(11, 14))

    def draw(rng: np.random.Generator, n: int) -> Features:
        f = inner(rng, n)
        day = rng.integers(0, 365, n)
        hour = np.clip(rng.normal(14, 4.5, n), 0, 23).astype(int)
        wave = np.cos(2 * np.pi * (day - phase) / 365)
        f["day"], f["hour"] = day, hour
        f["weekday"] = np.array(["mo", "tu", "we", "th", "fr", "sa", "su"])[day % 7]
        f["warmth"] = 12 + 9 * wave + rng.normal(0, 3, n)
        f["daylight"] = rng.random(n) < np.where((hour > 7) & (hour < 18 + 2 * wave), 0.97, 0.04)
        f["staff"] = 2 + rng.poisson(np.where((hour >= 9) & (hour < 18), 5, 1)) - (day % 7 > 4)
        f["queue"] = rng.poisson(np.where((hour >= noon) & (hour < noon + 2), 5, 2))
        return f

    def lunch(f: Features) -> Bools:
        hour = f["hour"].astype(int)
        return (hour >= noon) & (hour < noon + 2)

    design.draw = draw
    design.planted.append(Planted(("hour",), any_step(parameters, design), float(parameters.uniform(1.1, 1.4)), lunch))
    weekend = any_step(parameters, design)
    for name in ("sa", "su"):
        design.planted.append(Planted(("weekday",), weekend, 1.1, lambda f, v=name: f["weekday"] == v))  # type: ignore[misc]
    wave_step = any_step(parameters, design)
    design.planted.append(
        Planted(("day",), wave_step, 0.5, lambda f: np.cos(2 * np.pi * (f["day"].astype(float) - phase) / 365))
    )
    plant_some(parameters, design, pool, "plan vpn payment", 1, 0)
    return design


def catalogues(seed: int) -> Design:
    """Four texts of three hundred levels, of which one matters; incomes that the rich and the hurried keep back."""
    parameters, design, pool = shop_design(seed, 55)
    inner = design.draw
    weights = parameters.gamma(0.8, 1.0, 300)
    bad = int(np.argsort(-weights)[int(parameters.integers(3, 12))])
    district = parameters.integers(0, 12, 300)
    wealth = float(parameters.uniform(10.6, 10.9))

    def draw(rng: np.random.Generator, n: int) -> Features:
        f = inner(rng, n)
        for name in ("agent", "campaign", "postcode", "article"):
            f[f"_{name}"] = rng.choice(300, n, p=weights / weights.sum())
            f[name] = np.char.add(f"{name} ", f[f"_{name}"].astype(str))
        f["district"] = np.char.add("district ", district[f["_postcode"].astype(int)].astype(str))
        f["hurried"] = rng.random(n) < 0.25
        income = rng.normal(10.2, 0.6, n)
        f["_income"] = income
        kept_back = np.where(f["hurried"], 0.45, 0.08) + 0.2 * (income > wealth)
        f["income"] = np.where(rng.random(n) < kept_back, np.nan, np.exp(income).round(-2))
        return f

    design.draw = draw
    design.planted += [
        Planted(("agent",), 1, 2.0, lambda f: f["_agent"] == bad),
        Planted(("hurried",), any_step(parameters, design), 1.2, lambda f: f["hurried"]),
        Planted(("income",), any_step(parameters, design), 1.4, lambda f: f["_income"].astype(float) > wealth),
    ]
    plant_some(parameters, design, pool, "os guest latency_ms", 0, 1)
    return design


def survivors(seed: int) -> Design:
    """Patient people stay, which no column shows. Two strong causes select them at the first step.

    Where such a cause held, those that went on are more patient, and so leave the later steps less often.
    """
    parameters, design, pool = shop_design(seed, 56, tuple(np.random.default_rng([seed, 561]).uniform(-1.2, -0.6, 3)))
    inner = design.draw

    def draw(rng: np.random.Generator, n: int) -> Features:
        f = inner(rng, n)
        f["_patience"] = rng.normal(0, 1, n)
        f["long_form"], f["paper"] = rng.random((2, n)) < 0.4
        f["pages"] = rng.poisson(np.where(f["long_form"], 5, 3))
        f["load_s"] = rng.gamma(2, 2, n)
        return f

    design.draw = draw
    design.known_at = dict.fromkeys(("long_form", "paper", "pages", "load_s"), 1)
    for step in (1, 2, 3):
        design.background.append(Planted(("_patience",), step, -1.0, lambda f: f["_patience"]))
    design.planted += [
        Planted(("long_form",), 1, 1.8, lambda f: f["long_form"]),
        Planted(("load_s",), 1, 1.8, lambda f: f["load_s"].astype(float) > 5),
        Planted(("paper",), 2, 1.4, lambda f: f["paper"]),
    ]
    plant_some(parameters, design, pool, "os country typing_s", 0, 1)
    return design


SECOND_LOOK: dict[str, Callable[[int], Design]] = {
    "chain": chain,
    "narrow": narrow,
    "lopsided": lopsided,
    "calendar": calendar,
    "catalogues": catalogues,
    "survivors": survivors,
}
