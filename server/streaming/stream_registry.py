"""Keeps what a stream needs to be resumed: its row in the ledger and its audio log."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from models.errors import InvalidInput, NotFound, Overloaded, VestibuleError
from models.reasons import Reason
from server.access import ownership
from server.access.caller import current_caller
from server.flows.progress import Progress
from server.ledger import events, sessions, streams, turns
from server.ledger.columns import Cursor
from server.ledger.streams import StreamRow
from server.ledger.transactional import Ledger
from server.ledger.types import Clock, SessionRow, TurnRow
from server.records.events import make_event
from server.records.guide import Guide
from server.records.refusal_events import RefusalEvents
from server.records.vocabulary import VocabularySealer
from server.streaming.stream_config import StreamConfig
from server.uploads.audio_log import AudioLogFile, LogPieces, log_in_use
from server.uploads.spool import Spool

LOG_RELEASE_S: Final = 5.0
"""How long another server may take to close the log of a stream that it does not have any more."""
LOG_LOOK_S: Final = 0.1
MOST_WORDS: Final = 100
"""Words to expect in a stream; those of the app come first."""


@dataclass(frozen=True, slots=True)
class RegisteredStream:
    """A stream as it was stored when it was opened.

    Attributes:
        row: Its row; ``next_offset`` counts the bytes of its log.
        token: With which it is resumed.
        language: Of the stream or its session, as given or as last detected; empty while it is not known.
        log: On a resumed stream, the audio that came before, read from its log as it is asked for.
    """

    row: StreamRow
    token: str
    language: str
    log: LogPieces | None = None


class StreamRegistry:
    """The rows and audio logs of all streams.

    Args:
        sealer: Opens the vocabulary of a session.
        guide: Has the progress of a session, and the words that its flow expects.
        refusals: Stores refused and broken streams.
        held_s: For how long a connection has a stream without renewing that, where several servers share the ledger;
            None where this server has it alone.
        sleep: Waits for the audio log of another server.
    """

    def __init__(
        self,
        ledger: Ledger,
        spool: Spool,
        sealer: VocabularySealer,
        clock: Clock,
        guide: Guide,
        refusals: RefusalEvents,
        held_s: float | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._ledger = ledger
        self._spool = spool
        self._sealer = sealer
        self._clock = clock
        self._guide = guide
        self._refusals = refusals
        self._held_s = held_s
        self._sleep = sleep

    async def open_session(self, session_id: str) -> SessionRow:
        """The session of a stream, which must be one of the current caller.

        Raises:
            NotFound: SESSION_NOT_FOUND.
            Conflict: SESSION_ENDED.
        """
        caller = current_caller()
        return await self._ledger.read(lambda cursor: ownership.open_session(cursor, session_id, caller))

    async def progress(self, session: SessionRow) -> Progress:
        """How far a session is in its flow."""
        return await self._ledger.read(lambda cursor: self._guide.progress(cursor, session))

    async def verify_token(self, config: StreamConfig) -> str:
        """Id of the stream that a resume token belongs to.

        Raises:
            NotFound: STREAM_NOT_FOUND.
            InvalidInput: RESUME_TOKEN_INVALID.
        """
        stream_id, _, secret = config.resume_token.partition(".")
        caller = current_caller()
        row = await self._ledger.read(lambda cursor: ownership.stream(cursor, stream_id, caller))
        if not hmac.compare_digest(row.token_hash, _hash(secret)) or row.session_id != config.session_id:
            raise InvalidInput("The resume token is not valid.", reason=Reason.RESUME_TOKEN_INVALID)
        return stream_id

    def audio_problem(self, client_id: str) -> Overloaded | None:
        """Why a client may not open another stream for audio: too much of its streams is kept. None if it may."""
        return self._spool.logs.problem(client_id)

    async def begin(
        self, stream_id: str, config: StreamConfig, session: SessionRow, connection: str
    ) -> RegisteredStream:
        """Store a new stream, which a connection has."""
        caller = current_caller()
        secret = secrets.token_urlsafe(32)
        now, language = self._clock(), config.language or session.language
        row = StreamRow(
            id=stream_id,
            session_id=session.id,
            token_hash=_hash(secret),
            encoding=config.encoding,
            sample_rate_hz=config.sample_rate_hz,
            channels=config.channels,
            language=language,
            create_time=now,
            update_time=now,
            detects=not language,
            holder=connection,
            held_until=self._held_until(now),
        )

        def write(cursor: Cursor) -> str:
            streams.insert_stream(cursor, row)
            spoken = language or "detected"
            opened = make_event(session, "stream_opened", now, encoding=row.encoding, language=spoken)
            events.append(cursor, opened)
            ownership.note_participant(cursor, session.id, caller)
            return _language(cursor, row, session)

        known = await self._ledger.write(write)
        return RegisteredStream(row, f"{stream_id}.{secret}", known)

    async def resume(self, stream_id: str, config: StreamConfig, connection: str) -> RegisteredStream:
        """Give a stream that broke to a connection. One that has ended is only found, for finals that were missed.

        From then on another server stores nothing for it. It notices that within about a second, and closes the log.

        Raises:
            NotFound: STREAM_NOT_FOUND.
            Conflict: STREAM_IN_USE, the server that had it does not close its log.
        """
        caller = current_caller()

        def find(cursor: Cursor) -> tuple[StreamRow, str]:
            session = sessions.get(cursor, streams.get(cursor, stream_id).session_id)
            ownership.note_participant(cursor, session.id, caller)
            now = self._clock()
            has_it = streams.hold(cursor, stream_id, connection, self._held_until(now))
            row = streams.get(cursor, stream_id)  # after that: from now on nobody else stores anything for it
            if has_it:
                away_s = max(0.0, (now - row.update_time).total_seconds())
                events.insert_event(cursor, make_event(session, "stream_resumed", now, took_s=away_s))
            return row, _language(cursor, row, session)

        # Read in the writer's queue: writes of the broken connection that still wait there come first.
        row, language = await self._ledger.write(find)
        if not row.open and config.next_utterance is None:
            raise NotFound("The stream has ended.", reason=Reason.STREAM_NOT_FOUND)
        if not row.open:
            return RegisteredStream(row, config.resume_token, language)
        await self._until_log_is_free(row.id)
        size_bytes = await asyncio.to_thread(self._log_bytes, row.id)
        log = self._spool.log_pieces(row.id) if size_bytes else None
        return RegisteredStream(replace(row, next_offset=size_bytes), config.resume_token, language, log)

    async def refused(self, session: SessionRow, error: VestibuleError, *, opened: bool) -> None:
        """Record why a stream could not be opened, or why the server ended it early."""
        await self._refusals.record_refusal(session, "stream_broken_off" if opened else "stream_refused", error)

    async def missed_turns(self, stream_id: str, config: StreamConfig) -> list[TurnRow]:
        """Stored turns whose finals the client of a resumed stream has not seen."""
        first = config.next_utterance
        if not config.resume_token or first is None:
            return []
        return await self._ledger.read(lambda cursor: turns.list_of_stream(cursor, stream_id, first))

    async def earlier_turns(self, session_id: str) -> list[TurnRow]:
        """All turns of a session, oldest first."""
        return await self._ledger.read(lambda cursor: turns.list_of_session(cursor, session_id))

    async def count_logs(self) -> None:
        """Count the audio logs of an earlier run, and of other servers, for the clients that they belong to."""
        owners = await self._ledger.read(streams.clients_of_open)
        for stream_id in owners.keys() & await asyncio.to_thread(self._spool.log_ids):
            self._spool.logs.assign(stream_id, owners[stream_id])

    async def open_log(self, row: StreamRow, client_id: str) -> AudioLogFile:
        """The audio log of a stream, to be appended to. A caller that is cancelled meanwhile leaves no file open.

        Raises:
            Overloaded: CLIENT_AUDIO_FULL or SPOOL_FULL, there is no room for a new log.
            Conflict: STREAM_IN_USE, another server has it open, or has appended to it since it was measured.
            InternalError: SPOOL_CORRUPT.
        """
        self._spool.logs.assign(row.id, client_id)
        opening = asyncio.ensure_future(asyncio.to_thread(self._spool.open_log, row.id))
        try:
            log = await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_close)
            raise
        if log.size_bytes != row.next_offset:
            log.close()
            raise log_in_use()
        return log

    def vocabulary(self, session: SessionRow, language: str) -> tuple[str, ...]:
        """Words that the client of a session expects, and those that its flow expects in a language.

        Raises:
            InternalError: SPOOL_CORRUPT.
        """
        own = self._sealer.open(session.sealed_vocabulary)
        expected = self._guide.flow(session).expected_words(language)
        return tuple(dict.fromkeys([*own, *expected]))[:MOST_WORDS]

    async def left(self, stream_id: str, connection: str) -> None:
        """Record that a stream lost its connection. The time in which it can be resumed starts now.

        A log without audio is deleted; a resumed stream begins another one. What another connection has is left alone.
        """
        if await self._ledger.write(lambda cursor: streams.leave(cursor, stream_id, connection, self._clock())):
            await asyncio.to_thread(self._spool.delete_empty_log, stream_id)

    async def finish(self, stream_id: str, next_offset: int) -> None:
        """Close a stream whose client is done, and delete its audio log, unless another connection has it by now.

        Args:
            stream_id: The stream.
            next_offset: Bytes of audio that it took in. The log that would tell is deleted.
        """
        if await self._ledger.write(lambda cursor: streams.close(cursor, stream_id, self._clock(), next_offset)):
            await asyncio.to_thread(self._spool.delete_log, stream_id)

    async def _until_log_is_free(self, stream_id: str) -> None:
        if self._held_s is None:
            return
        for _ in range(round(LOG_RELEASE_S / LOG_LOOK_S)):
            if not await asyncio.to_thread(self._spool.log_in_use, stream_id):
                return
            await self._sleep(LOG_LOOK_S)
        raise log_in_use()

    def _held_until(self, now: datetime) -> datetime | None:
        return None if self._held_s is None else now + timedelta(seconds=self._held_s)

    def _log_bytes(self, stream_id: str) -> int:
        return self._spool.log_bytes(stream_id) if self._spool.has_log(stream_id) else 0


def _language(cursor: Cursor, row: StreamRow, session: SessionRow) -> str:
    return row.language or sessions.language_of(cursor, session)


def _close(opened: asyncio.Future[AudioLogFile]) -> None:
    if not opened.cancelled() and opened.exception() is None:
        opened.result().close()


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
