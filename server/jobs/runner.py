"""Claims jobs from the ledger and runs them until each ends in a result or in a dead letter.

A job is claimed under a lease. Its result, its events and its end are one transaction, so a result counts once,
whatever is killed meanwhile. A job that a stopping server cannot finish goes back into the queue.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from models.errors import Conflict, InternalError, VestibuleError
from models.reasons import Reason
from models.retry import POLICIES, RetryPolicies
from models.tracing.spans import NO_TRACER, Tracer
from server.access.audit import AuditTrail
from server.jobs.attempt import Attempts, log_attempt
from server.jobs.isolation import ALONE_AFTER
from server.jobs.job_ends import JobEnds
from server.jobs.letter_rules import LetterRules
from server.jobs.types import Handler, JobObserver
from server.ledger import claims, jobs, sessions
from server.ledger.columns import Cursor
from server.ledger.jobs import new_job
from server.ledger.transactional import Ledger
from server.ledger.types import Clock, DeadLetterRow, JobRow
from server.observability.log import describe, get_logger

log = get_logger("jobs")

LEASE_S = 30.0
RENEWALS_PER_LEASE = 3
LEDGER_ERROR_PAUSE_S = 1.0
AWAY_PAUSE_S = 0.5
"""How often it is looked whether the workers are there again."""


class JobQueue(Protocol):
    """Accepts jobs, and redrives or discards dead letters."""

    async def enqueue(self, *, kind: str, key: str, session_id: str, payload: dict[str, str], policy: str) -> JobRow:
        """Accept work, durably; a key that is known gives the job that is there.

        Raises:
            InvalidInput: UNKNOWN_POLICY.
            NotFound: SESSION_NOT_FOUND.
        """
        ...

    async def redrive(self, letter_id: str, reason: str = "") -> DeadLetterRow:
        """Put the job of a dead letter back into its queue. Repeating it changes nothing.

        Args:
            letter_id: UUID of the letter.
            reason: Why, a machine word.

        Raises:
            NotFound: DEAD_LETTER_NOT_FOUND.
            Conflict: WRONG_STATE when it was discarded.
        """
        ...

    async def discard(self, letter_id: str, reason: str) -> DeadLetterRow:
        """Discard a dead letter permanently. Repeating it changes nothing.

        Raises:
            NotFound: DEAD_LETTER_NOT_FOUND.
            Conflict: WRONG_STATE when it was redriven.
        """
        ...

    def wake(self) -> None:
        """Look for due jobs now; call it after committing one."""
        ...


class JobRunner:
    """Implements ``JobQueue`` and runs the jobs. Call all methods on the event loop.

    Args:
        ledger: Holds the jobs.
        clock: The time now.
        steady: Times of attempts and leases; a clock that is never set. None takes ``clock``.
        owner: Name of this process in leases; a new one at each start.
        audit: Gets what is done to dead letters.
        observer: Receives every attempt.
        admit: Called before jobs are claimed; raises while none may begin, as on a full disk.
        lease_s: How long a claimed job is held without being renewed.
        chance: For the jitter of delays.
        policies: The retry policies.
        sleep: Waits before a write that the ledger did not take is repeated.
        letters: Bounds of the dead letters, and who learns of a new one.
        workers_up: Whether the workers take calls. While they do not, no job is claimed.
        tracer: Begins the span of each attempt.

    Attributes:
        on_wake: Called when a job may be due that another server could run.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        clock: Clock,
        owner: str,
        audit: AuditTrail,
        observer: JobObserver = log_attempt,
        admit: Callable[[], None] = lambda: None,
        lease_s: float = LEASE_S,
        chance: random.Random | None = None,
        policies: RetryPolicies = POLICIES,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        steady: Clock | None = None,
        letters: LetterRules = LetterRules(),  # noqa: B008 - it is frozen
        workers_up: Callable[[], bool] = lambda: True,
        tracer: Tracer = NO_TRACER,
    ) -> None:
        self.on_wake: Callable[[], None] = lambda: None
        self._ledger = ledger
        self._clock = clock
        self._steady = steady or clock
        self._owner = owner
        self._admit = admit
        self._longest_wait = timedelta(seconds=max(policy.longest_s for policy in policies.values()))
        self._lease_s = lease_s
        self._workers_up = workers_up
        self._ends = JobEnds(ledger, clock, self._steady, owner, audit, letters)
        self._attempts = Attempts(ledger, self._steady, owner, self._ends, observer, chance, policies, sleep, tracer)
        self._handlers: dict[str, Handler] = {}
        self._running: dict[str, tuple[JobRow, asyncio.Task[None]]] = {}
        self._woken = asyncio.Event()
        self._claiming = asyncio.Lock()
        self._stopping = False
        self._loops: list[asyncio.Task[None]] = []

    async def start(self, handlers: Sequence[Handler]) -> int:
        """Take over the jobs of a dead process and start claiming; returns the number of jobs taken over."""
        self._handlers = {handler.kind: handler for handler in handlers}
        kept = [handler.kind for handler in handlers if not handler.concurrency]

        def take_over(cursor: Cursor) -> int:
            now = self._steady()
            taken = claims.take_over(cursor, now, self._longest_wait)
            jobs.keep(cursor, kept)
            jobs.return_refused(cursor, now, [Reason.UPSTREAM_KEY_REFUSED])  # the key may be another one now
            return taken

        taken_over = await self._ledger.write(take_over)
        self._loops = [
            asyncio.create_task(self._claim_until_stopped()),
            asyncio.create_task(self._renew_until_cancelled()),
        ]
        return taken_over

    async def stop(self, drain_s: float) -> int:
        """Stop claiming, let running attempts end, and put back those that do not end in time.

        Args:
            drain_s: How long running attempts may go on.

        Returns:
            The number of jobs that were put back.
        """
        self._stopping = True
        self._woken.set()
        if self._loops:
            await asyncio.wait(self._loops[:1])  # after this nothing is claimed any more
        if self._running:
            await asyncio.wait([task for _, task in self._running.values()], timeout=drain_s)
        left = [(job, task) for job, task in self._running.values() if not task.done()]
        ending = [*self._loops, *(task for _, task in left)]
        for task in ending:
            task.cancel()
        if ending:
            await asyncio.wait(ending)
        for job, _ in left:
            await self._attempts.release(job)
        if left:
            self.on_wake()
        return len(left)

    def wake(self) -> None:
        """See ``JobQueue``."""
        self.look()
        self.on_wake()

    def look(self) -> None:
        """Look for due jobs now: another server may have committed one, or died with one."""
        self._woken.set()

    @property
    def running(self) -> int:
        """Attempts that run now."""
        return len(self._running)

    async def enqueue(self, *, kind: str, key: str, session_id: str, payload: dict[str, str], policy: str) -> JobRow:
        """See ``JobQueue``."""
        row = new_job(kind, key, session_id, payload, policy, self._clock())

        def write(cursor: Cursor) -> JobRow:
            stored, _ = jobs.enqueue(cursor, row)
            if session_id:
                sessions.get(cursor, session_id)  # after the lock on it: another server may have erased it
            return stored

        stored = await self._ledger.write(write)
        self.wake()
        return stored

    async def redrive(self, letter_id: str, reason: str = "") -> DeadLetterRow:
        """See ``JobQueue``."""
        letter = await self._ends.redrive(letter_id, reason, self._handler)
        self.wake()
        return letter

    async def discard(self, letter_id: str, reason: str) -> DeadLetterRow:
        """See ``JobQueue``."""
        return await self._ends.discard(letter_id, reason, self._handler)

    async def end_sessions(self, session_ids: frozenset[str]) -> None:
        """Cancel the running attempts of these sessions and wait for them; their jobs stay as they are."""
        tasks = [task for job, task in self._running.values() if job.session_id in session_ids]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def claim(self) -> int:
        """Start the due jobs for which there is room; returns how many.

        Raises:
            VestibuleError: None may begin now, or the ledger took no write.
        """
        async with self._claiming:  # two claims at once would both use the same room
            room = self._room()
            if not room:
                return 0
            self._admit()
            now, held = self._steady(), list(self._running)

            def take(cursor: Cursor) -> list[JobRow]:
                taken: list[JobRow] = []
                # Kind by kind: a reply that waits for the LLM must not delay the reading of a picture.
                for kind, free in room.items():
                    taken += claims.claim(cursor, self._owner, now, self._lease_s, free, (kind,), held, ALONE_AFTER)
                return taken

            claimed = await self._ledger.write(take)
            for job in claimed:
                task = asyncio.create_task(self._attempts.make(job, self._handler(job)))
                self._running[job.id] = (job, task)
                task.add_done_callback(partial(self._attempt_ended, job.id))
            return len(claimed)

    async def renew(self) -> None:
        """Renew the leases of running jobs; stop an attempt whose job somebody else has taken."""
        until = self._steady() + timedelta(seconds=self._lease_s)
        for job, task in list(self._running.values()):
            try:
                await self._ledger.write(
                    partial(jobs.renew_lease, job_id=job.id, owner=self._owner, until=until, attempt=job.attempts)
                )
            except Conflict:
                if job.id in self._running:
                    task.cancel()
            except VestibuleError as error:
                log.warning("renewal_failed", job=job.id, **describe(error))

    async def _claim_until_stopped(self) -> None:
        told = ""
        while not self._stopping:
            self._woken.clear()
            if not self._workers_up():
                await asyncio.sleep(AWAY_PAUSE_S)
                continue
            try:
                began = self._steady()
                await self.claim()
                pause_s, told = await self._until_next_due_s(began), ""
            except VestibuleError as error:
                if error.reason != told:  # a full disk refuses for hours, and the log may be on it
                    log.warning("claim_failed", **describe(error))
                pause_s, told = LEDGER_ERROR_PAUSE_S, str(error.reason)
            await _wait(self._woken, pause_s)

    async def _until_next_due_s(self, claim_began: datetime) -> float | None:
        # Jobs that were due when the claim began wait for room or for their session. The end of an attempt wakes this
        # loop. One that became due since may have been too late for the claim.
        due = await self._ledger.read(lambda cursor: jobs.next_due(cursor, after=claim_began))
        return None if due is None else max(0.0, (due - self._steady()).total_seconds())

    async def _renew_until_cancelled(self) -> None:
        while True:
            await asyncio.sleep(self._lease_s / RENEWALS_PER_LEASE)
            await self.renew()

    def _room(self) -> dict[str, int]:
        """How many more jobs of each kind may run; full kinds are left out."""
        running = Counter(job.kind for job, _ in self._running.values())
        room = {kind: handler.concurrency - running[kind] for kind, handler in self._handlers.items()}
        return {kind: free for kind, free in room.items() if free > 0}

    def _attempt_ended(self, job_id: str, ended: asyncio.Task[None]) -> None:
        _, task = self._running.get(job_id, (None, None))
        if task is ended:  # not a later attempt at the same job
            del self._running[job_id]
        self._woken.set()

    def _handler(self, job: JobRow) -> Handler:
        handler = self._handlers.get(job.kind)
        if handler is None:
            raise InternalError("There is no handler for jobs of this kind.", reason=Reason.UNKNOWN_JOB_KIND)
        return handler


async def _wait(event: asyncio.Event, timeout_s: float | None) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return
