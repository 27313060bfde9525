"""Records which uploads were refused and why: a metric, and an event of the session. Nothing of the file is kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from models.errors import VestibuleError
from models.reasons import Reason
from server.access.caller import current_caller
from server.ledger import events
from server.ledger.types import Clock
from server.ledger.writer import Ledger
from server.observability.log import describe, get_logger
from server.observability.metrics import Metrics
from server.records.events import make_event
from server.uploads.types import CheckStep, ReceivedBytes

log = get_logger("uploads")

MOST_EVENTS = 20
"""Refusals of one client that become events within ``WINDOW``. More are only counted, so that a flood fills no disk."""

WINDOW = timedelta(minutes=5)

_MOST_CLIENTS = 10_000
"""Clients that are remembered. Beyond them, those whose window is over are forgotten."""


@dataclass(slots=True)
class _Recent:
    """Refusals of one client since the window began."""

    begin_time: datetime
    events: int = 0
    left_out: int = 0


class RefusalRecorder:
    """Records refusals.

    Args:
        steps: The checks; a metric shows 0 for each of their reasons from the start.
    """

    def __init__(self, ledger: Ledger, metrics: Metrics, clock: Clock, steps: tuple[CheckStep, ...]) -> None:
        self._ledger = ledger
        self._metrics = metrics
        self._clock = clock
        self._recent: dict[str, _Recent] = {}
        metrics.show(metrics.refused_uploads, {reason for step in steps for reason in step.reasons})

    async def record(self, seen: ReceivedBytes, error: VestibuleError) -> None:
        """Count a refusal, and make it an event if the session is one of the caller's."""
        self._metrics.refused_uploads.labels(error.reason).inc()
        session = seen.session
        if session is None or not current_caller().may_see(session.client_id):
            return
        now = self._clock()
        recent = self._of_client(session.client_id, now)
        if recent.events >= MOST_EVENTS:
            recent.left_out += 1
            return
        recent.events += 1
        event = make_event(
            session,
            "upload_refused",
            now,
            reason=error.reason.lower(),
            kind=seen.description.kind or "unspecified",
            media_type=seen.found.mime if seen.found else "unknown",
            size_bytes=seen.description.size_bytes,
            left_out=recent.left_out,
        )
        recent.left_out = 0
        try:
            await self._ledger.write(lambda cursor: events.append(cursor, event))
        except VestibuleError as failure:  # the client is told why it was refused, whether that is recorded or not
            log.warning("refusal_not_recorded", **describe(failure))

    def _of_client(self, client_id: str, now: datetime) -> _Recent:
        recent = self._recent.get(client_id)
        if recent is None or now - recent.begin_time >= WINDOW:
            if len(self._recent) >= _MOST_CLIENTS:
                self._recent = {key: kept for key, kept in self._recent.items() if now - kept.begin_time < WINDOW}
            left_out = recent.left_out if recent else 0
            recent = self._recent[client_id] = _Recent(now, left_out=left_out)
        return recent


def caused_by_server(error: VestibuleError) -> bool:
    """Whether an upload failed through no fault of the client, so that its quota is given back.

    Only reasons that no content can bring about are listed. A file that breaks the scanner counts, and so does one that
    finds the spool full after it was decoded: else it could be decoded again and again.
    """
    return error.reason in _OF_SERVER


_OF_SERVER = frozenset(
    {
        Reason.DECODERS_BUSY,
        Reason.DECODER_UNAVAILABLE,
        Reason.LEDGER_BUSY,
        Reason.LEDGER_CONFLICT,
        Reason.LEDGER_FULL,
        Reason.LEDGER_INTERRUPTED,
        Reason.LEDGER_IO,
        Reason.LEDGER_MEMORY,
        Reason.SCANNER_BUSY,
        Reason.SCANNER_UNREACHABLE,
        Reason.SCANNER_UNSAFE,
        Reason.SHUTTING_DOWN,
        Reason.SPOOL_FAILED,
    }
)
