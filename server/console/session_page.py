"""The page of one session: a timeline on one axis, and what its marks lead to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from starlette.exceptions import HTTPException
from starlette.responses import Response
from vestibule.v1 import media_pb2
from vestibule.v1.funnel_pb2 import GetSessionTimelineResponse, TimelineEntry

from server.console.entry_words import EntryWords
from server.console.flow_words import flow_words
from server.console.page import texts_of
from server.console.risk_page import risk_if_known
from server.console.session_history import (
    begin_of,
    record_shown,
    timeline_of,
    turn_shown,
    turns_and_session,
    uploads_shown,
)
from server.console.session_marks import Lanes
from server.console.sessions_page import session_shown
from server.console.timeline import drawn
from server.console.visit import Visit
from server.languages.formats import Formats
from server.languages.texts import Texts
from server.ledger.types import SessionState
from server.times import machine_time, shown_moment

_ENDED: Final = {state.value for state in SessionState if state.ended}
_APART_S: Final = 60.0
"""From this on, the begin of a session on the device is told beside its opening by the server."""
_SHOWN_TYPES: Final = frozenset({"image/jpeg", "image/png", "audio/flac"})
"""Media types of redacted files. A browser gets no other one as something to show."""


@dataclass(frozen=True, slots=True)
class EntryShown:
    """Something that happened, as the page shows it.

    Attributes:
        time: When, for people, to the second.
        machine_time: The same for programs.
        after: How long after the session began.
        since: How long after the entry before; empty for the first of the page, and at the same time.
        said: What it is, in the language of the page.
        name: Machine name of an event; empty for the others.
        detail: A stage or state in the language of the page, or a machine word.
    """

    time: str
    machine_time: str
    after: str
    since: str
    said: str
    name: str
    detail: str
    took: str
    properties: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class AttemptShown:
    """An attempt at a job, as the page shows it."""

    kind: str
    number: int
    after: str
    took: str
    outcome: str
    reason: str
    failed: bool


@dataclass(frozen=True, slots=True)
class BreakerShown:
    """A change of a breaker, as the page shows it."""

    name: str
    after: str
    state: str
    open: bool
    cause: str


async def show(visit: Visit) -> Response:
    """One session."""
    texts, formats = texts_of(visit.request), Formats(texts_of(visit.request).language)
    token = visit.request.query_params.get("page", "")
    timeline = await timeline_of(visit, str(visit.request.path_params["session_id"]), token)
    session_id, begun = timeline.session.id, await begin_of(visit, timeline, token)
    turns, whole = await turns_and_session(visit, session_id) if not token else ([], None)
    uploads = whole.uploads if whole is not None else None
    asked = await flow_words(visit, whole.flow, whole.flow_version, texts) if whole is not None else None
    words = EntryWords(texts, asked.steps if asked is not None else {})
    chart = drawn(Lanes(timeline, turns, uploads, texts, words, begun).all(), formats.length) if not token else None
    waited_s = (timeline.session.create_time.ToDatetime() - begun).total_seconds()
    following, running = timeline.next_page_token, timeline.session.stage not in _ENDED
    return visit.page(
        "session.html",
        risk=await risk_if_known(visit, session_id) if running else None,
        running=running and visit.allowed("SessionService", "WatchSession"),
        session=session_shown(timeline.session, texts),
        begun=shown_moment(begun) if waited_s >= _APART_S else "",
        chart=chart,
        turns=[turn_shown(turn, formats) for turn in turns],
        uploads=uploads_shown(visit, uploads or (), texts),
        record=record_shown(visit, whole, asked, texts) if whole is not None and asked is not None else None,
        attempts=_attempts(timeline, begun, texts),
        breakers=_breakers(timeline, begun, texts),
        entries=entries_shown(timeline.entries, begun, words, formats),
        next_page=f"/sessions/{session_id}?page={following}" if following else "",
    )


async def show_file(visit: Visit) -> Response:
    """The redacted picture, or the muted recording, of an upload of the session."""
    upload_id = str(visit.request.path_params["upload_id"])
    request = media_pb2.DownloadRedactedRequest(upload_id=upload_id)
    first, *pieces = await visit.all("MediaService", "DownloadRedacted", request)
    media_type = first.image.media_type or first.recording.media_type
    if media_type not in _SHOWN_TYPES:
        raise HTTPException(404)
    name = f"redacted-{upload_id}.{media_type.partition('/')[2]}"
    disposition = {"content-disposition": f'inline; filename="{name}"'}
    return Response(b"".join(piece.data for piece in pieces), media_type=media_type, headers=disposition)


def entries_shown(
    entries: Sequence[TimelineEntry], begun: datetime, words: EntryWords, formats: Formats
) -> list[EntryShown]:
    """What happened.

    Args:
        entries: In their order.
        begun: When the session began.
        words: In the language of the page.
        formats: The same.
    """
    before = [None, *(entry.time.ToDatetime() for entry in entries)]
    return [_entry(entry, begun, last, words, formats) for entry, last in zip(entries, before, strict=False)]


def _entry(
    entry: TimelineEntry, begun: datetime, before: datetime | None, words: EntryWords, formats: Formats
) -> EntryShown:
    time = entry.time.ToDatetime()
    return EntryShown(
        time=shown_moment(time),
        machine_time=machine_time(time),
        after=formats.length((time - begun).total_seconds()),
        since=formats.length((time - before).total_seconds()) if before is not None and before != time else "",
        said=words.of(entry),
        name=entry.name if entry.kind == "event" else "",
        detail=words.detail(entry),
        took=formats.length(entry.took.ToTimedelta().total_seconds()) if entry.HasField("took") else "",
        properties=tuple((found.key, found.value) for found in entry.properties),
    )


def _attempts(timeline: GetSessionTimelineResponse, begun: datetime, texts: Texts) -> list[AttemptShown]:
    formats = Formats(texts.language)
    return [
        AttemptShown(
            kind=texts.or_word(f"kind_{found.kind}", found.kind),
            number=found.number,
            after=formats.length((found.begin_time.ToDatetime() - begun).total_seconds()),
            took=formats.length((found.end_time.ToDatetime() - found.begin_time.ToDatetime()).total_seconds())
            if found.HasField("end_time")
            else "",
            outcome=texts.or_word(f"outcome_{found.outcome or 'running'}", found.outcome),
            reason=found.reason,
            failed=found.outcome in {"retry", "dead", "lost"},
        )
        for found in timeline.job_attempts
    ]


def _breakers(timeline: GetSessionTimelineResponse, begun: datetime, texts: Texts) -> list[BreakerShown]:
    formats = Formats(texts.language)
    return [
        BreakerShown(
            name=found.name,
            after=formats.length((found.time.ToDatetime() - begun).total_seconds()),
            state=texts(f"state_{found.state.replace('-', '_')}"),
            open=found.state == "open",
            cause=found.cause,
        )
        for found in timeline.breaker_changes
    ]
