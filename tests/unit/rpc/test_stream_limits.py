"""docs/operating/limits.md, "Streams": each limit has a status, a reason and a hint; and the streams that run go on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import repeat
from pathlib import Path
from uuid import uuid4

import grpc.aio
import pytest
from vestibule.v1 import conversation_pb2 as pb

from benchmarks._attack_streams import BEGIN, FREE
from server.grpc_server import LARGEST_MESSAGE_BYTES
from server.ledger import sessions
from server.ledger.types import SessionRow, SessionState
from server.streaming import rate_limit
from server.streaming.admission import AdmissionLimits
from tests.eventually import eventually
from tests.unit.rpc.server_harness import Stream, listening
from tests.unit.rpc.test_interceptors import details
from tests.unit.streaming.conversation_harness import NOW, quiet
from tests.unit.streaming.stream_harness import ADMISSION, SMALL, STREAM_S, StreamHarness

Overstep = Callable[[StreamHarness, Stream], Awaitable[None]]


async def one_stream_too_many(harness: StreamHarness, stream: Stream) -> None:
    await stream.configure(harness.config.session_id)


async def one_more_of_another_client(harness: StreamHarness, stream: Stream) -> None:
    other = SessionRow(str(uuid4()), "another", str(uuid4()), SessionState.STARTED, NOW, NOW, language="en")
    await harness.ledger.write(lambda cursor: sessions.insert_or_get(cursor, other))
    await stream.configure(other.id)


async def one_that_workers_have_no_time_for(harness: StreamHarness, stream: Stream) -> None:
    with harness.load.working():
        harness.now += timedelta(seconds=30)
    await stream.configure(harness.config.session_id)


async def audio_on_one_for_typed_text(harness: StreamHarness, stream: Stream) -> None:
    await stream.configure(harness.config.session_id, encoding=0)
    with harness.load.working():
        harness.now += timedelta(seconds=30)
    await stream.send(audio=pb.AudioChunk(offset=0, data=b"RIFF"))


async def audio_all_at_once(harness: StreamHarness, stream: Stream) -> None:
    await stream.configure(harness.config.session_id)
    await stream.say(quiet(31.0))


async def too_much_audio(harness: StreamHarness, stream: Stream) -> None:
    await stream.configure(harness.config.session_id)
    harness.now += timedelta(seconds=STREAM_S)
    await stream.say(quiet(STREAM_S + 1.0))


async def too_many_typed_texts(harness: StreamHarness, stream: Stream) -> None:
    await stream.configure(harness.config.session_id, encoding=0)
    for number in range(61):
        await stream.send(text=pb.TypedText(text=f"line {number}"))


async def typed_texts_and_requests_for_a_record(harness: StreamHarness, stream: Stream) -> None:
    await stream.configure(harness.config.session_id, encoding=0)
    for _ in range(59):
        await stream.send(text=pb.TypedText(text="line"))
    await stream.send(propose=pb.Propose())
    await stream.send(propose=pb.Propose())


async def one_byte_at_a_time(harness: StreamHarness, stream: Stream) -> None:
    await stream.configure(harness.config.session_id)
    for offset in range(round(SMALL.burst) + 1):
        await stream.send(audio=pb.AudioChunk(offset=offset, data=b"."))


async def chunks_that_came_before(harness: StreamHarness, stream: Stream) -> None:
    await stream.configure(harness.config.session_id)
    for _ in range(round(SMALL.burst) + 2):
        await stream.send(audio=pb.AudioChunk(offset=0, data=bytes(640)))


async def end_marks(harness: StreamHarness, stream: Stream) -> None:
    await stream.configure(harness.config.session_id)
    for _ in range(round(SMALL.burst) + 1):
        await stream.send(end_of_utterance=pb.EndOfUtterance())


async def a_chunk_too_large(harness: StreamHarness, stream: Stream) -> None:
    await stream.configure(harness.config.session_id)
    await stream.send(audio=pb.AudioChunk(offset=0, data=bytes(65_537)))


async def a_rate_too_low(harness: StreamHarness, stream: Stream) -> None:
    await stream.configure(harness.config.session_id, sample_rate_hz=4000)


async def a_rate_that_is_not_given(harness: StreamHarness, stream: Stream) -> None:
    await stream.configure(harness.config.session_id, sample_rate_hz=0)


async def a_blank_text(harness: StreamHarness, stream: Stream) -> None:
    await stream.configure(harness.config.session_id)
    await stream.send(text=pb.TypedText(text=" \n\u200b"))


async def a_message_too_large(harness: StreamHarness, stream: Stream) -> None:
    await stream.configure(harness.config.session_id)
    await stream.send(audio=pb.AudioChunk(offset=0, data=bytes(LARGEST_MESSAGE_BYTES)))


@dataclass(frozen=True, slots=True)
class Case:
    """How a limit is passed, and what comes of it; no reason where gRPC itself refuses."""

    overstep: Overstep
    code: grpc.StatusCode
    reason: str = ""
    retry_s: float | None = None
    limits: AdmissionLimits = ADMISSION


FULL = grpc.StatusCode.RESOURCE_EXHAUSTED
WRONG = grpc.StatusCode.INVALID_ARGUMENT
ALONE = replace(ADMISSION, floor=1)
CASES = (
    Case(one_stream_too_many, FULL, "TOO_MANY_CLIENT_STREAMS", 2.0, replace(ADMISSION, client_streams=1)),
    Case(one_stream_too_many, FULL, "TOO_MANY_SESSION_STREAMS", 2.0, replace(ADMISSION, session_streams=1)),
    Case(one_more_of_another_client, FULL, "TOO_MANY_STREAMS", 2.0, replace(ADMISSION, streams=1)),
    Case(one_that_workers_have_no_time_for, FULL, "SPEECH_BUSY", 5.0, ALONE),
    Case(audio_on_one_for_typed_text, FULL, "SPEECH_BUSY", 5.0, ALONE),
    Case(audio_all_at_once, FULL, "AUDIO_TOO_FAST", 4.0),
    Case(too_much_audio, WRONG, "STREAM_TOO_LONG"),
    Case(too_many_typed_texts, FULL, "TEXT_TOO_FAST", 1.0),
    Case(typed_texts_and_requests_for_a_record, FULL, "TEXT_TOO_FAST", 1.0),
    Case(one_byte_at_a_time, FULL, "MESSAGES_TOO_FAST", 10.0),
    Case(chunks_that_came_before, FULL, "MESSAGES_TOO_FAST", 10.0),
    Case(end_marks, FULL, "MESSAGES_TOO_FAST", 10.0),
    Case(a_chunk_too_large, WRONG, "INVALID_ARGUMENT"),
    Case(a_rate_too_low, WRONG, "INVALID_SAMPLE_RATE"),
    Case(a_rate_that_is_not_given, WRONG, "PCM_INCOMPLETE"),
    Case(a_blank_text, WRONG, "INVALID_ARGUMENT"),
    Case(a_message_too_large, FULL),
)


@asynccontextmanager
async def talking(harness: StreamHarness) -> AsyncIterator[tuple[Stream, grpc.aio.Channel]]:
    """A stream that runs, and a channel for another."""
    async with listening(harness) as address, grpc.aio.insecure_channel(address) as channel:
        stream = Stream(channel)
        await stream.configure(harness.config.session_id)
        await stream.said(0)
        yield stream, channel


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.overstep.__name__)
async def test_exceeding_a_limit_gives_a_reason_and_keeps_the_open_stream(tmp_path: Path, case: Case) -> None:
    harness = StreamHarness(tmp_path, case.limits)
    async with talking(harness) as (running, channel):
        other = Stream(channel)
        # The call may end before everything is sent; its status is read afterwards.
        with contextlib.suppress(grpc.aio.AioRpcError, grpc.aio.UsageError, asyncio.InvalidStateError):
            await case.overstep(harness, other)
        refused = await other.refusal()
        await running.said(1)
        await running.finish()
    harness.ledger.close()
    assert refused.code() is case.code
    assert running.finals == [0, 1]
    if case.reason:
        found = details(refused)
        assert (found["ErrorInfo"].reason, bool(found["ErrorInfo"].metadata["hint"])) == (case.reason, True)
        retry = found.get("RetryInfo")
        retry_s = retry.retry_delay.ToMilliseconds() / 1000 if retry else None
        assert retry_s == (None if case.retry_s is None else pytest.approx(case.retry_s, rel=0.1))


async def test_texts_within_the_limit_are_answered_before_a_client_that_was_too_fast_is_told(tmp_path: Path) -> None:
    harness = StreamHarness(tmp_path)
    async with listening(harness) as address, grpc.aio.insecure_channel(address) as channel:
        stream = Stream(channel)
        with contextlib.suppress(grpc.aio.AioRpcError, grpc.aio.UsageError, asyncio.InvalidStateError):
            await too_many_typed_texts(harness, stream)
        refused = await stream.refusal()
    harness.ledger.close()
    assert details(refused)["ErrorInfo"].reason == "TEXT_TOO_FAST"
    assert stream.finals == list(range(60))


async def test_an_mp4_of_free_boxes_is_too_fast(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes that bring no sound count for the pace of audio."""
    monkeypatch.setattr(rate_limit, "SOUNDLESS_BYTES", 0)
    monkeypatch.setattr(rate_limit, "LARGEST_BYTES_PER_S", 10_000)
    harness = StreamHarness(tmp_path)
    async with listening(harness) as address, grpc.aio.insecure_channel(address) as channel:
        stream, offset = Stream(channel), 0
        await stream.configure(
            harness.config.session_id, encoding=pb.AUDIO_ENCODING_CONTAINER, sample_rate_hz=0, channels=0
        )
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            for data in (BEGIN, *repeat(FREE, 30)):
                await stream.send(audio=pb.AudioChunk(offset=offset, data=data))
                offset += len(data)
        refused = await stream.refusal()
    harness.ledger.close()
    assert details(refused)["ErrorInfo"].reason == "AUDIO_TOO_FAST"


