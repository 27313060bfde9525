"""What a circuit breaker is told, and what it says about itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum, auto

import pybreaker


class BreakerState(StrEnum):
    """pybreaker's names of the states."""

    CLOSED = pybreaker.STATE_CLOSED
    OPEN = pybreaker.STATE_OPEN
    HALF_OPEN = pybreaker.STATE_HALF_OPEN


class Outcome(Enum):
    """What a call says about the upstream."""

    ANSWER = auto()
    FAILURE = auto()
    BLOCKED = auto()  # no call can succeed before an operator has changed something, so one is enough
    NOTHING = auto()  # it was cancelled, never sent, or failed for the caller's own fault


class ChangeCause(StrEnum):
    """Why a breaker changed its state."""

    FAILURES = "failures"
    PROBE_FAILED = "probe_failed"
    RESET_TIME_OVER = "reset_time_over"
    PROBES_SUCCEEDED = "probes_succeeded"
    HEALTH_PROBE = "health_probe"
    RESET_BY_HAND = "reset_by_hand"
    TRIPPED_BY_HAND = "tripped_by_hand"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class BreakerBounds:
    """When a breaker opens and closes.

    Attributes:
        failures: Failures in a row that open it.
        reset_s: Seconds for which it stays open before probes are let through.
        successes: Probes that must succeed in a row before it closes.
        probes: Probes at a time while half open.
        slow_s: A call that takes longer counts as a failure; 0 means that none does.
    """

    failures: int = 3
    reset_s: float = 120.0
    successes: int = 2
    probes: int = 1
    slow_s: float = 0.0


@dataclass(frozen=True, slots=True)
class BreakerSnapshot:
    """What operators see of a breaker.

    Attributes:
        failures: Failures in a row.
        successes: Probes that succeeded in a row while half open.
        open_for_more_s: Seconds until probes are let through; 0 unless it is open.
        last_failure_time: When a call failed last; None when none did that it knows of.
        last_failure_reason: The reason of that failure; SLOW_ANSWER for a slow call.
    """

    name: str
    state: BreakerState
    failures: int
    successes: int
    bounds: BreakerBounds
    open_for_more_s: float
    last_failure_time: datetime | None
    last_failure_reason: str


@dataclass(frozen=True, slots=True)
class BreakerChange:
    """A change of state, after ``failures`` failures in a row."""

    name: str
    old: BreakerState
    new: BreakerState
    failures: int
    cause: ChangeCause
