"""The pages of what goes on now: the running sessions, and one conversation as it comes."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

from starlette.responses import Response
from vestibule.v1 import common_pb2, session_pb2

from server.console.flow_words import flow_words
from server.console.page import texts_of
from server.console.session_history import asked_shown, record_shown, turn_shown, turns_and_session, uploads_shown
from server.console.visit import Visit
from server.languages.formats import Formats
from server.languages.texts import Texts
from server.times import shown_time

PAGE_OF_SESSIONS: Final = 50


@dataclass(frozen=True, slots=True)
class RunningShown:
    """A session that runs, as the pages show it; times are texts."""

    id: str
    client: str
    stage: str
    opened: str
    changed: str
    language: str
    turns: int


async def show_all(visit: Visit) -> Response:
    """The sessions that run, the one that changed last first."""
    asked = visit.request.query_params
    request = session_pb2.ListSessionsRequest(
        running=True,
        client_id=asked.get("client", ""),
        page_size=PAGE_OF_SESSIONS,
        page_token=asked.get("page", ""),
    )
    reply = await visit.call("SessionService", "ListSessions", request)
    texts = texts_of(visit.request)
    return visit.page(
        "running.html",
        sessions=[running_shown(session, texts) for session in reply.sessions],
        next_page=reply.next_page_token,
    )


async def show_one(visit: Visit) -> Response:
    """One conversation, as it is now."""
    return visit.page("conversation_page.html", **await conversation_of(visit))


async def conversation_of(visit: Visit) -> dict[str, Any]:
    """What the page of a conversation shows."""
    texts, session_id = texts_of(visit.request), str(visit.request.path_params["session_id"])
    turns, session = await turns_and_session(visit, session_id)
    formats = Formats(texts.language)
    words = await flow_words(visit, session.flow, session.flow_version, texts) if session else None
    return {
        "session_id": session_id,
        "session": None if session is None else running_shown(session, texts),
        "turns": [turn_shown(turn, formats) for turn in turns],
        "uploads": uploads_shown(visit, session.uploads if session else (), texts),
        "record": record_shown(visit, session, words, texts) if session and words else None,
        "asked": asked_shown(session) if session else None,
    }


async def changes(visit: Visit) -> AsyncGenerator[object, None]:
    """Tells of each change of the session of the page."""
    if visit.allowed("SessionService", "WatchSession"):
        request = session_pb2.WatchSessionRequest(session_id=str(visit.request.path_params["session_id"]))
        async with aclosing(visit.follow("SessionService", "WatchSession", request)) as updates:
            async for update in updates:
                yield update


def running_shown(session: session_pb2.Session, texts: Texts) -> RunningShown:
    """A session."""
    stage = common_pb2.SessionState.Name(session.state).removeprefix("SESSION_STATE_")
    return RunningShown(
        id=session.id,
        client=session.client_id,
        stage=texts.or_word(f"stage_{stage}", stage),
        opened=shown_time(session.create_time.ToDatetime()),
        changed=shown_time(session.update_time.ToDatetime()),
        language=session.language,
        turns=session.turn_count,
    )
