"""A client resumes its broken stream at the point where it broke."""

from __future__ import annotations

import asyncio
import threading
import tracemalloc
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from models.errors import Conflict, DeadlineExceeded, InvalidInput, NotFound, WorkerLost
from models.reasons import Reason
from models.text import RawText, RedactedText
from server.ledger import sessions as session_rows
from server.ledger import streams as stream_rows
from server.ledger.columns import Cursor
from server.ledger.types import Origin
from server.streaming import admission, events
from server.streaming.events import Input
from server.streaming.guidance import StreamGuidance
from server.streaming.repository import StreamRepository
from server.streaming.responder import SentReply
from server.streaming.stream_manager import OpenStream
from server.streaming.transcriber import RecognizedUtterance
from tests.eventually import eventually
from tests.fakes.guide import GUIDE
from tests.fakes.recognition import AskingSegmenter
from tests.unit.ledger import makers
from tests.unit.ledger.stored import events_of_session
from tests.unit.streaming.conversation_harness import (
    A_MOMENT_S,
    BYTES_A_SECOND,
    NOW,
    ConversationHarness,
    chunks,
    kinds,
    quiet,
    speech,
    these,
)
from tests.unit.streaming.stream_harness import StreamHarness, endless, talk, until

LOGGED_BYTES = 56 * BYTES_A_SECOND


async def test_a_broken_stream_resumes_where_it_was_and_the_log_of_a_finished_one_is_deleted(
    harness: StreamHarness,
) -> None:
    first = speech(1.0) + quiet(0.5)
    async with harness.streams.open(harness.config) as stream:
        await until(stream, endless(first), events.Final)
        token = stream.token
    assert harness.spool.log_ids() == {stream.id}
    whole = first + speech(1.0) + quiet(0.5)
    async with harness.streams.open(replace(harness.config, resume_token=token)) as again:
        assert again.next_offset <= len(first)
        outputs = [o async for o in talk(again).run(chunks(whole, start=again.next_offset))]
    assert [o.turn.utterance for o in outputs if isinstance(o, events.Final)] == [1]
    assert [t.utterance for t in await harness.turns()] == [0, 1]
    assert not harness.spool.log_ids()
    assert harness.streams.count == 0


async def test_opening_resuming_and_refusing_streams_are_events_of_the_session(harness: StreamHarness) -> None:
    async with harness.streams.open(harness.config) as stream:
        token = stream.token
    harness.now += timedelta(seconds=7)
    async with harness.streams.open(replace(harness.config, resume_token=token)):
        pass
    with pytest.raises(InvalidInput):
        async with harness.streams.open(replace(harness.config, resume_token=f"{token}x")):
            pass
    with pytest.raises(DeadlineExceeded):
        async with harness.streams.open(replace(harness.config, resume_token=token)):
            raise DeadlineExceeded("No message arrived.", reason=Reason.STREAM_IDLE)
    rows = await harness.ledger.read(lambda cursor: events_of_session(cursor, harness.config.session_id))
    found = [(row.name, row.took_s, {key: value.value for key, value in row.properties.items()}) for row in rows]
    assert [event for event in found if event[0].startswith("stream_")] == [
        ("stream_opened", None, {"encoding": "PCM_S16LE", "language": "en"}),
        ("stream_resumed", 7.0, {}),
        ("stream_refused", None, {"reason": "resume_token_invalid", "left_out": "0"}),
        ("stream_resumed", 0.0, {}),
        ("stream_broken_off", None, {"reason": "stream_idle", "left_out": "0"}),
    ]


async def test_turns_silences_and_replies_are_events_with_what_they_measure(harness: StreamHarness) -> None:
    session = await harness.ledger.read(lambda cursor: session_rows.get(cursor, harness.config.session_id))
    said, stream = replace(makers.turn(session.id), create_time=harness.now), makers.stream(session.id)
    harness.now += timedelta(seconds=5)
    await harness.ledger.write(lambda cursor: stream_rows.insert_stream(cursor, stream))
    guidance = StreamGuidance(await harness.registry.progress(session), language="en", guided=False)
    store = StreamRepository(
        harness.ledger,
        harness.pubsub,
        harness.runner,
        lambda: harness.now,
        GUIDE,
        session,
        stream.id,
        stream.holder,
        guidance,
    )
    await store.store_turn(RecognizedUtterance(said, b"", 1, 100, delay_s=0.321))
    await store.store_silence(1, 200, 0.75)
    await store.store_reply(SentReply(said, Origin.MODEL, [RedactedText.literal("Yes. ")], "UPSTREAM_HALF_ANSWER"))
    rows = await harness.ledger.read(lambda cursor: events_of_session(cursor, session.id))
    found = {row.name: (row.took_s, {key: value.value for key, value in row.properties.items()}) for row in rows}
    turn = {"source": "speech", "confidence_percent": "90", "language": "en", "spoken_ms": "1500", "delay_ms": "321"}
    assert found["turn_finished"] == (0.2, turn | {"entities": "1", "redacted_phone": "1"})
    assert found["no_speech"] == (None, {"utterance": "1", "spoken_ms": "750"})
    assert found["replied"] == (5.0, {"origin": "MODEL", "reason": "upstream_half_answer"})
    [kept] = await harness.turns()
    assert (kept.reply, kept.reply_origin, kept.reply_cut) == (
        RedactedText.literal("Yes. "),
        Origin.MODEL,
        "UPSTREAM_HALF_ANSWER",
    )


