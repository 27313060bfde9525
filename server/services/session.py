"""SessionService: opens, returns, lists, watches and ends sessions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from vestibule.v1 import session_pb2, session_pb2_grpc

from server.access.caller import current_caller
from server.flows.facts import words_in_facts
from server.ledger.types import RecommendationRow, SessionRow, TurnRow, UploadRow
from server.records.machine_words import MachineWords
from server.records.pubsub import LateReply, PubSub, Update
from server.records.sessions import SESSIONS_SHOWN, TURNS_SHOWN, UPLOADS_SHOWN, Sessions, SessionView
from server.rpc import convert
from server.runtime.lifecycle import Lifecycle
from server.services.flow_messages import progress_message


class SessionService(session_pb2_grpc.SessionServiceServicer):
    """See protos/vestibule/v1/session.proto."""

    def __init__(self, sessions: Sessions, pubsub: PubSub, lifecycle: Lifecycle, words: MachineWords) -> None:
        self._sessions = sessions
        self._pubsub = pubsub
        self._lifecycle = lifecycle
        self._words = words

    async def StartSession(  # noqa: N802, D102
        self, request: session_pb2.StartSessionRequest, context: Any
    ) -> session_pb2.StartSessionResponse:
        facts = dict(request.facts)
        row = await self._sessions.start(
            client_id=current_caller().client_for(request.client_id),
            request_id=request.request_id.lower(),  # UUIDs are equal in any letter case
            language=request.language,
            vocabulary=tuple(request.vocabulary),
            variant=await self._words.replaced(request.variant),
            subject_hash=request.subject_hash,
            flow=request.flow,
            flow_version=request.flow_version,
            facts=facts,
            time_zone=request.time_zone,
            personal=await self._words.personal(words_in_facts(facts)),
        )
        return session_pb2.StartSessionResponse(session=_message(await self._sessions.view(row.id)))

    async def GetSession(  # noqa: N802, D102
        self, request: session_pb2.GetSessionRequest, context: Any
    ) -> session_pb2.GetSessionResponse:
        view = await self._sessions.view(
            request.session_id, request.upload_page_size or UPLOADS_SHOWN, request.upload_page_token
        )
        return session_pb2.GetSessionResponse(session=_message(view), next_upload_page_token=view.older_uploads)

    async def WatchSession(  # noqa: N802, D102
        self, request: session_pb2.WatchSessionRequest, context: Any
    ) -> AsyncIterator[session_pb2.WatchSessionResponse]:
        with self._pubsub.subscribe(request.session_id, reads_again=True) as updates:
            view = await self._sessions.view(request.session_id)
            yield session_pb2.WatchSessionResponse(session=_message(view))
            ended = view.session.state.ended
            while not ended:
                update = await self._lifecycle.or_drain(anext(updates))
                yield await self._update(update)
                ended = isinstance(update, SessionRow) and update.state.ended

    async def AbandonSession(  # noqa: N802, D102
        self, request: session_pb2.AbandonSessionRequest, context: Any
    ) -> session_pb2.AbandonSessionResponse:
        await self._sessions.abandon(request.session_id, await self._words.replaced(request.reason))
        return session_pb2.AbandonSessionResponse(session=_message(await self._sessions.view(request.session_id)))

    async def ListSessions(  # noqa: N802, D102
        self, request: session_pb2.ListSessionsRequest, context: Any
    ) -> session_pb2.ListSessionsResponse:
        rows, following = await self._sessions.page(
            client_id=request.client_id,
            running=request.running,
            page_size=request.page_size or SESSIONS_SHOWN,
            page_token=request.page_token,
        )
        found = [convert.session(row, [], None) for row in rows]
        return session_pb2.ListSessionsResponse(sessions=found, next_page_token=following)

    async def ListTurns(  # noqa: N802, D102
        self, request: session_pb2.ListTurnsRequest, context: Any
    ) -> session_pb2.ListTurnsResponse:
        rows, older = await self._sessions.turns(
            request.session_id, request.page_size or TURNS_SHOWN, request.page_token
        )
        return session_pb2.ListTurnsResponse(turns=[convert.turn(row) for row in rows], next_page_token=older)

    async def _update(self, update: Update) -> session_pb2.WatchSessionResponse:
        match update:
            case SessionRow():
                return session_pb2.WatchSessionResponse(session=_message(await self._sessions.view(update.id)))
            case UploadRow():
                return session_pb2.WatchSessionResponse(upload=convert.upload(update))
            case RecommendationRow():
                return session_pb2.WatchSessionResponse(recommendation=convert.recommendation_message(update))
            case TurnRow():
                return session_pb2.WatchSessionResponse(turn=convert.turn(update))
            case LateReply():
                reply = session_pb2.LateReply(
                    turn_id=update.turn_id, text=convert.redacted(update.text), origin=convert.origin(update.origin)
                )
                return session_pb2.WatchSessionResponse(late_reply=reply)


def _message(view: SessionView) -> session_pb2.Session:
    message = convert.session(view.session, view.uploads, view.recommendation)
    message.progress.CopyFrom(progress_message(view.guidance.progress, view.guidance.language))
    return message
