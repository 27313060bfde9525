"""What is known of one session, as far as whoever is logged in may see it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from vestibule.v1 import common_pb2, funnel_pb2, media_pb2, recommendation_pb2, session_pb2

from server.console.flow_words import FlowWords
from server.console.visit import Visit
from server.languages.formats import Formats
from server.languages.texts import Texts
from server.times import machine_time

MOST_ENTRIES: Final = 500
_TALKING: Final = frozenset({common_pb2.SESSION_STATE_STARTED, common_pb2.SESSION_STATE_IN_PROGRESS})
MOST_TURNS: Final = 500
"""Of a page."""


@dataclass(frozen=True, slots=True)
class TurnShown:
    """What was said or typed, and the reply.

    Attributes:
        typed: Whether it was typed.
        text: Redacted; empty where the redactor does not vouch for it.
        reply: The same of the reply; empty for none.
        by_fallback: Whether the local fallback wrote the reply.
        reply_cut: Stable reason why the reply is not whole; empty for a whole one.
    """

    id: str
    time: str
    machine_time: str
    typed: bool
    spoken: str
    text: str
    reply: str
    by_fallback: bool
    reply_cut: str


@dataclass(frozen=True, slots=True)
class UploadShown:
    """A file.

    Attributes:
        kind: What it shows, in the language of the page.
        state: In the language of the page.
        progress: In percent.
        reason: Why it failed; empty if it did not.
        picture: Address of the redacted picture; empty if there is none that may be shown.
        recording: The same of the muted recording.
    """

    id: str
    kind: str
    state: str
    failed: bool
    done: bool
    progress: int
    reason: str
    name: str
    text: str
    picture: str
    recording: str


@dataclass(frozen=True, slots=True)
class RecordShown:
    """A proposed record.

    Attributes:
        page: Address of the page where it is checked; empty for whoever may not.
        state: In the language of the page.
        fields: Labels and values.
        missing: Labels.
    """

    id: str
    page: str
    state: str
    by_fallback: bool
    summary: str
    fields: tuple[tuple[str, str], ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AskedShown:
    """What the flow of a session asks now; texts are in the language of the session.

    Attributes:
        language: Of the texts.
        done: Fields that need no question any more.
        total: Fields that come up.
        step: Title of the step; empty when nothing is left to ask.
        question: Empty when nothing is left to ask.
        why: May be empty, as the example.
        answers: Labels of the fields that have a value, and the values.
    """

    flow: str
    language: str
    done: int
    total: int
    step: str
    question: str
    why: str
    example: str
    answers: tuple[tuple[str, str], ...]


async def turns_and_session(visit: Visit, session_id: str) -> tuple[list[session_pb2.Turn], session_pb2.Session | None]:
    """The newest turns of a session, oldest first; and the session with its uploads and its record.

    The session is None for whoever may not see these.
    """
    turns, session = await asyncio.gather(_turns(visit, session_id), _session(visit, session_id))
    return turns, session


async def _turns(visit: Visit, session_id: str) -> list[session_pb2.Turn]:
    request = session_pb2.ListTurnsRequest(session_id=session_id, page_size=MOST_TURNS)
    return list((await visit.call("SessionService", "ListTurns", request)).turns)


async def _session(visit: Visit, session_id: str) -> session_pb2.Session | None:
    if not visit.allowed("SessionService", "GetSession"):
        return None
    request = session_pb2.GetSessionRequest(session_id=session_id)
    session: session_pb2.Session = (await visit.call("SessionService", "GetSession", request)).session
    return session


async def timeline_of(
    visit: Visit, session_id: str, token: str, most: int = MOST_ENTRIES
) -> funnel_pb2.GetSessionTimelineResponse:
    """A page of what happened in a session."""
    request = funnel_pb2.GetSessionTimelineRequest(session_id=session_id, page_size=most, page_token=token)
    found: funnel_pb2.GetSessionTimelineResponse = await visit.call("FunnelService", "GetSessionTimeline", request)
    return found


async def begin_of(visit: Visit, timeline: funnel_pb2.GetSessionTimelineResponse, token: str) -> datetime:
    """When a session began: its opening, or what the device did before the server knew of it.

    Args:
        visit: Asks for the first page.
        timeline: The page that is shown.
        token: Of that page; empty for the first one.
    """
    first = await timeline_of(visit, timeline.session.id, "", 1) if token else timeline
    times = [entry.time.ToDatetime() for entry in first.entries]
    return min([timeline.session.create_time.ToDatetime(), *times])


def turn_shown(turn: session_pb2.Turn, formats: Formats) -> TurnShown:
    """A turn."""
    time = turn.create_time.ToDatetime()
    return TurnShown(
        id=turn.id,
        time=machine_time(time)[11:19],
        machine_time=machine_time(time),
        typed=turn.source == session_pb2.TURN_SOURCE_TYPED,
        spoken=formats.length(turn.spoken.ToTimedelta().total_seconds()) if turn.HasField("spoken") else "",
        text=turn.text.value,
        reply=turn.reply.value,
        by_fallback=turn.reply_origin == common_pb2.ORIGIN_FALLBACK,
        reply_cut=turn.reply_cut_reason,
    )


def uploads_shown(visit: Visit, uploads: Sequence[media_pb2.Upload], texts: Texts) -> list[UploadShown]:
    """Files, oldest first."""
    may_see = visit.allowed("MediaService", "DownloadRedacted")
    return [_upload(upload, texts, may_see=may_see) for upload in uploads]


def _upload(upload: media_pb2.Upload, texts: Texts, *, may_see: bool) -> UploadShown:
    state = media_pb2.UploadState.Name(upload.state).removeprefix("UPLOAD_STATE_").lower()
    kind = media_pb2.MediaKind.Name(upload.kind).removeprefix("MEDIA_KIND_").lower()
    address = f"/sessions/{upload.session_id}/uploads/{upload.id}"
    return UploadShown(
        id=upload.id,
        kind=texts(f"media_{kind}"),
        state=texts(f"upload_{state}"),
        failed=state == "failed",
        done=state == "done",
        progress=round(100 * upload.progress),
        reason=upload.failure_reason,
        name=upload.display_name.value if upload.display_name.safe_for_llm else "",
        text=upload.text.value if upload.text.safe_for_llm else "",
        picture=address if may_see and upload.has_redacted_image else "",
        recording=address if may_see and upload.has_redacted_recording else "",
    )


def record_shown(visit: Visit, session: session_pb2.Session, words: FlowWords, texts: Texts) -> RecordShown | None:
    """The newest record of a session; None if there is none."""
    if not session.HasField("recommendation"):
        return None
    found = session.recommendation
    state = recommendation_pb2.RecommendationState.Name(found.state).removeprefix("RECOMMENDATION_STATE_").lower()
    return RecordShown(
        id=found.id,
        page=f"/reviews/{found.id}" if visit.allowed("ReviewService", "GetReview") else "",
        state=texts(f"record_{state}"),
        by_fallback=found.origin == common_pb2.ORIGIN_FALLBACK,
        summary=found.record.summary,
        fields=tuple((words.label(field.name), words.value(field.name, field.value)) for field in found.record.fields),
        missing=tuple(map(words.label, found.record.missing)),
    )


def asked_shown(session: session_pb2.Session) -> AskedShown | None:
    """What is asked now; None when the session has ended, its flow asks nothing, or a record waits and nothing is open.
    While a record waits, the session takes more answers, and a new record follows.
    """
    found = session.progress
    waits = session.state == common_pb2.SESSION_STATE_AWAITING_APPROVAL and found.HasField("question")
    if not found.total or not (waits or session.state in _TALKING):
        return None
    question = found.question
    text = question.text.value if question.text.safe_for_llm else question.field.question
    return AskedShown(
        flow=found.flow_title,
        language=found.language,
        done=found.done,
        total=found.total,
        step=question.step_title,
        question=text,
        why=question.field.why,
        example=question.field.example,
        answers=tuple(
            (each.label, each.value.value) for each in found.fields if each.value.safe_for_llm and each.value.value
        ),
    )
