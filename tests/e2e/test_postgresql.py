"""The ledger is in PostgreSQL: the main job, reports, a second server, an erasure, and another machine after a kill."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from vestibule.v1 import admin_pb2, conversation_pb2, funnel_pb2, media_pb2

from server.cli.channel import open_aio_channel
from tests.e2e.harness import DATA, App, Server, config, propose, start_server, stop_server
from tests.e2e.outages import said
from tests.e2e.shared_ray import SharedRay
from tests.e2e.test_main_job import approve
from tests.postgres_server import ADMIN_DATABASE, postgres_server, skip_without_postgres

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

METER = (DATA / "meter.jpg").read_bytes()
NAME = "John Carter"


class Database:
    """A database of a real PostgreSQL."""

    def __init__(self, url: str) -> None:
        self.url, self._admin = url.format("ledger"), url.format(ADMIN_DATABASE)
        self.administer("CREATE DATABASE ledger")

    def administer(self, statement: str) -> None:
        import psycopg

        with psycopg.connect(self._admin, autocommit=True) as connection:
            connection.execute(statement.encode())

    def rows(self, query: str) -> list[Any]:
        import psycopg

        with psycopg.connect(self.url) as connection:
            return connection.execute(query.encode()).fetchall()

    def everything(self) -> str:
        """Every row of every table."""
        tables = self.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return "".join(str(self.rows(f"SELECT * FROM {table}")) for (table,) in tables)


@pytest.fixture
def database() -> Iterator[Database]:
    skip_without_postgres()
    with postgres_server() as url:
        yield Database(url)


def command(server: Server, database: Database, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command with the settings of the server."""
    settings = {
        "VESTIBULE_ADDRESS": server.address,
        "VESTIBULE_DATA_DIR": str(server.home / "data"),
        "VESTIBULE_LEDGER__URL": database.url,
    }
    whole = [sys.executable, "-m", "server.cli", *arguments]
    return subprocess.run(
        whole, env=server.environment | settings, check=False, capture_output=True, text=True, timeout=120
    )


async def visit(app: App) -> str:
    """A person talks and photographs a meter, and the record is approved; returns the session's id."""
    session_id = await app.open_session()
    accepted = await app.upload(session_id, METER, media_pb2.MEDIA_KIND_METER)

    async def talk() -> Any:
        yield config(session_id)
        yield said(f"I am {NAME} and I would like to book a visit on Monday")
        yield propose()

    proposals: list[conversation_pb2.Proposal] = []
    async for message in app.conversations.Converse(talk()):
        if message.HasField("proposal"):
            proposals.append(message.proposal)
    assert (await app.finished(accepted.id)).state == media_pb2.UPLOAD_STATE_DONE
    await approve(app, proposals[-1].recommendation)
    return session_id


async def completed(app: App) -> int:
    """Sessions of the report that were completed."""
    report = await app.funnel.GetReport(funnel_pb2.GetReportRequest())
    return int(report.stages[-1].session_count)


async def reports(app: App, sessions: int) -> None:
    """Wait until the report has so many completed sessions."""
    async with asyncio.timeout(30):
        while await completed(app) != sessions:  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.2)


async def test_a_visit_is_kept_in_postgresql_and_another_machine_goes_on(
    home: Path, database: Database, shared_ray: SharedRay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VESTIBULE_LEDGER__URL", database.url)
    server = start_server(home / "one", ray=shared_ray)
    try:
        async with open_aio_channel(server.address, credential=server.operator_key) as channel:
            app = App(channel)
            session_id = await visit(app)
            assert NAME not in database.everything()
            await reports(app, 1)
            ours = "SELECT pid FROM pg_stat_activity WHERE application_name = 'vestibule'"
            assert len(database.rows(ours)) <= 5, "docs/operating/postgresql.md tells operators so"
            status = {each.name: each for each in (await app.admin.GetStatus(admin_pb2.GetStatusRequest())).components}
            assert status["ledger"].detail.startswith("PostgreSQL; last written")
            assert status["mirror"].healthy
            count = ("sql", "--json", "SELECT session_id, state FROM v_sessions", "--port", str(server.quack_port))
            asked = await asyncio.to_thread(command, server, database, *count)
            assert json.loads(asked.stdout) == [{"session_id": session_id, "state": "COMPLETED"}], asked.stderr

            second = start_server(home / "two", wait=False)
            assert await asyncio.to_thread(second.child.process.wait, 60) != 0
            assert "LEDGER_LOCKED" in second.log
            checked = await asyncio.to_thread(command, server, database, "ledger", "check")
            assert checked.returncode == 0, checked.stdout
            refused = await asyncio.to_thread(command, server, database, "backup", str(home / "backup"))
            assert refused.returncode != 0
            assert "LEDGER_IN_POSTGRESQL" in refused.stderr

            database.administer("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'ledger'")
            async with asyncio.timeout(60):
                while not await _opens(app):  # noqa: ASYNC110 - of another process
                    await asyncio.sleep(0.2)
            await visit(app)
            await reports(app, 2)

            erase = ("erase", "--address", server.address, "--session", session_id, "--yes", "--json")
            erased = await asyncio.to_thread(command, server, database, *erase)
            assert json.loads(erased.stdout)["sessions"] == 1, erased.stderr
            assert session_id not in database.everything()
            assert session_id.encode() not in (home / "one" / "data" / "mirror.duckdb").read_bytes()
        server.kill()
        made = ("keys", "create", "--scope", "app", "--client", "shop", "--json")
        assert (await asyncio.to_thread(command, server, database, *made)).returncode == 0
        assert database.rows("SELECT client_id FROM api_keys") == [("shop",)]
    finally:
        stop_server(server)
    shutil.copytree(home / "one" / "state", home / "elsewhere" / "state")  # keys and spool move along, the mirror not
    other = start_server(home / "elsewhere", ray=shared_ray)
    try:
        async with open_aio_channel(other.address, credential=server.operator_key) as channel:
            app = App(channel)
            assert await completed(app) == 1, "the mirror was made anew before health said SERVING"
            await visit(app)
            await reports(app, 2)
            verified = await asyncio.to_thread(command, other, database, "audit", "verify", "--address", other.address)
            assert verified.returncode == 0, verified.stdout
        other.terminate()
        assert other.child.process.returncode == 0
    finally:
        stop_server(other)


async def _opens(app: App) -> bool:
    """Whether a session can be opened."""
    try:
        await app.open_session()
    except grpc.aio.AioRpcError:
        return False
    return True