async def test_a_client_that_was_too_fast_resumes_after_the_accepted_audio(tmp_path: Path) -> None:
    harness = StreamHarness(tmp_path)
    async with talking(harness) as (running, channel):
        await running.finish()
        fast, slower = Stream(channel), Stream(channel)
        await fast.configure(harness.config.session_id)
        await fast.say(quiet(31.0))
        await fast.refusal()
        harness.now += timedelta(seconds=5)
        await slower.configure(harness.config.session_id, resume_token=fast.token)
        await slower.said(0)
        await slower.finish()
    harness.ledger.close()


async def test_a_stream_that_was_too_long_can_be_resumed_for_its_finals(tmp_path: Path) -> None:
    harness = StreamHarness(tmp_path)
    async with talking(harness) as (running, channel):
        await running.finish()
        long, rest = Stream(channel), Stream(channel)
        await too_much_audio(harness, long)
        await long.refusal()
        await rest.configure(harness.config.session_id, resume_token=long.token)
        await rest.finish()
    harness.ledger.close()


async def test_a_broken_stream_is_readmitted_under_any_load(tmp_path: Path) -> None:
    harness = StreamHarness(tmp_path, ALONE)
    async with talking(harness) as (running, channel):
        token = running.token
        running.vanish()
        with harness.load.working():
            harness.now += timedelta(seconds=30)
        await eventually(lambda: not harness.streams.count)
        again, new = Stream(channel), Stream(channel)
        await again.configure(harness.config.session_id, resume_token=token, next_utterance=1)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await new.configure(harness.config.session_id)
        await again.said(1)
        await again.finish()
    harness.ledger.close()
    assert details(caught.value)["ErrorInfo"].reason == "SPEECH_BUSY"
    assert again.finals == [1]
