"""Streams on a real ledger and a real spool, and a client that follows one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast
from uuid import uuid4

from models.media.audio_decoder import open_in_process
from models.media.samples import SAMPLE_RATE_HZ
from ray_tasks.types import SpeechStep, SpeechWindow
from server.access.audit import AuditTrail
from server.experiments.catalogue import NO_EXPERIMENTS, Experiments
from server.flows.catalogue import shipped_catalogue
from server.jobs.runner import JobRunner
from server.ledger import sessions, turns
from server.ledger.embedded import EmbeddedLedger
from server.ledger.transactional import Ledger
from server.ledger.types import SessionRow, SessionState, TurnRow
from server.observability.metrics import Metrics
from server.records.pubsub import PubSub
from server.records.recommender import Recommender
from server.records.refusal_events import RefusalEvents
from server.records.vocabulary import VocabularySealer
from server.runtime.lifecycle import Lifecycle
from server.runtime.token_bucket import Rate
from server.sealed.requests import NOTHING_SEALED, Seals
from server.setting_groups import ApprovalSettings
from server.streaming.admission import Admission, AdmissionLimits
from server.streaming.conversation import Conversation
from server.streaming.conversation_factory import ConversationFactory
from server.streaming.events import Input, Output
from server.streaming.held_streams import HELD_S, HeldStreams
from server.streaming.load_meter import SpeechLoadMeter
from server.streaming.partials import SpeechBackend
from server.streaming.priority_limiter import PriorityLimiter
from server.streaming.rate_limit import MessageRates, RateLimits, TypedRates
from server.streaming.repository import StreamRepository
from server.streaming.responder import ReplyBackend
from server.streaming.stream_config import StreamConfig, StreamLimits
from server.streaming.stream_manager import OpenStream, StreamManager
from server.streaming.stream_registry import StreamRegistry
from server.uploads.spool import Spool
from server.uploads.usage import NO_BOUNDS, LogBounds
from tests.fakes.assistant import FakeAssistant
from tests.fakes.gateway import FakeGateway
from tests.fakes.guide import GUIDE
from tests.fakes.recognition import LoudnessSegmenter
from tests.unit.ledger.migrated import open_ledger
from tests.unit.streaming.conversation_harness import NOW, chunks

STREAM_S, IDLE_S = 60.0, 30.0
SMALL = Rate(per_s=60.0, burst=300.0)
ADMISSION = AdmissionLimits(streams=10, client_streams=10, session_streams=10, floor=2, load=0.8)


class StreamHarness:
    """Everything that ``StreamManager`` needs, with the workers and the upstream replaced."""

    def __init__(
        self,
        folder: Path,
        limits: AdmissionLimits = ADMISSION,
        language: str = "en",
        gateway: FakeGateway | None = None,
        client_logs: LogBounds = NO_BOUNDS,
        experiments: Experiments = NO_EXPERIMENTS,
        seals: Seals = NOTHING_SEALED,
        shared: Ledger | None = None,
    ) -> None:
        """With ``shared``, the ledger and the folder are those of several servers."""
        embedded = None if shared else open_ledger(folder / "ledger.duckdb", memory_bytes=128 * 1024 * 1024)
        self.ledger = cast("EmbeddedLedger", embedded or shared)  # most tests have their own, and look into it
        self.spool = Spool(folder / "spool", bytes(32), client_logs=client_logs, together=shared is not None)
        self.waited = 0
        self.gateway = gateway or FakeGateway()
        self.resumed_at: list[int] = []
        self.heard: list[tuple[TurnRow, SpeechWindow, SpeechStep, float]] = []
        self.endings: list[tuple[float | None, float | None]] = []
        self.segmenter_type: type[LoudnessSegmenter] = LoudnessSegmenter
        self.config = self.session_of("app", language)
        self.assistant, self.pubsub, self.metrics = FakeAssistant(), PubSub(), Metrics()
        pubsub = self.pubsub
        self.now = NOW
        self.load = SpeechLoadMeter(1, self.elapsed_s)
        audit = AuditTrail(bytes(32), bytes(32), lambda: NOW)
        runner = JobRunner(self.ledger, clock=lambda: NOW, owner="me", audit=audit)
        refusals = RefusalEvents(self.ledger, lambda: self.now)
        recommender = Recommender(
            self.ledger,
            self.gateway,
            self.assistant,
            pubsub,
            clock=lambda: NOW,
            audit=audit,
            flows=shipped_catalogue(),
            approval=ApprovalSettings(),
            on_job=runner.wake,
            refusals=refusals,
        )
        registry = self.registry = StreamRegistry(
            self.ledger,
            self.spool,
            VocabularySealer(bytes(32)),
            lambda: self.now,
            GUIDE,
            refusals,
            held_s=HELD_S if shared is not None else None,
            sleep=self._sleep,
        )
        admission = Admission(limits, self.load, self.metrics)
        self.held = HeldStreams(self.ledger, admission, lambda: self.now, self.elapsed_s)
        self.while_waiting: Callable[[], Awaitable[object]] = _nothing
        conversations = ConversationFactory(
            registry=registry,
            admission=admission,
            segmenters=self._segmenter,
            speech=SpeechBackend(self.gateway, PriorityLimiter(1), self.load),
            replies=ReplyBackend(self.assistant, self.gateway, recommender),
            repositories=partial(StreamRepository, self.ledger, pubsub, runner, lambda: self.now, GUIDE),
            limits=StreamLimits(STREAM_S, IDLE_S, RateLimits(times=4.0, ahead_s=30.0)),
            typed=TypedRates(Rate.per_minute(60), Rate.per_minute(600), self.elapsed_s),
            messages=MessageRates(self.elapsed_s, SMALL),
            lifecycle=Lifecycle(),
            metrics=self.metrics,
            clock=lambda: self.now,
            elapsed_s=self.elapsed_s,
            open_container=open_in_process,
            heard=lambda *final: self.heard.append(final),
            experiments=experiments,
            seals=seals,
        )
        self.streams = StreamManager(registry, admission, conversations)
        self.recommender, self.runner = recommender, runner

    def session_of(self, client_id: str, language: str = "en", variant: str = "") -> StreamConfig:
        """Start a session; returns the configuration of a stream of it."""
        row = SessionRow(str(uuid4()), client_id, str(uuid4()), SessionState.STARTED, NOW, NOW, language=language)
        row = replace(row, variant=variant)
        self.ledger.write_now(lambda cursor: sessions.insert_or_get(cursor, row))
        return StreamConfig(row.id, "PCM_S16LE", SAMPLE_RATE_HZ, 1, language, None, False, "")

    async def _sleep(self, seconds: float) -> None:
        self.waited += 1
        await self.while_waiting()

    def elapsed_s(self) -> float:
        return (self.now - NOW).total_seconds()

    def _segmenter(
        self, resume_at: int, end_silence_s: float | None, max_utterance_s: float | None
    ) -> LoudnessSegmenter:
        self.resumed_at.append(resume_at)
        self.endings.append((end_silence_s, max_utterance_s))
        return self.segmenter_type(resume_at)

    async def turns(self) -> list[TurnRow]:
        return await self.ledger.read(lambda cursor: turns.list_of_session(cursor, self.config.session_id))


async def _nothing() -> None:
    return


def talk(stream: OpenStream) -> Conversation:
    """The conversation of a stream that goes on."""
    assert stream.conversation is not None
    return stream.conversation


async def until(stream: OpenStream, inputs: AsyncIterator[Input], last: type[Output]) -> list[Output]:
    """Follow a stream up to an event, then leave it, as a client does that vanishes."""
    seen: list[Output] = []
    async with aclosing(talk(stream).run(inputs)) as outputs:
        async for output in outputs:
            seen.append(output)
            if isinstance(output, last):
                break
    return seen


async def endless(audio: bytes) -> AsyncIterator[Input]:
    async for chunk in chunks(audio):
        yield chunk
    await asyncio.Event().wait()
