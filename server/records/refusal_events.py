"""Makes refusals events of their session, at most so many of one client that a flood fills no disk."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from models.errors import VestibuleError
from server.access.caller import current_caller
from server.ledger import events
from server.ledger.types import Clock, SessionRow
from server.ledger.writer import Ledger
from server.observability.log import describe, get_logger
from server.records.events import Value, make_event

log = get_logger("refusals")

MOST_EVENTS: Final = 20
"""Refusals of one client that become events within ``WINDOW``. More are only counted."""

WINDOW: Final = timedelta(minutes=5)

_MOST_CLIENTS: Final = 10_000
"""Clients that are remembered. Beyond them, those whose window is over are forgotten."""


@dataclass(slots=True)
class _Recent:
    """Refusals of one client since the window began."""

    begin_time: datetime
    events: int = 0
    left_out: int = 0


class RefusalEvents:
    """Stores refusals. Each instance counts for itself."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._recent: dict[str, _Recent] = {}

    async def record_refusal(self, session: SessionRow, name: str, error: VestibuleError, **properties: Value) -> None:
        """Make a refusal an event, if the session is one of the caller's and its client has not had too many.

        The client is told why it was refused, whether that can be stored or not.
        """
        if not current_caller().may_see(session.client_id):
            return
        now = self._clock()
        recent = self._of_client(session.client_id, now)
        if recent.events >= MOST_EVENTS:
            recent.left_out += 1
            return
        recent.events += 1
        left_out, recent.left_out = recent.left_out, 0
        reason = error.reason.lower()
        event = make_event(session, name, now, took_s=None, reason=reason, left_out=left_out, **properties)
        try:
            await self._ledger.write(lambda cursor: events.append(cursor, event))
        except VestibuleError as failure:
            log.warning("refusal_not_recorded", **describe(failure))

    def _of_client(self, client_id: str, now: datetime) -> _Recent:
        recent = self._recent.get(client_id)
        if recent is None or now - recent.begin_time >= WINDOW:
            if len(self._recent) >= _MOST_CLIENTS:
                self._recent = {key: kept for key, kept in self._recent.items() if now - kept.begin_time < WINDOW}
            left_out = recent.left_out if recent else 0
            recent = self._recent[client_id] = _Recent(now, left_out=left_out)
        return recent
