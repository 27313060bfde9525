"""The uploads that are arriving now: what they will need, and their end when their session is erased."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from models.errors import NotFound
from models.reasons import Reason
from server.uploads.types import DeclaredUpload, Waiting


@dataclass(eq=False, frozen=True, slots=True)
class _Arriving:
    """One of them. ``bound`` ends it before its time; ``ended`` says that it has ended."""

    description: DeclaredUpload
    bound: asyncio.Timeout
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class ArrivingUploads:
    """Counts uploads while they arrive, repeated ones too."""

    def __init__(self) -> None:
        self._arriving: set[_Arriving] = set()

    @asynccontextmanager
    async def counted(self, description: DeclaredUpload) -> AsyncIterator[None]:
        """Count an upload within the block.

        Raises:
            NotFound: SESSION_NOT_FOUND, ``end_sessions`` ended it.
        """
        try:
            async with asyncio.timeout(None) as bound:
                arriving = _Arriving(description, bound)
                self._arriving.add(arriving)
                try:
                    yield
                finally:
                    self._arriving.discard(arriving)
                    arriving.ended.set()
        except TimeoutError:
            if not bound.expired():
                raise
            raise NotFound("There is no such session.", reason=Reason.SESSION_NOT_FOUND) from None

    @property
    def size_bytes(self) -> int:
        """Declared sizes of all of them."""
        return sum(one.description.size_bytes for one in self._arriving)

    def added_to(self, stored: Waiting, session_id: str) -> Waiting:
        """What waits for a session and for all, with everything that is arriving now."""
        of_session = [one.description for one in self._arriving if one.description.session_id == session_id]
        return replace(
            stored,
            jobs=stored.jobs + len(self._arriving),
            session_jobs=stored.session_jobs + len(of_session),
            session_bytes=stored.session_bytes + sum(other.size_bytes for other in of_session),
            arriving_bytes=self.size_bytes,
            spool_bytes=stored.spool_bytes + self.size_bytes,
        )

    async def end_sessions(self, session_ids: frozenset[str]) -> None:
        """End those of some sessions, as if there were no such session. Returns when they have ended."""
        ending = [one for one in self._arriving if one.description.session_id in session_ids]
        for one in ending:
            if not one.bound.expired():
                one.bound.reschedule(asyncio.get_running_loop().time())
        for one in ending:
            await one.ended.wait()