async def test_a_lost_connection_is_not_taken_for_a_half_close(harness: StreamHarness) -> None:
    """gRPC ends the inputs of both. Nothing can be sent to a lost connection, so ``until`` ends at the first event."""
    said, rest = speech(1.0), speech(1.0) + quiet(0.5)
    async with harness.streams.open(harness.config) as stream:
        assert kinds(await until(stream, these(), events.Acknowledged)) == ["Acknowledged"]
    resumed = replace(harness.config, resume_token=stream.token)
    async with harness.streams.open(resumed) as again:
        await until(again, chunks(said), events.Acknowledged)
    assert not await harness.turns()
    async with harness.streams.open(resumed) as again:
        outputs = [o async for o in talk(again).run(chunks(said + rest, start=again.next_offset))]
    finals = [o.turn for o in outputs if isinstance(o, events.Final)]
    assert [t.utterance for t in finals] == [0]
    assert [t.end_s for t in finals] == [pytest.approx(2.0, abs=0.1)]


async def test_the_audio_of_a_resumed_stream_is_not_in_memory_as_a_whole(harness: StreamHarness) -> None:
    async with harness.streams.open(harness.config) as stream:
        await until(stream, endless(speech(1.0) + quiet(0.5)), events.Final)
    with harness.spool.open_log(stream.id) as log:
        while log.size_bytes < LOGGED_BYTES:
            log.append(bytes(min(BYTES_A_SECOND, LOGGED_BYTES - log.size_bytes)))
    tracemalloc.start()
    async with harness.streams.open(replace(harness.config, resume_token=stream.token)) as again:
        pieces = talk(again)._audio_ingest.replay(harness.spool.log_pieces(stream.id))
        samples = sum([piece.size async for piece in pieces if piece is not None])
        peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (again.next_offset, 2 * samples) == (LOGGED_BYTES, LOGGED_BYTES)
    assert peak < LOGGED_BYTES / 2


async def test_finals_that_were_stored_and_not_delivered_come_first_on_the_resumed_stream(
    harness: StreamHarness,
) -> None:
    async with harness.streams.open(harness.config) as stream:
        await until(stream, endless(speech(1.0) + quiet(0.5)), events.Final)
    missed = {}
    for known in (None, 0, 1):
        resumed = replace(harness.config, resume_token=stream.token, next_utterance=known)
        async with harness.streams.open(resumed) as again:
            missed[known] = [turn.utterance for turn in again.missed]
    assert missed == {None: [], 0: [0], 1: []}


async def test_a_finished_stream_still_gives_finals_that_were_lost_and_nothing_else(harness: StreamHarness) -> None:
    async with harness.streams.open(harness.config) as stream:
        assert [o async for o in talk(stream).run(these(events.TextIn(RawText("Hello."))))]
    lost = replace(harness.config, resume_token=stream.token, next_utterance=0)
    async with harness.streams.open(lost) as again:
        assert [turn.utterance for turn in again.missed] == [0]
        assert again.conversation is None
    with pytest.raises(NotFound):
        async with harness.streams.open(replace(lost, next_utterance=None)):
            pytest.fail("opened")


async def test_speech_began_of_an_utterance_without_its_final_comes_again_each_time(harness: StreamHarness) -> None:
    said, token, began = speech(1.0), "", []
    for _ in range(3):
        async with harness.streams.open(replace(harness.config, resume_token=token)) as stream:
            outputs = await until(stream, endless(said), events.SpeechBegan)
            began.append(outputs[-1])
            token = stream.token
    async with harness.streams.open(replace(harness.config, resume_token=token)) as stream:
        rest = chunks(said + quiet(0.5), start=stream.next_offset)
        outputs = [o async for o in talk(stream).run(rest)]
    began += [o for o in outputs if isinstance(o, events.SpeechBegan)]
    assert len(set(map(repr, began))) == 1
    assert len(began) == 4
    assert [o.turn.utterance for o in outputs if isinstance(o, events.Final)] == [0]


