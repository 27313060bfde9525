"""SIGTERM ends the server soon; what was acknowledged is kept, also after SIGKILL."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import grpc.aio
import pytest
from vestibule.v1 import conversation_pb2, media_pb2

from server.cli.channel import open_aio_channel
from tests.e2e.harness import (
    DATA,
    App,
    audio,
    config,
    reason,
    refusal,
    start_server,
    stop_server,
    visit_pcm,
)

pytestmark = pytest.mark.e2e
STOPS_S = 20.0
"""Longest end on a machine that is busy with other tests. On an idle one it is half of that."""
DELETED_S = 60.0


async def test_acknowledged_data_survives_sigterm_and_sigkill(home: Path) -> None:
    """One server after another on the same folder: ended by SIGTERM in a stream and a job, then by SIGKILL in a job."""
    server = start_server(home, dashboard=True)
    try:
        async with open_aio_channel(server.address, credential=server.operator_key) as channel:
            app = App(channel)
            session_id = await app.open_session()
            uploads = [await _photograph(app, session_id, "register.jpg") for _ in range(2)]
            first = await _interrupted(app, session_id, lambda: asyncio.to_thread(server.terminate))
        assert first.code is grpc.StatusCode.UNAVAILABLE
        assert first.reason == "SHUTTING_DOWN"
        assert first.took_s < STOPS_S
        assert server.child.process.returncode == 0
        assert not server.survivors()
        assert 0 < first.acknowledged < len(visit_pcm())

        server = start_server(home, dashboard=True)
        async with open_aio_channel(server.address, credential=server.operator_key) as channel:
            app = App(channel)
            for upload_id in uploads:
                assert (await app.finished(upload_id)).state == media_pb2.UPLOAD_STATE_DONE
            whole = " ".join(first.finals + await _resumed(app, session_id, first.token))
            assert "[REDACTED_EMAIL]" in whole
            assert whole.count("[REDACTED_NAME]") == 1, "said once, and neither lost nor repeated"
            upload_id = await _photograph(app, session_id, "meter.jpg")
            other_id = await app.open_session(client_id="eleven-files")
            assert [await _refused(app, other_id) for _ in range(11)] == ["UNSUPPORTED_MEDIA"] * 10 + ["UPLOAD_QUOTA"]
            server.kill()

        server = start_server(home, dashboard=True)
        async with open_aio_channel(server.address, credential=server.operator_key) as channel:
            app = App(channel)
            assert await _refused(app, other_id) == "UPLOAD_QUOTA"
            assert (await app.finished(upload_id)).state == media_pb2.UPLOAD_STATE_DONE
        await asyncio.to_thread(_wait_until_deleted, server.state_dir / "spool")
    finally:
        stop_server(server)


async def _photograph(app: App, session_id: str, name: str) -> str:
    """Upload a picture; returns the id of the accepted upload."""
    kind = media_pb2.MEDIA_KIND_METER if name == "meter.jpg" else media_pb2.MEDIA_KIND_VISITOR_REGISTER
    return (await app.upload(session_id, (DATA / name).read_bytes(), kind)).id


async def _refused(app: App, session_id: str) -> str:
    """Upload what is no picture; returns the reason why it is refused."""
    return reason(await refusal(app.upload(session_id, b"no picture", media_pb2.MEDIA_KIND_METER)))


def _wait_until_deleted(spool: Path) -> None:
    """Wait until the spool is empty; media is deleted in a step of its own after the result is stored."""
    give_up_at = time.monotonic() + DELETED_S
    while list(spool.iterdir()):
        assert time.monotonic() < give_up_at, "the media of a finished upload is still in the spool"
        time.sleep(0.05)


class _Interrupted:
    """What a client received from a stream that the server ended."""

    def __init__(self) -> None:
        self.token = ""
        self.acknowledged = 0
        self.finals: list[str] = []
        self.code: grpc.StatusCode | None = None
        self.reason = ""
        self.took_s = 0.0


async def _interrupted(app: App, session_id: str, end: object) -> _Interrupted:
    seen = _Interrupted()
    ending: asyncio.Task[float] | None = None

    async def talk() -> AsyncIterator[conversation_pb2.ConverseRequest]:
        yield config(session_id, reply=False)
        async for chunk in audio(visit_pcm(), pace=1.0):
            if ending is not None:  # grpc.aio loses the status that comes while it sends, and reports one of its own
                await asyncio.Event().wait()
            yield chunk

    try:
        async for message in app.conversations.Converse(talk()):
            if message.HasField("configured"):
                seen.token = message.configured.resume_token
            if message.HasField("acknowledged"):
                seen.acknowledged = message.acknowledged.offset
            if message.HasField("final"):
                seen.finals.append(message.final.text.value)
                if ending is None:
                    ending = asyncio.ensure_future(end())  # type: ignore[operator]
    except grpc.aio.AioRpcError as error:
        seen.code, seen.reason = error.code(), reason(error)
    assert ending is not None
    seen.took_s = await ending
    return seen


async def _resumed(app: App, session_id: str, token: str) -> list[str]:
    offset: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def rest() -> AsyncIterator[conversation_pb2.ConverseRequest]:
        yield config(session_id, reply=False, resume_token=token)
        async for chunk in audio(visit_pcm(), pace=4.0, start=await offset):
            yield chunk

    finals = []
    async for message in app.conversations.Converse(rest()):
        if message.HasField("configured"):
            with contextlib.suppress(asyncio.InvalidStateError):
                offset.set_result(message.configured.next_offset)
        if message.HasField("final"):
            finals.append(message.final.text.value)
    return finals
