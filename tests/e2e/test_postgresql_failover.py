"""PostgreSQL's primary is killed and its standby takes over: the server goes on with everything that was accepted."""

from __future__ import annotations

import asyncio
import json
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import grpc.aio
import pytest
from vestibule.v1 import conversation_pb2, funnel_pb2, media_pb2, session_pb2

from server.cli.channel import open_aio_channel
from server.cli.demo.proof import copied_ledger
from tests.e2e.harness import DATA, App, Server, config, propose, reason, start_server, stop_server
from tests.e2e.outages import said
from tests.e2e.shared_ray import SharedRay
from tests.e2e.test_main_job import approve
from tests.e2e.test_postgresql import Database, command, reports, visit
from tests.eventually import eventually
from tests.postgres_server import PostgresServer, postgres_process, skip_without_postgres

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

METER = (DATA / "meter.jpg").read_bytes()
APPS = 4
OPENED_EACH = 5
"""Sessions that each app has opened when the primary is killed."""
BACK_S = 120.0


@pytest.fixture
def primary() -> Iterator[PostgresServer]:
    skip_without_postgres()
    with postgres_process(durable=True) as server:
        yield server


def both(primary: PostgresServer, standby: PostgresServer) -> str:
    """The URL of the one of the two that takes writes, with ``{}`` for the database."""
    hosts, ports = f"{primary.folder},{standby.folder}", f"{primary.port},{standby.port}"
    return f"postgresql://tests@/{{}}?host={hosts}&port={ports}&target_session_attrs=read-write"


