"""``vestibule audit``, against a real port with the real service over a real ledger."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from typing import Any, NoReturn

import grpc.aio
import pytest
from click.testing import CliRunner, Result
from vestibule.v1 import admin_pb2_grpc
from vestibule.v1.admin_pb2 import AuditEntry

from models.errors import Unavailable
from models.reasons import Reason
from server.access.audit import AuditAction, AuditTrail, load_or_create_key, load_or_create_subjects_key
from server.access.audit_book import AuditBook
from server.access.caller import Caller, Scope, acting_as
from server.access.peer import parse_peer
from server.cli import audit
from server.cli.main import cli
from server.ledger import events
from server.ledger.audit import AuditFilter
from server.ledger.columns import Cursor
from server.ledger.embedded import EmbeddedLedger
from server.ledger.types import EventRow, SessionState, utc_now
from server.services.admin import AdminService
from server.setting_groups import AuditSettings
from tests.unit.erasure.filled import Store
from tests.unit.ledger.makers import NOW, new_id
from tests.unit.ledger.migrated import open_ledger

REVIEWER = Caller("key:9f3c", "app", frozenset({Scope.REVIEWER}), parse_peer("ipv4:10.0.0.7:51234"))


@contextmanager
def serving(ledger: EmbeddedLedger, state_dir: Path) -> Iterator[str]:
    """The address of a port with the admin service, in a thread of its own, because the commands block."""
    ready, ended = Event(), asyncio.Event()
    found: list[Any] = []

    async def serve() -> None:
        nothing: Any = None
        book = AuditBook(ledger, AuditSettings(), state_dir, utc_now, "1.2.3")
        server = grpc.aio.server()
        service = AdminService(
            nothing, ledger, nothing, nothing, nothing, nothing, book, nothing, nothing, nothing, nothing
        )
        admin_pb2_grpc.add_AdminServiceServicer_to_server(service, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        found.extend((asyncio.get_running_loop(), f"127.0.0.1:{port}"))
        ready.set()
        await ended.wait()
        await server.stop(0)

    thread = Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert ready.wait(60)
    yield found[1]
    found[0].call_soon_threadsafe(ended.set)
    thread.join(60)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What each test gets a copy of."""
    home = tmp_path_factory.mktemp("filled")
    data, state = home / "data", home / "state"
    ledger = open_ledger(data / "ledger.duckdb")

    async def fill() -> None:
        book = AuditBook(ledger, AuditSettings(), state, utc_now, "1.2.3")
        with acting_as(REVIEWER):
            for number in range(6):
                await book.record(AuditAction.APPROVE, ("recommendation", f"r{number}"))
        await book.record(AuditAction.BREAKER_RESET, ("breaker", "llm_api"))
        await book.verify()

    asyncio.run(fill())
    ledger.close()
    return home


@pytest.fixture
def folders(filled: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A data folder whose ledger has seven rows of the audit, and the state folder with the head."""
    data, state = (Path(shutil.copytree(filled / name, tmp_path / name)) for name in ("data", "state"))
    return data, state


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """No server listens at the configured address."""
    monkeypatch.setenv("VESTIBULE_ADDRESS", "127.0.0.1:1")


@pytest.fixture
def stopped(folders: tuple[Path, Path], nobody: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder of a server that does not run, which the settings name."""
    monkeypatch.setenv("VESTIBULE_DATA_DIR", str(folders[0]))
    monkeypatch.setenv("VESTIBULE_STATE_DIR", str(folders[1]))
    return folders[0]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["audit", *arguments])


