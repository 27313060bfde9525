"""What a client does and sees while parts of a server are away."""

from __future__ import annotations

import asyncio

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from vestibule.v1 import admin_pb2, conversation_pb2

from tests.e2e.harness import App

BACK_S = 150.0
HEALTHY_AFTER = 3
"""Questions after which what is told to be unhealthy is so."""


async def ray(app: App) -> admin_pb2.Component:
    """The line of the status about Ray."""
    status = await app.admin.GetStatus(admin_pb2.GetStatusRequest())
    [found] = [part for part in status.components if part.name == "ray"]
    return found


async def unhealthy(app: App) -> set[str]:
    """The parts that do not work. If there are any, it asks again: a busy machine is late to answer for one."""
    for _ in range(HEALTHY_AFTER):
        status = await app.admin.GetStatus(admin_pb2.GetStatusRequest())
        if not (found := {part.name for part in status.components if not part.healthy}):
            break
        await asyncio.sleep(1.0)
    return found


async def health(channel: grpc.aio.Channel) -> int:
    """What health says now."""
    reply = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
    return int(reply.status)


async def until(channel: grpc.aio.Channel, wanted: int) -> None:
    """Wait until health says so."""
    async with asyncio.timeout(BACK_S):
        while await health(channel) != wanted:  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.2)


def said(text: str) -> conversation_pb2.ConverseRequest:
    """A typed text."""
    return conversation_pb2.ConverseRequest(text=conversation_pb2.TypedText(text=text))
