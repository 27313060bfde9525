"""A conversation on its own, and the sounds that are sent to one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from models.redaction.types import NO_SCOPE
from models.speech.types import SAMPLE_RATE_HZ
from models.text import RedactedText
from server.ledger.types import Origin, RecommendationRow, RecommendationState, TurnRow
from server.observability.metrics import Metrics
from server.runtime.lifecycle import Lifecycle
from server.streaming import events
from server.streaming.audio_ingest import AudioIngest
from server.streaming.conversation import Conversation, ConversationLimits
from server.streaming.events import Input, Output
from server.streaming.partials import RecognitionConfig
from server.streaming.responder import Responder
from server.streaming.transcriber import RecognizedUtterance, Transcriber
from server.uploads.audio_log import AudioLogContent
from tests.fakes.assistant import FakeAssistant
from tests.fakes.gateway import FakeGateway
from tests.fakes.recognition import LoudnessCutter, MemoryLog, PcmDecoder

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BYTES_A_SECOND = 2 * SAMPLE_RATE_HZ
A_MOMENT_S = 0.05


@dataclass
class Bench:
    """A conversation with everything around it replaced by what a test can look into."""

    gateway: FakeGateway = field(default_factory=FakeGateway)
    assistant: FakeAssistant = field(default_factory=FakeAssistant)
    lifecycle: Lifecycle = field(default_factory=Lifecycle)
    log: MemoryLog = field(default_factory=MemoryLog)
    bounds: ConversationLimits = field(default_factory=lambda: ConversationLimits(stream_s=60.0, idle_s=5.0))
    cutter_type: type[LoudnessCutter] = LoudnessCutter
    skip_samples: int = 0
    next_utterance: int = 0
    stored: list[RecognizedUtterance] = field(default_factory=list)
    silences: list[int] = field(default_factory=list)
    replies: list[tuple[str, str, Origin]] = field(default_factory=list)
    later: list[str] = field(default_factory=list)
    conversation: Conversation | None = None

    async def run(self, inputs: AsyncIterator[Input], *, reply: bool = True, replay: bytes = b"") -> list[Output]:
        outputs: asyncio.Queue[Output] = asyncio.Queue(64)
        ears = AudioIngest(
            self.log,
            PcmDecoder(),
            self.cutter_type(self.skip_samples),
            next_utterance=self.next_utterance,
            skip_samples=self.skip_samples,
            next_offset=len(replay),
        )
        voice = Responder(
            self.assistant,
            self.gateway,
            language="en",
            scope=NO_SCOPE,
            earlier=[],
            emit=outputs.put,
            store=self._reply,
            later=self._later,
            propose=self._propose,
            metrics=Metrics(),
        )
        recogniser = Transcriber(
            self.gateway,
            RecognitionConfig("session", "stream", "en", ()),
            sealed_state=b"",
            emit=outputs.put,
            store=self._store,
            known=self._known,
            silence=self._silence,
            clock=lambda: NOW,
            metrics=Metrics(),
            asked=lambda: voice.asked_for,
        )
        self.conversation = Conversation(
            ears, recogniser, voice, self.lifecycle, outputs, self.bounds, reply=reply, replay=AudioLogContent(replay)
        )
        self.seen: list[Output] = []
        async for output in self.conversation.run(inputs):
            self.seen.append(output)
        return self.seen

    async def _store(self, heard: RecognizedUtterance) -> None:
        self.stored.append(heard)

    async def _known(self, turn_id: str) -> TurnRow | None:
        return next((heard.turn for heard in self.stored if heard.turn.id == turn_id), None)

    async def _silence(self, utterance: int, finalized_samples: int) -> None:
        assert finalized_samples > 0
        self.silences.append(utterance)

    async def _reply(self, turn: TurnRow, text: RedactedText, origin: Origin) -> None:
        self.replies.append((turn.id, text.value, origin))

    async def _later(self, turn: TurnRow) -> None:
        self.later.append(turn.id)

    async def _propose(self, wait_s: float) -> RecommendationRow:
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
