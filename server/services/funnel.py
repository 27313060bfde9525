"""FunnelService: events of apps, and the funnel report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vestibule.v1 import funnel_pb2, funnel_pb2_grpc

from models.errors import TooLarge
from models.reasons import Reason
from models.redaction.types import RedactionContext
from models.text import RawText, RedactedText, TextSource
from ray_tasks.types import Gateway
from server.access.caller import current_caller
from server.analytics.funnel import funnel_report
from server.ledger.app_events import AppendEvents
from server.ledger.types import Clock, EventRow
from server.ledger.writer import Ledger
from server.records.machine_words import REDACTED, MachineWords, with_safe_keys
from server.rpc import convert
from server.services.funnel_analysis import Analysis

REDACT_TIMEOUT_S = 10.0
LONGEST_BATCH_CHARACTERS = 100_000
"""Of all property values and different names together; the redactor must finish a batch within its timeout. Found in
docs/evaluation/constants/streaming.md, LONGEST_BATCH_CHARACTERS."""


async def stages_of(
    ledger: Ledger, request: funnel_pb2.GetReportRequest, pseudonym: Callable[[str], str], *, visible_to: str = ""
) -> list[funnel_pb2.FunnelStage]:
    """The stages that a request asks for.

    Args:
        ledger: What is counted.
        request: From when to when, and of which client.
        pseudonym: What the server calls a client of tokens, from the id that its issuer gave it.
        visible_to: The client of the caller, whose sessions alone are counted; empty means every client.
    """
    start = convert.moment(request.start_time) if request.HasField("start_time") else None
    end = convert.moment(request.end_time) if request.HasField("end_time") else None
    client_id = request.client_id
    stored_as = pseudonym(client_id) if client_id else ""
    found = await ledger.read(
        lambda cursor: funnel_report(cursor, start, end, client_id, pseudonym=stored_as, visible_to=visible_to)
    )
    return [convert.stage(stage) for stage in found]


class FunnelService(funnel_pb2_grpc.FunnelServiceServicer):
    """See protos/vestibule/v1/funnel.proto.

    Args:
        pseudonym: What the server calls a client of tokens; see ``AuditTrail.client_pseudonym``.
        analysis: Of a report with an analysis; None has the default rules and texts.
    """

    def __init__(
        self,
        ledger: Ledger,
        gateway: Gateway,
        clock: Clock,
        pseudonym: Callable[[str], str],
        analysis: Analysis | None = None,
    ) -> None:
        self._ledger = ledger
        self._gateway = gateway
        self._words = MachineWords(gateway)
        self._clock = clock
        self._pseudonym = pseudonym
        self._analysis = analysis or Analysis(clock=clock)

    async def RecordEvents(  # noqa: N802, D102
        self, request: funnel_pb2.RecordEventsRequest, context: Any
    ) -> funnel_pb2.RecordEventsResponse:
        rows = await self._rows(list(request.events))
        sent = convert.moment(request.sent_time) if request.HasField("sent_time") else None
        recorded = await self._ledger.write(AppendEvents(rows, current_caller().client_id, sent))
        return funnel_pb2.RecordEventsResponse(
            recorded_count=recorded.new,
            duplicate_count=recorded.duplicates,
            unknown_session_count=recorded.unknown_sessions,
        )

    async def GetReport(  # noqa: N802, D102
        self, request: funnel_pb2.GetReportRequest, context: Any
    ) -> funnel_pb2.GetReportResponse:
        visible_to = current_caller().client_id
        stages = await stages_of(self._ledger, request, self._pseudonym, visible_to=visible_to)
        report = funnel_pb2.GetReportResponse(stages=stages)
        if request.analyze:
            found = await self._analysis.run(self._ledger, request, self._pseudonym, visible_to=visible_to)
            report.analysis.CopyFrom(found)
        return report

    async def _rows(self, batch: list[funnel_pb2.AppEvent]) -> list[EventRow]:
        """The events with all property values redacted in one call, and without names in their words."""
        values = [RawText(value) for item in batch for value in item.properties.values()]
        words = {word for item in batch for word in (item.name, *item.properties)}
        if sum(map(len, values)) + sum(map(len, words)) > LONGEST_BATCH_CHARACTERS:
            raise TooLarge(
                f"Properties and different names have more than {LONGEST_BATCH_CHARACTERS} characters together.",
                reason=Reason.EVENTS_TOO_LARGE,
                hint="Send fewer events at a time.",
            )
        safe: list[RedactedText] = []
        if values:
            context = RedactionContext(TextSource.TYPED)
            redactions = await self._gateway.redact(values, context, timeout_s=REDACT_TIMEOUT_S)
            safe = [r.text for r in redactions]
        personal = await self._words.personal(words)
        values_left = iter(safe)
        now = self._clock()
        return [
            EventRow(
                id=item.event_id.lower(),  # UUIDs are equal in any letter case
                session_id=item.session_id.lower(),
                client_id="",  # the ledger fills it in from the session
                name=REDACTED if item.name in personal else item.name,
                server_time=now,
                device_time=convert.moment(item.device_time),
                sequence=item.sequence,
                properties={key: next(values_left) for key in with_safe_keys(list(item.properties), personal).values()},
            )
            for item in batch
        ]