def test_the_rows_are_listed_newest_first(folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.cli.audit.PAGE_SIZE", 2)
    ledger = open_ledger(folders[0] / "ledger.duckdb")
    with serving(ledger, folders[1]) as address:
        shown = run("list", "--address", address)
        approved = run("list", "--action", "approve", "--limit", "5", "--json", "--address", address)
        others = run("list", "--subject", "key:0000", "--address", address)
        verified = run("verify", "--address", address)
    ledger.close()
    assert [line.split("|")[1].strip() for line in shown.stdout.splitlines()[2:]] == ["7", "6", "5", "4", "3", "2", "1"]
    rows = json.loads(approved.stdout)
    assert [row["object_id"] for row in rows] == ["r5", "r4", "r3", "r2", "r1"]
    assert rows[0] | {"number": 6, "subject": "key:9f3c", "peer": "10.0.0.7", "outcome": "done"} == rows[0]
    assert others.stdout.strip() == "There are no such rows."
    assert (verified.exit_code, verified.stdout.splitlines()[-1].split()) == (0, ["intact", "yes"])


def test_the_rows_of_a_stopped_server_are_listed_too(stopped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.cli.audit.PAGE_SIZE", 2)
    result = run("list", "--action", "approve", "--limit", "5", "--json")
    assert result.exit_code == 0, result.output
    assert "Trying its ledger file" in result.stderr
    assert [row["object_id"] for row in json.loads(result.stdout)] == ["r5", "r4", "r3", "r2", "r1"]


def test_a_whole_chain_of_a_stopped_server_is_verified(stopped: Path) -> None:
    result = run("verify", "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert (report["intact"], report["row_count"], len(report["last_hash"])) == (True, 7, 64)


def test_a_tampered_chain_exits_with_1_and_names_the_row(stopped: Path) -> None:
    ledger = open_ledger(stopped / "ledger.duckdb")
    ledger.write_now(lambda cursor: cursor.execute("UPDATE audit SET subject = 'key:victim' WHERE number = 3"))
    ledger.close()
    result = run("verify")
    assert result.exit_code == 1
    assert "Row 3 was changed" in result.stdout
    assert "AUDIT_BROKEN" in result.stderr


def test_verifying_never_makes_a_key(stopped: Path, tmp_path: Path) -> None:
    result = run("verify", "--data-dir", str(stopped), "--state-dir", str(tmp_path / "other"))
    assert (result.exit_code, "LEDGER_NOT_FOUND" in result.stderr) == (1, True)
    assert "--state-dir" in result.stderr
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["audit", "list"], 1), (["audit", "verify"], 1), (["funnel"], 1), (["erase", "--client", "a", "--yes"], 1)],
)
def test_without_a_server_and_without_files_nothing_is_made(
    arguments: list[str], code: int, nobody: None, tmp_path: Path
) -> None:
    folders = ["--data-dir", str(tmp_path / "data"), "--state-dir", str(tmp_path / "state")]
    result = CliRunner().invoke(cli, [*arguments, *folders])
    assert (result.exit_code, "[LEDGER_NOT_FOUND]" in result.stderr) == (code, True)
    assert not any(tmp_path.iterdir())


def test_an_unknown_action_is_refused_with_the_actions() -> None:
    result = run("list", "--action", "eraze")
    assert result.exit_code == 2
    assert "'eraze' is none of the actions: access, " in result.stderr
    assert "erase, " in result.stderr


