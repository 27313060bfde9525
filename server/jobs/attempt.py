"""One attempt at a job: run it, and record how it ended."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from opentelemetry.trace import SpanKind

from models.deadline import ending_in
from models.errors import DeadlineExceeded, InternalError, Overloaded, Unavailable, VestibuleError, WorkerLost
from models.reasons import Reason
from models.retry import RetryPolicies, get_retry_policy
from models.retrying import repeat
from models.tracing.attributes import JOB_ATTEMPT, JOB_ID, JOB_KIND, JOB_OUTCOME, SESSION_ID
from models.tracing.names import SpanName
from models.tracing.spans import NO_TRACER, TRACEPARENT, Span, Tracer
from server.breakers.suspects import Suspicion, suspecting
from server.jobs.failure_policy import AWAY_S, NOT_BEGUN, FailureKind, NextAttempt, classify, next_attempt
from server.jobs.isolation import ALONE_AFTER, Alone, Blame, Isolations, alone_after, rules_out_other_jobs
from server.jobs.job_ends import JobEnds
from server.jobs.types import Completion, Handler, JobDetails, JobObserver, JobOutcome
from server.ledger import job_attempts, jobs
from server.ledger.columns import Cursor
from server.ledger.transactional import Ledger
from server.ledger.types import Clock, JobRow
from server.observability.log import describe, get_logger

log = get_logger("jobs")


def log_attempt(details: JobDetails) -> None:
    """The observer that writes a log line."""
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


@dataclass(frozen=True, slots=True)
class _End:
    """How an attempt ended; see ``JobDetails``."""

    outcome: JobOutcome
    reason: str = ""
    retry_in_s: float | None = None


class Attempts:
    """Makes attempts for one owner of leases.

    Args:
        steady: Times of attempts and leases; a clock that is never set.
        tracer: Begins the span of each attempt.
    """

    def __init__(
        self,
        ledger: Ledger,
        steady: Clock,
        owner: str,
        ends: JobEnds,
        observer: JobObserver,
        chance: random.Random | None,
        policies: RetryPolicies,
        sleep: Callable[[float], Awaitable[None]],
        tracer: Tracer = NO_TRACER,
    ) -> None:
        self._ledger = ledger
        self._tracer = tracer
        self._steady = steady
        self._owner = owner
        self._ends = ends
        self._observer = observer
        self._chance = chance
        self._policies = policies
        self._sleep = sleep
        self._isolations = Isolations()
        self._blame = Blame()

    async def make(self, job: JobRow, handler: Handler) -> None:
        """Try once and record the outcome. Raises nothing but CancelledError, which leaves the job as it is.

        A job whose last attempt ended with the death of its worker is tried alone among those of its kind, since the
        attempts of one worker die together. After the loss of the cluster it is tried alone among all.
        """
        async with self._isolations.enter(job):
            with suspecting(_is_suspect(job)) as suspicion, self._span(job) as span:
                await self._make(job, handler, suspicion, span)

    def _span(self, job: JobRow) -> Span:
        """The span of an attempt. It has a link to the span of the call that brought the work."""
        span = self._tracer.root(SpanName.JOB, SpanKind.CONSUMER, link=job.payload.get(TRACEPARENT, ""))
        span.set(JOB_KIND, job.kind)
        span.set(JOB_ID, job.id)
        span.set(JOB_ATTEMPT, job.attempts)
        span.set(SESSION_ID, job.session_id)
        return span

    async def _make(self, job: JobRow, handler: Handler, suspicion: Suspicion, span: Span) -> None:
        started = self._steady()
        work = asyncio.create_task(_run_bounded(handler, job))
        try:
            # Waited for, not awaited: a defect in a step becomes a dead letter and does not end this task.
            await asyncio.wait({work})
        except asyncio.CancelledError:
            work.cancel()
            await asyncio.wait({work})
            self._blame.forget(job.id)
            raise
        raised = work.exception()
        result = work.result() if raised is None else _translate(raised, job)
        end = await self._record(job, handler, result, suspicion)
        if end.outcome not in (JobOutcome.RETRY, JobOutcome.POSTPONED):
            self._blame.forget(job.id)
        span.set(JOB_OUTCOME, end.outcome)
        if end.reason:
            span.fail(end.reason, fault=end.outcome is not JobOutcome.REFUSED)
        self._observe(job, end, started)

    async def release(self, job: JobRow) -> None:
        """Put back a job that cannot be finished before the server ends."""
        try:
            await self._ledger.write(lambda cursor: self._put_back(cursor, job))
        except VestibuleError as error:
            # It ended at the last moment, or the next start takes it over.
            log.info("release_unneeded", job=job.id, **describe(error))
            return
        self._observe(job, _End(JobOutcome.RELEASED, Reason.SHUTTING_DOWN), self._steady())

    async def _record(
        self, job: JobRow, handler: Handler, result: Completion[Any] | VestibuleError, suspicion: Suspicion
    ) -> _End:
        try:
            if isinstance(result, VestibuleError):
                return await self._record_failure(job, handler, result, suspicion)
            try:
                await self._write(lambda: self._ends.finish(job, result))
            except VestibuleError as error:  # a result that is not recorded is a failure of the attempt
                return await self._record_failure(job, handler, error, suspicion)
            return _End(JobOutcome.DONE)
        except VestibuleError as unrecorded:
            # The ledger recorded nothing. The job is due again when its lease ends.
            log.error("attempt_not_recorded", job=job.id, **describe(unrecorded))
            return _End(JobOutcome.LOST, unrecorded.reason)

    async def _record_failure(self, job: JobRow, handler: Handler, error: VestibuleError, suspicion: Suspicion) -> _End:
        if error.reason == Reason.LEASE_LOST:
            return _End(JobOutcome.LOST, error.reason)
        alone = rules_out_other_jobs(alone_after(job.last_reason), error.reason)
        if alone and self._blame.is_shown(job.id, suspicion.beside):
            return await self._set_aside(job, handler)
        failure = classify(error)
        if failure is FailureKind.AWAY:
            return await self._postpone(job, handler, error)
        if failure is FailureKind.CALLER:
            completion = handler.on_fail(job, error, redrivable=False)
            await self._write(lambda: self._ends.finish(job, completion, refused=error.reason))
            return _End(JobOutcome.REFUSED, error.reason)
        now = self._steady()
        again = next_attempt(job, error, get_retry_policy(job.policy, self._policies), now, self._chance)
        if failure is FailureKind.TRANSIENT and again is not None:
            await self._write(lambda: self._reschedule(job, handler, again, error.reason))
            return _End(JobOutcome.RETRY, error.reason, (again.time - now).total_seconds())
        exhausted = failure is FailureKind.TRANSIENT
        await self._write(lambda: self._ends.fail(job, handler, error, exhausted=exhausted))
        return _End(JobOutcome.DEAD, error.reason)

    async def _write(self, write: Callable[[], Awaitable[object]]) -> None:
        """Write, and again under the policy ``database``, so that work that was done is not done again."""
        await repeat(write, self._policies["database"], again=_ledger_refused, sleep=self._sleep)

    async def _reschedule(self, job: JobRow, handler: Handler, again: NextAttempt, reason: str) -> None:
        if reason not in NOT_BEGUN:
            await self._ends.retry(job, again, reason)
            return
        if _is_suspect(job):
            reason = job.last_reason  # its next attempt must be alone, too

        def write(cursor: Cursor) -> None:
            jobs.reschedule(
                cursor,
                job.id,
                again.time,
                reason,
                owner=self._owner,
                attempt=job.attempts,
                begun=False,
                anew=again.anew,
            )

        await self._ends.put_back(job, handler, write)

    def _put_back(self, cursor: Cursor, job: JobRow) -> None:
        now = self._steady()
        jobs.release(cursor, job.id, now, owner=self._owner, attempt=job.attempts)
        job_attempts.insert_attempt(cursor, job, now, JobOutcome.RELEASED, Reason.SHUTTING_DOWN)

    def _put_off(self, cursor: Cursor, job: JobRow, at: datetime, reason: str) -> None:
        waits = reason in jobs.REFUSALS and not _is_suspect(job)  # a suspect's next attempt must be alone, too
        noted = reason if waits else ""
        jobs.postpone(cursor, job.id, at, owner=self._owner, attempt=job.attempts, reason=noted)

    async def _set_aside(self, job: JobRow, handler: Handler) -> _End:
        among = "" if alone_after(job.last_reason) is Alone.OF_ALL else " of its kind"
        deaths = 1 + await self._ledger.read(lambda cursor: job_attempts.count_failed(cursor, job.id, ALONE_AFTER))
        tried = f"{deaths} of {job.attempts} attempts"
        message = f"Its workers died in {tried}, the last time while no other job{among} ran."
        killed = WorkerLost(message, reason=Reason.WORKER_KILLED)
        await self._write(lambda: self._ends.fail(job, handler, killed, exhausted=False))
        return _End(JobOutcome.DEAD, killed.reason)

    async def _postpone(self, job: JobRow, handler: Handler, error: VestibuleError) -> _End:
        wait_s = error.retry_after_s or AWAY_S
        at = self._steady() + timedelta(seconds=wait_s)

        def put_off(cursor: Cursor) -> None:
            self._put_off(cursor, job, at, error.reason)

        await self._write(lambda: self._ends.put_back(job, handler, put_off))
        return _End(JobOutcome.POSTPONED, error.reason, wait_s)

    def _observe(self, job: JobRow, end: _End, started: datetime) -> None:
        took_s = max(0.0, (self._steady() - started).total_seconds())
        self._observer(JobDetails(job.id, job.kind, job.attempts, end.outcome, end.reason, took_s, end.retry_in_s))


def _ledger_refused(error: BaseException) -> bool:
    """Whether the ledger could not take a write now; nothing of it was written then."""
    return isinstance(error, Unavailable | Overloaded) and error.reason.startswith("LEDGER_")


def _is_suspect(job: JobRow) -> bool:
    """Whether the job may be what ended its last attempt, so that it runs alone."""
    return alone_after(job.last_reason) is not None


async def _run_bounded(handler: Handler, job: JobRow) -> Completion[Any]:
    try:
        async with asyncio.timeout(handler.deadline_s):
            with ending_in(handler.deadline_s):
                return await handler.run(job)
    except TimeoutError as exc:
        raise DeadlineExceeded(f"The attempt took longer than {handler.deadline_s:g} s.") from exc


def _translate(raised: BaseException, job: JobRow) -> VestibuleError:
    if isinstance(raised, VestibuleError):
        return raised
    log.error("job_defect", job=job.id, kind=job.kind, **describe(raised))
    return InternalError("A defect in the server ended the attempt.")
