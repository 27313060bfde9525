"""The gRPC port itself: what its health says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from server.access.caller import ANONYMOUS, INTERNAL, Caller
from server.breakers.worker_health import WORKER_SERVICES
from server.grpc_server import GrpcServer
from server.observability.metrics import Metrics
from server.rpc.call_accounts import GOOD_CALL_BYTES, STRANGERS_CALL_BYTES
from server.runtime.lifecycle import Lifecycle
from server.services import SERVICE_NAMES, Services
from tests.eventually import eventually
from tests.fakes.access import OpenAccess

UP = health_pb2.HealthCheckResponse.SERVING
DOWN = health_pb2.HealthCheckResponse.NOT_SERVING


class NoServices:
    """A port without services."""

    def add_to(self, server: grpc.aio.Server) -> None:
        """Nothing to add."""


async def test_health_follows_the_workers() -> None:
    workers_up = True
    listener = GrpcServer("127.0.0.1:0", cast(Services, NoServices()), Lifecycle(), Metrics(), OpenAccess())
    await listener.start()
    await listener.serving()
    following = asyncio.create_task(listener.report_health(lambda: workers_up, every_s=0.01))
    async with grpc.aio.insecure_channel(listener.address) as channel, asyncio.timeout(60):
        replies = aiter(health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest()))
        seen = [(await anext(replies)).status]
        workers_up = False
        seen.append((await anext(replies)).status)
        workers_up = True
        seen.append((await anext(replies)).status)
    following.cancel()
    await listener.stop(0)
    assert seen == [UP, DOWN, UP]


async def test_a_worker_that_does_not_work_has_a_name_of_its_own_in_health() -> None:
    name, vision_works = WORKER_SERVICES["vision"], False
    listener = GrpcServer("127.0.0.1:0", cast(Services, NoServices()), Lifecycle(), Metrics(), OpenAccess())
    await listener.start()
    async with grpc.aio.insecure_channel(listener.address) as channel, asyncio.timeout(60):
        stub = health_pb2_grpc.HealthStub(channel)

        async def now(service: str) -> int:
            return int((await stub.Check(health_pb2.HealthCheckRequest(service=service))).status)

        everything = ("", *SERVICE_NAMES, name)
        assert [await now(service) for service in everything] == [DOWN] * len(everything), "it is starting"
        await listener.serving()
        following = asyncio.create_task(listener.report_health(lambda: True, lambda: {name: vision_works}, 0.01))
        replies = aiter(stub.Watch(health_pb2.HealthCheckRequest(service=name)))
        seen = [(await anext(replies)).status]
        assert [await now(service) for service in ("", *SERVICE_NAMES)] == [UP] * (1 + len(SERVICE_NAMES))
        vision_works = True
        seen.append((await anext(replies)).status)
    following.cancel()
    await listener.stop(0)
    assert seen == [DOWN, UP]


@asynccontextmanager
async def serving(caller: Caller = ANONYMOUS) -> AsyncIterator[GrpcServer]:
    listener = GrpcServer("127.0.0.1:0", cast(Services, NoServices()), Lifecycle(), Metrics(), OpenAccess(caller))
    await listener.start()
    await listener.serving()
    try:
        yield listener
    finally:
        await listener.stop(0)


@pytest.mark.parametrize("algorithm", [grpc.Compression.Gzip, grpc.Compression.Deflate])
async def test_a_compressed_message_is_refused_before_it_is_unpacked(algorithm: grpc.Compression) -> None:
    async with serving() as server:
        async with grpc.aio.insecure_channel(server.address, compression=algorithm) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service="a" * 8_000_000))
        assert error.value.code() is grpc.StatusCode.UNIMPLEMENTED
        assert "is disabled" in (error.value.details() or "")
        assert server._guard is not None
        assert sum(account.bytes for account in server._guard._accounts.values()) <= 0


@pytest.mark.parametrize("caller", [ANONYMOUS, INTERNAL])
async def test_only_a_good_credential_pays_for_more_than_the_message(caller: Caller) -> None:
    async with serving(caller) as server, grpc.aio.insecure_channel(server.address) as channel:
        assert server._guard is not None
        check = health_pb2.HealthCheckRequest(service="a" * 50)
        with pytest.raises(grpc.aio.AioRpcError):
            await health_pb2_grpc.HealthStub(channel).Check(check, metadata=[("x-long", "a" * 9000)])
        [account] = server._guard._accounts.values()
        await eventually(lambda: not account.calls)
        if caller is ANONYMOUS:
            assert account.bytes == check.ByteSize() - STRANGERS_CALL_BYTES
        else:
            assert account.bytes > GOOD_CALL_BYTES + 9000
