"""One server for all tests that leave it running."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from server.cli.channel import open_aio_channel
from tests.e2e.harness import App, Server, start_server, stop_server
from tests.e2e.shared_ray import SharedRay
from tests.ray_nodes import RayNode

HERE: Final = Path(__file__).parent
SHARED: Final = pytest.StashKey[Server]()


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server without a remote LLM: the fallback answers. Many tests upload to it as one client."""
    many = ("limits.client_uploads=1000", f"limits.client_upload_bytes={10**9}")
    running = request.session.stash[SHARED] = start_server(tmp_path_factory.mktemp("server"), *many, dashboard=True)
    yield running
    _stop_shared(request.session)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of the shared server come first, so that it does not run beside servers of the others. Those are marked."""
    items.sort(key=lambda item: HERE in item.path.parents and not _shares(item))
    for item in items:
        if HERE in item.path.parents and not _shares(item):
            item.add_marker(pytest.mark.own_server)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Stop the shared server after its last test: idle, it and Ray take half a core."""
    if nextitem is not None and _shares(item) and not _shares(nextitem):
        _stop_shared(item.session)


def _stop_shared(session: pytest.Session) -> None:
    if (running := session.stash.get(SHARED, None)) is not None:
        del session.stash[SHARED]
        stop_server(running)


def _shares(item: pytest.Item) -> bool:
    return HERE in item.path.parents and "server" in getattr(item, "fixturenames", ())


@pytest_asyncio.fixture
async def app(server: Server) -> AsyncIterator[App]:
    """A client of that server."""
    async with open_aio_channel(server.address, credential=server.operator_key) as channel:
        yield App(channel)


@pytest.fixture(scope="session")
def shared_ray() -> Iterator[SharedRay]:
    """A Ray cluster for servers of which only the settings matter."""
    shared = SharedRay()
    try:
        shared.start()
        yield shared
    finally:
        shared.close()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Folder of a server that one test starts itself."""
    return tmp_path / "own"


@pytest.fixture
def head(monkeypatch: pytest.MonkeyPatch) -> Iterator[RayNode]:
    """A cluster that asks for a token; the server of the test inherits the token."""
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
    monkeypatch.delenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", raising=False)  # a local cluster of another test sets it
    head = RayNode()
    head.start()
    try:
        yield head
    finally:
        head.remove()