async def test_a_finished_stream_reports_the_end_of_what_it_acknowledged(harness: StreamHarness) -> None:
    said = speech(1.0) + quiet(0.5)
    async with harness.streams.open(harness.config) as stream:
        outputs = [o async for o in talk(stream).run(chunks(said))]
    (*_, acknowledged) = [o.offset for o in outputs if isinstance(o, events.Acknowledged)]
    for known, missed in ((0, [0]), (1, [])):
        lost = replace(harness.config, resume_token=stream.token, next_utterance=known)
        async with harness.streams.open(lost) as again:
            assert (again.next_offset, again.conversation) == (acknowledged, None)
            assert [turn.utterance for turn in again.missed] == missed
    assert acknowledged == len(said)


async def test_text_that_is_sent_again_is_one_turn_and_its_final_comes_again(harness: StreamHarness) -> None:
    text = events.TextIn(RawText("My name is John Carter."), id=str(uuid4()))
    async with harness.streams.open(harness.config) as stream:
        first = await until(stream, these(text), events.Final)
    async with harness.streams.open(replace(harness.config, resume_token=stream.token)) as again:
        second = [o async for o in talk(again).run(these(text, events.TextIn(RawText("And more."))))]
    finals = [o.turn for o in (*first, *second) if isinstance(o, events.Final)]
    assert finals[0] == finals[1]
    assert [turn.id for turn in await harness.turns()] == [finals[0].id, finals[2].id]


async def test_a_stream_whose_older_connection_does_not_end_is_in_use(
    harness: StreamHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "RELEASE_TIMEOUT_S", A_MOMENT_S)
    async with harness.streams.open(harness.config) as stream:
        with pytest.raises(Conflict) as caught:
            async with harness.streams.open(replace(harness.config, resume_token=stream.token)):
                pytest.fail("opened twice")
    assert caught.value.reason == "STREAM_IN_USE"


async def test_resuming_takes_the_stream_over_from_an_older_connection(harness: StreamHarness) -> None:
    spoken, opened, finals = speech(1.0) + quiet(0.5), asyncio.Event(), asyncio.Event()
    streams: list[OpenStream] = []

    async def older() -> None:
        async with harness.streams.open(harness.config) as stream:
            streams.append(stream)
            opened.set()
            async for output in talk(stream).run(endless(spoken)):
                if isinstance(output, events.Final):
                    finals.set()

    running = asyncio.create_task(older())
    await opened.wait()
    await finals.wait()
    resumed = replace(harness.config, resume_token=streams[0].token, next_utterance=0)
    async with harness.streams.open(resumed) as again:
        whole = spoken + spoken
        outputs = [o async for o in talk(again).run(chunks(whole, start=again.next_offset))]
    with pytest.raises(Conflict) as caught:
        await running
    assert caught.value.reason == "STREAM_TAKEN_OVER"
    assert [turn.utterance for turn in again.missed] == [0]
    assert [o.turn.utterance for o in outputs if isinstance(o, events.Final)] == [1]
    assert [turn.utterance for turn in await harness.turns()] == [0, 1]


async def test_erasing_its_session_ends_a_stream_with_the_true_reason(harness: StreamHarness) -> None:
    opened = asyncio.Event()

    async def stream() -> None:
        async with harness.streams.open(harness.config) as stream:
            opened.set()
            async for _ in talk(stream).run(endless(quiet(0.5))):
                pass

    running = asyncio.create_task(stream())
    await opened.wait()
    await harness.streams.end_sessions(frozenset({str(uuid4())}))
    assert harness.streams.count == 1
    await harness.streams.end_sessions(frozenset({harness.config.session_id}))
    with pytest.raises(Conflict) as caught:
        await running
    assert caught.value.reason is Reason.SESSION_ERASED
    assert harness.streams.count == 0


async def test_a_wrong_token_ends_no_connection(harness: StreamHarness) -> None:
    async with harness.streams.open(harness.config) as stream:
        stolen = f"{stream.id}.{'x' * 43}"
        with pytest.raises(InvalidInput):
            async with harness.streams.open(replace(harness.config, resume_token=stolen)):
                pytest.fail("opened")
        outputs = [o async for o in talk(stream).run(chunks(speech(1.0) + quiet(0.5)))]
    assert "Final" in kinds(outputs)


