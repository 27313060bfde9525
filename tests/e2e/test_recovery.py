"""Ray is killed under a stream and an upload: both are finished, and the server says meanwhile what it is doing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from grpc_health.v1 import health_pb2
from vestibule.v1 import admin_pb2, conversation_pb2, media_pb2

from server.cli.channel import open_aio_channel
from tests.e2e.harness import DATA, App, Server, config, start_server, stop_server
from tests.e2e.outages import BACK_S, ray, said, until

pytestmark = pytest.mark.e2e

METER = (DATA / "meter.jpg").read_bytes()


def kill_raylet(server: Server) -> None:
    """Send SIGKILL to the node process of Ray."""
    [raylet] = [process for process in server.child.descendants() if process.name() == "raylet"]
    raylet.kill()


async def test_a_raylet_that_dies_is_replaced_under_a_stream_and_an_upload(home: Path) -> None:
    server = start_server(home)
    try:
        async with open_aio_channel(server.address, credential=server.operator_key) as channel:
            app = App(channel)
            session_id = await app.open_session()
            assert (await ray(app)).healthy
            typed = asyncio.Event()

            async def talk() -> AsyncIterator[conversation_pb2.ConverseRequest]:
                yield config(session_id, reply=False)
                yield said("I am John Carter")
                await typed.wait()
                kill_raylet(server)
                await until(channel, health_pb2.HealthCheckResponse.NOT_SERVING)
                lost = await ray(app)
                assert not lost.healthy
                assert "CLUSTER_LOST" in lost.detail
                yield said("Please call John Carter")
                accepted.set_result((await app.upload(session_id, METER, media_pb2.MEDIA_KIND_METER)).id)
                await until(channel, health_pb2.HealthCheckResponse.SERVING)

            accepted: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            finals = []
            async with asyncio.timeout(2 * BACK_S):
                async for message in app.conversations.Converse(talk()):
                    if message.HasField("final"):
                        finals.append(message.final.text.value)
                        typed.set()
            assert [final.count("[REDACTED_NAME") for final in finals] == [1, 1]
            upload = await app.finished(accepted.result())
            assert upload.state == media_pb2.UPLOAD_STATE_DONE
            status = await app.admin.GetStatus(admin_pb2.GetStatusRequest())
            assert status.dead_letter_count == 0
            back = await ray(app)
            assert back.healthy
            assert back.detail == "It runs. Restarted 1 time(s)."
        for step in ("cluster_lost", "cluster_restarting", "cluster_restarted"):
            assert f'"event": "{step}"' in server.log
        server.terminate()
        assert server.child.process.returncode == 0
        assert not server.survivors()
    finally:
        stop_server(server)
