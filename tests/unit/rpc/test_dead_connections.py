"""Connections whose other end vanished: a real socket that goes silent."""

from __future__ import annotations

import asyncio
import gc
from dataclasses import replace
from pathlib import Path

import grpc.aio
import pytest
from h2.events import DataReceived
from psutil import Process
from vestibule.v1 import conversation_pb2 as pb

from benchmarks._cut import Relay
from benchmarks._raw_http2 import RawClient, grpc_message
from server.cli.talk.client import KEEPALIVE as KEEPALIVE_OF_TALK
from server.cli.talk.client import Audio, Talker, TalkOptions
from server.grpc_server import KEEPALIVE, Keepalive
from server.ledger.columns import Cursor
from tests.eventually import eventually
from tests.unit.rpc.server_harness import Stream, listening
from tests.unit.rpc.test_interceptors import details
from tests.unit.streaming.conversation_harness import quiet, speech
from tests.unit.streaming.stream_harness import IDLE_S, StreamHarness

TIMES = 20
"""As fast as in earnest; an answer may still take half a second."""

STREAMS_TO_CUT = 3

QUICK = Keepalive(KEEPALIVE.every_s / TIMES, KEEPALIVE.answer_s / TIMES)
CLIENT = (*((name, value // TIMES) for name, value in KEEPALIVE_OF_TALK), ("grpc.use_local_subchannel_pool", 1))
NEVER = (("grpc.use_local_subchannel_pool", 1),)


def port(address: str) -> int:
    return int(address.rpartition(":")[2])


async def test_the_server_notices_and_keeps_what_a_resumed_stream_needs(tmp_path: Path) -> None:
    harness = StreamHarness(tmp_path)
    async with (
        asyncio.timeout(IDLE_S - 5),  # a stream on which nothing comes is ended anyway, but later
        listening(harness, QUICK) as address,
        Relay(lambda: port(address)) as relay,
        grpc.aio.insecure_channel(relay.address, NEVER) as unaware,
        grpc.aio.insecure_channel(address, NEVER) as elsewhere,
    ):
        lost = Stream(unaware)
        await lost.configure(harness.config.session_id)
        await lost.said(0)
        relay.fall_silent()
        await eventually(lambda: not harness.streams.count)
        assert len(harness.spool.log_ids()) == 1
        again = Stream(elsewhere)
        await again.configure(harness.config.session_id, resume_token=lost.token, next_utterance=0)
        await again.said(1)
        await again.finish()
    assert again.finals == [0, 1]
    assert not harness.spool.log_ids()
    harness.ledger.close()


async def test_a_client_can_resume_before_the_server_noticed_the_dead_connection(tmp_path: Path) -> None:
    harness = StreamHarness(tmp_path)
    async with (
        asyncio.timeout(KEEPALIVE.every_s),
        listening(harness) as address,
        Relay(lambda: port(address)) as relay,
        grpc.aio.insecure_channel(relay.address, NEVER) as old_network,
        grpc.aio.insecure_channel(address, NEVER) as new_network,
    ):
        lost, again = Stream(old_network), Stream(new_network)
        await lost.configure(harness.config.session_id)
        await lost.said(0)
        relay.fall_silent()
        await again.configure(harness.config.session_id, resume_token=lost.token, next_utterance=1)
        await again.said(1)
        await again.finish()
    assert again.finals == [1]
    harness.ledger.close()


async def test_a_conversation_survives_silent_connections(tmp_path: Path) -> None:
    harness, audio, heard = StreamHarness(tmp_path), Audio(), asyncio.Event()
    finals: list[int] = []
    breaks: list[str] = []

    def take(response: pb.ConverseResponse) -> None:
        if response.HasField("final"):
            finals.append(response.final.utterance)
            heard.set()

    async with (
        asyncio.timeout(30),
        listening(harness, QUICK) as address,
        Relay(lambda: port(address)) as relay,
        grpc.aio.insecure_channel(relay.address, CLIENT) as channel,
        asyncio.TaskGroup() as group,
    ):
        options = TalkOptions(harness.config.session_id)
        talker = Talker(channel, options, audio, take, lambda reason, pause_s: breaks.append(reason))
        group.create_task(talker.run())
        for utterance in range(3):
            audio.add(speech(0.5) + quiet(0.2))
            while len(finals) <= utterance:
                heard.clear()
                await heard.wait()
            if utterance < 2:
                relay.fall_silent()
        audio.finish()
    assert finals == [0, 1, 2]
    assert [turn.utterance for turn in await harness.turns()] == [0, 1, 2]
    assert talker.connections >= 3
    assert set(breaks) <= {"UNAVAILABLE", "CANCELLED"}
    harness.ledger.close()


def test_by_default_a_dead_connection_is_noticed_within_half_a_minute() -> None:
    assert KEEPALIVE.every_s + KEEPALIVE.answer_s == 30.0


async def test_pings_alone_do_not_keep_a_stream_open(tmp_path: Path) -> None:
    harness = StreamHarness(tmp_path)
    conversations = harness.streams._conversations
    harness.streams._conversations = replace(conversations, limits=replace(conversations.limits, idle_s=0.5))
    pings = (("grpc.keepalive_time_ms", 50), ("grpc.use_local_subchannel_pool", 1))
    async with (
        asyncio.timeout(10),
        listening(harness, Keepalive(every_s=0.05, answer_s=5.0)) as address,
        grpc.aio.insecure_channel(address, pings) as channel,
    ):
        stream = Stream(channel)
        await stream.configure(harness.config.session_id)
        refused = await stream.refusal()
        await eventually(lambda: not harness.streams.count)
    harness.ledger.close()
    assert details(refused)["ErrorInfo"].reason == "STREAM_IDLE"


@pytest.mark.parametrize("last", ["nothing", "half a message", "audio", "reset"])
async def test_cut_streams_free_tasks_descriptors_tickets_and_files(tmp_path: Path, last: str) -> None:
    harness = StreamHarness(tmp_path)
    config = pb.ConverseConfig(
        session_id=harness.config.session_id, encoding=pb.AUDIO_ENCODING_PCM_S16LE, sample_rate_hz=16_000, channels=1
    )
    first = grpc_message(pb.ConverseRequest(config=config).SerializeToString())
    audio = pb.AudioChunk(offset=0, data=speech(0.5))
    rest = {"half a message": first[:9], "audio": grpc_message(pb.ConverseRequest(audio=audio).SerializeToString())}

    async def cut(address: str) -> None:
        with await asyncio.to_thread(RawClient, address) as client:
            path = "/vestibule.v1.ConversationService/Converse"
            streams = [client.open(path, first) for _ in range(STREAMS_TO_CUT)]
            await asyncio.to_thread(all_answered, client, streams)
            for stream in streams:
                if last == "reset":
                    client.http2.reset_stream(stream)
                else:
                    client.http2.send_data(stream, rest.get(last, b""))
            client.flush()
            if last == "audio":
                await asyncio.to_thread(all_answered, client, streams)
        await eventually(lambda: not harness.streams.count and len(asyncio.all_tasks()) == tasks)
        gc.collect()

    async with listening(harness) as address:
        tasks = len(asyncio.all_tasks())
        await cut(address)  # what is made once is made now
        descriptors = Process().num_fds()
        for _ in range(3):
            await cut(address)
        await eventually(lambda: Process().num_fds() <= descriptors)
    assert await harness.ledger.read(finished_streams) == 0
    harness.ledger.close()


def finished_streams(cursor: Cursor) -> int:
    return int(cursor.execute("SELECT count(*) FROM streams WHERE NOT open").fetchall()[0][0])


def all_answered(client: RawClient, streams: list[int]) -> None:
    """Read until a message has come on each stream."""
    waiting = set(streams)
    while waiting:
        events = client.http2.receive_data(client.sock.recv(65536))
        waiting -= {event.stream_id for event in events if isinstance(event, DataReceived)}
        client.flush()
