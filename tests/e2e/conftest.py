"""One server for all tests that leave it running."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from server.cli.channel import open_aio_channel
from tests.e2e.harness import App, Server, start_server, stop_server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server without a remote LLM: the fallback answers. Many tests upload to it as one client."""
    many = ("limits.client_uploads=1000", f"limits.client_upload_bytes={10**9}")
    running = start_server(tmp_path_factory.mktemp("server"), *many)
    yield running
    stop_server(running)


@pytest_asyncio.fixture
async def app(server: Server) -> AsyncIterator[App]:
    """A client of that server."""
    async with open_aio_channel(server.address, credential=server.operator_key) as channel:
        yield App(channel)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Folder of a server that one test starts itself."""
    return tmp_path / "own"
