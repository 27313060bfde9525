"""One stream from its first input to its last event."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import pytest

from models.errors import (
    BrokenMedia,
    DeadlineExceeded,
    InvalidInput,
    Overloaded,
    ShuttingDown,
    TooLarge,
    UpstreamFailed,
    WorkerLost,
)
from models.redaction.types import NOBODY
from models.speech.types import SAMPLE_RATE_HZ, Samples
from models.text import RawText, RedactedText, TextSource
from ray_tasks.types import SpeechWindow
from server.conversation import events
from server.conversation.conversation import Bounds, Conversation
from server.conversation.ears import Began, Ears, Ended, Mark, MayEnd, Paused, Resumed
from server.conversation.events import Input, Output
from server.conversation.recogniser import Heard, Listening, Recogniser
from server.conversation.voice import Voice
from server.ledger.types import Origin, RecommendationRow, RecommendationState, TurnRow
from server.lifecycle import Lifecycle
from server.llm.types import Exchange, Reply
from server.metrics import Metrics
from server.uploads.audio_log import LogContent
from tests.fakes.assistant import FakeAssistant
from tests.fakes.gateway import FakeGateway

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BYTES_A_SECOND = 2 * SAMPLE_RATE_HZ


class PcmDecoder:
    """16-bit PCM at 16 kHz."""

    def feed(self, data: bytes) -> Samples:
        return np.frombuffer(data, "<i2").astype(np.float32) / 32768.0

    def finish(self) -> Samples:
        return np.zeros(0, np.float32)

    def close(self) -> None:
        """Nothing to free."""


@dataclass
class MemoryLog:
    """An audio log that remembers how much of it was synced."""

    data: bytearray = field(default_factory=bytearray)
    marks: list[int] = field(default_factory=list)
    synced_bytes: int = 0
    closed: bool = False

    def append(self, data: bytes) -> None:
        self.data += data

    def mark(self) -> None:
        self.marks.append(len(self.data))

    def sync(self) -> None:
        self.synced_bytes = len(self.data)

    def close(self) -> None:
        self.closed = True


class LoudnessCutter:
    """Speech is what is not zero; an utterance ends with the first zero sample."""

    def __init__(self, start: int = 0) -> None:
        self.start = start
        self._at = start
        self._speaking = False

    def feed(self, samples: Samples) -> list[Mark]:
        marks: list[Mark] = []
        loud = samples != 0
        for index in np.flatnonzero(np.diff(np.concatenate([[self._speaking], loud]).astype(int))):
            at = self._at + int(index)
            marks.append(Ended(at, at) if self._speaking else Began(at, at))
            self._speaking = not self._speaking
        self._at += samples.size
        return marks

    def decide(self, over: bool) -> list[Mark]:
        raise AssertionError("It never asks.")

    def end(self) -> list[Mark]:
        if not self._speaking:
            return []
        self._speaking = False
        return [Ended(self._at, self._at)]


class AskingCutter(LoudnessCutter):
    """Every silence may be an end; where it is none, the next silence asks again and the end of the stream ends it."""

    def __init__(self, start: int = 0) -> None:
        super().__init__(start)
        self._begun = False
        self._held: list[Mark] = []
        self._paused_at = 0

    def feed(self, samples: Samples) -> list[Mark]:
        self._held += super().feed(samples)
        return self._next()

    def decide(self, over: bool) -> list[Mark]:
        self._begun = not over
        ended: list[Mark] = [Ended(self._paused_at, self._paused_at)] if over else []
        return ended + self._next()

    def end(self) -> list[Mark]:
        ended, self._begun = self._begun, False
        return [Ended(self._at, self._at)] if ended else []

    def _next(self) -> list[Mark]:
        marks: list[Mark] = []
        while self._held:
            mark = self._held.pop(0)
            if isinstance(mark, Ended):
                self._paused_at = mark.end
                return [*marks, Paused(mark.end), MayEnd()]
            marks.append(Resumed() if self._begun else mark)
            self._begun = True
        return marks


class BreaksOff(FakeAssistant):
    """Loses its upstream in the second sentence."""

    async def reply(self, said: RedactedText, history: list[Exchange], *, language: str, fallback: bool) -> Reply:
        async def pieces() -> AsyncIterator[str]:
            yield "One. "
            yield "Two"
            raise UpstreamFailed("Broke.")

        return Reply(pieces(), Origin.MODEL)


@dataclass
class Bench:
    """A conversation with everything around it replaced by what a test can look into."""

    gateway: FakeGateway = field(default_factory=FakeGateway)
    assistant: FakeAssistant = field(default_factory=FakeAssistant)
    lifecycle: Lifecycle = field(default_factory=Lifecycle)
    log: MemoryLog = field(default_factory=MemoryLog)
    bounds: Bounds = field(default_factory=lambda: Bounds(stream_s=60.0, idle_s=5.0))
    cutter_type: type[LoudnessCutter] = LoudnessCutter
    skip_samples: int = 0
    next_utterance: int = 0
    stored: list[Heard] = field(default_factory=list)
    silences: list[int] = field(default_factory=list)
    replies: list[tuple[str, str, Origin]] = field(default_factory=list)
    later: list[str] = field(default_factory=list)
    conversation: Conversation | None = None

    async def run(self, inputs: AsyncIterator[Input], *, reply: bool = True, replay: bytes = b"") -> list[Output]:
        outputs: asyncio.Queue[Output] = asyncio.Queue(64)
        ears = Ears(
            self.log,
            PcmDecoder(),
            self.cutter_type(self.skip_samples),
            next_utterance=self.next_utterance,
            skip_samples=self.skip_samples,
            next_offset=len(replay),
        )
        voice = Voice(
            self.assistant,
            self.gateway,
            language="en",
            whose=NOBODY,
            history=[],
            emit=outputs.put,
            store=self._reply,
            later=self._later,
            propose=self._propose,
            metrics=Metrics(),
        )
        recogniser = Recogniser(
            self.gateway,
            Listening("session", "stream", "en", ()),
            carry=b"",
            emit=outputs.put,
            store=self._store,
            known=self._known,
            silence=self._silence,
            clock=lambda: NOW,
            metrics=Metrics(),
            asked=lambda: voice.asked_for,
        )
        self.conversation = Conversation(
            ears, recogniser, voice, self.lifecycle, outputs, self.bounds, reply=reply, replay=LogContent(replay)
        )
        self.seen: list[Output] = []
        async for output in self.conversation.run(inputs):
            self.seen.append(output)
        return self.seen

    async def _store(self, heard: Heard) -> None:
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


async def test_speech_becomes_a_stored_turn_with_its_begin_and_end_and_an_answer() -> None:
    bench = Bench()
    outputs = await bench.run(chunks(quiet(0.5) + speech(2.0) + quiet(0.5)))
    order = kinds(outputs, events.SpeechBegan, events.SpeechEnded, events.Final, events.ReplyEnded)
    assert order == ["SpeechBegan", "SpeechEnded", "Final", "ReplyEnded"]
    [began] = [o for o in outputs if isinstance(o, events.SpeechBegan)]
    [ended] = [o for o in outputs if isinstance(o, events.SpeechEnded)]
    assert (began.at_s, ended.at_s) == (0.5, 2.5)
    [heard] = bench.stored
    assert heard.turn.text.value == bench.gateway.spoken
    assert heard.finalized_samples == pytest.approx(2.5 * SAMPLE_RATE_HZ, abs=0.1 * SAMPLE_RATE_HZ)
    assert bench.replies[0][0] == heard.turn.id
    assert bench.conversation is not None
    assert bench.conversation.finished
    assert bench.log.closed


async def test_acknowledged_offsets_grow_up_to_the_end_and_never_run_ahead_of_the_disk() -> None:
    bench = Bench()
    audio = quiet(2.0)
    outputs = await bench.run(chunks(audio))
    offsets = [o.offset for o in outputs if isinstance(o, events.Acknowledged)]
    assert offsets == sorted(set(offsets))
    assert offsets[-1] == len(audio) == bench.log.synced_bytes


async def test_what_comes_while_the_disk_works_is_acknowledged_too(monkeypatch: pytest.MonkeyPatch) -> None:
    over, listen = threading.Event(), Conversation._listen

    async def listen_and_tell(self: Conversation, inputs: AsyncIterator[Input]) -> None:
        await listen(self, inputs)
        over.set()

    class SlowLog(MemoryLog):
        def sync(self) -> None:
            over.wait()
            super().sync()

    monkeypatch.setattr(Conversation, "_listen", listen_and_tell)
    audio = speech(1.0) + quiet(0.5)
    outputs = await Bench(log=SlowLog()).run(chunks(audio))
    assert [o.offset for o in outputs if isinstance(o, events.Acknowledged)][-1] == len(audio)


async def test_partials_grow_while_the_utterance_runs() -> None:
    bench = Bench()

    async def slowly() -> AsyncIterator[Input]:
        async for chunk in chunks(speech(3.0)):
            yield chunk
            for _ in range(20):  # let the recognition run between two chunks
                await asyncio.sleep(0)

    outputs = await bench.run(slowly(), reply=False)
    partials = [o.text.value for o in outputs if isinstance(o, events.Partial)]
    assert len(partials) >= 2
    assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(partials))


async def test_a_chunk_that_came_before_is_skipped_and_a_gap_is_refused() -> None:
    bench = Bench()
    audio = speech(1.0)
    again = these(events.AudioIn(0, audio), events.AudioIn(0, audio), events.AudioIn(16000, audio[16000:] + b"\0\0"))
    await bench.run(again, reply=False)
    assert bytes(bench.log.data) == audio + b"\0\0"
    with pytest.raises(InvalidInput) as caught:
        await Bench().run(these(events.AudioIn(10, audio)))
    assert caught.value.reason == "OFFSET_GAP"


async def test_bytes_that_cannot_be_decoded_stay_out_of_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    bench, whole = Bench(), speech(0.5)
    feed = PcmDecoder.feed

    def broken(self: PcmDecoder, data: bytes) -> Samples:
        if data == b"garbage":
            raise BrokenMedia("The audio cannot be decoded.")
        return feed(self, data)

    monkeypatch.setattr(PcmDecoder, "feed", broken)
    with pytest.raises(BrokenMedia):
        await bench.run(these(events.AudioIn(0, whole), events.AudioIn(len(whole), b"garbage")))
    assert bytes(bench.log.data) == whole


async def test_typed_text_waits_for_its_turn_and_is_redacted() -> None:
    bench = Bench(gateway=FakeGateway(secrets={"Ann": "NAME"}))
    outputs = await bench.run(these(events.TextIn(RawText("I am Ann")), events.TextIn(RawText("and here"))))
    finals = [o.turn for o in outputs if isinstance(o, events.Final)]
    assert [(t.utterance, t.text.value) for t in finals] == [(0, "I am [REDACTED_NAME]"), (1, "and here")]
    assert [h.finalized_samples for h in bench.stored] == [None, None]


async def test_an_utterance_without_speech_gives_a_notice_and_no_turn() -> None:
    bench = Bench(gateway=FakeGateway(spoken=""))
    outputs = await bench.run(chunks(speech(1.0) + quiet(0.5)))
    [notice] = [o for o in outputs if isinstance(o, events.Notice)]
    assert notice.reason == "NO_SPEECH"
    assert bench.silences == [0]
    assert not bench.stored


async def test_the_end_mark_of_the_client_ends_the_utterance_before_any_silence() -> None:
    bench = Bench()
    said = speech(1.0)
    outputs = await bench.run(these(events.AudioIn(0, said), events.EndMark(), events.EndMark()), reply=False)
    assert kinds(outputs, events.SpeechEnded, events.Final) == ["SpeechEnded", "Final"]
    assert bench.log.marks == [len(said)]  # the second one ended nothing


TWICE = speech(1.0) + quiet(0.5) + speech(1.0) + quiet(0.5)


def heard_samples(bench: Bench) -> list[tuple[bool, int]]:
    """Of each step, whether it was a final and how much audio it got."""
    windows = [call.argument for call in bench.gateway.called("speech_step")]
    return [(w.final, len(w.pcm) // 4) for w in windows if isinstance(w, SpeechWindow)]


async def test_a_whole_sentence_is_final_at_its_pause_and_is_recognised_once() -> None:
    bench = Bench(gateway=FakeGateway(complete=True), cutter_type=AskingCutter)
    outputs = await bench.run(chunks(TWICE, 10.0), reply=False)
    order = kinds(outputs, events.SpeechBegan, events.SpeechEnded, events.Final)
    assert sorted(order) == sorted(["SpeechBegan", "SpeechEnded", "Final"] * 2)
    assert [h.finalized_samples for h in bench.stored] == [SAMPLE_RATE_HZ, int(2.5 * SAMPLE_RATE_HZ)]
    assert heard_samples(bench) == [(True, SAMPLE_RATE_HZ)] * 2


async def test_half_a_sentence_goes_on_behind_its_pause() -> None:
    bench = Bench(cutter_type=AskingCutter)
    outputs = await bench.run(chunks(TWICE, 10.0), reply=False)
    assert kinds(outputs, events.Final) == ["Final"]
    finals = [samples for final, samples in heard_samples(bench) if final]
    assert finals == [SAMPLE_RATE_HZ, int(2.5 * SAMPLE_RATE_HZ), 3 * SAMPLE_RATE_HZ]


async def test_a_pause_that_cannot_be_looked_at_is_looked_at_again() -> None:
    bench = Bench(gateway=FakeGateway(complete=True), cutter_type=AskingCutter)
    bench.gateway.will("speech_step", Overloaded("Full."))
    await bench.run(chunks(TWICE, 10.0), reply=False)
    assert [h.finalized_samples for h in bench.stored] == [SAMPLE_RATE_HZ, int(2.5 * SAMPLE_RATE_HZ)]


async def test_where_an_utterance_ends_is_never_guessed() -> None:
    bench = Bench(gateway=FakeGateway(complete=True), cutter_type=AskingCutter)
    bench.gateway.will("speech_step", Overloaded("Full."), Overloaded("Full."))
    with pytest.raises(Overloaded):
        await bench.run(chunks(TWICE, 10.0), reply=False)
    assert bench.stored == []


async def test_a_resumed_stream_is_cut_at_the_same_pauses() -> None:
    bench = Bench(gateway=FakeGateway(complete=True), cutter_type=AskingCutter)
    await bench.run(these(events.AudioIn(len(TWICE), quiet(0.1))), reply=False, replay=TWICE)
    assert [h.finalized_samples for h in bench.stored] == [SAMPLE_RATE_HZ, int(2.5 * SAMPLE_RATE_HZ)]


async def test_a_record_is_proposed_after_what_was_said_before() -> None:
    items = these(events.AudioIn(0, speech(1.0)), events.ProposeIn(1.0))
    outputs = await Bench().run(items)
    assert kinds(outputs, events.Final, events.ReplyEnded, events.Proposal) == ["Final", "ReplyEnded", "Proposal"]


async def test_a_lost_worker_ends_the_stream_and_keeps_the_audio() -> None:
    bench = Bench()
    bench.gateway.will("speech_step", WorkerLost("Gone."), WorkerLost("Gone."))
    with pytest.raises(WorkerLost):
        await bench.run(chunks(speech(0.5) + quiet(0.2)))
    assert not bench.stored
    assert bench.conversation is not None
    assert not bench.conversation.finished
    assert len(bench.log.data) >= int(0.5 * BYTES_A_SECOND)


async def test_a_resumed_stream_hears_the_log_again_but_not_what_is_final() -> None:
    audio = speech(1.0) + quiet(0.5) + speech(1.0)
    final_until = int(1.2 * SAMPLE_RATE_HZ)
    bench = Bench(skip_samples=final_until, next_utterance=1)
    more = quiet(0.5)
    items = these(events.AudioIn(len(audio), more))
    outputs = await bench.run(items, reply=False, replay=audio)
    finals = [o.turn for o in outputs if isinstance(o, events.Final)]
    assert [t.utterance for t in finals] == [1]
    assert finals[0].start_s == pytest.approx(1.5, abs=0.01)


async def test_a_drain_finishes_what_was_heard_completely_and_says_so() -> None:
    bench = Bench()

    async def endless() -> AsyncIterator[Input]:
        async for chunk in chunks(speech(1.0) + quiet(0.2) + speech(0.4)):
            yield chunk
        bench.lifecycle.begin_drain()
        await asyncio.Event().wait()

    with pytest.raises(ShuttingDown):
        await bench.run(endless())
    assert [h.turn.utterance for h in bench.stored] == [0]  # the second was not over: its audio waits in the log
    assert "ReplyEnded" in kinds(bench.seen)
    assert bench.log.synced_bytes == len(bench.log.data)


async def test_a_silent_client_is_cut_off_after_the_idle_time() -> None:
    bench = Bench(bounds=Bounds(stream_s=60.0, idle_s=0.01))

    async def nothing() -> AsyncIterator[Input]:
        await asyncio.Event().wait()
        yield events.EndMark()

    with pytest.raises(DeadlineExceeded) as caught:
        await bench.run(nothing())
    assert caught.value.reason == "STREAM_IDLE"


async def test_a_stream_that_is_too_long_is_ended() -> None:
    with pytest.raises(TooLarge) as caught:
        await Bench(bounds=Bounds(stream_s=1.0, idle_s=5.0)).run(chunks(quiet(2.0)))
    assert caught.value.reason == "STREAM_TOO_LONG"


async def test_an_answer_that_breaks_off_keeps_its_pieces_and_a_job_tries_again() -> None:
    bench = Bench(assistant=BreaksOff())
    outputs = await bench.run(these(events.TextIn(RawText("hello"))))
    assert "".join(o.text.value for o in outputs if isinstance(o, events.ReplyPiece)) == "One. "
    [notice] = [o for o in outputs if isinstance(o, events.Notice)]
    assert notice.reason == "UPSTREAM_FAILED"
    assert bench.replies[0][2] is Origin.FALLBACK
    assert len(bench.later) == 1


async def test_what_the_answer_asked_for_goes_along_with_the_next_turn_and_no_further() -> None:
    bench = Bench()
    bench.assistant.script_reply("Noted. ", "What is your phone number?")
    bench.assistant.script_reply("Thank you.")

    async def in_turn() -> AsyncIterator[Input]:
        for number in range(3):
            yield events.TextIn(RawText(f"text {number}"))
            for _ in range(200):  # let the answer come before the next text
                await asyncio.sleep(0)
        yield events.AudioIn(0, speech(1.0))

    await bench.run(in_turn())
    asked = [call.asked_for for call in bench.gateway.called("redact") if call.detail == TextSource.TYPED]
    assert asked == [(), ("PHONE",), ()]
    windows = [call.argument for call in bench.gateway.called("speech_step")]
    # Of the third answer, which is the default of the fake.
    assert {window.asked_for for window in windows if isinstance(window, SpeechWindow)} == {("READING",)}
