"""Lets an attempt at a job run alone among jobs, to see whether it is what kills the worker or the cluster.

Streams go on meanwhile, and their calls may kill it as well.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from models.reasons import Reason
from server.breakers.worker_calls import WorkerCall
from server.ledger.types import JobRow


class Alone(Enum):
    """Among which jobs an attempt runs alone."""

    OF_KIND = auto()  # its worker died, and with it all attempts of that kind
    OF_ALL = auto()  # the cluster was lost, and with it the attempts of every kind


ALONE_AFTER: Final[Mapping[str, Alone]] = {
    Reason.WORKER_LOST: Alone.OF_KIND,
    Reason.CLUSTER_LOST_TWICE: Alone.OF_ALL,
}
"""How a job whose last attempt ended for one of these reasons runs."""


def alone_after(reason: str) -> Alone | None:
    """How to run a job whose last attempt ended for this reason; None for one that need not run alone."""
    return ALONE_AFTER.get(reason)


def rules_out_other_jobs(before: Alone | None, reason: str) -> bool:
    """Whether an attempt that ran so and failed for this reason shows that no other job is the cause."""
    lost = alone_after(reason)
    return lost is not None and (before is Alone.OF_ALL or before is lost)


MOST_DEATHS: Final = 3
"""After so many deaths while it ran alone a job is set aside, whoever else may be the cause."""


@dataclass(frozen=True, slots=True)
class _Deaths:
    """Those of the worker while a job ran alone, and the calls of others that may be the cause of the last one."""

    number: int
    beside: frozenset[WorkerCall]


class Blame:
    """Finds out whether the jobs that ran alone when their worker died are the cause.

    It is in memory only: after a restart a job may be tried more often before it is set aside.
    """

    def __init__(self) -> None:
        self._deaths: dict[str, _Deaths] = {}

    def is_shown(self, job_id: str, beside: frozenset[WorkerCall]) -> bool:
        """Whether the job is to be set aside after one more death.

        It is not while a call of somebody else may be the cause: its session had calls under way at each of the
        deaths. A call that was answered later did not kill the worker.

        Args:
            job_id: Id of the job.
            beside: The other calls that were under way at this death.
        """
        sessions = {call.scope.session_id for call in beside}
        before = self._deaths.get(job_id)
        if before is not None:
            sessions &= {call.scope.session_id for call in before.beside if not call.answered}
        number = before.number + 1 if before is not None else 1
        left = frozenset(call for call in beside if call.scope.session_id in sessions)
        self._deaths[job_id] = _Deaths(number, left)
        return not left or number >= MOST_DEATHS

    def forget(self, job_id: str) -> None:
        """The job has ended."""
        self._deaths.pop(job_id, None)


class Isolation:
    """Many attempts at once, or one alone.

    Whoever wants to be alone goes before those that come later. After it those that wait go before the next one that
    wants to be alone: a client whose jobs kill the worker holds up another client's job for one of them, not for all.
    """

    def __init__(self) -> None:
        self._together = 0
        self._alone = False
        self._want_alone = 0
        self._want_together: set[object] = set()
        self._next: set[object] = set()
        """Those that waited when the last one that was alone ended."""
        self._waiting: list[asyncio.Future[None]] = []

    @asynccontextmanager
    async def enter(self, *, alone: bool) -> AsyncIterator[None]:
        """Wait for the turn of an attempt, and hold it."""
        await (self._until_alone() if alone else self._until_together())
        try:
            yield
        finally:
            if alone:
                self._alone = False
                self._next = set(self._want_together)
            else:
                self._together -= 1
            self._wake()

    async def _until_alone(self) -> None:
        self._want_alone += 1
        try:
            await self._until(lambda: not self._together and not self._alone and not self._next)
            self._alone = True
        finally:
            self._want_alone -= 1
            self._wake()

    async def _until_together(self) -> None:
        me = object()
        self._want_together.add(me)
        try:
            await self._until(lambda: not self._alone and (not self._want_alone or me in self._next))
            self._together += 1
        finally:
            self._want_together.discard(me)
            self._next.discard(me)
            self._wake()

    async def _until(self, free: Callable[[], bool]) -> None:
        while not free():
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await turn
            finally:
                self._waiting.remove(turn)

    def _wake(self) -> None:
        for turn in self._waiting:
            if not turn.done():
                turn.set_result(None)


class Isolations:
    """One isolation over all jobs, and within it one for each kind. They are always entered in this order."""

    def __init__(self) -> None:
        self._all = Isolation()
        self._kinds: defaultdict[str, Isolation] = defaultdict(Isolation)

    @asynccontextmanager
    async def enter(self, job: JobRow) -> AsyncIterator[None]:
        """Wait for the turn of an attempt, and hold it."""
        alone = alone_after(job.last_reason)
        async with (
            self._all.enter(alone=alone is Alone.OF_ALL),
            self._kinds[job.kind].enter(alone=alone is Alone.OF_KIND),
        ):
            yield
