"""What a failure of a job means, as a table, and when to try again."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from models.errors import (
    CallerError,
    DeadlineExceeded,
    InternalError,
    MediaError,
    Overloaded,
    TooLarge,
    Unavailable,
    VestibuleError,
    WeightsError,
    WorkTooLong,
)
from models.reasons import Reason
from models.retry import RetryPolicy
from server.ledger.types import JobRow


class FailureKind(Enum):
    """What follows a failure."""

    TRANSIENT = auto()  # tried again, as the retry policy says
    AWAY = auto()  # what it needs is not there, or not complete yet: the attempt does not count
    PERMANENT = auto()  # trying again cannot help: a dead letter at once
    CALLER = auto()  # the file itself is unusable: the upload fails, and there is nothing to redrive


_TABLE: tuple[tuple[type[VestibuleError], FailureKind], ...] = (
    # Most specific first.
    (MediaError, FailureKind.CALLER),
    (TooLarge, FailureKind.CALLER),
    (CallerError, FailureKind.PERMANENT),
    (WeightsError, FailureKind.PERMANENT),
    (InternalError, FailureKind.PERMANENT),
    # Another attempt would take as long. On a faster or less busy machine it may succeed, so it can be redriven.
    (WorkTooLong, FailureKind.PERMANENT),
    (Overloaded, FailureKind.TRANSIENT),
    (Unavailable, FailureKind.TRANSIENT),
    (DeadlineExceeded, FailureKind.TRANSIENT),
)


_AWAY: frozenset[Reason] = frozenset(
    {Reason.CLUSTER_LOST, Reason.WORKERS_NOT_READY, Reason.UPSTREAM_KEY_REFUSED, Reason.PROPOSAL_OUTDATED}
)
"""Reasons that say that the whole cluster is away, or closed to us, not that something failed on it; or that a person
goes on, so that a record cannot be finished yet. The job waits for as long as that lasts: no retry mends it, and what
was said must not be lost because a key ran out over a weekend."""

AWAY_S = 5.0
"""When to try again if the error does not say when it should be back."""


def classify(error: VestibuleError) -> FailureKind:
    """Look an error up; one that is not in the table is permanent."""
    if error.reason in _AWAY:
        return FailureKind.AWAY
    return next((failure for kind, failure in _TABLE if isinstance(error, kind)), FailureKind.PERMANENT)


NOT_BEGUN = frozenset(
    {
        Reason.BREAKER_OPEN,
        Reason.UPSTREAM_PAUSED,
        Reason.RETRY_BUDGET_SPENT,
        Reason.WORKERS_NOT_READY,
        Reason.CLUSTER_LOST,
    }
)
"""Reasons for which nobody was asked. Such an attempt does not count, so that an outage uses none of them up."""


_ASKED_TO_WAIT = frozenset({Reason.UPSTREAM_RATE_LIMITED, Reason.UPSTREAM_ERROR, Reason.UPSTREAM_PAUSED})
"""Reasons whose ``retry_after_s`` is what an upstream asked for."""


@dataclass(frozen=True, slots=True)
class NextAttempt:
    """The next attempt at a job.

    Attributes:
        time: When it may begin.
        anew: Whether the total time of the policy begins anew with it.
    """

    time: datetime
    anew: bool = False


def next_attempt(
    job: JobRow, error: VestibuleError, policy: RetryPolicy, now: datetime, chance: random.Random | None = None
) -> NextAttempt | None:
    """When to try a job again after a transient failure.

    A wait that an upstream asked for, and that is longer than the policy's own delay, is no part of the total time:
    otherwise a pause longer than that would end every job that meets it, also those for which nobody was asked.

    Args:
        job: Its ``attempts`` include the one that failed.
        error: Its ``retry_after_s`` is waited for, and then a part of the policy's delay, so that jobs that wait for
            the same thing do not come at once.
        policy: The job's.
        now: The time of the failure.
        chance: For the jitter.

    Returns:
        The next attempt, or None when the policy is exhausted, in attempts or in seconds.
    """
    if job.attempts >= policy.attempts and error.reason not in NOT_BEGUN:
        return None
    delay_s, least_s = policy.delay(job.attempts - 1, chance), error.retry_after_s or 0.0
    asked = error.reason in _ASKED_TO_WAIT and least_s > delay_s
    if delay_s < least_s:
        delay_s = least_s + min(delay_s, least_s / 10)
    at = now + timedelta(seconds=delay_s)
    if not asked and at > (job.first_attempt_time or now) + timedelta(seconds=policy.total_s):
        return None
    return NextAttempt(at, anew=asked)
