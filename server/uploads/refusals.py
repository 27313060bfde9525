"""Records which uploads were refused and why: a metric, and an event of the session. Nothing of the file is kept."""

from __future__ import annotations

from models.errors import VestibuleError
from models.reasons import Reason
from server.observability.metrics import Metrics
from server.records.refusal_events import RefusalEvents
from server.uploads.types import CheckStep, ReceivedBytes


class RefusalRecorder:
    """Records refusals.

    Args:
        events: Stores them.
        steps: The checks; a metric shows 0 for each of their reasons from the start.
    """

    def __init__(self, events: RefusalEvents, metrics: Metrics, steps: tuple[CheckStep, ...]) -> None:
        self._metrics = metrics
        self._events = events
        metrics.show(metrics.refused_uploads, {reason for step in steps for reason in step.reasons})

    async def record(self, seen: ReceivedBytes, error: VestibuleError) -> None:
        """Count a refusal, and make it an event if the session is one of the caller's."""
        self._metrics.refused_uploads.labels(error.reason).inc()
        if seen.session is not None:
            await self._events.record_refusal(
                seen.session,
                "upload_refused",
                error,
                kind=seen.description.kind or "unspecified",
                media_type=seen.found.mime if seen.found else "unknown",
                size_bytes=seen.description.size_bytes,
            )


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
