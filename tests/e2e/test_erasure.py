"""The command erases a session from every file of a running server, while a stream of it is open."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator

import grpc
import pytest
from vestibule.v1 import conversation_pb2, media_pb2, session_pb2

from tests.e2e.harness import DATA, App, Server, config, reason

pytestmark = pytest.mark.e2e
PATIENCE_S = 120.0

GONE = "the wooden gate squeaks in the wind and the old hinges need oil before the next storm comes"
STAYS = "the green shutters creak in the rain and the old boards need paint before the next winter comes"


def holders(server: Server, text: str) -> list[str]:
    """Files of the server in which a text is found."""
    return [str(file.relative_to(server.home)) for file, content in server.contents() if text.encode() in content]


async def says(app: App, session_id: str, text: str, stop: asyncio.Event) -> AsyncIterator[str]:
    """Type a text on a stream that stays open until ``stop``; yields the kinds of what comes back."""

    async def typed() -> AsyncIterator[conversation_pb2.ConverseRequest]:
        yield config(session_id, reply=False)
        yield conversation_pb2.ConverseRequest(text=conversation_pb2.TypedText(text=text))
        await stop.wait()

    async for message in app.conversations.Converse(typed()):
        yield str(message.WhichOneof("payload"))


async def said(app: App, session_id: str, text: str) -> None:
    stop = asyncio.Event()
    async for kind in says(app, session_id, text, stop):
        if kind == "final":
            stop.set()


async def erase(server: Server, *arguments: str) -> dict[str, int]:
    command = [sys.executable, "-m", "server.cli", "erase", "--address", server.address, "--json", *arguments]
    environment = server.environment
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, timeout=PATIENCE_S, check=True, env=environment
    )
    answer: dict[str, int] = json.loads(done.stdout)
    return answer


async def query(server: Server, sql: str) -> list[dict[str, str]] | None:
    """Rows of an analyst's query; None while the endpoint is not there."""
    folders = ["--state-dir", str(server.state_dir), "--port", str(server.quack_port)]
    command = [sys.executable, "-m", "server.cli", "sql", sql, "--json", *folders]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, timeout=PATIENCE_S)
    rows: list[dict[str, str]] | None = json.loads(done.stdout) if done.returncode == 0 else None
    return rows


async def test_no_file_holds_what_was_erased(app: App, server: Server) -> None:
    gone, stays = await app.open_session(), await app.open_session()
    await said(app, stays, STAYS)
    picture = (DATA / "meter.jpg").read_bytes()
    kind = media_pb2.MEDIA_KIND_METER
    uploads = [(await app.upload(session_id, picture, kind)).id for session_id in (gone, stays)]
    for upload_id in uploads:
        assert (await app.finished(upload_id)).state == media_pb2.UPLOAD_STATE_DONE

    stop = asyncio.Event()
    stream = says(app, gone, GONE, stop)
    async for kind_of_event in stream:
        if kind_of_event == "final":
            break
    turns = await query(server, f"SELECT text FROM v_turns WHERE session_id = '{gone}'")
    assert turns == [{"text": GONE}], "an analyst reads it, so there is a copy of the ledger"
    assert len(holders(server, GONE)) > 1, "otherwise this test proves nothing"

    counted = await erase(server, "--session", gone, "--dry-run")
    assert (counted["sessions"], counted["turns"], counted["uploads"]) == (1, 1, 1)
    erased = await erase(server, "--session", gone, "--yes")
    assert erased["turns"] == 1
    assert holders(server, GONE) == []
    assert holders(server, STAYS), "the other session is untouched"
    assert len(await app.picture(uploads[1])) > 1000
    async with asyncio.timeout(PATIENCE_S):  # the endpoint for analysts starts again
        while (left := await query(server, "SELECT text FROM v_turns WHERE text LIKE '%shutters%'")) is None:
            continue
    assert left == [{"text": STAYS}]

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await app.sessions.GetSession(session_pb2.GetSessionRequest(session_id=gone))
    assert reason(refused.value) == "SESSION_NOT_FOUND"
    async with asyncio.timeout(PATIENCE_S):  # the open stream has ended, with or without an error
        try:
            async for _ in stream:
                pass
        except grpc.aio.AioRpcError as error:
            assert error.code() is not grpc.StatusCode.INTERNAL
    assert (await erase(server, "--session", gone, "--yes"))["sessions"] == 0
