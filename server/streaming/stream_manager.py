"""Opens conversation streams, new ones and ones that broke, and stores how far each is."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from models.errors import InvalidInput, NotFound
from models.media.audio_decoder import PcmFormat, StreamDecoder
from models.reasons import Reason
from models.redaction.types import RedactionScope
from ray_tasks.types import Gateway
from server.jobs.runner import JobQueue
from server.ledger import sessions, streams, turns
from server.ledger.types import Clock, RecommendationRow, SessionRow, StreamRow, TurnRow
from server.ledger.writer import Ledger
from server.llm.types import Assistant
from server.observability.metrics import Metrics
from server.records.pubsub import WatchHub
from server.records.recommender import Recommender
from server.records.vocabulary import VocabularySealer
from server.runtime.lifecycle import Lifecycle
from server.streaming.admission import Admission, AdmissionTicket
from server.streaming.audio_ingest import AudioIngest, UtteranceSegmenter
from server.streaming.conversation import NOTHING_KEPT, WAITING_OUTPUTS, Conversation, ConversationLimits
from server.streaming.events import Output
from server.streaming.partials import RecognitionConfig
from server.streaming.priority_limiter import PriorityLimiter
from server.streaming.rate_limit import AudioQuota, RateLimiter
from server.streaming.repository import StreamRepository
from server.streaming.responder import Responder
from server.streaming.stream_config import StreamConfig, StreamLimits
from server.streaming.transcriber import Transcriber
from server.uploads.audio_log import AudioLogContent
from server.uploads.spool import Spool


@dataclass(slots=True)
class OpenStream:
    """A stream that is set up.

    Attributes:
        next_offset: Where the client goes on to send; on a finished stream the end of what was acknowledged.
        conversation: None when the stream was finished before, and only its finals were lost.
        missed: On a resumed stream, stored turns that the client has not seen the finals of; they come first.
    """

    id: str
    token: str
    next_offset: int
    conversation: Conversation | None
    missed: list[TurnRow]


MakeCutter = Callable[[int, float | None, float | None], UtteranceSegmenter]
"""Takes the sample number at which the audio starts, the end silence and the longest utterance in seconds."""


class StreamManager:
    """All open streams of this server."""

    def __init__(
        self,
        ledger: Ledger,
        gateway: Gateway,
        assistant: Assistant,
        recommender: Recommender,
        spool: Spool,
        hub: WatchHub,
        sealer: VocabularySealer,
        jobs: JobQueue,
        lifecycle: Lifecycle,
        metrics: Metrics,
        clock: Clock,
        limits: StreamLimits,
        make_cutter: MakeCutter,
        turnstile: PriorityLimiter,
        admission: Admission,
    ) -> None:
        self._ledger = ledger
        self._gateway = gateway
        self._assistant = assistant
        self._recommender = recommender
        self._spool = spool
        self._hub = hub
        self._sealer = sealer
        self._jobs = jobs
        self._lifecycle = lifecycle
        self._metrics = metrics
        self._clock = clock
        self._limits = limits
        self._make_cutter = make_cutter
        self._turnstile = turnstile
        self._admission = admission

    @property
    def count(self) -> int:
        """Open streams."""
        return len(self._admission.ids)

    @property
    def ids(self) -> frozenset[str]:
        """Ids of the open streams; their audio logs are in use."""
        return self._admission.ids

    @property
    def session_ids(self) -> frozenset[str]:
        """Sessions that somebody talks in; they are not idle."""
        return self._admission.session_ids

    @asynccontextmanager
    async def open(self, config: StreamConfig) -> AsyncIterator[OpenStream]:
        """Set a stream up; on leaving it is closed, and its audio kept unless the client was done.

        Raises:
            Overloaded: TOO_MANY_STREAMS, TOO_MANY_CLIENT_STREAMS, SPEECH_BUSY.
            NotFound: SESSION_NOT_FOUND, or STREAM_NOT_FOUND for a token that is not known any more.
            Conflict: WRONG_STATE when the session has ended, STREAM_IN_USE when its older connection cannot be left.
            InvalidInput: RESUME_TOKEN_INVALID.
        """
        session = await self._ledger.read(lambda cursor: sessions.require_open(cursor, config.session_id))
        stream_id = await self._known(config) if config.resume_token else str(uuid.uuid4())
        if config.resume_token:
            await self._admission.vacate(stream_id)
        with self._admission.seated(stream_id, session.id, session.client_id) as seat:
            if config.resume_token:
                row, token = await self._resume(stream_id, config)
            else:
                if config.encoding != "UNSPECIFIED":
                    self._admission.begin_speech(seat)
                row, token = await self._begin(stream_id, config, session)
            if row.open and row.next_offset:
                self._admission.go_on(seat)
            missed = await self._missed(config, row)
            if not row.open:
                yield OpenStream(row.id, token, row.next_offset, None, missed)
                return
            conversation = await self._conversation(config, session, row, seat)
            try:
                yield OpenStream(row.id, token, row.next_offset, conversation, missed)
            finally:
                await conversation.close()
                # From now on the time counts for which it can be resumed.
                await self._ledger.write(lambda cursor: streams.save_progress(cursor, row.id, self._clock()))
            if conversation.finished:
                taken_in = conversation.next_offset  # the log that tells it is deleted
                await self._ledger.write(lambda cursor: streams.close(cursor, row.id, self._clock(), taken_in))
                await asyncio.to_thread(self._spool.delete_log, row.id)

    async def _begin(self, stream_id: str, config: StreamConfig, session: SessionRow) -> tuple[StreamRow, str]:
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
        )
        await self._ledger.write(lambda cursor: streams.insert_stream(cursor, row))
        return row, f"{stream_id}.{secret}"

    async def _known(self, config: StreamConfig) -> str:
        """Id of the stream that a token belongs to."""
        stream_id, _, secret = config.resume_token.partition(".")
        row = await self._ledger.read(lambda cursor: streams.get(cursor, stream_id))
        if not hmac.compare_digest(row.token_hash, _hash(secret)) or row.session_id != config.session_id:
            raise InvalidInput("The resume token is not valid.", reason=Reason.RESUME_TOKEN_INVALID)
        return stream_id

    async def _resume(self, stream_id: str, config: StreamConfig) -> tuple[StreamRow, str]:
        # In the order of the writes: what the broken stream still had in the writer's queue is seen.
        row = await self._ledger.write(lambda cursor: streams.get(cursor, stream_id))
        if not row.open and config.next_utterance is None:
            raise NotFound("The stream has ended.", reason=Reason.STREAM_NOT_FOUND)
        if not row.open:
            return row, config.resume_token
        kept = await asyncio.to_thread(self._kept, row.id)
        return replace(row, next_offset=len(kept.data)), config.resume_token

    def _kept(self, stream_id: str) -> AudioLogContent:
        return self._spool.read_log(stream_id) if stream_id in self._spool.log_ids() else NOTHING_KEPT

    async def _missed(self, config: StreamConfig, row: StreamRow) -> list[TurnRow]:
        known = config.next_utterance
        if not config.resume_token or known is None:
            return []
        return await self._ledger.read(lambda cursor: turns.list_of_stream(cursor, row.id, known))

    async def _conversation(
        self, config: StreamConfig, session: SessionRow, row: StreamRow, seat: AdmissionTicket
    ) -> Conversation:
        outputs: asyncio.Queue[Output] = asyncio.Queue(WAITING_OUTPUTS)
        store = StreamRepository(self._ledger, self._hub, self._jobs, self._clock, session, row.id)
        vocabulary = self._sealer.open(session.sealed_vocabulary)
        earlier = await self._ledger.read(lambda cursor: turns.list_of_session(cursor, session.id))
        replay = await asyncio.to_thread(self._kept, row.id) if row.next_offset else NOTHING_KEPT
        ears = AudioIngest(
            await asyncio.to_thread(self._spool.open_log, row.id),
            StreamDecoder(self._limits.audio, _pcm(row)),
            self._make_cutter(row.finalized_samples, config.end_silence_s, config.max_utterance_s),
            next_utterance=row.next_utterance,
            skip_samples=row.finalized_samples,
            next_offset=row.next_offset,
        )
        voice = Responder(
            self._assistant,
            self._gateway,
            language=row.language,
            scope=RedactionScope(session.client_id, session.id),
            earlier=earlier,
            emit=outputs.put,
            store=store.reply,
            later=store.later,
            propose=self._propose(session.id),
            metrics=self._metrics,
        )
        recogniser = Transcriber(
            self._gateway,
            RecognitionConfig(
                session.id,
                row.id,
                row.language,
                vocabulary,
                session.client_id,
                config.word_times,
                detects=row.detects,
            ),
            sealed_state=row.sealed_state,
            emit=outputs.put,
            store=store.turn,
            known=store.known,
            silence=store.silence,
            clock=self._clock,
            metrics=self._metrics,
            asked=(lambda: voice.asked_for) if config.reply else tuple,
            turnstile=self._turnstile,
        )
        return Conversation(
            ears,
            recogniser,
            voice,
            self._lifecycle,
            outputs,
            ConversationLimits(self._limits.stream_s, self._limits.idle_s),
            reply=config.reply,
            replay=replay,
            watch=AudioQuota(self._admission, seat, RateLimiter(self._limits.pace, self._clock, row.create_time)),
            leave=seat.wanted,
        )

    def _propose(self, session_id: str) -> Callable[[float], Awaitable[RecommendationRow]]:
        async def propose(wait_s: float) -> RecommendationRow:
            return await self._recommender.propose(session_id, fallback=True, wait_s=wait_s)

        return propose


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _pcm(row: StreamRow) -> PcmFormat | None:
    if row.encoding != "PCM_S16LE":
        return None
    return PcmFormat(row.sample_rate_hz, row.channels)
