"""A full disk refuses new work with a reason, keeps what is there, and the server goes on when there is room.

Each of the three disks is a small file system in memory of its own: that of the ledger, that of the spool with all else
in the state folder, and that of the log.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from vestibule.v1 import admin_pb2, conversation_pb2, media_pb2, session_pb2

from server.cli.channel import open_aio_channel
from tests.e2e.harness import (
    DATA,
    LOST_STATUS,
    App,
    Server,
    audio,
    config,
    reason,
    refusal,
    start_server,
    stop_server,
    visit_pcm,
)
from tests.e2e.outages import unhealthy

pytestmark = pytest.mark.e2e

MIB = 1024 * 1024
SIZES = {"": 1, "data": 48, "state": 96}
"""MiB of each disk: the log's, the ledger's and the spool's."""
PROMPT_S = 20.0
"""No call may take longer, whatever is full. The machine may be busy with other tests; a call that hangs never ends."""
PATIENCE_S = 120.0
CLIP = visit_pcm()[: 32_000 * 6]


class Disk:
    """A file system in memory that can be filled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Write until nothing is left."""
        with self._ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))

    def empty(self) -> None:
        """Make room again."""
        self._ballast.unlink()


@pytest.fixture
def disks(tmp_path: Path) -> Iterator[dict[str, Disk]]:
    """The disks of one server, by the name of their folder."""
    home = tmp_path / "own"
    mounted: list[Path] = []
    try:
        for name, size in SIZES.items():
            folder = home / name
            folder.mkdir()
            mount = ["mount", "-t", "tmpfs", "-o", f"size={size}m,mode=700", "none", str(folder)]
            if subprocess.run(mount, check=False, capture_output=True).returncode:
                pytest.skip("Only root may mount a small disk.")
            mounted.append(folder)
        yield {name or "log": Disk(home / name) for name in SIZES}
    finally:
        for folder in reversed(mounted):
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def on_small_disks(disks: dict[str, Disk]) -> Iterator[Server]:
    running = start_server(disks["log"].folder, f"limits.least_free_bytes={4 * MIB}", "limits.client_uploads=1000")
    yield running
    stop_server(running)


async def _until_serving(channel: grpc.aio.Channel, wanted: bool) -> None:
    stub = health_pb2_grpc.HealthStub(channel)
    status = health_pb2.HealthCheckResponse.SERVING if wanted else health_pb2.HealthCheckResponse.NOT_SERVING
    async with asyncio.timeout(PATIENCE_S):
        async for answer in stub.Watch(health_pb2.HealthCheckRequest()):
            if answer.status == status:
                return


class Spoken:
    """One stream of the clip, which may be resumed."""

    def __init__(self, app: App, session_id: str) -> None:
        self._app = app
        self._session_id = session_id
        self._token = ""
        self._acknowledged = 0
        self.finals: list[str] = []

    async def run(self) -> None:
        """Say what was not acknowledged yet."""
        more = {"resume_token": self._token} if self._token else {}

        async def requests() -> AsyncIterator[conversation_pb2.ConverseRequest]:
            yield config(self._session_id, reply=False, next_utterance=len(self.finals), **more)
            async for request in audio(CLIP, start=self._acknowledged):
                yield request

        async for answer in self._app.conversations.Converse(requests()):
            if answer.HasField("configured"):
                self._token = answer.configured.resume_token
            elif answer.HasField("acknowledged"):
                self._acknowledged = answer.acknowledged.offset
            elif answer.HasField("final"):
                self.finals.append(answer.final.text.value)


async def _prompt_refusal(call: Callable[[], Awaitable[object]]) -> str:
    for _ in range(20):
        async with asyncio.timeout(PROMPT_S):
            error = await refusal(call())
        if error.details() != LOST_STATUS:
            break
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED, error
    return reason(error)


async def _unhealthy(app: App) -> set[str]:
    async with asyncio.timeout(PROMPT_S):
        status = await app.admin.GetStatus(admin_pb2.GetStatusRequest())
    return {part.name for part in status.components if not part.healthy}


async def _picture(app: App, session_id: str) -> str:
    content = (DATA / "meter.jpg").read_bytes()
    return (await app.upload(session_id, content, media_pb2.MEDIA_KIND_METER)).id


async def _works(app: App, session_id: str) -> None:
    done = media_pb2.UPLOAD_STATE_DONE
    assert (await app.finished(await _picture(app, session_id))).state == done


async def test_each_full_disk(on_small_disks: Server, disks: dict[str, Disk]) -> None:
    server = on_small_disks
    async with open_aio_channel(server.address, credential=server.operator_key) as channel:
        app = App(channel)
        session_id = await app.open_session()
        whole = Spoken(app, session_id)
        await whole.run()
        assert len(whole.finals) >= 2
        kept = await _picture(app, session_id)
        assert (await app.finished(kept)).state == media_pb2.UPLOAD_STATE_DONE

        disks["log"].fill()
        for _ in range(20):  # each call logs a line
            assert await unhealthy(app) == set()
        await _works(app, session_id)
        disks["log"].empty()
        await app.open_session()

        for name, full in (("data", "LEDGER_FULL"), ("state", "SPOOL_FULL")):
            accepted = [await _picture(app, session_id) for _ in range(3)]
            spoken = Spoken(app, session_id)
            speaking = asyncio.create_task(spoken.run())
            await asyncio.sleep(1.0)
            filling = asyncio.create_task(_keep_full(disks[name]))
            await _until_serving(channel, False)
            assert await _unhealthy(app) >= {"ledger disk" if name == "data" else "spool disk"}
            assert await _prompt_refusal(app.open_session) == full
            assert await _prompt_refusal(lambda: _picture(app, session_id)) == full
            assert await _prompt_refusal(lambda: Spoken(app, session_id).run()) == full
            async with asyncio.timeout(PROMPT_S):
                await app.sessions.GetSession(session_pb2.GetSessionRequest(session_id=session_id))
                assert await app.picture(kept)
            with contextlib.suppress(grpc.aio.AioRpcError):  # what came before the disk was full may have sufficed
                await speaking

            filling.cancel()
            await asyncio.wait({filling})
            disks[name].empty()
            await _until_serving(channel, True)
            await _until_done(spoken)
            assert spoken.finals == whole.finals
            for upload_id in accepted:
                assert (await app.finished(upload_id)).state == media_pb2.UPLOAD_STATE_DONE
            await _works(app, session_id)
            assert await unhealthy(app) == set()
        assert '"lines_lost"' in server.log
        assert "Traceback" not in server.log


async def _keep_full(disk: Disk) -> None:
    """Fill it again and again, because the server makes room: it deletes the copies for analysts."""
    while True:
        disk.fill()
        await asyncio.sleep(0.1)


async def _until_done(spoken: Spoken) -> None:
    """Resume a stream as a client does: again, while the server says that it cannot yet."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                return await spoken.run()
            except grpc.aio.AioRpcError as error:
                if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED):
                    raise
                await asyncio.sleep(1.0)
