"""Makes refusals events of their session, at most so many of one client that a flood fills no disk."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from models.errors import VestibuleError
from server.access.caller import current_caller
from server.ledger import events
from server.ledger.columns import Cursor
from server.ledger.transactional import Ledger
from server.ledger.types import Clock, EventRow, SessionRow
from server.observability.log import describe, get_logger
from server.records.events import Value, make_event

log = get_logger("refusals")

MOST_EVENTS: Final = 20
"""Refusals of one client and one name that become events within ``WINDOW``. Of the others, the last becomes one when
the window is over. It has their number."""

WINDOW: Final = timedelta(minutes=5)

_Key = tuple[str, str]
"""Client, and name of the event."""


@dataclass(slots=True)
class _Recent:
    """Refusals of one client and one name since the window began.

    Attributes:
        left_out: Those that are no events yet.
        make_last: Makes the event of the last of these, from their number without it.
    """

    begin_time: datetime
    events: int = 0
    left_out: int = 0
    make_last: Callable[[int], EventRow] | None = None

    def leave_out(self, make: Callable[[int], EventRow], number: int = 1) -> None:
        self.left_out += number
        self.make_last = make

    def last(self) -> list[EventRow]:
        """The event of the last one that was left out; nothing if none was."""
        return [self.make_last(self.left_out - 1)] if self.left_out and self.make_last else []


class RefusalEvents:
    """Stores refusals. ``round`` is to be called now and then, and ``close`` at the end. A kill loses the numbers."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._recent: dict[_Key, _Recent] = {}

    async def record_refusal(self, session: SessionRow, name: str, error: VestibuleError, **properties: Value) -> None:
        """Make a refusal an event, if the session is one of the caller's and its client has not had too many.

        The client is told why it was refused, whether that can be stored or not.
        """
        if not current_caller().may_see(session.client_id):
            return
        now = self._clock()
        reason = error.reason.lower()

        def make(left_out: int) -> EventRow:
            return make_event(session, name, now, took_s=None, reason=reason, left_out=left_out, **properties)

        recent = self._of((session.client_id, name), now)
        if recent.events >= MOST_EVENTS:
            recent.leave_out(make)
            return
        recent.events += 1
        left_out, recent.left_out = recent.left_out, 0
        if not await self._store([make(left_out)]):
            self._of((session.client_id, name), now).leave_out(make, left_out + 1)

    async def round(self) -> None:
        """Store what was left out in windows that are over."""
        begun_by = self._clock() - WINDOW
        await self._end({key: recent for key, recent in self._recent.items() if recent.begin_time <= begun_by})

    async def close(self) -> None:
        """Store what was left out."""
        await self._end(dict(self._recent))

    async def _end(self, windows: dict[_Key, _Recent]) -> None:
        for key in windows:
            del self._recent[key]
        rows = [row for recent in windows.values() for row in recent.last()]
        if rows and not await self._store(rows):
            for key, recent in windows.items():
                now_open = self._recent.setdefault(key, recent)
                if now_open is not recent and recent.make_last:
                    now_open.leave_out(now_open.make_last or recent.make_last, recent.left_out)

    def _of(self, key: _Key, now: datetime) -> _Recent:
        recent = self._recent.get(key)
        if recent is None or now - recent.begin_time >= WINDOW:
            before = recent or _Recent(now)
            recent = self._recent[key] = _Recent(now, 0, before.left_out, before.make_last)
        return recent

    async def _store(self, rows: Collection[EventRow]) -> bool:
        """Whether the events could be stored; the log says why not."""
        try:
            await self._ledger.write(partial(_append, rows))
        except VestibuleError as failure:
            log.warning("refusal_not_recorded", **describe(failure))
            return False
        return True


def _append(rows: Collection[EventRow], cursor: Cursor) -> None:
    for row in rows:
        events.append(cursor, row)
