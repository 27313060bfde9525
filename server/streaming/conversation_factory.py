"""Builds a conversation from what all streams share and what is its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from models.media.audio_decoder import OpenContainer, PcmFormat, StreamDecoder
from server.experiments.catalogue import NO_EXPERIMENTS, Experiments
from server.experiments.types import Changes
from server.flows.asking import flow_words
from server.ledger.streams import StreamRow
from server.ledger.types import Clock, SessionRow
from server.observability.metrics import Metrics
from server.records.session_scope import scope_of
from server.runtime.lifecycle import Lifecycle
from server.sealed.requests import NOTHING_SEALED, Seals
from server.streaming.admission import Admission, AdmissionTicket
from server.streaming.audio_ingest import AudioIngest
from server.streaming.barge_in import BargeIn
from server.streaming.conversation import WAITING_OUTPUTS, Conversation
from server.streaming.events import Emit, Output
from server.streaming.guidance import StreamGuidance
from server.streaming.partials import InterimTranscriber, RecognitionConfig, SpeechBackend
from server.streaming.rate_limit import AudioQuota, MessageRates, RateLimiter, TypedRates
from server.streaming.repository import StreamRepository
from server.streaming.responder import ReplyBackend, Responder
from server.streaming.segmentation import Segmentation, SegmenterFactory
from server.streaming.stream_config import StreamConfig, StreamLimits
from server.streaming.stream_registry import RegisteredStream, StreamRegistry
from server.streaming.transcriber import Heard, Transcriber

RepositoryFactory = Callable[[SessionRow, str, str, StreamGuidance], StreamRepository]
"""Takes the session, the ids of a stream and of the connection that has it, and its guidance."""


@dataclass(frozen=True, slots=True)
class ConversationFactory:
    """What the conversations of all streams share."""

    registry: StreamRegistry
    admission: Admission
    segmenters: SegmenterFactory
    speech: SpeechBackend
    replies: ReplyBackend
    repositories: RepositoryFactory
    limits: StreamLimits
    typed: TypedRates
    messages: MessageRates
    lifecycle: Lifecycle
    metrics: Metrics
    clock: Clock
    elapsed_s: Callable[[], float]
    open_container: OpenContainer
    heard: Heard
    experiments: Experiments = NO_EXPERIMENTS
    seals: Seals = NOTHING_SEALED

    async def build(
        self, config: StreamConfig, session: SessionRow, stream: RegisteredStream, ticket: AdmissionTicket
    ) -> Conversation:
        """The conversation of an open stream, ready to run.

        Raises:
            InternalError: SPOOL_CORRUPT, the audio log or the vocabulary cannot be read.
            Overloaded: CLIENT_AUDIO_FULL, SPOOL_FULL.
        """
        row = stream.row
        outputs: asyncio.Queue[Output] = asyncio.Queue(WAITING_OUTPUTS)
        progress = await self.registry.progress(session)
        guidance = StreamGuidance(progress, language=stream.language, guided=config.guided)
        if config.resume_token:
            outputs.put_nowait(guidance.now)  # the broken connection may not have told it
        repository = self.repositories(session, row.id, row.holder, guidance)
        changes = self.experiments.changes(
            session.variant, session.client_id, session.create_time, session.flow, session.flow_version
        )
        barge_in = BargeIn(enabled=config.barge_in)
        responder = Responder(
            self.replies,
            repository,
            scope_of(session, progress.flow),
            language=stream.language,
            earlier=await self.registry.earlier_turns(session.id),
            emit=guidance.telling(outputs.put),
            metrics=self.metrics,
            instruction=changes.reply_instruction,
            briefing=guidance.briefing,
            barge_in=barge_in,
        )
        guidance.replied = lambda: config.reply and responder.has_replied
        heard = barge_in.listening(outputs.put)
        transcriber = self._transcriber(config, session, row, repository, responder, guidance, heard)
        segmentation, decoder = self._segmentation(config, row, changes), self._decoder(row)
        return Conversation(
            AudioIngest(await self.registry.open_log(row, session.client_id), decoder, row.next_offset),
            segmentation,
            transcriber,
            responder,
            self.lifecycle,
            outputs,
            self.limits,
            reply=config.reply,
            replay=stream.log,
            quota=AudioQuota(self.admission, ticket, self._rate_limiter(row)),
            take_typed=partial(self.typed.take, session.id, session.client_id),
            take_small=partial(self.messages.take, row.id),
            end_request=ticket.end_request,
            beside=partial(guidance.follow, repository, outputs.put),
            known=lambda: guidance.known,
        )

    def _rate_limiter(self, row: StreamRow) -> RateLimiter:
        return RateLimiter(self.limits.rate, (self.clock() - row.create_time).total_seconds(), self.elapsed_s)

    def _decoder(self, row: StreamRow) -> StreamDecoder:
        return StreamDecoder(self.limits.audio, _pcm(row), self.open_container)

    def _segmentation(self, config: StreamConfig, row: StreamRow, changes: Changes) -> Segmentation:
        end_silence_s = changes.end_silence_s if config.end_silence_s is None else config.end_silence_s
        return Segmentation(
            self.segmenters(row.finalized_samples, end_silence_s, config.max_utterance_s),
            next_utterance=row.next_utterance,
            finalized_samples=row.finalized_samples,
        )

    def _transcriber(
        self,
        config: StreamConfig,
        session: SessionRow,
        row: StreamRow,
        repository: StreamRepository,
        responder: Responder,
        guidance: StreamGuidance,
        emit: Emit,
    ) -> Transcriber:
        recognition = RecognitionConfig(
            session.id,
            row.id,
            row.language,
            self.registry.vocabulary(session, guidance.language),
            session.client_id,
            config.word_times,
            detects=row.detects,
            seal=lambda: self.seals.request(session),
            hints=guidance.hints,
            flow_words=flow_words(guidance.progress.flow),
            known_language=lambda: guidance.language,
        )

        def asked_for() -> tuple[str, ...]:
            return guidance.asked_for(responder.asked_for if config.reply else ())

        interim = InterimTranscriber(
            self.speech,
            recognition,
            sealed_state=row.sealed_state,
            emit=emit,
            asked_for=asked_for,
            numbers=repository.known_numbers(),
        )
        return Transcriber(
            interim,
            self.speech.gateway,
            repository,
            emit=guidance.telling(emit),
            asked_for=asked_for,
            clock=self.clock,
            metrics=self.metrics,
            heard=self.heard,
        )


def _pcm(row: StreamRow) -> PcmFormat | None:
    if row.encoding != "PCM_S16LE":
        return None
    return PcmFormat(row.sample_rate_hz, row.channels)
