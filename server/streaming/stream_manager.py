"""Opens conversation streams: new ones, and ones that broke."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from models.errors import VestibuleError
from server.ledger.types import SessionRow, TurnRow
from server.streaming.admission import Admission, AdmissionTicket
from server.streaming.conversation import Conversation
from server.streaming.conversation_factory import ConversationFactory
from server.streaming.events import ProgressChanged
from server.streaming.stream_config import StreamConfig
from server.streaming.stream_registry import RegisteredStream, StreamRegistry


@dataclass(slots=True)
class OpenStream:
    """A stream that is set up.

    Attributes:
        next_offset: Byte from which on the client sends; on a finished stream the end of what was acknowledged.
        conversation: None when the stream had finished before, and the client only asks for finals that it missed.
        missed: On a resumed stream, stored turns whose finals the client has not seen. They are sent first.
        progress: Of the session of a stream that had finished before; the conversation of another one sends it itself.
    """

    id: str
    token: str
    next_offset: int
    conversation: Conversation | None
    missed: list[TurnRow]
    progress: ProgressChanged | None = None


class StreamManager:
    """All open streams of this server."""

    def __init__(self, registry: StreamRegistry, admission: Admission, conversations: ConversationFactory) -> None:
        self._registry = registry
        self._admission = admission
        self._conversations = conversations

    @property
    def count(self) -> int:
        """Number of open streams."""
        return len(self._admission.ids)

    @property
    def ids(self) -> frozenset[str]:
        """Ids of the open streams; their audio logs are in use."""
        return self._admission.ids

    @property
    def session_ids(self) -> frozenset[str]:
        """Sessions with an open stream; they are not idle."""
        return self._admission.session_ids

    async def count_logs(self) -> None:
        """Count the audio logs that other servers have made for the clients that they belong to."""
        await self._registry.count_logs()

    async def end_sessions(self, session_ids: frozenset[str]) -> None:
        """End the open streams of these sessions."""
        await self._admission.end_sessions(session_ids)

    @asynccontextmanager
    async def open(self, config: StreamConfig) -> AsyncIterator[OpenStream]:
        """Set a stream up. When the context ends, the stream is closed; its audio is kept unless the client was done.

        Raises:
            Overloaded: TOO_MANY_STREAMS, TOO_MANY_CLIENT_STREAMS, TOO_MANY_SESSION_STREAMS, CLIENT_AUDIO_FULL,
                SPEECH_BUSY, SPOOL_FULL.
            NotFound: SESSION_NOT_FOUND, or STREAM_NOT_FOUND for a token that is not known any more.
            Conflict: SESSION_ENDED, STREAM_IN_USE when an older connection does not end soon.
            InvalidInput: RESUME_TOKEN_INVALID.
        """
        session = await self._registry.open_session(config.session_id)
        opened = False
        try:
            async with self._opened(config, session) as stream:
                opened = True
                yield stream
        except VestibuleError as error:
            await self._registry.refused(session, error, opened=opened)
            raise

    @asynccontextmanager
    async def _opened(self, config: StreamConfig, session: SessionRow) -> AsyncIterator[OpenStream]:
        if config.resume_token:
            stream_id = await self._registry.verify_token(config)
            await self._admission.release(stream_id)
        else:
            stream_id = str(uuid.uuid4())
        with self._admission.admit(stream_id, session.id, session.client_id) as ticket:
            stream = await self._register(stream_id, config, session, ticket)
            row, token = stream.row, stream.token
            ticket.has_stream = row.open
            missed = await self._registry.missed_turns(row.id, config)
            if not row.open:
                progress = await self._registry.progress(session)
                told = ProgressChanged(progress, progress.flow.language(stream.language))
                yield OpenStream(row.id, token, row.next_offset, None, missed, told)
                return
            conversation = await self._conversations.build(config, session, stream, ticket)
            del stream  # it has the audio that came before
            try:
                yield OpenStream(row.id, token, row.next_offset, conversation, missed)
            finally:
                await conversation.close()
                await self._registry.left(row.id, ticket.id)
            if conversation.finished:
                await self._registry.finish(row.id, conversation.next_offset)

    async def _register(
        self, stream_id: str, config: StreamConfig, session: SessionRow, ticket: AdmissionTicket
    ) -> RegisteredStream:
        if not config.resume_token:
            if config.has_audio:
                if (error := self._registry.audio_problem(session.client_id)) is not None:
                    raise self._admission.counted(error)
                self._admission.admit_audio(ticket)
            return await self._registry.begin(stream_id, config, session, ticket.id)
        stream = await self._registry.resume(stream_id, config, ticket.id)
        if stream.row.open and stream.row.next_offset:
            self._admission.readmit_audio(ticket)
        return stream
