"""The sessions behind a number of the funnel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response
from vestibule.v1 import funnel_pb2
from vestibule.v1.funnel_pb2 import FunnelSession

from models.errors import InvalidInput
from models.reasons import Reason
from server.console.analyses import DEADLINE_S as ANALYSIS_DEADLINE_S
from server.console.calls import DEADLINE_S
from server.console.cause_address import conditions_of
from server.console.filters import Filter, time_of
from server.console.groups import Groups, segment_of
from server.console.page import texts_of
from server.console.unknown_names import unknown_texts
from server.console.visit import Visit
from server.languages.formats import Formats
from server.languages.texts import Texts
from server.times import shown_time

PAGE_OF_SESSIONS: Final = 50
NUMBERS: Final = {
    "reached": funnel_pb2.FUNNEL_NUMBER_REACHED,
    "dropped": funnel_pb2.FUNNEL_NUMBER_DROPPED,
    "under_way": funnel_pb2.FUNNEL_NUMBER_UNDER_WAY,
    "affected": funnel_pb2.FUNNEL_NUMBER_AFFECTED,
    "left": funnel_pb2.FUNNEL_NUMBER_LEFT,
}
_OF_CAUSES: Final = frozenset({"affected", "left"})


@dataclass(frozen=True, slots=True)
class SessionShown:
    """A session as the pages show it; times are texts."""

    id: str
    client: str
    stage: str
    opened: str
    lasted: str
    turns: int
    variant: str
    language: str


async def show_list(visit: Visit) -> Response:
    """The sessions behind a number of the funnel, or of a cause."""
    texts, asked, (position, number) = texts_of(visit.request), visit.request.query_params, _place(visit)
    of_cause = number in _OF_CAUSES
    chosen = Filter.of(visit.request).analyzed if of_cause else Filter.of(visit.request)
    request = funnel_pb2.ListFunnelSessionsRequest(
        report=chosen.analysis(texts.language) if of_cause else chosen.report(),
        position=position,
        number=NUMBERS[number],
        conditions=conditions_of(asked.getlist("condition")),
        page_size=PAGE_OF_SESSIONS,
        page_token=asked.get("page", ""),
    )
    if (segment := segment_of(asked.get("group", ""), asked.get("value", ""))) is not None:
        request.segment.CopyFrom(segment)
    if asked.get("period"):
        request.period_start_time.FromDatetime(time_of(asked["period"]))
    deadline_s = ANALYSIS_DEADLINE_S if of_cause else DEADLINE_S
    reply = await visit.call("FunnelService", "ListFunnelSessions", request, deadline_s=deadline_s)
    place = {"step": position, "number": number, "condition": asked.getlist("condition"), **_group(visit)}
    return visit.page(
        "sessions.html",
        headline=texts(f"sessions_{number}", stage=step_name(chosen, position, reply.stage, texts)),
        group=texts("causes_condition", condition=reply.condition) if of_cause else _group_text(visit, chosen, texts),
        sample=_sample_text(reply, texts),
        sessions=[session_shown(session, texts) for session in reply.sessions],
        unknown=unknown_texts(reply.warnings, request, texts),
        back=chosen.link("/causes" if of_cause else "/funnel"),
        back_text=texts("sessions_back_to_causes" if of_cause else "sessions_back"),
        next_page=_next_page(chosen, place, reply.next_page_token),
    )


def _next_page(chosen: Filter, place: Mapping[str, object], token: str) -> str:
    return chosen.link("/funnel/sessions", **place, page=token) if token else ""


def _sample_text(reply: funnel_pb2.ListFunnelSessionsResponse, texts: Texts) -> str:
    """That a list is of a sample of the report's sessions; empty if it is of all of them."""
    if reply.searched_session_count >= reply.report_session_count:
        return ""
    count = Formats(texts.language).count
    return texts("sessions_sample", searched=count(reply.searched_session_count), all=count(reply.report_session_count))


def step_name(chosen: Filter, position: int, name: str, texts: Texts) -> str:
    """The name of a step in the language of the page; its number where any order counts."""
    if chosen.steps and chosen["order"] == "any":
        return texts("step_number", number=position)
    return texts.or_word(f"stage_{name}", name)


def session_shown(session: FunnelSession, texts: Texts) -> SessionShown:
    """A session."""
    formats = Formats(texts.language)
    created, updated = session.create_time.ToDatetime(), session.update_time.ToDatetime()
    return SessionShown(
        id=session.id,
        client=session.client_id,
        stage=texts.or_word(f"stage_{session.stage}", session.stage),
        opened=shown_time(created),
        lasted=formats.length(max((updated - created).total_seconds(), 0.0)),
        turns=session.turn_count,
        variant=session.variant,
        language=session.language,
    )


def _group(visit: Visit) -> dict[str, str]:
    """What the address says of a group and of a time."""
    asked = visit.request.query_params
    return {name: asked[name] for name in ("group", "value", "period") if asked.get(name)}


def _group_text(visit: Visit, chosen: Filter, texts: Texts) -> str:
    """The group and the time in words; empty without them."""
    asked = visit.request.query_params
    segment = segment_of(asked.get("group", ""), asked.get("value", ""))
    by = texts.or_word(f"by_{chosen['by']}", chosen["by"])
    group = f"{by}: {Groups(chosen, [], texts).label(segment)}" if segment else ""
    period = texts("sessions_period", day=asked["period"]) if asked.get("period") else ""
    return ". ".join(filter(None, (group, period)))


def _place(visit: Visit) -> tuple[int, str]:
    """The step, from 1, and which of its numbers."""
    asked = visit.request.query_params
    step, number = asked.get("step", ""), asked.get("number", "")
    if number not in NUMBERS or not (step.isascii() and step.isdigit() and 1 <= int(step[:3]) <= 99):
        raise InvalidInput(
            "The address names no number of the funnel.",
            reason=Reason.INVALID_ARGUMENT,
            hint="Open the funnel, and follow a number there.",
        )
    return int(step[:3]), number
