"""The sessions behind a number of the funnel, and the page of one session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from starlette.responses import Response
from vestibule.v1 import funnel_pb2
from vestibule.v1.funnel_pb2 import FunnelSession, TimelineEntry

from models.errors import InvalidInput
from models.reasons import Reason
from server.console.filters import Filter, time_of
from server.console.funnel_page import unknown_texts
from server.console.groups import Groups, segment_of
from server.console.page import texts_of
from server.console.risk_page import risk_if_known
from server.console.visit import Visit
from server.funnel.steps import FUNNEL
from server.languages.formats import Formats
from server.languages.texts import Texts
from server.ledger.types import SessionState
from server.times import machine_time, shown_time

PAGE_OF_SESSIONS: Final = 50
PAGE_OF_ENTRIES: Final = 200
_ENDED: Final = {state.value for state in SessionState if state.ended}
NUMBERS: Final = {
    "reached": funnel_pb2.FUNNEL_NUMBER_REACHED,
    "dropped": funnel_pb2.FUNNEL_NUMBER_DROPPED,
    "under_way": funnel_pb2.FUNNEL_NUMBER_UNDER_WAY,
}


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


@dataclass(frozen=True, slots=True)
class EntryShown:
    """Something that happened, as the page shows it.

    Attributes:
        time: When, for people.
        machine_time: The same for programs.
        after: How long after the session was opened.
        kind: What it is, in the language of the page.
        said: The same for an event of the server; empty for the event of an app, which has its own name.
        detail: A stage in the language of the page, or a machine word.
    """

    time: str
    machine_time: str
    after: str
    kind: str
    said: str
    name: str
    detail: str
    took: str
    properties: tuple[tuple[str, str], ...]


async def show_list(visit: Visit) -> Response:
    """The sessions behind a number."""
    chosen, texts = Filter.of(visit.request), texts_of(visit.request)
    position, number = _place(visit)
    request = funnel_pb2.ListFunnelSessionsRequest(
        report=chosen.report(),
        position=position,
        number=NUMBERS[number],
        page_size=PAGE_OF_SESSIONS,
        page_token=visit.request.query_params.get("page", ""),
    )
    asked = visit.request.query_params
    if (segment := segment_of(asked.get("group", ""), asked.get("value", ""))) is not None:
        request.segment.CopyFrom(segment)
    if asked.get("period"):
        request.period_start_time.FromDatetime(time_of(asked["period"]))
    reply = await visit.call("FunnelService", "ListFunnelSessions", request)
    token, place = reply.next_page_token, {"step": position, "number": number, **_group(visit)}
    return visit.page(
        "sessions.html",
        headline=texts(f"sessions_{number}", stage=step_name(chosen, position, texts)),
        group=_group_text(visit, chosen, texts),
        sessions=[session_shown(session, texts) for session in reply.sessions],
        unknown=unknown_texts(reply.warnings, request, texts),
        back=chosen.link("/funnel"),
        next_page=chosen.link("/funnel/sessions", **place, page=token) if token else "",
    )


async def show_one(visit: Visit) -> Response:
    """One session with its timeline."""
    texts = texts_of(visit.request)
    session_id = str(visit.request.path_params["session_id"])
    request = funnel_pb2.GetSessionTimelineRequest(
        session_id=session_id, page_size=PAGE_OF_ENTRIES, page_token=visit.request.query_params.get("page", "")
    )
    reply = await visit.call("FunnelService", "GetSessionTimeline", request)
    opened_s = reply.session.create_time.ToDatetime().timestamp()
    token = reply.next_page_token
    running = reply.session.stage not in _ENDED
    return visit.page(
        "session.html",
        risk=await risk_if_known(visit, reply.session.id) if running else None,
        session=session_shown(reply.session, texts),
        entries=[entry_shown(entry, opened_s, texts) for entry in reply.entries],
        next_page=f"/sessions/{reply.session.id}?page={token}" if token else "",
    )


def step_name(chosen: Filter, position: int, texts: Texts) -> str:
    """The name of a step in the language of the page; its number where any order counts."""
    names = chosen.steps or list(FUNNEL)
    if (chosen.steps and chosen["order"] == "any") or position > len(names):
        return texts("step_number", number=position)
    return texts.or_word(f"stage_{names[position - 1]}", names[position - 1])


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


def entry_shown(entry: TimelineEntry, opened_s: float, texts: Texts) -> EntryShown:
    """Something that happened.

    Args:
        entry: What.
        opened_s: When the session was opened, in seconds as the entry's time is.
        texts: In the language of the page.
    """
    formats = Formats(texts.language)
    time = entry.time.ToDatetime()
    after_s = time.timestamp() - opened_s
    return EntryShown(
        time=shown_time(time),
        machine_time=machine_time(time),
        after=formats.length(after_s),
        kind=texts.or_word(f"entry_{entry.kind}", entry.kind),
        said=texts.or_word(f"event_{entry.name}", "") if entry.kind == "event" else "",
        name=entry.name,
        detail=texts.or_word(f"stage_{entry.detail}", entry.detail),
        took=formats.length(entry.took.ToTimedelta().total_seconds()) if entry.HasField("took") else "",
        properties=tuple((found.key, found.value) for found in entry.properties),
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
