"""Sessions of a shop's app, with other features than ``_funnel_designs``: the ground of the harder designs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks._funnel_designs import plant
from benchmarks._funnel_simulation import Design, Features, Floats, Holds, Values

FLAGS = ("vpn", "camera_poor", "glare", "first_visit", "power_saving", "offline_once", "guest")
LEVELS = {"os": "android", "country": "pt", "plan": "trial", "referrer": "ad", "payment": "transfer"}


def chosen(rng: np.random.Generator, n: int, levels: str, *weights: float) -> Values:
    """One of some levels for each session."""
    p = np.array(weights)
    return rng.choice(np.array(levels.split()), n, p=p / p.sum())


def shop(parameters: np.random.Generator) -> Callable[[np.random.Generator, int], Features]:
    """Eighteen features; some go together, and some numbers have long tails."""
    scale = parameters.uniform(0.7, 1.4, 8)

    def draw(rng: np.random.Generator, n: int) -> Features:
        def happens(share: float | Floats) -> Values:
            return rng.random(n) < share

        f: Features = {}
        f["os"] = chosen(rng, n, "ios android browser", 0.45, 0.35, 0.2)
        f["country"] = chosen(rng, n, "us uk ie pt nl se dk fi", 0.34, 0.2, 0.1, 0.12 * scale[0], 0.1, 0.06, 0.05, 0.03)
        f["plan"] = chosen(rng, n, "basic plus trial", 0.5, 0.28, 0.22 * scale[1])
        f["referrer"] = chosen(rng, n, "search ad mail shared", 0.35, 0.25, 0.25, 0.15)
        f["payment"] = chosen(rng, n, "card wallet transfer", 0.55, 0.3, 0.15 * scale[2])
        f["vpn"] = happens(np.where(f["country"] == "us", 0.2, 0.1))
        f["camera_poor"] = happens(np.where(f["os"] == "android", 0.3, 0.1) * scale[3])
        f["glare"] = happens(np.where(f["camera_poor"], 0.45, 0.1))
        f["first_visit"] = happens(0.3)
        f["power_saving"] = happens(0.14 * scale[4])
        f["offline_once"] = happens(0.1 * scale[5])
        f["guest"] = happens(np.where(f["first_visit"], 0.4, 0.15))
        weak_signal = rng.random(n) < 0.25
        f["signal_db"] = np.where(weak_signal, rng.normal(-105, 6, n), rng.normal(-82, 8, n)).round()
        f["latency_ms"] = rng.lognormal(5.0, 0.9, n) * np.where(weak_signal, 2.2, 1.0)
        f["popups"] = rng.poisson(np.where(f["os"] == "browser", 1.2, 0.5))
        f["cart_value"] = rng.pareto(2.2, n) * 30 + 5
        f["typing_s"] = rng.gamma(2.0, 12.0, n)
        f["age_years"] = np.clip(rng.normal(41, 14, n), 18, 90).round()
        return f

    return draw


def shop_pool(parameters: np.random.Generator, sample: Features) -> dict[str, Holds]:
    """Conditions that may be planted, by feature; bounds of numbers are drawn."""

    def above(name: str) -> Holds:
        bound = float(np.nanquantile(sample[name].astype(float), parameters.uniform(0.65, 0.88)))
        return lambda f: f[name].astype(float) > bound

    def below(name: str) -> Holds:
        bound = float(np.nanquantile(sample[name].astype(float), parameters.uniform(0.12, 0.3)))
        return lambda f: f[name].astype(float) < bound

    found: dict[str, Holds] = {name: (lambda f, name=name: f[name]) for name in FLAGS}  # type: ignore[misc]
    found |= {name: above(name) for name in ("latency_ms", "cart_value", "typing_s")}
    found |= {"signal_db": below("signal_db"), "age_years": above("age_years")}
    found |= {name: (lambda f, n=name, v=value: f[n] == v) for name, value in LEVELS.items()}  # type: ignore[misc]
    return found


def shop_design(
    seed: int, salt: int, base: tuple[float, ...] | None = None
) -> tuple[np.random.Generator, Design, dict[str, Holds]]:
    """A design without causes, and what may be planted in it."""
    parameters = np.random.default_rng([seed, salt])
    draw = shop(parameters)
    log_odds = tuple(parameters.uniform(-1.8, -0.9, 3).tolist()) if base is None else base
    pool = shop_pool(parameters, draw(np.random.default_rng([seed, salt, 1]), 4000))
    return parameters, Design(draw, log_odds), pool


def any_step(parameters: np.random.Generator, design: Design) -> int:
    """A step at random."""
    return int(parameters.integers(1, len(design.base) + 1))


def plant_some(
    parameters: np.random.Generator, design: Design, pool: dict[str, Holds], names: str, strong: int, weak: int = 0
) -> None:
    """Plants causes among some of the pool's names; an empty text means all."""
    kept = {name: holds for name, holds in pool.items() if not names or name in names.split()}
    plant(parameters, design, kept, strong, weak)
