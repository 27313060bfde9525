"""`vestibule mirror`: what it refuses, and a real one beside the ledger, which serves, forgets and ends."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner

psycopg = pytest.importorskip("psycopg")

from models.errors import Unavailable  # noqa: E402
from server import mirror_app  # noqa: E402
from server.cli.demo.processes import Child, free_ports, wait_until  # noqa: E402
from server.cli.demo.proof import files_below  # noqa: E402
from server.cli.main import cli  # noqa: E402
from server.ledger import sessions  # noqa: E402
from server.ledger.columns import Cursor  # noqa: E402
from server.ledger.migrations import ALL  # noqa: E402
from server.ledger.postgres.ledger import PostgresLedger, Use, require_newest_schema  # noqa: E402
from server.ledger.postgres.mirrors import Forgetting  # noqa: E402
from server.mirror import forget_deleted  # noqa: E402
from server.settings import Settings  # noqa: E402
from tests.source_tree import ROOT  # noqa: E402
from tests.unit.erasure.filled import mark_of  # noqa: E402
from tests.unit.ledger.makers import session  # noqa: E402
from tests.unit.ledger.migrated import migrated_file  # noqa: E402

STARTS_S = 120.0
"""Longest start on a machine that is busy with other tests."""
NEWER = f"INSERT INTO migrations VALUES ({len(ALL) + 1}, 'later', now(), false)"
SERVERS_ALONE = re.compile(r"/(ray|grpc|ctranslate2|onnxruntime|torch|cv2)/")


@pytest.fixture(autouse=True)
def same_process() -> Iterator[None]:
    """A start narrows what its process may do; the tests run on in the same one."""
    environment, umask = os.environ.copy(), os.umask(0o022)
    yield
    os.environ.update(environment)
    os.umask(umask)


def settings_in(folder: Path, url: str, **changes: Any) -> Settings:
    folders = {"data_dir": folder / "data", "state_dir": folder / "state"}
    off = {"metrics_port": 0, "quack": {"enabled": False}}
    return Settings(**{**folders, **off, "ledger": {"url": url}, **changes})


def change(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def tables(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    return int(row[0])


def refused(settings: Settings, capfd: pytest.CaptureFixture[str]) -> str:
    """What is on standard error after a start that ends before anybody can attach."""
    assert mirror_app.run(settings) == 1
    out, err = capfd.readouterr()
    assert "ready" not in out
    return err.splitlines()[-1]


def test_without_postgresql_there_is_nothing_to_mirror(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    said = refused(settings_in(tmp_path, ""), capfd)
    assert "[LEDGER_NOT_SHARED]" in said
    assert "VESTIBULE_LEDGER__URL" in said
    assert not (tmp_path / "data").exists()


def test_a_database_without_a_ledger_stays_empty(
    postgres_url: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    change(postgres_url, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    assert "[LEDGER_NOT_FOUND]" in refused(settings_in(tmp_path, postgres_url), capfd)
    assert tables(postgres_url) == 0


@pytest.mark.parametrize(
    ("statement", "reason"),
    [(NEWER, "LEDGER_NEWER"), (f"DELETE FROM migrations WHERE number = {len(ALL)}", "LEDGER_OLDER")],
)
def test_the_schema_of_another_release_is_refused(
    statement: str, reason: str, postgres_url: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    change(postgres_url, statement)
    before = _migrations(postgres_url)
    assert f"[{reason}]" in refused(settings_in(tmp_path, postgres_url), capfd)
    assert _migrations(postgres_url) == before
    assert not (tmp_path / "data" / "mirror.duckdb").exists()


def test_a_later_schema_from_which_one_can_go_back_is_taken(postgres_url: str) -> None:
    change(postgres_url, NEWER.replace("false", "true"))
    require_newest_schema(postgres_url)


def test_a_taken_port_is_named(postgres_url: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    migrated_file(tmp_path / "data" / "mirror.duckdb")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        said = refused(settings_in(tmp_path, postgres_url, metrics_port=port), capfd)
    assert f"The port {port} of the metrics is in use. [ADDRESS_IN_USE]" in said


def test_it_ends_when_a_server_of_a_newer_release_changes_the_schema(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Else erasures would wait for a mirror that can forget nothing."""
    migrated_file(tmp_path / "data" / "mirror.duckdb")
    said: list[str] = []

    def ready(line: str) -> None:
        said.append(line)
        change(postgres_url, NEWER)

    monkeypatch.setattr(mirror_app, "say", ready)
    monkeypatch.setattr(mirror_app, "SCHEMA_LOOK_S", 0.0)
    assert "[LEDGER_NEWER]" in refused(settings_in(tmp_path, postgres_url), capfd)
    assert said == ["The mirror is ready. Nobody can attach: VESTIBULE_QUACK__ENABLED is false."]


@pytest.fixture
def url_of_analyst(postgres_url: str) -> str:
    """The database as a role sees it that has the rights which docs/operating/postgresql.md lists."""
    role = f"analysts_{uuid.uuid4().hex}"
    page = (ROOT / "docs" / "operating" / "postgresql.md").read_text(encoding="utf-8")
    grants = re.findall(r"^GRANT .+ TO analysts;$", page, re.MULTILINE)
    assert grants
    change(postgres_url, f"CREATE ROLE {role} LOGIN", *(each.replace("analysts", role) for each in grants))
    return postgres_url.replace("//tests@", f"//{role}@")


