"""A small funnel of three steps whose causes are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from server.funnel.types import Column, SessionTable

Flags = npt.NDArray[np.bool_]
Effect = tuple[int, float, Callable[[Mapping[str, Column]], Flags | npt.NDArray[np.float64]]]

STEPS = ("start", "confirm", "done")
BASE = (-1.2, -1.4)


def features(seed: int, sessions: int) -> dict[str, Column]:
    """Six features: ``retried`` follows ``outage``, and ``delay_s`` is longer on a slow network."""
    rng = np.random.default_rng([seed, 0])
    outage = rng.random(sessions) < 0.12
    network = rng.choice(np.array(["wifi", "4g", "3g"], dtype=object), sessions, p=[0.5, 0.35, 0.15])
    return {
        "outage": outage,
        "retried": rng.random(sessions) < np.where(outage, 0.7, 0.05),
        "silent": rng.random(sessions) < 0.2,
        "network": network,
        "delay_s": rng.lognormal(0.0, 0.5, sessions) * np.where(network == "3g", 1.6, 1.0),
        "confidence": rng.beta(8, 2, sessions),
    }


def table(seed: int, sessions: int, *effects: Effect, changed: Mapping[str, Column] | None = None) -> SessionTable:
    """Sessions that leave by chance and by the effects: the number of the step, the log-odds, where it holds."""
    columns = {**features(seed, sessions), **(changed or {})}
    chance = np.random.default_rng([seed, 1]).random((len(BASE), sessions))
    reached = np.full(sessions, len(STEPS))
    for step in range(len(BASE), 0, -1):
        log_odds = np.full(sessions, BASE[step - 1])
        for number, size, holds in effects:
            log_odds += size * holds(columns) * (number == step)
        reached[chance[step - 1] < 1 / (1 + np.exp(-log_odds))] = step
    return SessionTable(columns, reached, np.ones(sessions, dtype=bool), STEPS)


def flag(name: str) -> Callable[[Mapping[str, Column]], Flags]:
    return lambda columns: columns[name].astype(bool)


def level(name: str, value: str) -> Callable[[Mapping[str, Column]], Flags]:
    return lambda columns: np.asarray(columns[name] == value, dtype=bool)


def above(name: str, bound: float) -> Callable[[Mapping[str, Column]], Flags]:
    return lambda columns: columns[name].astype(float) > bound


def below(name: str, bound: float) -> Callable[[Mapping[str, Column]], Flags]:
    return lambda columns: columns[name].astype(float) < bound


def longer(sessions: int, kind: str) -> tuple[SessionTable, str]:
    """Sessions of four stages with a cause, and a column that says how long they lasted."""
    rng = np.random.default_rng(17)
    silent = rng.random(sessions) < 0.15
    leaves = rng.random((3, sessions)) < np.array(
        [0.25 + 0.25 * silent, np.full(sessions, 0.25), np.full(sessions, 0.2)]
    )
    reached = np.where(leaves.any(axis=0), leaves.argmax(axis=0) + 1, 4)
    stayed = rng.lognormal(4.5, 0.6, (3, sessions))
    share = np.where(np.arange(1, 4)[:, None] == reached, rng.random(sessions), np.arange(1, 4)[:, None] < reached)
    seconds = (stayed * share).sum(axis=0)
    columns: dict[str, Column] = {
        "seconds": seconds,
        "seconds_with_idle_time": seconds + 1800.0 * (reached < 4),
        "waited": rng.lognormal(1.2, 0.8, sessions) + 0.1 * rng.random(sessions) * seconds,
        "turns_in_second": rng.poisson(6.0 * share[1]).astype(float),
        "seconds_of_third": np.where(reached >= 3, rng.lognormal(2.0, 0.5, sessions), np.nan),
        "seen_in_third": reached >= 3,
    }
    features = {"silent": silent, kind: columns[kind]}
    return SessionTable(features, reached, np.ones(sessions, dtype=bool), ("open", "fill", "send", "done")), kind
