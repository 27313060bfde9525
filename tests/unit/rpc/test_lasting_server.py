"""Paths that are not UTF-8: gRPC's own server ends, ours goes on."""

from __future__ import annotations

import asyncio

import grpc
import grpc.aio
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from hpack import Encoder
from vestibule.v1 import session_pb2_grpc

from benchmarks._raw_http2 import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PREFACE,
    SETTINGS,
    RawClient,
    frame,
    grpc_message,
)
from tests.unit.rpc.test_call_limits import REQUEST, port, watch

BAD_PATH = b"/\xff\xfe/x"


def send_bad_paths(address: str, calls: int) -> None:
    """Calls with a path that is not UTF-8, on one connection that is then closed."""
    fields: list[tuple[str | bytes, str | bytes]] = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", BAD_PATH),
        (":authority", "a"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ]
    block = Encoder().encode(fields)
    with RawClient(address, greet=False) as client:
        data = PREFACE + frame(SETTINGS, 0, 0)
        for stream in range(1, 2 * calls, 2):
            data += frame(HEADERS, END_HEADERS, stream, block) + frame(DATA, END_STREAM, stream, grpc_message(b""))
        client.sock.sendall(data)
        client.closed_within(0.3)


async def test_calls_go_on_while_strangers_send_paths_that_are_not_utf8() -> None:
    async with port() as server, grpc.aio.insecure_channel(server.address) as channel:
        stub = session_pb2_grpc.SessionServiceStub(channel)
        open_call = await watch(channel)
        async with asyncio.TaskGroup() as group:
            for _ in range(5):
                group.create_task(asyncio.to_thread(send_bad_paths, server.address, 50))
            for _ in range(50):
                await stub.GetSession(REQUEST)
        await stub.GetSession(REQUEST)
        assert not open_call.done()


async def test_an_unknown_method_is_unimplemented_as_usual() -> None:
    async with port() as server, grpc.aio.insecure_channel(server.address) as channel:
        for path in ("/vestibule.v1.SessionService/Nothing", "/a/b", "/"):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await channel.unary_unary(path, None, None)(b"")
            assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.UNIMPLEMENTED, "Method not found!")


async def test_reflection_is_served() -> None:
    async with port() as server, grpc.aio.insecure_channel(server.address) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        asked = [reflection_pb2.ServerReflectionRequest(list_services="")]
        names = {
            s.name async for reply in stub.ServerReflectionInfo(asked) for s in reply.list_services_response.service
        }
    assert "grpc.health.v1.Health" in names


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_grpc_itself_still_needs_this() -> None:
    """Once this fails, gRPC has mended it, and ``lasting_server`` may go."""
    server = grpc.aio.server()
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    ended = asyncio.create_task(server.wait_for_termination(5.0))
    await asyncio.to_thread(send_bad_paths, address, 1)
    with pytest.raises(ConnectionRefusedError):
        while True:
            RawClient(address).sock.close()
            await asyncio.sleep(0.01)
    ended.cancel()
