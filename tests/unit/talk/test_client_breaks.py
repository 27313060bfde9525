"""What the client does about each end of a connection, against services that end it so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc.aio
import pytest
from vestibule.v1 import conversation_pb2 as pb
from vestibule.v1.conversation_pb2_grpc import (
    ConversationServiceServicer,
    add_ConversationServiceServicer_to_server,
)

from models.errors import Conflict
from models.reasons import Reason
from server.cli.talk import client
from server.cli.talk.client import MOST_TAKEN_OVER, Audio, Talker, TalkOptions, passing
from server.observability.metrics import Metrics
from server.rpc.interceptors import interceptors
from server.runtime.lifecycle import Lifecycle
from server.setting_groups import LimitSettings
from tests.fakes.access import OpenAccess
from tests.unit.talk.recording_listener import Listener


class TakenOver(ConversationServiceServicer):
    """Another client always holds the stream."""

    async def Converse(
        self, requests: AsyncIterator[pb.ConverseRequest], _context: object
    ) -> AsyncIterator[pb.ConverseResponse]:
        yield pb.ConverseResponse(configured=pb.Configured(resume_token="t"))
        raise Conflict("The stream continues on another connection.", reason=Reason.STREAM_TAKEN_OVER)


async def test_repeated_takeovers_of_one_token_end_with_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client, "FIRST_WAIT_S", 0.001)
    server = grpc.aio.server(interceptors=interceptors(Lifecycle(), Metrics(), OpenAccess(), LimitSettings()))
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


async def test_audio_that_was_dropped_is_never_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_temporary_errors_are_retried(code: grpc.StatusCode, reason: str, again: bool) -> None:
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


async def test_without_a_server_it_gives_up_after_the_given_time() -> None:
    ticks = iter(range(0, 1000, 100))
    audio, listener = Audio(ended=True), Listener()
    options = TalkOptions("5f0c7a52-0000-4000-8000-000000000000", give_up_s=60.0)
    async with grpc.aio.insecure_channel("127.0.0.1:1") as channel:
        talker = Talker(channel, options, audio, listener.event, listener.broke, clock=lambda: float(next(ticks)))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await talker.run()
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert listener.breaks == []
