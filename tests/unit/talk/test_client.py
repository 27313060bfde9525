"""The client over real gRPC, against the real service on a real ledger; only workers and upstream are replaced."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import grpc.aio
import numpy as np
import pytest
from vestibule.v1.conversation_pb2_grpc import add_ConversationServiceServicer_to_server
from vestibule.v1.session_pb2_grpc import add_SessionServiceServicer_to_server

from server.cli.remote import Endpoint
from server.cli.talk import spoken
from server.cli.talk.client import Audio, Talker, TalkOptions
from server.cli.talk.microphone import Microphone
from server.cli.talk.screen import Screen
from server.flows.catalogue import shipped_catalogue
from server.observability.metrics import Metrics
from server.records.machine_words import MachineWords
from server.records.sessions import Sessions
from server.records.vocabulary import VocabularySealer
from server.rpc.interceptors import interceptors
from server.runtime.lifecycle import Lifecycle
from server.services.conversation import ConversationService
from server.services.session import SessionService
from server.setting_groups import LimitSettings
from tests.fakes.access import OpenAccess
from tests.unit.streaming.conversation_harness import NOW, quiet, speech
from tests.unit.streaming.stream_harness import ADMISSION, StreamHarness
from tests.unit.talk.recording_listener import Listener
from tests.unit.talk.test_microphone import Device, frames

UTTERANCES = 6


@asynccontextmanager
async def served(harness: StreamHarness, port: int = 0) -> AsyncIterator[int]:
    """The service on a port; everything on it is cut off at the end."""
    server = grpc.aio.server(
        interceptors=interceptors(Lifecycle(), Metrics(), OpenAccess(), LimitSettings()),
        options=(("grpc.so_reuseport", 0),),
    )
    add_ConversationServiceServicer_to_server(ConversationService(harness.streams), server)
    sessions = Sessions(harness.ledger, harness.pubsub, VocabularySealer(bytes(32)), lambda: NOW, shipped_catalogue())
    words = MachineWords(harness.gateway)
    add_SessionServiceServicer_to_server(SessionService(sessions, harness.pubsub, Lifecycle(), words), server)
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    try:
        yield bound
    finally:
        await server.stop(None)


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[StreamHarness]:
    built = StreamHarness(tmp_path)
    yield built
    built.ledger.close()


async def test_a_conversation_over_three_servers_gives_every_final_once(harness: StreamHarness) -> None:
    audio, listener, port = Audio(), Listener(), 0
    talking: asyncio.Task[None] | None = None
    async with asyncio.timeout(30):
        for life in range(3):
            async with served(harness, port) as port:
                if talking is None:
                    channel = grpc.aio.insecure_channel(
                        f"127.0.0.1:{port}", options=(("grpc.max_reconnect_backoff_ms", 200),)
                    )
                    talker = Talker(
                        channel, TalkOptions(harness.config.session_id), audio, listener.event, listener.broke
                    )
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
    assert [turn.utterance for turn in await harness.turns()] == list(range(UTTERANCES))
    assert talker.connections >= 3
    assert set(listener.breaks) <= {"UNAVAILABLE", "CANCELLED", "STREAM_IN_USE", "INTERNAL"}
    assert audio.held == b""


async def test_a_microphone_is_recorded_over_two_servers(harness: StreamHarness) -> None:
    audio, listener, broken = Audio(), Listener(), threading.Event()
    said = frames(np.frombuffer(speech(1.0) + quiet(0.5), np.int16), 320, rate_hz=16_000)
    recording = asyncio.create_task(Microphone(Device(*said, broken, *said), "It").record(audio))
    recording.add_done_callback(lambda _: audio.finish())
    async with asyncio.timeout(30):
        async with served(harness) as port:
            channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=(("grpc.max_reconnect_backoff_ms", 200),))
            talker = Talker(channel, TalkOptions(harness.config.session_id), audio, listener.event, listener.broke)
            talking = asyncio.create_task(talker.run())
            await listener.heard.wait()
        broken.set()
        await recording
        async with served(harness, port):
            await talking
        await channel.close(None)
    assert listener.finals == [0, 1]
    assert talker.connections >= 2
    assert audio.start == audio.end == 2 * len(speech(1.0) + quiet(0.5))


async def test_the_command_streams_a_file_and_collects_its_finals(harness: StreamHarness) -> None:
    screen, options = Screen(terminal=False), TalkOptions(harness.config.session_id)
    async with asyncio.timeout(30), served(harness) as port:
        pcm = (speech(1.0) + quiet(0.5)) * 2
        await spoken.stream(Endpoint(f"127.0.0.1:{port}", None), options, pcm, screen, fast=True)
    assert [line.utterance for line in screen.lines] == [0, 1]
    assert screen.session_id == options.session_id


async def test_endpointing_options_are_sent_on_every_connection(harness: StreamHarness) -> None:
    audio, listener = Audio(ended=True), Listener()
    audio.add(speech(1.0) + quiet(0.5))
    options = TalkOptions(harness.config.session_id, end_silence_s=1.5, max_utterance_s=7.0)
    async with asyncio.timeout(30), served(harness) as port, grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        await Talker(channel, options, audio, listener.event, listener.broke).run()
    assert harness.endings == [(1.5, 7.0)]


async def test_the_servers_retry_delay_is_honoured(tmp_path: Path) -> None:
    harness, listener = StreamHarness(tmp_path, replace(ADMISSION, streams=1)), Listener()
    inside, room = asyncio.Event(), asyncio.Event()
    waits: list[float] = []

    async def hold() -> None:
        async with harness.streams.open(harness.config):
            inside.set()
            await room.wait()

    def refused(reason: str, pause_s: float) -> None:
        listener.broke(reason, pause_s)
        waits.append(pause_s)
        room.set()

    async with asyncio.timeout(30), served(harness) as port, grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        holding = asyncio.create_task(hold())
        await inside.wait()
        audio = Audio(ended=True)
        audio.add(speech(1.0) + quiet(0.5))
        talker = Talker(channel, TalkOptions(harness.config.session_id), audio, listener.event, refused)
        talking = asyncio.create_task(talker.run())
        await holding
        await talking
    assert (listener.breaks, waits, listener.finals) == (["TOO_MANY_STREAMS"], [2.0], [0])
    harness.ledger.close()


async def test_a_failing_source_ends_the_conversation_at_once(
    harness: StreamHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        buffer = property(lambda self: self)

        def read(self, _size: int) -> bytes:
            raise OSError("The microphone is gone.")

    monkeypatch.setattr(sys, "stdin", Broken())
    screen, options = Screen(terminal=False), TalkOptions(harness.config.session_id)
    async with asyncio.timeout(30), served(harness) as port:
        with pytest.raises(OSError, match="microphone"):
            await spoken.stream(Endpoint(f"127.0.0.1:{port}", None), options, None, screen, fast=True)


async def test_permanent_errors_are_raised_at_once(harness: StreamHarness) -> None:
    audio, listener = Audio(ended=True), Listener()
    async with served(harness) as port, grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        talker = Talker(
            channel, TalkOptions("5f0c7a52-0000-4000-8000-000000000000"), audio, listener.event, listener.broke
        )
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await talker.run()
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert listener.breaks == []


def test_audio_is_kept_until_it_is_acknowledged() -> None:
    audio = Audio()
    audio.add(b"abcdef")
    audio.acknowledge(4)
    audio.acknowledge(2)
    assert (audio.start, bytes(audio.held), audio.end) == (4, b"ef", 6)
