"""What a circuit breaker says about itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import pybreaker


class BreakerState(StrEnum):
    """pybreaker's names of the states."""

    CLOSED = pybreaker.STATE_CLOSED
    OPEN = pybreaker.STATE_OPEN
    HALF_OPEN = pybreaker.STATE_HALF_OPEN


@dataclass(frozen=True, slots=True)
class BreakerSnapshot:
    """What operators see of a breaker.

    Attributes:
        failures: Failures in a row.
        threshold: Failures that open it.
        reset_s: Seconds for which it stays open.
    """

    name: str
    state: BreakerState
    failures: int
    threshold: int
    reset_s: float


@dataclass(frozen=True, slots=True)
class BreakerChange:
    """A change of state, after ``failures`` failures in a row."""

    name: str
    old: BreakerState
    new: BreakerState
    failures: int
