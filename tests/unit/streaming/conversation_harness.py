"""A conversation on its own, and the sounds that are sent to one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from models.media.samples import SAMPLE_RATE_HZ
from models.redaction.types import NO_SCOPE
from models.text import RedactedText
from server.ledger.types import Origin, RecommendationRow, RecommendationState, TurnRow
from server.observability.metrics import Metrics
from server.runtime.lifecycle import Lifecycle
from server.streaming import events
from server.streaming.audio_ingest import AudioIngest
from server.streaming.barge_in import BargeIn
from server.streaming.conversation import Conversation
from server.streaming.events import Input, Output
from server.streaming.load_meter import SpeechLoadMeter
from server.streaming.partials import InterimTranscriber, RecognitionConfig, SpeechBackend
from server.streaming.priority_limiter import PriorityLimiter
from server.streaming.rate_limit import RateLimits
from server.streaming.responder import ReplyBackend, Responder, SentReply
from server.streaming.segmentation import Segmentation
from server.streaming.stream_config import StreamLimits
from server.streaming.transcriber import RecognizedUtterance, Transcriber
from tests.fakes.assistant import FakeAssistant
from tests.fakes.gateway import FakeGateway
from tests.fakes.numbering import PlainTags
from tests.fakes.recognition import LoudnessSegmenter, MemoryLog, PcmDecoder

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BYTES_A_SECOND = 2 * SAMPLE_RATE_HZ
A_MOMENT_S = 0.05


def stream_limits(stream_s: float, idle_s: float) -> StreamLimits:
    """Limits of a stream whose audio may come as fast as it likes."""
    return StreamLimits(stream_s, idle_s, RateLimits(times=1000.0, ahead_s=1000.0))


@dataclass
class ConversationHarness:
    """A conversation whose workers, upstream, log and stores a test can look into."""

    gateway: FakeGateway = field(default_factory=FakeGateway)
    assistant: FakeAssistant = field(default_factory=FakeAssistant)
    lifecycle: Lifecycle = field(default_factory=Lifecycle)
    log: MemoryLog = field(default_factory=MemoryLog)
    limits: StreamLimits = field(default_factory=lambda: stream_limits(60.0, 5.0))
    segmenter_type: type[LoudnessSegmenter] = LoudnessSegmenter
    finalized_samples: int = 0
    next_utterance: int = 0
    stored: list[RecognizedUtterance] = field(default_factory=list)
    silences: list[int] = field(default_factory=list)
    replies: list[SentReply] = field(default_factory=list)
    barge_in: bool = True
    retries: list[str] = field(default_factory=list)
    conversation: Conversation | None = None
    seen: list[Output] = field(default_factory=list)

    async def run(self, inputs: AsyncIterator[Input], *, reply: bool = True, replay: bytes = b"") -> list[Output]:
        outputs: asyncio.Queue[Output] = asyncio.Queue(64)
        barge_in = BargeIn(enabled=self.barge_in)
        heard = barge_in.listening(outputs.put)
        responder = Responder(
            ReplyBackend(self.assistant, self.gateway, self),
            self,
            NO_SCOPE,
            language="en",
            earlier=[],
            emit=outputs.put,
            metrics=Metrics(),
            barge_in=barge_in,
        )
        interim = InterimTranscriber(
            SpeechBackend(self.gateway, PriorityLimiter(1), SpeechLoadMeter(1, time.monotonic)),
            RecognitionConfig("session", "stream", "en", ()),
            sealed_state=b"",
            emit=heard,
            asked_for=lambda: responder.asked_for,
            numbers=PlainTags(),
        )
        transcriber = Transcriber(
            interim,
            self.gateway,
            self,
            emit=heard,
            asked_for=lambda: responder.asked_for,
            clock=lambda: NOW,
            metrics=Metrics(),
        )
        self.conversation = Conversation(
            AudioIngest(self.log, PcmDecoder(), len(replay)),
            Segmentation(
                self.segmenter_type(self.finalized_samples),
                next_utterance=self.next_utterance,
                finalized_samples=self.finalized_samples,
            ),
            transcriber,
            responder,
            self.lifecycle,
            outputs,
            self.limits,
            reply=reply,
            replay=(piece for piece in (replay,)) if replay else None,
        )
        async for output in self.conversation.run(inputs):
            self.seen.append(output)
        return self.seen

    async def store_turn(self, recognized: RecognizedUtterance) -> TurnRow:
        self.stored.append(recognized)
        return recognized.turn

    async def number_tags(self, text: RedactedText) -> RedactedText:
        return text

    async def find_turn(self, turn_id: str) -> TurnRow | None:
        return next((recognized.turn for recognized in self.stored if recognized.turn.id == turn_id), None)

    async def store_repeated(self, utterance: int) -> None:
        raise AssertionError("All turns here are of one stream.")

    async def store_silence(self, utterance: int, finalized_samples: int, spoken_s: float) -> None:
        assert finalized_samples > 0
        self.silences.append(utterance)

    async def store_reply(self, reply: SentReply) -> None:
        self.replies.append(reply)

    async def enqueue_retry(self, turn: TurnRow) -> None:
        self.retries.append(turn.id)

    async def propose(self, session_id: str, *, fallback: bool, wait_s: float) -> RecommendationRow:
        record = RedactedText.literal('{"summary":"","fields":[],"missing":[]}')
        return RecommendationRow("id", "session", RecommendationState.PENDING, record, "00" * 32, Origin.MODEL, NOW)


def speech(seconds: float) -> bytes:
    return np.full(int(seconds * SAMPLE_RATE_HZ), 1000, "<i2").tobytes()


def quiet(seconds: float) -> bytes:
    return bytes(2 * int(seconds * SAMPLE_RATE_HZ))


async def chunks(audio: bytes, size_s: float = 0.1, start: int = 0) -> AsyncIterator[Input]:
    size = int(size_s * BYTES_A_SECOND)
    for at in range(start, len(audio), size):
        yield events.AudioIn(at, audio[at : at + size])


async def these(*items: Input) -> AsyncIterator[Input]:
    for item in items:
        yield item


def kinds(outputs: list[Output], *wanted: type[Output]) -> list[str]:
    return [type(o).__name__ for o in outputs if not wanted or isinstance(o, wanted)]
