"""One attempt at a job, from the first step to what the ledger says about it in the end."""

from __future__ import annotations

import asyncio
import random
from datetime import datetime
from typing import Any

from models.errors import Conflict, DeadlineExceeded, InternalError, VestibuleError
from models.reasons import Reason
from models.retry import get_retry_policy
from server.jobs.failure_policy import Failure, classify, next_attempt
from server.jobs.types import Handler, JobDetails, JobObserver, JobOutcome, Outcome
from server.ledger import jobs
from server.ledger.columns import Cursor
from server.ledger.types import Clock, JobRow
from server.ledger.writer import Ledger
from server.observability.log import describe, get_logger

log = get_logger("jobs")


def log_attempt(details: JobDetails) -> None:
    """The observer that writes a line."""
    write = log.error if details.outcome is JobOutcome.DEAD else log.info
    write(
        "job_attempt",
        job=details.job_id,
        kind=details.kind,
        attempt=details.attempt,
        outcome=details.outcome.value,
        reason=details.reason,
        took_s=round(details.took_s, 3),
        retry_in_s=details.retry_in_s,
    )


class Attempts:
    """Makes attempts for one owner of leases."""

    def __init__(
        self, ledger: Ledger, clock: Clock, owner: str, observer: JobObserver, chance: random.Random | None
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._owner = owner
        self._observer = observer
        self._chance = chance

    async def make(self, job: JobRow, handler: Handler) -> None:
        """Try once, and record what came of it. Raises nothing but CancelledError, which leaves the job as it is."""
        began = self._clock()
        work = asyncio.create_task(_bounded(handler, job))
        try:
            # Waited for and not awaited, so that a defect in a step becomes a dead letter and the runner goes on.
            await asyncio.wait({work})
        except asyncio.CancelledError:
            work.cancel()
            await asyncio.wait({work})
            raise
        raised = work.exception()
        error = None if raised is None else _as_ours(raised, job)
        if error is None:
            error = await self._end(job, work.result(), JobOutcome.DONE, "", began)
        if error is not None:
            await self._fail(job, handler, error, began)

    async def release(self, job: JobRow) -> None:
        """Put a job back that cannot be finished before the server ends."""
        try:
            await self._ledger.write(lambda cursor: jobs.release(cursor, job.id, self._clock(), owner=self._owner))
        except VestibuleError as error:
            # It ended in the last moment, or the next start takes it over.
            log.info("release_unneeded", job=job.id, **describe(error))
            return
        self._tell(job, JobOutcome.RELEASED, Reason.SHUTTING_DOWN, self._clock())

    async def finish_up(self, outcome: Outcome[Any], recorded: Any) -> None:
        """What follows a durable record; the record stands, whatever happens here."""
        try:
            await outcome.after(recorded)
        except VestibuleError as error:
            log.warning("after_job_failed", **describe(error))

    async def _end(
        self, job: JobRow, outcome: Outcome[Any], how: JobOutcome, reason: str, began: datetime
    ) -> VestibuleError | None:
        """End the job well; returns the error when the ledger did not take it."""

        def write(cursor: Cursor) -> Any:
            _require_held(cursor, job, self._owner)
            recorded = outcome.record(cursor)
            jobs.finish(cursor, job.id, owner=self._owner)
            return recorded

        try:
            recorded = await self._ledger.write(write)
        except VestibuleError as error:
            return error
        self._tell(job, how, reason, began)
        await self.finish_up(outcome, recorded)
        return None

    async def _fail(self, job: JobRow, handler: Handler, error: VestibuleError, began: datetime) -> None:
        if error.reason == Reason.LEASE_LOST:
            self._tell(job, JobOutcome.LOST, error.reason, began)
            return
        failure = classify(error)
        now = self._clock()
        at = next_attempt(job, error, get_retry_policy(job.policy), now, self._chance)
        try:
            if failure is Failure.CALLERS:
                outcome = handler.failed(job, error, redrivable=False)
                if (unrecorded := await self._end(job, outcome, JobOutcome.REFUSED, error.reason, began)) is not None:
                    raise unrecorded
            elif failure is Failure.TRANSIENT and at is not None:
                await self._ledger.write(
                    lambda cursor: jobs.reschedule(cursor, job.id, at, error.reason, owner=self._owner)
                )
                self._tell(job, JobOutcome.RETRY, error.reason, began, (at - now).total_seconds())
            else:
                await self._bury(job, handler, error, exhausted=failure is Failure.TRANSIENT)
                self._tell(job, JobOutcome.DEAD, error.reason, began)
        except VestibuleError as unrecorded:
            # The ledger took nothing. The lease runs out, and then the job is tried again.
            log.error("attempt_not_recorded", job=job.id, **describe(unrecorded))
            self._tell(job, JobOutcome.LOST, unrecorded.reason, began)

    async def _bury(self, job: JobRow, handler: Handler, error: VestibuleError, *, exhausted: bool) -> None:
        outcome = handler.failed(job, error, redrivable=True)
        now = self._clock()

        def write(cursor: Cursor) -> Any:
            jobs.kill(
                cursor,
                job.id,
                now,
                reason=error.reason,
                message=error.message,
                owner=self._owner,
                exhausted=exhausted,
            )
            return outcome.record(cursor)

        await self.finish_up(outcome, await self._ledger.write(write))

    def _tell(
        self, job: JobRow, outcome: JobOutcome, reason: str, began: datetime, retry_in_s: float | None = None
    ) -> None:
        took_s = max(0.0, (self._clock() - began).total_seconds())
        self._observer(JobDetails(job.id, job.kind, job.attempts, outcome, reason, took_s, retry_in_s))


async def _bounded(handler: Handler, job: JobRow) -> Outcome[Any]:
    try:
        async with asyncio.timeout(handler.deadline_s):
            return await handler.run(job)
    except TimeoutError as exc:
        raise DeadlineExceeded(f"The attempt took longer than {handler.deadline_s:g} s.") from exc


def _as_ours(raised: BaseException, job: JobRow) -> VestibuleError:
    if isinstance(raised, VestibuleError):
        return raised
    log.error("job_defect", job=job.id, kind=job.kind, **describe(raised))
    return InternalError("A defect in the server ended the attempt.")


def _require_held(cursor: Cursor, job: JobRow, owner: str) -> None:
    """A result counts once: only while the job is still in the hands of this owner."""
    if jobs.get(cursor, job.id).lease_owner != owner:
        raise Conflict("Another process has taken the job.", reason=Reason.LEASE_LOST)
