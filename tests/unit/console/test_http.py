"""The HTTP server of the console: real sockets on loopback."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from models.errors import Unavailable
from models.reasons import Reason
from server.console import connections
from server.console.http import MOST_AT_ONCE, ConsoleServer
from server.console.running import ADDRESS_FILE, RunningConsole, running_console
from server.setting_groups import ConsoleSettings
from tests.unit.console.harness import Harness


@asynccontextmanager
async def console(folder: Path, port: int = 0) -> AsyncIterator[ConsoleServer]:
    harness = Harness(folder)
    server = ConsoleServer(harness.app, ConsoleSettings(port=port), folder)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
        harness.close()


async def connect(server: ConsoleServer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    place = urlsplit(server.address)
    assert place.hostname
    return await asyncio.open_connection(place.hostname, place.port)


async def status(server: ConsoleServer) -> str:
    reader, writer = await connect(server)
    writer.write(b"GET /login HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    answer = (await reader.read()).decode()
    writer.close()
    return answer.split(" ", 2)[1]


async def test_it_answers_from_its_start_on_and_says_where_while_it_runs(tmp_path: Path) -> None:
    async with console(tmp_path) as server:
        assert await status(server) == "200"
        assert running_console(tmp_path) == RunningConsole(server.address, server.address, "")
        file = tmp_path / ADDRESS_FILE
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        crashed = json.loads(file.read_text())
    assert running_console(tmp_path) is None
    wrongs: tuple[object, ...] = (crashed | {"started": 1.0}, crashed | {"pid": 2**22 + 1}, {}, [])
    for wrong in wrongs:
        file.write_text(json.dumps(wrong))
        assert running_console(tmp_path) is None


async def test_a_taken_port_is_an_error_with_a_hint(tmp_path: Path) -> None:
    async with console(tmp_path) as server:
        with pytest.raises(Unavailable) as caught:
            async with console(tmp_path / "other", urlsplit(server.address).port or 0):
                pass
    assert caught.value.reason is Reason.ADDRESS_IN_USE
    assert "VESTIBULE_CONSOLE__PORT" in caught.value.hint


@pytest.mark.parametrize("sent", [b"", b"GET /login HTT", b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\n"])
async def test_connections_that_send_no_request_do_not_keep_others_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(connections, "SILENT_S", 0.3)
    async with console(tmp_path) as server:
        silent = [await connect(server) for _ in range(MOST_AT_ONCE + 6)]
        for _, writer in silent:
            writer.write(sent)

        async with asyncio.timeout(30):
            while await status(server) != "200":  # noqa: ASYNC110 - the server sets no event
                await asyncio.sleep(0.05)
        for _, writer in silent:
            writer.close()
