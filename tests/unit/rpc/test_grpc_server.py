"""The gRPC port itself: what its health says."""

from __future__ import annotations

import asyncio
from typing import cast

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from server.grpc_server import GrpcServer
from server.observability.metrics import Metrics
from server.runtime.lifecycle import Lifecycle
from server.services import Services

UP = health_pb2.HealthCheckResponse.SERVING
DOWN = health_pb2.HealthCheckResponse.NOT_SERVING


class NoServices:
    """Nothing is behind the port."""

    def add_to(self, server: grpc.aio.Server) -> None:
        """Nothing to add."""


async def test_health_follows_the_workers() -> None:
    workers_up = True
    listener = GrpcServer("127.0.0.1:0", cast(Services, NoServices()), Lifecycle(), Metrics())
    await listener.start()
    await listener.serving()
    following = asyncio.create_task(listener.follow(lambda: workers_up, every_s=0.01))
    async with grpc.aio.insecure_channel(listener.address) as channel, asyncio.timeout(10):
        replies = aiter(health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest()))
        seen = [(await anext(replies)).status]
        workers_up = False
        seen.append((await anext(replies)).status)
        workers_up = True
        seen.append((await anext(replies)).status)
    following.cancel()
    await listener.stop(0)
    assert seen == [UP, DOWN, UP]
