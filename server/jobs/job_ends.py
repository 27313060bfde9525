"""Ends jobs and redrives failed ones; each change is one transaction with what the job's handler records.

``finish`` and ``fail`` end a job; ``redrive`` and ``discard`` deal with a failed one. The same four in
``server.ledger.job_ends`` change the rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from models.errors import VestibuleError
from server.access import ownership
from server.access.audit import AuditAction, AuditTrail
from server.access.caller import current_caller
from server.jobs.failure_policy import NOT_BEGUN, NextAttempt
from server.jobs.job_events import note_job
from server.jobs.letter_rules import LetterRules, NewLetter
from server.jobs.types import Completion, Handler, JobOutcome
from server.ledger import dead_letters, job_attempts, job_ends, jobs
from server.ledger.columns import Cursor
from server.ledger.locks import lock_letters, lock_sessions
from server.ledger.transactional import Ledger
from server.ledger.types import Clock, DeadLetterRow, JobRow, JobState
from server.observability.log import describe, get_logger
from server.records.events import Value

log = get_logger("jobs")


class JobEnds:
    """Writes the ends of jobs for one owner of leases.

    All methods raise the errors of the ledger. After an error nothing has changed.
    """

    def __init__(
        self, ledger: Ledger, clock: Clock, steady: Clock, owner: str, audit: AuditTrail, letters: LetterRules
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._steady = steady
        self._owner = owner
        self._audit = audit
        self._letters = letters

    async def finish(self, job: JobRow, completion: Completion[Any], refused: str = "") -> None:
        """End a job with its result.

        Args:
            job: Held by this owner.
            completion: The result.
            refused: Why the caller's file is unusable, a stable reason; empty for a success.
        """
        ended = self._steady()
        outcome = JobOutcome.REFUSED if refused else JobOutcome.DONE

        def write(cursor: Cursor) -> Any:
            lock_sessions(cursor, [job.session_id])
            job_ends.finish(cursor, job.id, owner=self._owner, attempt=job.attempts)
            job_attempts.insert_attempt(cursor, job, ended, outcome, refused)
            return completion.record(cursor)

        await _run_after(completion, await self._ledger.write(write))

    async def retry(self, job: JobRow, again: NextAttempt, reason: str) -> None:
        """Have a job wait for its next attempt after one that counts.

        Args:
            job: Held by this owner.
            again: The next attempt.
            reason: Why this one failed, a stable reason.
        """
        ended = self._steady()
        retry_in_s = round((again.time - ended).total_seconds(), 3)

        def write(cursor: Cursor) -> None:
            jobs.reschedule(
                cursor, job.id, again.time, reason, owner=self._owner, attempt=job.attempts, anew=again.anew
            )
            job_attempts.insert_attempt(cursor, job, ended, JobOutcome.RETRY, reason)
            given: dict[str, Value] = {"reason": reason.lower(), "attempt": job.attempts, "retry_in_s": retry_in_s}
            note_job(cursor, job, "job_retried", self._clock(), **given)

        await self._ledger.write(write)

    async def put_back(self, job: JobRow, handler: Handler, put_back: Callable[[Cursor], object]) -> None:
        """Have a job wait whose attempt asked nobody; ``put_back`` changes its row."""
        completion = handler.on_not_begun(job)

        def write(cursor: Cursor) -> Any:
            lock_sessions(cursor, [job.session_id])
            put_back(cursor)
            return completion.record(cursor)

        await _run_after(completion, await self._ledger.write(write))

    async def fail(self, job: JobRow, handler: Handler, error: VestibuleError, *, exhausted: bool) -> None:
        """End a job that failed permanently, and write its dead letter.

        Args:
            job: Held by this owner.
            handler: The job's.
            error: The last failure. If nobody was asked, that was no attempt.
            exhausted: Whether the retry policy ran out; False when no retry can help.
        """
        completion = handler.on_fail(job, error, redrivable=True)
        now, ended = self._clock(), self._steady()
        begun = error.reason not in NOT_BEGUN

        def write(cursor: Cursor) -> tuple[NewLetter, Any]:
            lock_sessions(cursor, [job.session_id])
            letter = job_ends.fail(
                cursor,
                job.id,
                now,
                reason=error.reason,
                message=error.message,
                owner=self._owner,
                attempt=job.attempts,
                exhausted=exhausted,
                begun=begun,
            )
            if begun:
                job_attempts.insert_attempt(cursor, job, ended, JobOutcome.DEAD, error.reason)
            note_job(
                cursor,
                job,
                "job_failed",
                now,
                reason=error.reason.lower(),
                attempts=letter.attempts,
                exhausted=exhausted,
            )
            dropped = dead_letters.prune(cursor, self._letters.bounds)
            return NewLetter(letter, dropped), completion.record(cursor)

        new, recorded = await self._ledger.write(write)
        self._letters.observer(new)
        await _run_after(completion, recorded)

    async def redrive(self, letter_id: str, reason: str, handler_of: Callable[[JobRow], Handler]) -> DeadLetterRow:
        """Put the job of a dead letter back into its queue. See ``JobQueue``."""
        job = await self._job_of(letter_id)
        completion = handler_of(job).on_redrive(job)
        entry = self._audit.entry(AuditAction.REDRIVE, ("dead_letter", letter_id), reason=reason)

        def write(cursor: Cursor) -> tuple[DeadLetterRow, bool, Any]:
            lock_sessions(cursor, [job.session_id])
            lock_letters(cursor)
            was_open = not dead_letters.get(cursor, letter_id).closed_as
            letter = job_ends.redrive(cursor, letter_id, self._clock(), reason)
            recorded = completion.record(cursor) if was_open else None
            if was_open:
                note_job(cursor, job, "job_redriven", self._clock())
                self._audit.append(cursor, entry)
            return letter, was_open, recorded

        letter, was_open, recorded = await self._ledger.write(write)
        if was_open:
            await _run_after(completion, recorded)
        return letter

    async def discard(self, letter_id: str, reason: str, handler_of: Callable[[JobRow], Handler]) -> DeadLetterRow:
        """Discard a dead letter permanently. See ``JobQueue``."""
        before = await self._job_of(letter_id)  # the caller may see it
        entry = self._audit.entry(AuditAction.DISCARD, ("dead_letter", letter_id), reason=reason)

        def write(cursor: Cursor) -> tuple[DeadLetterRow, JobRow]:
            lock_letters(cursor)
            was_open = not dead_letters.get(cursor, letter_id).closed_as
            letter = job_ends.discard(cursor, letter_id, self._clock(), reason)
            if was_open:
                note_job(cursor, before, "job_discarded", self._clock())
                self._audit.append(cursor, entry)
            return letter, jobs.get(cursor, letter.job_id)  # both may be pruned as soon as this is written

        letter, job = await self._ledger.write(write)
        if job.state is JobState.DEAD:
            await handler_of(job).on_discard(job)
        return letter

    async def _job_of(self, letter_id: str) -> JobRow:
        """The job of a dead letter that the caller may see."""
        caller = current_caller()
        return await self._ledger.read(
            lambda cursor: jobs.get(cursor, ownership.dead_letter(cursor, letter_id, caller).job_id)
        )


async def _run_after(completion: Completion[Any], recorded: Any) -> None:
    try:
        await completion.after(recorded)
    except VestibuleError as error:
        log.warning("after_job_failed", **describe(error))
