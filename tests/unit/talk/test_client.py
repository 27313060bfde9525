"""The client over real gRPC, against the real service on a real ledger; only workers and upstream are replaced."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc.aio
import numpy as np
import pytest
from vestibule.v1 import conversation_pb2 as pb
from vestibule.v1.conversation_pb2_grpc import (
    ConversationServiceServicer,
    add_ConversationServiceServicer_to_server,
)

from models.errors import Conflict
from server.cli.talk import client, command
from server.cli.talk.client import MOST_TAKEN_OVER, Audio, Talker, TalkOptions, passing
from server.cli.talk.microphone import Microphone
from server.interceptors import interceptors
from server.lifecycle import Lifecycle
from server.metrics import Metrics
from server.services.conversation import ConversationService
from tests.unit.conversation.bench import quiet, speech
from tests.unit.conversation.desk import ADMISSION, Desk
from tests.unit.talk.test_microphone import Device, frames

UTTERANCES = 6


@asynccontextmanager
async def served(desk: Desk, port: int = 0) -> AsyncIterator[int]:
    """The service on a port; everything on it is cut off at the end."""
    server = grpc.aio.server(interceptors=interceptors(Lifecycle(), Metrics()), options=(("grpc.so_reuseport", 0),))
    add_ConversationServiceServicer_to_server(ConversationService(desk.streams), server)
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    try:
        yield bound
    finally:
        await server.stop(None)


class Listener:
    """Collects what the client hears of."""

    def __init__(self) -> None:
        self.finals: list[int] = []
        self.breaks: list[str] = []
        self.heard = asyncio.Event()

    def event(self, response: pb.ConverseResponse) -> None:
        if response.HasField("final"):
            self.finals.append(response.final.utterance)
            self.heard.set()

    def broke(self, reason: str, pause_s: float) -> None:
        self.breaks.append(reason)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    built = Desk(tmp_path)
    yield built
    built.ledger.close()


async def test_a_talk_over_three_servers_gives_every_final_once(desk: Desk) -> None:
    audio, listener, port = Audio(), Listener(), 0
    talking: asyncio.Task[None] | None = None
    async with asyncio.timeout(30):
        for life in range(3):
            async with served(desk, port) as port:
                if talking is None:
                    channel = grpc.aio.insecure_channel(
                        f"127.0.0.1:{port}", options=(("grpc.max_reconnect_backoff_ms", 200),)
                    )
                    talker = Talker(channel, TalkOptions(desk.config.session_id), audio, listener.event, listener.broke)
                    talking = asyncio.create_task(talker.run())
                for _ in range(UTTERANCES // 3):
                    audio.add(speech(1.0) + quiet(0.5))
                if life == 2:
                    audio.finish()
                    await talking
                else:
                    while not listener.finals or listener.finals[-1] < 2 * life:
                        listener.heard.clear()
                        await listener.heard.wait()
        await channel.close(None)
    assert listener.finals == list(range(UTTERANCES))
    assert [turn.utterance for turn in await desk.turns()] == list(range(UTTERANCES))
    assert talker.connections >= 3
    assert set(listener.breaks) <= {"UNAVAILABLE", "CANCELLED", "STREAM_IN_USE", "INTERNAL"}
    assert audio.held == b""


async def test_a_microphone_is_recorded_over_two_servers(desk: Desk) -> None:
    audio, listener, broken = Audio(), Listener(), threading.Event()
    said = frames(np.frombuffer(speech(1.0) + quiet(0.5), np.int16), 320, rate_hz=16_000)
    recording = asyncio.create_task(Microphone(Device(*said, broken, *said), "It").record(audio))
    recording.add_done_callback(lambda _: audio.finish())
    async with asyncio.timeout(30):
        async with served(desk) as port:
            channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=(("grpc.max_reconnect_backoff_ms", 200),))
            talker = Talker(channel, TalkOptions(desk.config.session_id), audio, listener.event, listener.broke)
            talking = asyncio.create_task(talker.run())
            await listener.heard.wait()
        broken.set()
        await recording
        async with served(desk, port):
            await talking
        await channel.close(None)
    assert listener.finals == [0, 1]
    assert talker.connections >= 2
    assert audio.start == audio.end == 2 * len(speech(1.0) + quiet(0.5))


async def test_the_command_streams_a_file_and_collects_its_finals(desk: Desk) -> None:
    screen, options = command.Screen(terminal=False), TalkOptions(desk.config.session_id)
    async with asyncio.timeout(30), served(desk) as port:
        pcm = (speech(1.0) + quiet(0.5)) * 2
        await command._talk(f"127.0.0.1:{port}", options, pcm, screen, fast=True)
    assert [line.utterance for line in screen.lines] == [0, 1]


async def test_what_ends_an_utterance_is_asked_for_on_every_connection(desk: Desk) -> None:
    audio, listener = Audio(ended=True), Listener()
    audio.add(speech(1.0) + quiet(0.5))
    options = TalkOptions(desk.config.session_id, end_silence_s=1.5, max_utterance_s=7.0)
    async with asyncio.timeout(30), served(desk) as port, grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        await Talker(channel, options, audio, listener.event, listener.broke).run()
    assert desk.endings == [(1.5, 7.0)]


async def test_a_server_that_has_no_room_is_asked_again_after_the_time_that_it_says(tmp_path: Path) -> None:
    desk, listener = Desk(tmp_path, replace(ADMISSION, streams=1)), Listener()
    inside, room = asyncio.Event(), asyncio.Event()
    waits: list[float] = []

    async def hold() -> None:
        async with desk.streams.open(desk.config):
            inside.set()
            await room.wait()

    def refused(reason: str, pause_s: float) -> None:
        listener.broke(reason, pause_s)
        waits.append(pause_s)
        room.set()

    async with asyncio.timeout(30), served(desk) as port, grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        holding = asyncio.create_task(hold())
        await inside.wait()
        audio = Audio(ended=True)
        audio.add(speech(1.0) + quiet(0.5))
        talker = Talker(channel, TalkOptions(desk.config.session_id), audio, listener.event, refused)
        talking = asyncio.create_task(talker.run())
        await holding
        await talking
    assert (listener.breaks, waits, listener.finals) == (["TOO_MANY_STREAMS"], [2.0], [0])
    desk.ledger.close()


async def test_a_source_that_breaks_ends_the_talk_at_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        buffer = property(lambda self: self)

        def read(self, _size: int) -> bytes:
            raise OSError("The microphone is gone.")

    monkeypatch.setattr(sys, "stdin", Broken())
    screen, options = command.Screen(terminal=False), TalkOptions(desk.config.session_id)
    async with asyncio.timeout(30), served(desk) as port:
        with pytest.raises(OSError, match="microphone"):
            await command._talk(f"127.0.0.1:{port}", options, None, screen, fast=True)


async def test_what_no_attempt_can_mend_is_raised_at_once(desk: Desk) -> None:
    audio, listener = Audio(ended=True), Listener()
    async with served(desk) as port, grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        talker = Talker(
            channel, TalkOptions("5f0c7a52-0000-4000-8000-000000000000"), audio, listener.event, listener.broke
        )
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await talker.run()
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert listener.breaks == []


class TakenOver(ConversationServiceServicer):
    """Somebody else always has the stream."""

    async def Converse(
        self, requests: AsyncIterator[pb.ConverseRequest], _context: object
    ) -> AsyncIterator[pb.ConverseResponse]:
        yield pb.ConverseResponse(configured=pb.Configured(resume_token="t"))
        raise Conflict("The stream goes on over another connection.", reason="STREAM_TAKEN_OVER")


async def test_two_that_hold_one_token_do_not_take_the_stream_from_each_other_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client, "FIRST_WAIT_S", 0.001)
    server = grpc.aio.server(interceptors=interceptors(Lifecycle(), Metrics()))
    add_ConversationServiceServicer_to_server(TakenOver(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    audio, listener = Audio(ended=True), Listener()
    async with asyncio.timeout(30), grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        with pytest.raises(grpc.aio.AioRpcError):
            await Talker(channel, TalkOptions("s"), audio, listener.event, listener.broke).run()
    await server.stop(None)
    assert listener.breaks == ["STREAM_TAKEN_OVER"] * MOST_TAKEN_OVER


class Forgetful(ConversationServiceServicer):
    """Breaks once a chunk is acknowledged, and names an offset before it when the client comes back."""

    def __init__(self) -> None:
        self.chunks: list[tuple[int, bytes]] = []

    async def Converse(
        self, requests: AsyncIterator[pb.ConverseRequest], context: Any
    ) -> AsyncIterator[pb.ConverseResponse]:
        resumed = (await anext(aiter(requests))).config.resume_token
        yield pb.ConverseResponse(configured=pb.Configured(resume_token="t", next_offset=0))
        async for request in requests:
            self.chunks.append((request.audio.offset, request.audio.data))
            if not resumed:
                yield pb.ConverseResponse(acknowledged=pb.Acknowledged(offset=len(request.audio.data)))
                await context.abort(grpc.StatusCode.UNAVAILABLE, "gone")


async def test_nothing_is_sent_from_before_what_is_still_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "FIRST_WAIT_S", 0.001)
    server, service = grpc.aio.server(), Forgetful()
    add_ConversationServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    audio, listener, first, rest = Audio(), Listener(), b"a" * client.CHUNK_BYTES, b"b" * 100
    audio.add(first + rest)
    audio.finish()
    async with asyncio.timeout(30), grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        await Talker(channel, TalkOptions("s"), audio, listener.event, listener.broke).run()
    await server.stop(None)
    assert service.chunks[-1] == (len(first), rest)
    assert (0, rest) not in service.chunks


@pytest.mark.parametrize(
    ("code", "reason", "again"),
    [
        (grpc.StatusCode.UNAVAILABLE, "", True),
        (grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN", True),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "STREAM_IDLE", True),
        (grpc.StatusCode.CANCELLED, "", True),
        (grpc.StatusCode.UNKNOWN, "", True),
        (grpc.StatusCode.INTERNAL, "", True),  # grpc.aio lost the status while it sent
        (grpc.StatusCode.INTERNAL, "INTERNAL", False),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "SPEECH_BUSY", True),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "", False),  # a message that is too large, from gRPC itself
        (grpc.StatusCode.FAILED_PRECONDITION, "STREAM_IN_USE", True),
        (grpc.StatusCode.FAILED_PRECONDITION, "STREAM_TAKEN_OVER", True),
        (grpc.StatusCode.FAILED_PRECONDITION, "SESSION_ENDED", False),
        (grpc.StatusCode.NOT_FOUND, "STREAM_NOT_FOUND", False),
        (grpc.StatusCode.INVALID_ARGUMENT, "STREAM_TOO_LONG", False),
        (grpc.StatusCode.UNIMPLEMENTED, "", False),
    ],
)
def test_what_may_pass_is_tried_again(code: grpc.StatusCode, reason: str, again: bool) -> None:
    assert passing(code, reason) is again


class TooLarge(ConversationServiceServicer):
    """Answers as gRPC does to a message that is too large: a status without details."""

    async def Converse(
        self, requests: AsyncIterator[pb.ConverseRequest], context: Any
    ) -> AsyncIterator[pb.ConverseResponse]:
        yield pb.ConverseResponse(configured=pb.Configured(resume_token="t"))
        await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "Received message larger than max")


async def test_a_message_that_is_too_large_is_not_sent_again() -> None:
    server = grpc.aio.server()
    add_ConversationServiceServicer_to_server(TooLarge(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    audio, listener = Audio(), Listener()
    async with asyncio.timeout(30), grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await Talker(channel, TalkOptions("s"), audio, listener.event, listener.broke).run()
    await server.stop(None)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert listener.breaks == []


async def test_without_any_server_it_gives_up_after_the_time_that_was_set() -> None:
    ticks = iter(range(0, 1000, 100))
    audio, listener = Audio(ended=True), Listener()
    options = TalkOptions("5f0c7a52-0000-4000-8000-000000000000", give_up_s=60.0)
    async with grpc.aio.insecure_channel("127.0.0.1:1") as channel:
        talker = Talker(channel, options, audio, listener.event, listener.broke, clock=lambda: float(next(ticks)))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await talker.run()
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert listener.breaks == []


def test_audio_is_kept_until_it_is_acknowledged() -> None:
    audio = Audio()
    audio.add(b"abcdef")
    audio.acknowledge(4)
    audio.acknowledge(2)
    assert (audio.start, bytes(audio.held), audio.end) == (4, b"ef", 6)
