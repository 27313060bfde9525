"""A server joins a Ray cluster of others, which is killed and started again; then the server is.

The cluster is started as docs/operating/security.md says.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from grpc_health.v1 import health_pb2
from vestibule.v1 import admin_pb2, conversation_pb2, media_pb2

from server.cli.channel import open_aio_channel
from tests.e2e.harness import DATA, App, Server, config, start_server, stop_server
from tests.e2e.outages import ray, said, until
from tests.eventually import eventually
from tests.ray_nodes import RayNode

pytestmark = pytest.mark.e2e

METER = (DATA / "meter.jpg").read_bytes()


async def redacted(app: App) -> str:
    """Type a text in a session of its own; returns how it was redacted."""

    async def talk() -> AsyncIterator[conversation_pb2.ConverseRequest]:
        yield config(session_id, reply=False)
        yield said("I am John Carter")

    session_id = await app.open_session()
    [final] = [m.final async for m in app.conversations.Converse(talk()) if m.HasField("final")]
    return final.text.value


async def work_through_an_outage(head: RayNode, server: Server) -> None:
    """Kill the cluster and start it again; what is accepted meanwhile is done."""
    async with open_aio_channel(server.address, credential=server.operator_key) as channel:
        app = App(channel)
        assert await redacted(app) == "I am [REDACTED_NAME]"
        session_id = await app.open_session()
        await asyncio.to_thread(head.kill)
        await until(channel, health_pb2.HealthCheckResponse.NOT_SERVING)
        lost = await ray(app)
        assert not lost.healthy
        assert "Lost " in lost.detail
        accepted = await app.upload(session_id, METER, media_pb2.MEDIA_KIND_METER)
        head.start()
        await until(channel, health_pb2.HealthCheckResponse.SERVING)
        assert (await app.finished(accepted.id)).state == media_pb2.UPLOAD_STATE_DONE
        assert await redacted(app) == "I am [REDACTED_NAME]"
        assert (await ray(app)).detail == "It runs. Restarted 1 time(s)."
        status = await app.admin.GetStatus(admin_pb2.GetStatusRequest())
        assert status.dead_letter_count == 0
    # Ray also ends a driver whose raylet is gone, so ours may be what is noticed first.
    assert re.search(r'"cause": "(raylet|owner)", "event": "cluster_lost"', server.log)


async def test_a_joined_cluster_is_joined_again_and_left_as_it_was(head: RayNode, home: Path) -> None:
    await eventually(lambda: head.is_up, 120)
    join = f"ray.address={head.address}"
    server = start_server(home, join)
    try:
        await work_through_an_outage(head, server)
        left = head.replicas()
        server.kill()
        assert len(left) == 3
        server = start_server(home, join)
        assert head.replicas() == left, "the workers that a killed server left are used again"
        async with open_aio_channel(server.address, credential=server.operator_key) as channel:
            assert await redacted(App(channel)) == "I am [REDACTED_NAME]"
        server.terminate()
        assert server.child.process.returncode == 0
        assert not server.survivors()
    finally:
        stop_server(server)
    await eventually(lambda: not head.replicas(), 60)
    assert head.runs
