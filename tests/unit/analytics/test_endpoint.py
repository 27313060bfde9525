"""The endpoint as the server runs it: where its snapshots are, and when they are gone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from pydantic import SecretStr

from models.errors import InvalidInput
from server.access.audit_book import AuditBook
from server.analytics.client import connect
from server.analytics.endpoint import SNAPSHOT_FOLDER, TOKEN_FILE, AnalystEndpoint
from server.analytics.refusals import Cause
from server.cli.demo.processes import free_ports
from server.ledger import sessions
from server.ledger.audit import AuditFilter
from server.ledger.embedded import EmbeddedLedger
from server.records.status import Component
from server.setting_groups import AuditSettings, QuackSettings
from tests.unit.ledger.makers import NOW, session
from tests.unit.ledger.migrated import open_ledger

pytestmark = pytest.mark.slow  # it starts real processes

SECRET = "a text that was erased, long enough to be stored as it is"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[EmbeddedLedger]:
    opened = open_ledger(tmp_path / "data" / "ledger.duckdb", lambda: NOW)
    opened.write_now(lambda cursor: sessions.insert_or_get(cursor, session()))
    opened.write_now(lambda cursor: cursor.execute("CREATE TABLE said AS SELECT ? AS text", [SECRET]))
    yield opened
    opened.close()


def ask(state_dir: Path, port: int) -> int:
    """The number of sessions that an analyst sees."""
    token = (state_dir / TOKEN_FILE).read_text().strip()
    for _ in range(2000):
        try:
            with connect(port, token) as analyst:
                return len(analyst.execute("FROM v_sessions").fetchall())
        except duckdb.Error:
            continue  # it is started again
    raise AssertionError("nobody answers")


def copied(state_dir: Path) -> bytes:
    """All bytes of all snapshots."""
    return b"".join(file.read_bytes() for file in (state_dir / SNAPSHOT_FOLDER).iterdir())


async def test_an_erasure_ends_the_snapshot_at_once_and_analysts_go_on(ledger: EmbeddedLedger, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    endpoint = AnalystEndpoint(ledger, QuackSettings(port=port, token=SecretStr("")), tmp_path)
    endpoint.start()
    try:
        assert ask(tmp_path, port) == 1
        assert SECRET.encode() in copied(tmp_path)
        ledger.write_now(lambda cursor: cursor.execute("DROP TABLE said"))
        await ledger.rewrite()
        endpoint.forget_snapshot()
        assert copied(tmp_path) == b"", "also before the next process has started"
        assert ask(tmp_path, port) == 1
        assert SECRET.encode() not in copied(tmp_path)
        assert endpoint.component.healthy
    finally:
        endpoint.stop()
    assert copied(tmp_path) == b""
    assert not endpoint.component.healthy


async def test_the_audit_has_who_attached_and_what_was_refused_but_never_a_statement(
    ledger: EmbeddedLedger, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    audit = AuditBook(ledger, AuditSettings(), tmp_path, lambda: NOW, "1.2.3")
    settings = QuackSettings(port=port, token=SecretStr(""))
    endpoint = AnalystEndpoint(ledger, settings, tmp_path, audit.access.at_door)
    endpoint.start()
    try:
        assert ask(tmp_path, port) == 1
        with pytest.raises(duckdb.Error, match="Authentication failed"):
            connect(port, "a token of somebody else")
        with connect(port, (tmp_path / TOKEN_FILE).read_text().strip()) as analyst:
            for _ in range(3):
                with pytest.raises(InvalidInput):
                    analyst.execute("SELECT read_text('/home/maria.lopez')")
    finally:
        endpoint.stop()
    found, _ = await audit.list(AuditFilter(action="access"), 10, "")
    rows = {(row.subject, row.object_id, row.outcome, row.reason): row.count for row in found}
    assert rows["analyst", "sql", "denied", Cause.FUNCTION] == 3
    assert rows["", "quack", "denied", "CREDENTIALS_INVALID"] == 1
    assert rows["analyst", "quack", "allowed", ""] >= 2
    assert rows["analyst", "sql", "allowed", ""] > 0
    assert len(rows) == 4
    assert (
        b"maria.lopez" not in ledger.path.read_bytes() + ledger.path.with_name(f"{ledger.path.name}.wal").read_bytes()
    )


def test_what_a_killed_server_left_is_deleted_even_if_analysts_are_turned_off(
    ledger: EmbeddedLedger, tmp_path: Path
) -> None:
    left = tmp_path / SNAPSHOT_FOLDER / "7.duckdb"
    left.parent.mkdir()
    left.write_bytes(b"old")
    endpoint = AnalystEndpoint(ledger, QuackSettings(enabled=False), tmp_path)
    endpoint.start()
    assert not left.exists()
    assert endpoint.component.healthy
    endpoint.stop()


def test_a_server_without_views_serves_no_analysts_and_is_well(tmp_path: Path) -> None:
    endpoint = AnalystEndpoint(None, QuackSettings(port=0, token=SecretStr("")), tmp_path)
    endpoint.start(required=True)
    assert endpoint.component == Component("quack", True, "Turned off.")
    assert not list(tmp_path.iterdir())
    endpoint.stop()
