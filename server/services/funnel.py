"""FunnelService: events of apps, and the funnel report."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from vestibule.v1 import funnel_pb2, funnel_pb2_grpc

from ray_tasks.types import Gateway
from server.access import ownership
from server.access.audit import AuditTrail
from server.access.caller import Caller, current_caller
from server.analytics.funnel_details import Details
from server.analytics.funnel_groups import grouped_report
from server.analytics.timeline import surroundings, timeline
from server.flows.definition import FlowDefinition
from server.ledger.columns import Cursor
from server.ledger.long_reads import LongReads, Reads
from server.ledger.transactional import Ledger
from server.ledger.types import Clock
from server.observability.metrics import Metrics
from server.records.declared_events import DeclaredEvents
from server.records.event_values import EventValues
from server.records.refusal_events import RefusalEvents
from server.services import event_messages
from server.services.event_intake import MOST_OF_SESSION, EventIntake
from server.services.funnel_analysis import Analysis
from server.services.funnel_choice import funnel_choice, with_stages
from server.services.funnel_details import funnel_details, report_message
from server.services.funnel_lists import SessionLists, list_behind
from server.services.funnel_warnings import name_warnings
from server.services.timeline_messages import add_surroundings, timeline_message
from server.setting_groups.stored_data import Undeclared

DEFAULT_ENTRIES: Final = 200


async def count_funnel(
    ledger: Reads,
    request: funnel_pb2.GetReportRequest,
    pseudonym: Callable[[str], str],
    analysis: Analysis,
    *,
    visible_to: str = "",
) -> funnel_pb2.GetReportResponse:
    """The report that a request asks for, without the analysis.

    Args:
        ledger: What is counted.
        request: From when to when, of which client and flow, which steps, and what else is told.
        pseudonym: What the server calls a client of tokens, from the id that its issuer gave it.
        analysis: What is severe, and until when sessions were watched.
        visible_to: The client of the caller, whose sessions alone are counted; empty means every client.

    Raises:
        NotFound: FLOW_NOT_FOUND.
    """
    details = funnel_details(request)

    def read(cursor: Cursor) -> funnel_pb2.GetReportResponse:
        choice = funnel_choice(with_stages(cursor, request), pseudonym, visible_to)
        report = report_message(grouped_report(cursor, choice, details, analysis.optimizer.rules, analysis.watched()))
        report.warnings.extend(name_warnings(cursor, request, report, pseudonym, visible_to))
        return report

    return await ledger.read(read)


async def session_timeline(
    ledger: Reads, request: funnel_pb2.GetSessionTimelineRequest, caller: Caller
) -> funnel_pb2.GetSessionTimelineResponse:
    """A page of what happened in a session that the caller may see.

    Raises:
        NotFound: SESSION_NOT_FOUND.
    """

    def read(cursor: Cursor) -> funnel_pb2.GetSessionTimelineResponse:
        session = ownership.session(cursor, request.session_id, caller)
        page_size, after = request.page_size or DEFAULT_ENTRIES, int(request.page_token or 0)
        message = timeline_message(session, *timeline(cursor, session.id, page_size=page_size, after=after))
        if not after:
            add_surroundings(message, *surroundings(cursor, session))
        return message

    return await ledger.read(read)


class FunnelService(funnel_pb2_grpc.FunnelServiceServicer):
    """See protos/vestibule/v1/funnel.proto.

    Args:
        audit: Records what is declared, and knows what the server calls a client of tokens.
        analysis: Of a report with an analysis; None has the default rules and texts.
        views: What has views and macros: the ledger itself, or the mirror of one.
        refusals: Stores that a session had too many events.
        flows: Whose declared events hold for their sessions.
        undeclared: What becomes of events that do not fit what their client has declared.
        most_of_session: Events that the app of a session may store.
        metrics: Count events that do not fit or are too many; None counts for nobody.

    Attributes:
        declared: What clients have declared.
    """

    def __init__(
        self,
        ledger: Ledger,
        gateway: Gateway,
        clock: Clock,
        audit: AuditTrail,
        analysis: Analysis | None = None,
        *,
        views: Reads,
        refusals: RefusalEvents,
        flows: Iterable[FlowDefinition] = (),
        undeclared: Undeclared = "text",
        most_of_session: int = MOST_OF_SESSION,
        metrics: Metrics | None = None,
    ) -> None:
        self._views = views
        self._long_reads = LongReads(views)
        self._lists = SessionLists(clock)
        self.declared = DeclaredEvents(ledger, gateway, clock, audit, flows)
        counting = metrics or Metrics()
        values = EventValues(ledger, gateway, self.declared, undeclared, counting)
        self._intake = EventIntake(ledger, clock, values, most_of_session, counting, refusals)
        self._pseudonym = audit.client_pseudonym
        self._analysis = analysis or Analysis(clock=clock)

    async def RecordEvents(  # noqa: N802, D102
        self, request: funnel_pb2.RecordEventsRequest, context: Any
    ) -> funnel_pb2.RecordEventsResponse:
        return await self._intake.record(request, current_caller().client_id)

    async def GetReport(  # noqa: N802, D102
        self, request: funnel_pb2.GetReportRequest, context: Any
    ) -> funnel_pb2.GetReportResponse:
        visible_to = current_caller().client_id
        is_long = bool(request.steps or request.flow) or funnel_details(request) != Details()
        reads: Reads = self._long_reads if is_long else self._views
        report = await count_funnel(reads, request, self._pseudonym, self._analysis, visible_to=visible_to)
        if request.analyze:
            found = await self._analysis.run(self._long_reads, request, self._pseudonym, visible_to=visible_to)
            report.analysis.CopyFrom(found)
        return report

    async def ListFunnelSessions(  # noqa: N802, D102
        self, request: funnel_pb2.ListFunnelSessionsRequest, context: Any
    ) -> funnel_pb2.ListFunnelSessionsResponse:
        return await list_behind(
            self._long_reads,
            request,
            self._pseudonym,
            visible_to=current_caller().client_id,
            lists=self._lists,
            short_reads=self._views,
            analysis=self._analysis,
        )

    async def GetSessionTimeline(  # noqa: N802, D102
        self, request: funnel_pb2.GetSessionTimelineRequest, context: Any
    ) -> funnel_pb2.GetSessionTimelineResponse:
        return await session_timeline(self._views, request, current_caller())

    async def DeclareEvents(  # noqa: N802, D102
        self, request: funnel_pb2.DeclareEventsRequest, context: Any
    ) -> funnel_pb2.DeclareEventsResponse:
        changes = await self.declared.declare(
            current_caller().client_for(request.client_id),
            event_messages.declaration_of(request.events),
            words_checked=request.words_checked,
            dry_run=request.dry_run,
        )
        return event_messages.changes_message(changes)

    async def ListDeclaredEvents(  # noqa: N802, D102
        self, request: funnel_pb2.ListDeclaredEventsRequest, context: Any
    ) -> funnel_pb2.ListDeclaredEventsResponse:
        found = await self.declared.listed(request.client_id, visible_to=current_caller().client_id)
        return event_messages.declarations_message(found)