class Opener:
    """An app that opens sessions, and records an event in each.

    Attributes:
        sessions: Sent requests with the id that answered; empty where the server did not answer.
        events: Sessions whose event the server said it has stored.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self.sessions: list[tuple[session_pb2.StartSessionRequest, str]] = []
        self.events: list[str] = []

    async def open_until_refused(self) -> str:
        """Open sessions; returns why the last call was refused."""
        try:
            while True:
                request = session_pb2.StartSessionRequest(client_id="e2e", request_id=str(uuid.uuid4()), language="en")
                self.sessions.append((request, ""))
                session_id = await self.repeat(request)
                self.sessions[-1] = request, session_id
                event = funnel_pb2.AppEvent(event_id=str(uuid.uuid4()), session_id=session_id, name="seen", sequence=1)
                event.device_time.GetCurrentTime()
                await self._app.funnel.RecordEvents(funnel_pb2.RecordEventsRequest(events=[event]))
                self.events.append(session_id)
        except grpc.aio.AioRpcError as error:
            assert error.code() is grpc.StatusCode.UNAVAILABLE, error
            return reason(error)

    async def repeat(self, request: session_pb2.StartSessionRequest) -> str:
        """Send a request; returns the id of its session."""
        return (await self._app.sessions.StartSession(request)).session.id


class Typing:
    """A person who types in a stream that breaks, and is resumed."""

    def __init__(self, app: App, session_id: str) -> None:
        self._app, self.session_id = app, session_id
        self._lines: asyncio.Queue[conversation_pb2.ConverseRequest] = asyncio.Queue()
        self.configured = conversation_pb2.Configured()
        self.finals: list[str] = []

    async def until_broken(self) -> str:
        """Converse; returns why the server ended the stream."""
        try:
            async for message in self._app.conversations.Converse(self._typed()):
                if message.HasField("configured"):
                    self.configured = message.configured
                if message.HasField("final"):
                    self.finals.append(message.final.text.value)
        except grpc.aio.AioRpcError as error:
            return reason(error)
        raise AssertionError("The stream did not break.")

    async def say(self, text: str) -> None:
        await self._lines.put(said(text))

    async def resume(self, *lines: conversation_pb2.ConverseRequest) -> list[conversation_pb2.ConverseResponse]:
        """Resume the stream, send these lines, and end it; returns what came."""

        async def typed() -> AsyncIterator[conversation_pb2.ConverseRequest]:
            token = self.configured.resume_token
            yield config(self.session_id, resume_token=token, next_utterance=len(self.finals))
            for line in lines:
                yield line

        return [message async for message in self._app.conversations.Converse(typed())]

    async def _typed(self) -> AsyncIterator[conversation_pb2.ConverseRequest]:
        yield config(self.session_id)
        while True:
            yield await self._lines.get()


async def finished(app: App, upload_id: str) -> media_pb2.Upload:
    """Watch an upload until its end, as apps do: a watch ends where changes may have been missed."""
    async with asyncio.timeout(BACK_S):
        while True:
            try:
                return await app.finished(upload_id)
            except grpc.aio.AioRpcError as error:
                assert reason(error) == "WATCH_LAGGED", error


async def test_a_standby_takes_over_and_nothing_that_was_accepted_is_lost(
    home: Path, primary: PostgresServer, shared_ray: SharedRay, monkeypatch: pytest.MonkeyPatch
) -> None:
    standby = await asyncio.to_thread(primary.standby)
    database = Database(both(primary, standby))
    monkeypatch.setenv("VESTIBULE_LEDGER__URL", database.url)
    server = await asyncio.to_thread(start_server, home, ray=shared_ray)
    try:
        async with open_aio_channel(server.address, credential=server.operator_key) as channel:
            app = App(channel)
            await visit(app)
            await reports(app, 1)
            openers = [Opener(app) for _ in range(APPS)]
            opening = [asyncio.create_task(each.open_until_refused()) for each in openers]
            await eventually(lambda: all(len(each.events) >= OPENED_EACH for each in openers))
            typing = Typing(app, await app.open_session())
            stream = asyncio.create_task(typing.until_broken())
            await typing.say("I am John Carter and I would like to book a visit on Monday")
            await eventually(lambda: typing.finals)
            upload = await app.upload(typing.session_id, METER, media_pb2.MEDIA_KIND_METER)
            await asyncio.to_thread(primary.kill)
            await typing.say("The meter reads 04821")
            assert {await each for each in (*opening, stream)} == {"LEDGER_IO"}
            await asyncio.to_thread(standby.promote)
            await eventually(lambda: _is_back(openers[0]), BACK_S)
            await _nothing_is_lost(openers, database)
            assert (await finished(app, upload.id)).state == media_pb2.UPLOAD_STATE_DONE
            came = await typing.resume(said("The meter reads 04821"), propose())
            turns = f"SELECT count(*) FROM turns WHERE session_id = '{typing.session_id}'"
            assert database.rows(turns) == [(2,)], "both texts, each once"
            [proposal] = [message.proposal for message in came if message.HasField("proposal")]
            await approve(app, proposal.recommendation)
            await visit(app)
            await reports(app, 3)
            asked = ("sql", "--json", "SELECT count(*) AS sessions FROM v_sessions", "--port", str(server.quack_port))
            told = await asyncio.to_thread(command, server, database, *asked)
            [[sessions]] = database.rows("SELECT count(*) FROM sessions")
            assert json.loads(told.stdout) == [{"sessions": sessions}], told.stderr
            await eventually(lambda: asyncio.to_thread(_mirror_is_equal, server, database))
            for whole in (("ledger", "check"), ("audit", "verify", "--address", server.address)):
                checked = await asyncio.to_thread(command, server, database, *whole)
                assert checked.returncode == 0, checked.stdout
    finally:
        stop_server(server)


async def _is_back(opener: Opener) -> bool:
    """Whether the request that was refused last is answered now."""
    try:
        await opener.repeat(opener.sessions[-1][0])
    except grpc.aio.AioRpcError:
        return False
    return True


async def _nothing_is_lost(openers: list[Opener], database: Database) -> None:
    """What was answered is there, and a request that is repeated has one session, also if it was not answered."""
    for opener in openers:
        for request, session_id in opener.sessions[-2:]:
            assert await opener.repeat(request) == session_id or not session_id
    of_requests = dict(database.rows("SELECT request_id, id FROM sessions"))
    for request, session_id in (each for opener in openers for each in opener.sessions):
        assert of_requests[request.request_id] == session_id or not session_id
    stored = [session_id for (session_id,) in database.rows("SELECT session_id FROM events WHERE name = 'seen'")]
    assert set(stored).issuperset(session_id for opener in openers for session_id in opener.events)


def _mirror_is_equal(server: Server, database: Database) -> bool:
    """Whether the mirror, which has read the database since the failover, has what PostgreSQL has."""
    from tests.cluster.tables import differing, postgres_tables, tables_of  # psycopg is an extra

    file = server.home / "data" / "mirror.duckdb"
    with tempfile.TemporaryDirectory() as folder, copied_ledger(file, Path(folder)) as mirror:
        [(source,)] = mirror.execute("SELECT source FROM mirror_position").fetchall()
        copied = tables_of(mirror)
    assert "/00000002/" in source, "the number of PostgreSQL's timeline after one failover"
    stored = postgres_tables(database.url)
    return not differing(stored, stored, copied)
