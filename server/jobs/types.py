"""What a kind of job has to bring along, and what an observer hears."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar

from models.errors import VestibuleError
from server.ledger.columns import Cursor
from server.ledger.types import JobRow

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """What is to be done at the end of a job.

    Attributes:
        record: Called in the transaction that ends the job; may be called twice, so it only touches its cursor.
        after: Called with what ``record`` returned, once the transaction is durable. A failure there is only logged.
    """

    record: Callable[[Cursor], T]
    after: Callable[[T], Awaitable[None]]


class Handler:
    """How jobs of one kind are done.

    Attributes:
        kind: Which.
        deadline_s: Bound of one attempt.
        concurrency: Attempts at a time.
    """

    kind: str
    deadline_s: float = 60.0
    concurrency: int = 4

    async def run(self, job: JobRow) -> Outcome[Any]:
        """Do the work. May be repeated, also after it has succeeded, when its outcome was not recorded.

        Raises:
            VestibuleError: It did not work out; ``server.jobs.failure_policy`` says what that means.
        """
        raise NotImplementedError

    def failed(self, job: JobRow, error: VestibuleError, *, redrivable: bool) -> Outcome[Any]:
        """What else to record when a job has failed for good; ``redrivable`` when there is a dead letter of it."""
        return NOTHING

    def redriven(self, job: JobRow) -> Outcome[Any]:
        """What else to record when a job comes back from the dead letters."""
        return NOTHING

    async def forget(self, job: JobRow) -> None:
        """Clean up after a job that was given up for good."""


async def _leave(_recorded: object) -> None:
    return None


NOTHING: Outcome[None] = Outcome(lambda _cursor: None, _leave)
"""Nothing else to do."""


class JobOutcome(StrEnum):
    """How an attempt ended."""

    DONE = "done"
    REFUSED = "refused"  # the caller's file is no good; the job is done
    RETRY = "retry"
    DEAD = "dead"
    RELEASED = "released"  # the server ends; the job waits for the next start
    LOST = "lost"  # somebody else has the job, or the ledger took nothing; its lease decides


@dataclass(frozen=True, slots=True)
class JobDetails:
    """One attempt.

    Attributes:
        attempt: Number of the attempt, from 1.
        reason: Stable reason of the failure, empty when there is none.
        took_s: Duration of the attempt.
        retry_in_s: Seconds until the next attempt, for ``RETRY``.
    """

    job_id: str
    kind: str
    attempt: int
    outcome: JobOutcome
    reason: str
    took_s: float
    retry_in_s: float | None = None


class JobObserver(Protocol):
    """Hears of every attempt."""

    def __call__(self, details: JobDetails, /) -> None:
        """Must not raise and must not wait."""
        ...
