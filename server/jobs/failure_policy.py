"""What a failure of a job means, in one table, and when to try again, as a pure function."""

from __future__ import annotations

import random
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
)
from models.retry import RetryPolicy
from server.ledger.types import JobRow


class Failure(Enum):
    """Whose failure it is, and so what is done about it."""

    TRANSIENT = auto()  # try again, as the policy says
    PERMANENT = auto()  # ours, and trying again cannot help: into the dead letters at once
    CALLERS = auto()  # the file itself is no good: it has failed, and there is nothing to redrive


_TABLE: tuple[tuple[type[VestibuleError], Failure], ...] = (
    # Most specific first.
    (MediaError, Failure.CALLERS),
    (TooLarge, Failure.CALLERS),
    (CallerError, Failure.PERMANENT),
    (WeightsError, Failure.PERMANENT),
    (InternalError, Failure.PERMANENT),
    (Overloaded, Failure.TRANSIENT),
    (Unavailable, Failure.TRANSIENT),
    (DeadlineExceeded, Failure.TRANSIENT),
)


def classify(error: VestibuleError) -> Failure:
    """Look an error up; one that is not in the table is a defect of ours."""
    return next((failure for kind, failure in _TABLE if isinstance(error, kind)), Failure.PERMANENT)


def next_attempt(
    job: JobRow, error: VestibuleError, policy: RetryPolicy, now: datetime, chance: random.Random | None = None
) -> datetime | None:
    """When to try a job again after a transient failure.

    Args:
        job: Its ``attempts`` include the one that failed.
        error: A ``retry_after_s`` of it is honoured when it is longer than the policy's delay.
        policy: The job's.
        now: The time of the failure.
        chance: For the jitter.

    Returns:
        The time, or None when the policy is exhausted, in attempts or in seconds.
    """
    if job.attempts >= policy.attempts:
        return None
    delay_s = max(policy.delay(job.attempts - 1, chance), error.retry_after_s or 0.0)
    at = now + timedelta(seconds=delay_s)
    if at > (job.first_attempt_time or now) + timedelta(seconds=policy.total_s):
        return None
    return at