class Running:
    """The real command in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.state, self.data = folder / "state", folder / "data"
        self.folder = folder
        self.port, self.metrics_port = free_ports(2)
        migrated_file(self.data / "mirror.duckdb")
        arguments = ["-m", "server.cli", "mirror", "--data-dir", str(self.data), "--state-dir", str(self.state)]
        for setting in (f"quack.port={self.port}", f"metrics_port={self.metrics_port}"):
            arguments += ["--set", setting]
        self.child = Child.start("mirror", arguments, folder / "log")

    def wait_for(self, shown: set[str]) -> None:
        """Wait until analysts see these sessions."""
        wait_until(lambda: self.shown() == shown, self.child, STARTS_S, "The sessions were not shown")

    def shown(self) -> set[str] | None:
        """The sessions that analysts see; None while nobody can attach, as after an erasure."""
        query = ("sql", "--json", "SELECT session_id FROM v_sessions", "--port", str(self.port))
        asked = CliRunner().invoke(cli, [*query, "--state-dir", str(self.state)])
        return None if asked.exit_code else {row["session_id"] for row in json.loads(asked.stdout)}

    def lag_s(self) -> float:
        token = (self.state / "metrics.token").read_text().strip()
        asked = urllib.request.Request(f"http://127.0.0.1:{self.metrics_port}/metrics")
        asked.add_header("Authorization", f"Bearer {token}")
        with urllib.request.urlopen(asked) as answer:
            [value] = re.findall(r"^vestibule_mirror_lag_seconds (\S+)$", answer.read().decode(), re.MULTILINE)
        return float(value)

    def has(self, text: str) -> bool:
        """Whether a text is in a file of its folders."""
        return any(text.encode() in file.read_bytes() for file in files_below([self.data, self.state]))


@pytest.fixture
def running(tmp_path: Path, url_of_analyst: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setenv("VESTIBULE_LEDGER__URL", url_of_analyst)
    one = Running(tmp_path)
    yield one
    one.child.stop()
    one.child.kill_with_descendants()


@pytest.mark.timeout(300)  # a second mirror that is not refused would go on
def test_a_mirror_serves_analysts_forgets_and_ends(
    postgres_url: str, running: Running, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A server has the ledger alone, and neither disturbs the other."""
    with closing(PostgresLedger.open(postgres_url, use=Use.ALONE)) as ledger:
        erased = _add(ledger, mark_of("gone"))
        wait_until(lambda: "The mirror is ready" in running.child.log.read_text(), running.child, STARTS_S, "No line")
        assert f"Analysts attach on port {running.port} of loopback." in running.child.log.read_text()
        running.wait_for({erased})
        stays = _add(ledger, mark_of("stays"))
        running.wait_for({erased, stays})
        assert running.lag_s() < STARTS_S
        assert running.has(mark_of("gone")), "else this test shows nothing"

        _delete(ledger, erased)
        running.child.process.send_signal(signal.SIGSTOP)
        with pytest.raises(Unavailable) as waits:
            asyncio.run(forget_deleted(partial(Forgetting, postgres_url), grace_s=0.0, longest_s=0.0))
        assert waits.value.reason == "LEDGER_CONFLICT"
        running.child.process.send_signal(signal.SIGCONT)
        asyncio.run(forget_deleted(partial(Forgetting, postgres_url), longest_s=STARTS_S))
        assert not running.has(mark_of("gone"))
        assert running.has(mark_of("stays"))
        running.wait_for({stays})
    PostgresLedger.open(postgres_url, use=Use.TOGETHER).close()

    assert "[LEDGER_LOCKED]" in refused(settings_in(tmp_path, postgres_url, state_dir=tmp_path / "other"), capfd)
    said = refused(settings_in(tmp_path, postgres_url, data_dir=tmp_path / "other"), capfd)
    assert "The state folder is used by another server or mirror. [LEDGER_LOCKED]" in said

    loaded = {each.path for each in psutil.Process(running.child.process.pid).memory_maps()}
    assert any("duckdb" in path for path in loaded), "else the next line shows nothing"
    assert not [path for path in loaded if SERVERS_ALONE.search(path)]
    running.child.descendants()
    running.child.process.terminate()
    assert running.child.process.wait(STARTS_S) == 0
    assert not running.child.survivors()


def _add(ledger: PostgresLedger, client: str) -> str:
    row = session(client_id=client)
    ledger.write_now(lambda cursor: sessions.insert_or_get(cursor, row))
    return row.id


def _delete(ledger: PostgresLedger, session_id: str) -> None:
    def write(cursor: Cursor) -> None:
        cursor.execute("DELETE FROM events WHERE session_id = ?", [session_id])
        cursor.execute("DELETE FROM sessions WHERE id = ?", [session_id])

    ledger.write_now(write)


def _migrations(url: str) -> list[int]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT number FROM migrations ORDER BY number").fetchall()
    return [row[0] for row in rows]
