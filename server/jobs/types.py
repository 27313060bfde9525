"""What a handler of jobs implements, and what observers of attempts receive."""

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
class Completion(Generic[T]):
    """What a handler does when a job changes its state: finished, failed, or back from the dead letters.

    Attributes:
        record: Called in the transaction of the change; may be called twice, so it only touches its cursor.
        after: Called with what ``record`` returned, once the transaction is durable. A failure there is only logged.
    """

    record: Callable[[Cursor], T]
    after: Callable[[T], Awaitable[None]]


async def _do_nothing(_recorded: object) -> None:
    return None


NOTHING: Completion[None] = Completion(lambda _cursor: None, _do_nothing)
"""Nothing to record, nothing to do afterwards."""


class Handler:
    """Does jobs of one kind.

    Attributes:
        kind: Name of the kind.
        deadline_s: Bound of one attempt; infinite when the handler bounds it itself.
        concurrency: Attempts at a time; 0 keeps the jobs until the server is started with what they need.
    """

    kind: str
    deadline_s: float = 60.0
    concurrency: int = 4

    async def run(self, job: JobRow) -> Completion[Any]:
        """Do the work. It may be repeated, even after it succeeded, when its completion was not recorded.

        Raises:
            VestibuleError: The attempt failed; ``server.jobs.failure_policy`` says what follows.
        """
        raise NotImplementedError

    def on_fail(self, job: JobRow, error: VestibuleError, *, redrivable: bool) -> Completion[Any]:
        """What to record when a job failed permanently; ``redrivable`` when it has a dead letter."""
        return NOTHING

    def on_not_begun(self, job: JobRow) -> Completion[Any]:
        """What to record when a job waits again, because its attempt asked nobody and does not count."""
        return NOTHING

    def on_redrive(self, job: JobRow) -> Completion[Any]:
        """What to record when a job comes back from the dead letters."""
        return NOTHING

    async def on_discard(self, job: JobRow) -> None:
        """Delete what was kept for a job that is discarded."""


class JobOutcome(StrEnum):
    """How an attempt ended."""

    DONE = "done"
    REFUSED = "refused"  # the caller's file is unusable; the job is done
    RETRY = "retry"
    POSTPONED = "postponed"  # what it needs is away, or not complete yet; the attempt does not count
    DEAD = "dead"
    RELEASED = "released"  # the server is stopping; the job waits for the next start
    LOST = "lost"  # somebody else holds the job, or the ledger failed; the job is due when its lease ends


@dataclass(frozen=True, slots=True)
class JobDetails:
    """One attempt.

    Attributes:
        attempt: Number of the attempt, from 1.
        reason: Stable reason of the failure, empty when there is none.
        took_s: Duration of the attempt.
        retry_in_s: Seconds until the next attempt, for ``RETRY`` and ``POSTPONED``.
    """

    job_id: str
    kind: str
    attempt: int
    outcome: JobOutcome
    reason: str
    took_s: float
    retry_in_s: float | None = None


class JobObserver(Protocol):
    """Receives every attempt."""

    def __call__(self, details: JobDetails, /) -> None:
        """Must not raise and must not wait."""
        ...