async def test_a_resumed_stream_sees_the_queued_writes_of_the_broken_one(harness: StreamHarness) -> None:
    async with harness.streams.open(harness.config) as stream:
        pass
    gate = threading.Event()

    def late(cursor: Cursor) -> None:
        gate.wait(60)
        stream_rows.save_progress(cursor, stream.id, NOW, finalized_samples=16_000, next_utterance=1)

    writing = asyncio.ensure_future(harness.ledger.write(late))
    asyncio.get_running_loop().call_later(A_MOMENT_S, gate.set)
    async with harness.streams.open(replace(harness.config, resume_token=stream.token)):
        assert harness.resumed_at == [0, 16_000]
    await writing


async def test_an_end_mark_without_its_final_counts_on_the_resumed_stream(harness: StreamHarness) -> None:
    said = speech(0.4)  # too short for a partial
    harness.gateway.will("speech_step", WorkerLost("Gone."))
    with pytest.raises(WorkerLost):
        async with harness.streams.open(harness.config) as stream:
            inputs = these(events.AudioIn(0, said), events.EndMark(), events.AudioIn(len(said), said))
            _ = [o async for o in talk(stream).run(inputs)]
    async with harness.streams.open(replace(harness.config, resume_token=stream.token)) as stream:
        inputs = these(events.AudioIn(stream.next_offset, (said + said)[stream.next_offset :] or quiet(0.1)))
        outputs = [o async for o in talk(stream).run(inputs)]
    finals = [o.turn for o in outputs if isinstance(o, events.Final)]
    assert [(turn.start_s, turn.end_s) for turn in finals] == [(0.0, 0.4), (0.4, 0.8)]


async def test_new_audio_is_acknowledged_while_the_recognition_of_the_replay_is_busy() -> None:
    harness, replay = ConversationHarness(segmenter_type=AskingSegmenter), speech(1.0) + quiet(0.5)
    recognised, acknowledged = harness.gateway.hold("speech_step"), asyncio.Event()
    new = speech(1.0)

    async def inputs() -> AsyncIterator[Input]:
        yield events.AudioIn(len(replay), new)
        await acknowledged.wait()

    async def watch() -> None:
        await eventually(lambda: events.Acknowledged(len(replay + new)) in harness.seen)
        assert not kinds(harness.seen, events.Final)
        acknowledged.set()
        recognised.set()

    async with asyncio.timeout(60):
        watching = asyncio.create_task(watch())
        await harness.run(inputs(), replay=replay)
        await watching
    assert "Final" in kinds(harness.seen)


async def test_a_resumed_stream_tells_the_progress_that_its_app_may_have_missed(harness: StreamHarness) -> None:
    at_riverside = events.TextIn(RawText("I am at the Riverside site."), id=str(uuid4()))

    async def never_ends() -> AsyncIterator[Input]:
        yield at_riverside
        await asyncio.Event().wait()

    async with harness.streams.open(harness.config) as stream:
        await until(stream, never_ends(), events.Final)  # the connection breaks before the progress
    resumed = replace(harness.config, resume_token=stream.token, next_utterance=1)
    async with harness.streams.open(resumed) as again:
        outputs = [o async for o in talk(again).run(these())]
    assert kinds(outputs) == ["ProgressChanged", "Acknowledged"]
    async with harness.streams.open(resumed) as ended:
        assert ended.conversation is None
        assert ended.progress is not None
        assert ended.progress.progress.summary == told(outputs).progress.summary
    assert told(outputs).progress.done == 1


async def test_text_that_is_sent_again_on_another_stream_is_one_turn_and_its_progress_is_told(
    harness: StreamHarness,
) -> None:
    """An app that only types opens a stream for each text, and has no token of the one that broke."""
    text = events.TextIn(RawText("I am at the Riverside site."), id=str(uuid4()))

    async def never_ends() -> AsyncIterator[Input]:
        yield text
        await asyncio.Event().wait()

    async with harness.streams.open(harness.config) as stream:
        await until(stream, never_ends(), events.Final)
    async with harness.streams.open(harness.config) as other:
        outputs = [o async for o in talk(other).run(these(text))]
    assert [kind for kind in kinds(outputs) if kind != "Acknowledged"] == ["Final", "ProgressChanged"]
    assert [turn.stream_id for turn in await harness.turns()] == [stream.id]
    assert told(outputs).progress.current is not None


def told(outputs: list[events.Output]) -> events.ProgressChanged:
    (found,) = (output for output in outputs if isinstance(output, events.ProgressChanged))
    return found
