"""Two servers share PostgreSQL, a folder and a Ray cluster. What one does, the other knows; if one dies, it goes on.

The second one keeps no mirror.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import grpc.aio
import pytest
from vestibule.v1 import access_pb2, access_pb2_grpc, admin_pb2, common_pb2, conversation_pb2, media_pb2, session_pb2

from server.access.api_keys import new_key, written
from server.access.operator_key import OPERATOR_KEY_FILE
from server.cli.channel import open_aio_channel
from tests.chaos.clients import Clients
from tests.chaos.seen import Seen
from tests.e2e.harness import DATA, App, Server, config, reason, start_server, stop_server, visit_pcm
from tests.e2e.outages import said
from tests.e2e.test_postgresql import Database, reports, visit
from tests.eventually import eventually
from tests.postgres_server import postgres_server, skip_without_postgres
from tests.ray_nodes import RayNode

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

METER = (DATA / "meter.jpg").read_bytes()
CLIP = visit_pcm()[: 20 * 32_000]
CLIENT_KEEPS_TRYING_S = 5.0


class Servers:
    """Two that share everything, with one operator key."""

    def __init__(self, home: Path, settings: list[str]) -> None:
        self._home, self._settings = home, settings
        self.credential = written(*new_key())
        self.running: dict[str, Server] = {}

    def start(self, name: str, *settings: str) -> Server:
        state = self._home / name / "state"
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        (state / OPERATOR_KEY_FILE).write_text(self.credential)
        self.running[name] = start_server(self._home / name, *self._settings, *settings)
        return self.running[name]

    def stop(self) -> None:
        for server in self.running.values():
            stop_server(server)


@pytest.fixture
def database() -> Iterator[Database]:
    skip_without_postgres()
    with postgres_server() as url:
        yield Database(url)


@pytest.fixture
def servers(home: Path, database: Database, head: RayNode, monkeypatch: pytest.MonkeyPatch) -> Iterator[Servers]:
    monkeypatch.setenv("VESTIBULE_LEDGER__URL", database.url)
    settings = [f"shared_dir={home / 'shared'}", f"ray.address={head.address}"]
    made = Servers(home, settings)
    yield made
    made.stop()


async def watched_pictures(one: App, two: App) -> None:
    """A picture is sent to one server, watched at the other, and read there."""
    session_id = await one.open_session()
    accepted = await one.upload(session_id, METER, media_pb2.MEDIA_KIND_METER)
    done = await asyncio.wait_for(two.finished(accepted.id), 60)
    assert done.state == media_pb2.UPLOAD_STATE_DONE
    assert await two.picture(accepted.id) == await one.picture(accepted.id)


async def watched_session(one: App, two: App) -> None:
    """Who watches a session at one server sees what happens to it at the other."""
    session_id = await one.open_session()
    states: list[int] = []

    async def watch() -> None:
        async for message in two.sessions.WatchSession(session_pb2.WatchSessionRequest(session_id=session_id)):
            if message.HasField("session"):
                states.append(message.session.state)

    watching = asyncio.create_task(watch())
    await eventually(lambda: states)
    await one.sessions.AbandonSession(session_pb2.AbandonSessionRequest(session_id=session_id, reason="test"))
    await eventually(lambda: common_pb2.SESSION_STATE_ABANDONED in states, CLIENT_KEEPS_TRYING_S)
    watching.cancel()


async def revoked_key(one: grpc.aio.Channel, address_of_two: str) -> None:
    """A key that one server makes opens the other, until the first one revokes it."""
    keys = access_pb2_grpc.AccessServiceStub(one)
    made = await keys.CreateApiKey(access_pb2.CreateApiKeyRequest(scopes=[access_pb2.SCOPE_OPERATOR]))

    async def opens() -> bool:
        async with open_aio_channel(address_of_two, credential=made.key) as channel:
            try:
                await App(channel).admin.GetStatus(admin_pb2.GetStatusRequest())
            except grpc.aio.AioRpcError as error:
                assert error.code() is grpc.StatusCode.UNAUTHENTICATED, error
                return False
        return True

    async def until(wanted: bool) -> None:
        async with asyncio.timeout(CLIENT_KEEPS_TRYING_S):
            while await opens() is not wanted:  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.1)

    await until(True)
    await keys.RevokeApiKey(access_pb2.RevokeApiKeyRequest(id=made.api_key.id))
    await until(False)


async def erased_elsewhere(one: App, two: App, database: Database) -> None:
    """A session is erased at one server while its stream is open at the other."""
    session_id = await one.open_session()

    async def talk() -> AsyncIterator[conversation_pb2.ConverseRequest]:
        yield config(session_id, reply=False)
        yield said("the meter is in the cellar")
        await asyncio.Event().wait()

    call = one.conversations.Converse(talk())
    async for message in call:
        if message.HasField("final"):
            break
    erased = await two.admin.Erase(admin_pb2.EraseRequest(session_id=session_id))
    assert erased.session_count == 1
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        async with asyncio.timeout(CLIENT_KEEPS_TRYING_S):
            async for _ in call:
                pass
    assert reason(ended.value) == "SESSION_ERASED"
    assert session_id not in database.everything()


async def speak(addresses: list[str], credential: str) -> list[tuple[int, str]]:
    """Speak the clip to the first of these servers that answers; the numbers and texts of the finals."""
    seen = Seen()
    await Clients(f"ipv4:{','.join(addresses)}", credential, seen, asyncio.Event()).speak(CLIP)
    [finals] = seen.spoken.values()
    return [(number, text) for _, number, text in finals]


async def test_two_servers_share_a_ledger_and_the_second_goes_on_where_the_first_was_killed(
    servers: Servers, database: Database, head: RayNode
) -> None:
    await eventually(lambda: head.is_up, 120)
    first = servers.start("one")
    replicas = head.replicas()
    second = servers.start("two", "ledger.mirror=false")
    assert head.replicas() == replicas, "the second server uses the workers of the first"
    assert len(database.rows("SELECT id FROM servers")) == 2
    async with AsyncExitStack() as stack:
        channels = [
            await stack.enter_async_context(open_aio_channel(each.address, credential=servers.credential))
            for each in (first, second)
        ]
        one, two = map(App, channels)
        await visit(one)
        await reports(one, 1)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await reports(two, 1)
        assert reason(refused.value) == "LEDGER_NOT_MIRRORED"
        await watched_pictures(one, two)
        await watched_session(two, one)
        await revoked_key(channels[0], second.address)
        await erased_elsewhere(one, two, database)
    addresses = [first.address, second.address]
    unbroken = await speak(addresses, servers.credential)
    speaking = asyncio.create_task(speak(addresses, servers.credential))
    turns = "SELECT count(*) FROM turns"
    before = database.rows(turns)[0][0]
    await eventually(lambda: database.rows(turns)[0][0] > before)
    await asyncio.to_thread(first.kill)
    assert await speaking == unbroken
    assert head.replicas() == replicas
    await asyncio.to_thread(second.terminate)
    await eventually(lambda: not head.replicas(), 60)