COMMANDS = [["audit", "list"], ["audit", "verify"], ["funnel"], ["erase", "--client", "a", "--yes"]]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_server_that_was_named_has_to_answer(command: list[str]) -> None:
    result = CliRunner().invoke(cli, [*command, "--address", "127.0.0.1:1"])
    assert (result.exit_code, "[UNAVAILABLE]" in result.stderr) == (1, True)
    assert "ledger file" not in result.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_a_ledger_that_a_server_holds_at_another_address_is_left_alone(
    command: list[str], stopped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DuckDB locks its file for one process, and lets it be opened again in the same one."""

    def locked(*_arguments: object, **_options: object) -> NoReturn:
        raise Unavailable("Another process holds the ledger.", reason=Reason.LEDGER_LOCKED)

    monkeypatch.setattr(EmbeddedLedger, "open", locked)
    result = CliRunner().invoke(cli, command)
    assert (result.exit_code, "[LEDGER_LOCKED]" in result.stderr) == (1, True)
    assert "name it with --address" in result.stderr
    named = CliRunner().invoke(
        cli, [*command, "--data-dir", str(stopped), "--state-dir", str(stopped.parent / "state")]
    )
    assert "leave --data-dir out" in named.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_files_that_were_named_are_taken_though_a_server_answers(
    command: list[str], folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.cli.stopped_server._answers", lambda _server: pytest.fail("a server was asked"))
    given = ["--data-dir", str(folders[0]), "--state-dir", str(folders[1])]
    result = CliRunner().invoke(cli, [*command, *given])
    assert result.exit_code == 0, result.output
    both = CliRunner().invoke(cli, [*command, *given, "--address", "127.0.0.1:1"])
    assert (both.exit_code, "give one of them" in both.stderr) == (2, True)


@pytest.mark.parametrize("command", [*COMMANDS, ["keys", "create", "--scope", "operator"]])
@pytest.mark.parametrize(("given", "missing"), [("--data-dir", "--state-dir"), ("--state-dir", "--data-dir")])
def test_a_copy_of_one_folder_alone_is_refused(
    command: list[str], given: str, missing: str, stopped: Path, tmp_path: Path
) -> None:
    """The audit of a copied ledger would else be kept in the state folder of the original."""
    copy = tmp_path / "copy"
    shutil.copytree(stopped if given == "--data-dir" else tmp_path / "state", copy)
    result = CliRunner().invoke(cli, [*command, given, str(copy)])
    assert (result.exit_code, "[FOLDER_UNNAMED]" in result.stderr) == (1, True)
    assert f"{given} was given without {missing}" in result.stderr
    assert "Hint:" in result.stderr
    assert "ledger file" not in result.stderr
    assert run("verify").exit_code == 0


def test_a_copy_of_both_folders_goes_its_own_way(stopped: Path, tmp_path: Path) -> None:
    for folder in ("data", "state"):
        shutil.copytree(tmp_path / folder, tmp_path / f"copy-{folder}")
    named = ["--data-dir", str(tmp_path / "copy-data"), "--state-dir", str(tmp_path / "copy-state")]
    made = CliRunner().invoke(cli, ["keys", "create", "--scope", "operator", *named])
    assert made.exit_code == 0, made.output
    for folders, rows in (([], 7), (named, 8)):
        report = run("verify", "--json", *folders)
        assert (report.exit_code, json.loads(report.stdout)["row_count"]) == (0, rows), report.output


def test_a_locked_ledger_is_not_said_to_be_used(stopped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(*_arguments: object, **_options: object) -> NoReturn:
        raise Unavailable("Another process holds the ledger.", reason=Reason.LEDGER_LOCKED)

    monkeypatch.setattr(EmbeddedLedger, "open", locked)
    result = run("list")
    assert "[LEDGER_LOCKED]" in result.stderr
    assert "is used" not in result.stderr


def test_rows_of_before_are_found_by_the_name_that_they_have(stopped: Path) -> None:
    """Earlier servers kept a ``sub`` as it was."""
    ledger = open_ledger(stopped / "ledger.duckdb")

    async def fill() -> None:
        book = AuditBook(ledger, AuditSettings(), stopped.parent / "state", utc_now, "1.2.3")
        with acting_as(Caller("jwt:maria.lopez", "app", frozenset())):
            entry = book.trail.entry(AuditAction.REJECT, ("recommendation", "r1"))
        old = replace(entry, subject="jwt:maria.lopez")
        await ledger.write(lambda cursor: book.trail.append(cursor, old, entry))
        found, _ = await book.list(AuditFilter(subjects=("jwt:maria.lopez",)), 9, "")
        assert [row.number for row in found] == [9, 8]

    asyncio.run(fill())
    ledger.close()
    listed = json.loads(run("list", "--subject", "jwt:maria.lopez", "--json").stdout)
    assert [row["number"] for row in listed] == [9, 8]
    assert listed[0]["subject"].startswith("jwt:hash:")


def test_an_erasure_of_a_stopped_server_leaves_no_byte_in_its_folders(
    nobody: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor in the copies for analysts, which a server that was killed leaves."""
    store = Store(tmp_path / "home")
    session_id = store.fill("gone")
    store.fill("stays")
    store.ledger.close()
    copies = store.home / "state" / "analysts"
    copies.mkdir(parents=True)
    for name in ("1.duckdb", "2.duckdb"):
        shutil.copy(store.home / "data" / "ledger.duckdb", copies / name)
    shutil.rmtree(store.home / "spool")
    (store.home / "pictures").rename(store.home / "data" / "pictures")
    folders = ["--data-dir", str(store.home / "data"), "--state-dir", str(store.home / "state")]
    assert len(store.marks("gone")) == 7
    result = CliRunner().invoke(cli, ["erase", "--session", session_id, "--yes", *folders])
    assert result.exit_code == 0, result.output
    assert store.marks("gone") == set()
    assert len(store.marks("stays")) == 7
    assert list(copies.iterdir()) == []


def test_an_erasure_of_a_stopped_server_leaves_a_chain_that_fits_its_head(stopped: Path) -> None:
    counted = CliRunner().invoke(cli, ["erase", "--client", "a", "--dry-run"])
    assert (counted.exit_code, counted.stdout) == (0, "Nothing is stored of this client.\n"), counted.output
    assert run("verify").exit_code == 0


def test_the_funnel_of_a_stopped_server_is_read_from_its_ledger(nobody: None, tmp_path: Path) -> None:
    store = Store(tmp_path / "home")
    state_dir = store.home / "state"
    trail = AuditTrail(load_or_create_key(state_dir), load_or_create_subjects_key(state_dir), utc_now)
    ids = store.fill("one"), store.fill("two", trail.client_pseudonym("maria-lopez"))

    def begin(cursor: Cursor) -> None:
        for session_id in ids:
            started = EventRow(new_id(), session_id, "app", "stage_entered", NOW, stage=SessionState.STARTED)
            events.append(cursor, started)

    store.ledger.write_now(begin)
    store.ledger.close()
    folders = ["--data-dir", str(store.home / "data"), "--state-dir", str(state_dir)]
    for client, number in (((), 2), (("--client", "maria-lopez"), 1)):
        result = CliRunner().invoke(cli, ["funnel", "--json", *client, *folders])
        assert result.exit_code == 0, result.output
        assert {row["stage"]: row["sessions"] for row in json.loads(result.stdout)}["STARTED"] == number
    other = CliRunner().invoke(cli, ["funnel", "--client", "another", *folders])
    assert (other.exit_code, other.stdout) == (0, "There are no sessions.\n")


@pytest.mark.parametrize("command", [["funnel", "--from"], ["audit", "list", "--since"]])
def test_a_time_that_cannot_be_read_is_told_with_an_example(command: list[str]) -> None:
    result = CliRunner().invoke(cli, [*command, "yesterday"])
    assert (result.exit_code, "such as 2026-11-01" in result.stderr, "%Y" in result.stderr) == (2, True, False)


def test_the_target_of_a_call_is_short() -> None:
    entry = AuditEntry(object_type="method", object_id="vestibule.v1.SessionService/GetSession")
    assert audit._target(entry) == "SessionService/GetSession"
    assert audit._target(AuditEntry(object_type="key", object_id="9f3c")) == "key 9f3c"
