"""Bounds on calls and on the time of their first message, at a real port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from vestibule.v1 import media_pb2, media_pb2_grpc, session_pb2, session_pb2_grpc

from benchmarks._raw_http2 import Answer, RawClient, grpc_message
from server.grpc_server import GrpcServer
from server.observability.metrics import Metrics
from server.rpc.interceptors.base import CallHook
from server.runtime.lifecycle import Lifecycle
from server.setting_groups import LimitSettings
from tests.fakes.access import OpenAccess
from tests.unit.rpc.test_interceptors import UUID, Media, Sessions, details

GET = "/vestibule.v1.SessionService/GetSession"
WATCH = "/vestibule.v1.SessionService/WatchSession"
UPLOAD = "/vestibule.v1.MediaService/Upload"
REQUEST = session_pb2.GetSessionRequest(session_id=UUID)


class Waiting(Sessions):
    """Watches go on until the client leaves."""

    def __init__(self) -> None:
        super().__init__(None, None)
        self.open = 0

    async def WatchSession(self, request: Any, context: Any) -> AsyncIterator[session_pb2.WatchSessionResponse]:
        self.open += 1
        try:
            yield session_pb2.WatchSessionResponse()
            await asyncio.Event().wait()
        finally:
            self.open -= 1


class Both:
    """The services of the port."""

    def __init__(self) -> None:
        self.sessions = Waiting()

    def add_to(self, server: grpc.aio.Server) -> None:
        session_pb2_grpc.add_SessionServiceServicer_to_server(self.sessions, server)
        media_pb2_grpc.add_MediaServiceServicer_to_server(Media(), server)


class Port:
    """A server with limits."""

    def __init__(self, access: CallHook, /, **limits: Any) -> None:
        self.metrics, self.services = Metrics(), Both()
        services: Any = self.services
        bounds = LimitSettings(**limits)
        self.server = GrpcServer("127.0.0.1:0", services, Lifecycle(), self.metrics, access, limits=bounds)

    @property
    def address(self) -> str:
        return self.server.address

    def refused(self, reason: str) -> float | None:
        return self.metrics.registry.get_sample_value("vestibule_refused_calls_total", {"reason": reason})


@asynccontextmanager
async def port(access: CallHook | None = None, /, **limits: Any) -> AsyncIterator[Port]:
    opened = Port(access or OpenAccess(), **limits)
    await opened.server.start()
    await opened.server.serving()
    try:
        async with asyncio.timeout(20):
            yield opened
    finally:
        await opened.server.stop(0)


async def refusal(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


async def watch(channel: grpc.aio.Channel) -> Any:
    """A watch that has begun."""
    call = session_pb2_grpc.SessionServiceStub(channel).WatchSession(session_pb2.WatchSessionRequest(session_id=UUID))
    assert isinstance(await call.read(), session_pb2.WatchSessionResponse)
    return call


async def gone(services: Both) -> None:
    while services.sessions.open:  # noqa: ASYNC110 - the server tells nobody that a client left
        await asyncio.sleep(0.001)


def reason(error: grpc.aio.AioRpcError) -> tuple[grpc.StatusCode, str]:
    found = details(error)["ErrorInfo"]
    assert found.metadata["hint"]
    return error.code(), found.reason


FULL, LATE, WRONG = (
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.INVALID_ARGUMENT,
)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"client_watches": 2}, "TOO_MANY_WATCHES"),
        ({"client_calls": 2}, "TOO_MANY_CLIENT_CALLS"),
        ({"calls": 2}, "TOO_MANY_CALLS"),
    ],
)
async def test_one_open_call_too_many_is_refused_until_another_ends(limits: dict[str, int], expected: str) -> None:
    async with port(**limits) as server, grpc.aio.insecure_channel(server.address) as channel:
        first, _second = await watch(channel), await watch(channel)
        error = await refusal(watch(channel))
        healthy = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        first.cancel()
        while server.services.sessions.open > 1:  # noqa: ASYNC110 - the server tells nobody that a client left
            await asyncio.sleep(0.001)
        await watch(channel)
    assert reason(error) == (FULL, expected)
    assert details(error)["RetryInfo"].retry_delay.seconds == 2
    assert details(error)["QuotaFailure"].violations
    assert healthy.status == health_pb2.HealthCheckResponse.SERVING
    assert server.refused(expected) == 1.0


async def test_watches_do_not_use_up_other_calls() -> None:
    async with port(client_watches=1) as server, grpc.aio.insecure_channel(server.address) as channel:
        await watch(channel)
        await session_pb2_grpc.SessionServiceStub(channel).GetSession(REQUEST)


async def test_calls_of_one_client_are_bounded_in_number_and_told_when_to_come_again() -> None:
    async with (
        port(client_calls_burst=3, client_calls_per_s=2.0) as server,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        stub = session_pb2_grpc.SessionServiceStub(channel)
        for _ in range(3):
            await stub.GetSession(REQUEST)
        error = await refusal(stub.GetSession(REQUEST))
        healthy = [await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest()) for _ in range(9)]
        await asyncio.sleep(details(error)["RetryInfo"].retry_delay.ToMilliseconds() / 1000)
        await stub.GetSession(REQUEST)
    assert reason(error) == (FULL, "CALLS_TOO_FAST")
    assert 0 < details(error)["RetryInfo"].retry_delay.ToMilliseconds() <= 500
    assert len(healthy) == 9


async def test_counts_return_to_zero_when_clients_leave() -> None:
    async with port(client_calls=50, calls=50) as server:
        for _ in range(3):
            async with grpc.aio.insecure_channel(server.address) as channel:
                for _ in range(50):
                    await watch(channel)
                assert reason(await refusal(watch(channel)))[1] == "TOO_MANY_CALLS"
            await gone(server.services)


@pytest.mark.parametrize("path", [GET, WATCH, UPLOAD])
@pytest.mark.parametrize("body", [b"", b"\0", b"\0\0\0\0\x20half"])
async def test_a_first_message_that_does_not_come_ends_the_call(path: str, body: bytes) -> None:
    async with port(first_message_s=0.1) as server:
        answer = await asyncio.to_thread(_raw, server.address, path, body)
    assert answer.status == LATE.value[0]
    assert "0.1 s" in answer.headers["grpc-message"]


@pytest.mark.parametrize("path", [GET, WATCH, UPLOAD])
async def test_bytes_that_are_no_message_get_a_reason_and_no_text_of_an_exception(path: str) -> None:
    async with port() as server:
        answer = await asyncio.to_thread(_raw, server.address, path, grpc_message(b"\xff\xff\xff\xff"))
    assert answer.status == WRONG.value[0]
    assert answer.headers["grpc-message"] == "A message is not of the type that the method takes."


async def test_a_unary_call_without_a_request_is_refused() -> None:
    async with port() as server:
        answer = await asyncio.to_thread(_raw, server.address, GET, b"", end=True)
    assert (answer.status, answer.headers["grpc-message"]) == (WRONG.value[0], "The call has no request message.")


async def test_a_stream_whose_later_message_is_unreadable_ends_with_a_reason() -> None:
    good = media_pb2.UploadRequest(data=b"x").SerializeToString()
    async with port() as server:
        body = grpc_message(good) + grpc_message(b"\xff\xff")
        answer = await asyncio.to_thread(_raw, server.address, UPLOAD, body)
    assert answer.status == WRONG.value[0]


async def test_a_message_too_large_is_refused_by_grpc_itself() -> None:
    async with port() as server, grpc.aio.insecure_channel(server.address) as channel:
        request = session_pb2.GetSessionRequest(session_id="x" * (9 << 20))
        error = await refusal(session_pb2_grpc.SessionServiceStub(channel).GetSession(request))
    assert error.code() is FULL


async def test_metadata_too_large_are_refused_also_from_a_client_that_ignores_the_bound() -> None:
    def send(address: str, size: int) -> Answer:
        with RawClient(address) as client:
            body = grpc_message(REQUEST.SerializeToString())
            return client.answer(client.open(GET, body, end=True, more=[("x", "y" * size)]))

    async with port() as server:
        allowed = await asyncio.to_thread(send, server.address, 16_000)
        refused = await asyncio.to_thread(send, server.address, 17_000)
    assert (allowed.status, refused.status) == (0, WRONG.value[0])


def _raw(address: str, path: str, body: bytes, end: bool = False) -> Answer:
    with RawClient(address) as client:
        return client.answer(client.open(path, body, end=end))


async def test_a_connection_too_many_is_closed_and_the_open_ones_go_on() -> None:
    async with port(connections=2) as server, grpc.aio.insecure_channel(server.address) as channel:
        stub = session_pb2_grpc.SessionServiceStub(channel)
        await stub.GetSession(REQUEST)
        with RawClient(server.address), RawClient(server.address) as third:
            assert await asyncio.to_thread(third.closed_within, 10.0)
            await stub.GetSession(REQUEST)


async def test_connections_without_a_call_are_closed() -> None:
    async with port(connection_idle_s=0.2, handshake_s=0.2) as server:
        with RawClient(server.address, greet=False) as silent, RawClient(server.address) as idle:
            assert await asyncio.to_thread(silent.closed_within, 10.0)
            assert await asyncio.to_thread(idle.closed_within, 10.0)


async def test_a_client_that_does_not_answer_the_settings_is_cut_also_within_a_call() -> None:
    """Until it answers, gRPC does not bound its metadata."""

    def survives(address: str, *, answers: bool) -> bool:
        with RawClient(address) as client:
            if answers:
                with pytest.raises(TimeoutError):
                    client.answer(client.open(WATCH), 0.1)
            else:
                client.open(WATCH)
            return not client.closed_within(1.0)

    async with port(handshake_s=0.3) as server:
        assert await asyncio.to_thread(survives, server.address, answers=True)
        assert not await asyncio.to_thread(survives, server.address, answers=False)


async def test_an_upload_through_the_whole_chain_still_works() -> None:
    async with port() as server, grpc.aio.insecure_channel(server.address) as channel:

        async def parts() -> AsyncIterator[media_pb2.UploadRequest]:
            for _ in range(3):
                yield media_pb2.UploadRequest(data=b"x")

        reply = await media_pb2_grpc.MediaServiceStub(channel).Upload(parts())
    assert reply.upload.attempts == 3
