"""Simulated funnels: the causes that are planted in them, and the sessions drawn from them.

The sessions are drawn apart from the parameters of a design, so that one set of parameters can be simulated twice, with
and without an effect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from server.funnel.types import Column, SessionTable

STEPS = ("start", "talk", "confirm", "done")
Floats = npt.NDArray[np.float64]
Values = npt.NDArray[Any]  # numbers, flags or texts
Features = dict[str, Values]
Holds = Callable[[Features], Values]


@dataclass(frozen=True)
class Planted:
    """A cause: its features, the number of the step that is not reached, its log-odds, and where it holds."""

    features: tuple[str, ...]
    step: int
    log_odds: float
    holds: Holds

    @property
    def strong(self) -> bool:
        """Whether a search at 5,000 sessions has to find it. No search here looks for three features together."""
        return self.log_odds >= 1.0 and len(self.features) < 3


@dataclass
class Design:
    """What is drawn once for a seed: how the features are drawn, the causes, and the log-odds of leaving each step.

    ``background`` also moves people, but no search may name it: it makes them stay, or no column shows it. A feature
    whose name begins with an underscore is no column; ``_whose`` tells which sessions are one person's.
    """

    draw: Callable[[np.random.Generator, int], Features]
    base: tuple[float, ...]
    planted: list[Planted] = field(default_factory=list)
    background: list[Planted] = field(default_factory=list)
    known_at: dict[str, int] = field(default_factory=dict)
    under_way: Callable[[np.random.Generator, Features, npt.NDArray[np.bool_]], npt.NDArray[np.bool_]] | None = None
    grow: Callable[[np.random.Generator, Features, npt.NDArray[np.int64]], None] | None = None


def simulate(
    design: Design, seed: int, sessions: int, without: Iterable[int] = (), *, known: bool = False
) -> SessionTable:
    """Draws sessions; the effects of the planted causes at the places ``without`` are left out.

    With ``known`` the table says of all that does not grow that it is known from the start.
    """
    rng = np.random.default_rng([seed, 1])
    features = design.draw(rng, sessions)
    known_at = dict.fromkeys(features, 1) | design.known_at if known else design.known_at
    chance = rng.random((len(design.base), sessions))
    late = np.random.default_rng([seed, 2])
    left_out = set(without)
    acting = [cause for place, cause in enumerate(design.planted) if place not in left_out] + design.background
    reached = np.full(sessions, len(design.base) + 1)
    for step in range(len(design.base), 0, -1):
        log_odds = np.full(sessions, design.base[step - 1])
        for cause in acting:
            if cause.step == step:
                log_odds = log_odds + cause.log_odds * cause.holds(features).astype(float)
        reached[chance[step - 1] < 1 / (1 + np.exp(-log_odds))] = step
    ended = np.ones(sessions, dtype=bool)
    if design.grow is not None:
        design.grow(late, features, reached)
    if design.under_way is not None:
        seen_to = late.integers(1, 4, sessions)  # the step at which a session under way is seen
        stays = design.under_way(late, features, reached < 4)
        seen_to = np.where((reached < 4) & (features["day"].astype(int) >= 84), reached, seen_to)
        ended = ~stays | (seen_to > reached)
        reached = np.where(ended, reached, np.minimum(seen_to, reached))
    steps = STEPS if len(design.base) == 3 else tuple(f"step {k}" for k in range(len(design.base) + 1))
    persons = np.unique(features["_whose"], return_inverse=True)[1] if "_whose" in features else None
    return SessionTable(as_columns(features), reached, ended, steps, known_at, persons)


def with_gaps(table: SessionTable, share: float, seed: int) -> SessionTable:
    """The sessions where of those that left at the first step a share went before any text or number came."""
    missing = (table.reached == 1) & (np.random.default_rng([seed, 3]).random(table.sessions) < share)
    columns = dict(table.features)
    gaps = {name: missing for name, column in columns.items() if column.dtype.kind in "Of"}
    for name in gaps:
        columns[name] = columns[name].copy()
        columns[name][missing] = np.nan if columns[name].dtype.kind == "f" else None
    return replace(table, features=columns, gaps=gaps)


def as_columns(features: Features) -> dict[str, Column]:
    """Features in the types that a session table takes."""

    def column(values: Values) -> Column:
        if values.dtype.kind == "b":
            return values.astype(np.bool_)
        return values.astype(np.object_) if values.dtype.kind in "UO" else values.astype(np.float64)

    return {name: column(values) for name, values in features.items() if not name.startswith("_")}
