"""Streams on a real ledger and a real spool: opened, broken, taken up again."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from models.errors import Conflict, DeadlineExceeded, InternalError, InvalidInput, NotFound, Overloaded, WorkerLost
from models.speech.types import SAMPLE_RATE_HZ, Samples
from models.text import RawText
from server.conversation import admission, events
from server.conversation.admission import Admission, AdmissionLimits
from server.conversation.conversation import Conversation
from server.conversation.ears import Began, Ears, Ended, Mark
from server.conversation.events import Input, Output
from server.conversation.load import MeasuredGateway, SpeechLoad
from server.conversation.pace import PaceLimits
from server.conversation.stream_config import StreamConfig, StreamLimits
from server.conversation.streams import OpenStream, Streams
from server.conversation.turnstile import Turnstile
from server.jobs import JobRunner
from server.ledger import jobs, sessions, turns
from server.ledger import streams as stream_rows
from server.ledger.columns import Cursor
from server.ledger.types import SessionRow, SessionState, TurnRow
from server.ledger.writer import Ledger
from server.lifecycle import Lifecycle
from server.metrics import Metrics
from server.recommendations import Recommender
from server.uploads.spool import Spool
from server.vocabulary import VocabularySealer
from server.watch import WatchHub
from tests.fakes.assistant import FakeAssistant
from tests.fakes.gateway import FakeGateway
from tests.unit.conversation.test_conversation import (
    Bench,
    LoudnessCutter,
    MemoryLog,
    PcmDecoder,
    chunks,
    kinds,
    quiet,
    speech,
    these,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
A_MOMENT_S = 0.05
STREAM_S, IDLE_S = 60.0, 30.0
ADMISSION = AdmissionLimits(streams=10, client_streams=10, floor=2, load=0.8)


class QuickYes(LoudnessCutter):
    """Every sound is too short to count as speech, until the client says that it was."""

    def feed(self, samples: Samples) -> list[Mark]:
        super().feed(samples)
        return []

    def end(self) -> list[Mark]:
        end, self._at = self._at, 0
        return [Began(0, 0), Ended(end, end)] if end else []


class Desk:
    """Everything that ``Streams`` needs, with the workers and the upstream replaced."""

    def __init__(self, folder: Path, limits: AdmissionLimits = ADMISSION, language: str = "en") -> None:
        self.ledger = Ledger.open(folder / "ledger.duckdb", memory_bytes=128 * 1024 * 1024)
        self.spool = Spool(folder / "spool", bytes(32))
        self.gateway = FakeGateway()
        self.cutters: list[int] = []
        self.endings: list[tuple[float | None, float | None]] = []
        self.cutter_type: type[LoudnessCutter] = LoudnessCutter
        row = SessionRow(str(uuid4()), "app", str(uuid4()), SessionState.STARTED, NOW, NOW, language=language)
        self.config = StreamConfig(row.id, "PCM_S16LE", SAMPLE_RATE_HZ, 1, language, None, False, "")
        self.ledger.write_now(lambda cursor: sessions.insert_or_get(cursor, row))
        self.assistant, hub, self.metrics = FakeAssistant(), WatchHub(), Metrics()
        self.now = NOW
        self.load = SpeechLoad(1, self.elapsed_s)
        runner = JobRunner(self.ledger, clock=lambda: NOW, owner="me")
        recommender = Recommender(self.ledger, self.gateway, self.assistant, hub, clock=lambda: NOW, on_job=runner.wake)
        self.streams = Streams(
            self.ledger,
            MeasuredGateway(self.gateway, self.load),
            self.assistant,
            recommender,
            self.spool,
            hub,
            VocabularySealer(bytes(32)),
            runner,
            Lifecycle(),
            self.metrics,
            lambda: self.now,
            StreamLimits(STREAM_S, IDLE_S, PaceLimits(times=4.0, ahead_s=30.0)),
            self._cutter,
            Turnstile(1),
            Admission(limits, self.load, self.metrics),
        )

    def elapsed_s(self) -> float:
        return (self.now - NOW).total_seconds()

    def _cutter(self, start: int, end_silence_s: float | None, max_utterance_s: float | None) -> LoudnessCutter:
        self.cutters.append(start)
        self.endings.append((end_silence_s, max_utterance_s))
        return self.cutter_type(start)

    async def turns(self) -> list[TurnRow]:
        return await self.ledger.read(lambda cursor: turns.list_of_session(cursor, self.config.session_id))


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    built = Desk(tmp_path)
    yield built
    built.ledger.close()


def talk(stream: OpenStream) -> Conversation:
    """The conversation of a stream that goes on."""
    assert stream.conversation is not None
    return stream.conversation


async def until(stream: OpenStream, inputs: AsyncIterator[Input], last: type[Output]) -> list[Output]:
    """Follow a stream up to an event, and leave it there as a client does that vanishes."""
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


async def test_a_broken_stream_goes_on_where_it_was_and_a_finished_one_is_forgotten(desk: Desk) -> None:
    first = speech(1.0) + quiet(0.5)
    async with desk.streams.open(desk.config) as stream:
        await until(stream, endless(first), events.Final)
        token = stream.token
    assert desk.spool.log_ids() == {stream.id}
    whole = first + speech(1.0) + quiet(0.5)
    async with desk.streams.open(replace(desk.config, resume_token=token)) as again:
        assert again.next_offset <= len(first)
        outputs = [o async for o in talk(again).run(chunks(whole, start=again.next_offset))]
    assert [o.turn.utterance for o in outputs if isinstance(o, events.Final)] == [1]
    assert [t.utterance for t in await desk.turns()] == [0, 1]
    assert not desk.spool.log_ids()
    assert desk.streams.count == 0


async def test_finals_that_were_stored_and_not_delivered_come_first_on_the_resumed_stream(desk: Desk) -> None:
    async with desk.streams.open(desk.config) as stream:
        await until(stream, endless(speech(1.0) + quiet(0.5)), events.Final)
    missed = {}
    for known in (None, 0, 1):
        resumed = replace(desk.config, resume_token=stream.token, next_utterance=known)
        async with desk.streams.open(resumed) as again:
            missed[known] = [turn.utterance for turn in again.missed]
    assert missed == {None: [], 0: [0], 1: []}


async def test_a_finished_stream_still_gives_finals_that_were_lost_and_nothing_else(desk: Desk) -> None:
    async with desk.streams.open(desk.config) as stream:
        assert [o async for o in talk(stream).run(these(events.TextIn(RawText("Hello."))))]
    lost = replace(desk.config, resume_token=stream.token, next_utterance=0)
    async with desk.streams.open(lost) as again:
        assert [turn.utterance for turn in again.missed] == [0]
        assert again.conversation is None
    with pytest.raises(NotFound):
        async with desk.streams.open(replace(lost, next_utterance=None)):
            pytest.fail("opened")


async def test_text_that_is_sent_again_is_one_turn_and_its_final_comes_again(desk: Desk) -> None:
    text = events.TextIn(RawText("My name is John Carter."), id=str(uuid4()))
    async with desk.streams.open(desk.config) as stream:
        first = await until(stream, these(text), events.Final)
    async with desk.streams.open(replace(desk.config, resume_token=stream.token)) as again:
        second = [o async for o in talk(again).run(these(text, events.TextIn(RawText("And more."))))]
    finals = [o.turn for o in (*first, *second) if isinstance(o, events.Final)]
    assert finals[0] == finals[1]
    assert [turn.id for turn in await desk.turns()] == [finals[0].id, finals[2].id]


async def test_a_stream_that_cannot_leave_its_connection_is_in_use(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "VACATE_S", A_MOMENT_S)
    async with desk.streams.open(desk.config) as stream:
        with pytest.raises(Conflict) as caught:
            async with desk.streams.open(replace(desk.config, resume_token=stream.token)):
                pytest.fail("opened twice")
    assert caught.value.reason == "STREAM_IN_USE"


async def test_a_stream_that_is_resumed_leaves_its_older_connection(desk: Desk) -> None:
    spoken, opened, finals = speech(1.0) + quiet(0.5), asyncio.Event(), asyncio.Event()
    streams: list[OpenStream] = []

    async def older() -> None:
        async with desk.streams.open(desk.config) as stream:
            streams.append(stream)
            opened.set()
            async for output in talk(stream).run(endless(spoken)):
                if isinstance(output, events.Final):
                    finals.set()

    running = asyncio.create_task(older())
    await opened.wait()
    await finals.wait()
    resumed = replace(desk.config, resume_token=streams[0].token, next_utterance=0)
    async with desk.streams.open(resumed) as again:
        whole = spoken + spoken
        outputs = [o async for o in talk(again).run(chunks(whole, start=again.next_offset))]
    with pytest.raises(Conflict) as caught:
        await running
    assert caught.value.reason == "STREAM_TAKEN_OVER"
    assert [turn.utterance for turn in again.missed] == [0]
    assert [o.turn.utterance for o in outputs if isinstance(o, events.Final)] == [1]
    assert [turn.utterance for turn in await desk.turns()] == [0, 1]


async def test_a_wrong_token_makes_nobody_leave(desk: Desk) -> None:
    async with desk.streams.open(desk.config) as stream:
        stolen = f"{stream.id}.{'x' * 43}"
        with pytest.raises(InvalidInput):
            async with desk.streams.open(replace(desk.config, resume_token=stolen)):
                pytest.fail("opened")
        outputs = [o async for o in talk(stream).run(chunks(speech(1.0) + quiet(0.5)))]
    assert "Final" in kinds(outputs)


async def test_streams_that_open_at_once_are_counted_too(tmp_path: Path) -> None:
    desk = Desk(tmp_path, replace(ADMISSION, streams=1))
    held = asyncio.Event()

    async def hold() -> None:
        async with desk.streams.open(desk.config):
            await held.wait()

    both = [asyncio.ensure_future(hold()) for _ in range(2)]
    done, _ = await asyncio.wait(both, timeout=5, return_when=asyncio.FIRST_COMPLETED)
    held.set()
    await asyncio.gather(*both, return_exceptions=True)
    [refused] = done
    assert isinstance(refused.exception(), Overloaded)
    desk.ledger.close()


async def test_a_resumed_stream_sees_what_the_broken_one_still_had_to_write(desk: Desk) -> None:
    async with desk.streams.open(desk.config) as stream:
        pass
    gate = threading.Event()

    def late(cursor: Cursor) -> None:
        gate.wait(5)
        stream_rows.save_progress(cursor, stream.id, NOW, finalized_samples=16_000, next_utterance=1)

    writing = asyncio.ensure_future(desk.ledger.write(late))
    asyncio.get_running_loop().call_later(A_MOMENT_S, gate.set)
    async with desk.streams.open(replace(desk.config, resume_token=stream.token)):
        assert desk.cutters == [0, 16_000]
    await writing


async def test_a_stream_that_never_runs_leaves_no_file_open(desk: Desk) -> None:
    with pytest.raises(InternalError):
        async with desk.streams.open(desk.config) as stream:
            log = desk.spool.open_log(stream.id)
            held = talk(stream)._ears._log
            raise InternalError("The client went before the first message.")
    log.close()
    with pytest.raises(ValueError, match="closed file"):
        held.append(b"more")
    assert desk.streams.count == 0


async def test_a_sound_before_the_end_mark_is_an_utterance_however_short(desk: Desk) -> None:
    desk.cutter_type = QuickYes
    async with desk.streams.open(desk.config) as stream:
        inputs = these(events.AudioIn(0, speech(0.1)), events.EndMark())
        outputs = [o async for o in talk(stream).run(inputs)]
    order = kinds(outputs, events.SpeechBegan, events.SpeechEnded, events.Final)
    assert order == ["SpeechBegan", "SpeechEnded", "Final"]


async def test_an_end_mark_whose_final_was_not_made_counts_on_the_resumed_stream(desk: Desk) -> None:
    said = speech(0.4)  # too short for a partial
    desk.gateway.will("speech_step", WorkerLost("Gone."))
    with pytest.raises(WorkerLost):
        async with desk.streams.open(desk.config) as stream:
            inputs = these(events.AudioIn(0, said), events.EndMark(), events.AudioIn(len(said), said))
            _ = [o async for o in talk(stream).run(inputs)]
    async with desk.streams.open(replace(desk.config, resume_token=stream.token)) as stream:
        inputs = these(events.AudioIn(stream.next_offset, (said + said)[stream.next_offset :] or quiet(0.1)))
        outputs = [o async for o in talk(stream).run(inputs)]
    finals = [o.turn for o in outputs if isinstance(o, events.Final)]
    assert [(turn.start_s, turn.end_s) for turn in finals] == [(0.0, 0.4), (0.4, 0.8)]


async def test_a_record_of_nothing_is_a_notice_and_the_stream_goes_on(desk: Desk) -> None:
    noticed = asyncio.Event()

    async def inputs() -> AsyncIterator[Input]:
        yield events.ProposeIn(0.0)
        await noticed.wait()
        yield events.TextIn(RawText("The meter reads 4821."))
        yield events.ProposeIn(0.0)

    outputs: list[Output] = []
    async with desk.streams.open(desk.config) as stream:
        async for output in talk(stream).run(inputs()):
            outputs.append(output)
            if isinstance(output, events.Notice):
                noticed.set()
    assert [o.reason for o in outputs if isinstance(o, events.Notice)] == ["NO_MATERIAL"]
    assert kinds(outputs, events.Notice, events.Final, events.Proposal)[-2:] == ["Final", "Proposal"]


async def test_turns_whose_client_left_before_the_answer_are_answered_in_the_background(desk: Desk) -> None:
    desk.assistant.hold()

    async def typed() -> AsyncIterator[Input]:
        for text in ("One.", "Two.", "Three."):
            yield events.TextIn(RawText(text))
        await asyncio.Event().wait()

    async with (
        desk.streams.open(replace(desk.config, reply=True)) as stream,
        aclosing(talk(stream).run(typed())) as outputs,
    ):
        finals = [await anext(outputs) for _ in range(3)]
    waiting = await desk.ledger.read(lambda cursor: jobs.list_of_session(cursor, desk.config.session_id))
    assert {job.kind for job in waiting} == {"reply"}
    left = {job.payload["turn_id"] for job in waiting}
    assert left == {final.turn.id for final in finals if isinstance(final, events.Final)}
    assert len(left) == 3


async def test_a_partial_that_comes_too_late_does_not_end_the_stream() -> None:
    bench = Bench()
    bench.gateway.will("speech_step", DeadlineExceeded("Late."))

    async def slowly() -> AsyncIterator[Input]:
        async for chunk in chunks(speech(2.0) + quiet(0.2)):
            yield chunk
            for _ in range(20):  # let the recognition run between two chunks
                await asyncio.sleep(0)

    outputs = await bench.run(slowly(), reply=False)
    assert not bench.gateway.called("speech_step")[0].argument.final  # type: ignore[union-attr]
    assert "Final" in kinds(outputs)


async def test_a_thread_that_still_writes_is_waited_for_before_the_log_is_closed() -> None:
    order: list[str] = []
    begun, release = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    class SlowLog(MemoryLog):
        def append(self, data: bytes) -> None:
            loop.call_soon_threadsafe(begun.set)
            release.wait(5)
            order.append("written")

        def close(self) -> None:
            order.append("closed")

    ears = Ears(SlowLog(), PcmDecoder(), LoudnessCutter(), next_utterance=0, skip_samples=0, next_offset=0)
    hearing = asyncio.ensure_future(anext(ears.hear(events.AudioIn(0, speech(0.1)))))
    await begun.wait()
    hearing.cancel()
    await asyncio.gather(hearing, return_exceptions=True)
    loop.call_later(A_MOMENT_S, release.set)
    await ears.close()
    assert order == ["written", "closed"]
