"""A ledger that fits, an older and a newer one, none, a damaged one, and one that another process has open."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from models.child_python import child_python
from server.doctor.ledger import check_ledger
from server.doctor.ledger_user import LedgerUser, find_ledger_user
from server.doctor.results import Situation
from server.ledger.connection import connect
from server.ledger.migrate import migrate
from server.ledger.migrations import ALL
from server.ledger.types import utc_now
from tests.unit.doctor.situations import only, situation

HOLD = "import sys, duckdb; held = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"


def with_ledger(folder: Path, up_to: int = len(ALL)) -> Situation:
    """A ledger of some schema, with a write-ahead log, as after a kill."""
    (folder / "data").mkdir()
    looked_at = situation(folder)
    with closing(connect(looked_at.settings.ledger_path)) as connection:
        migrate(connection, utc_now, up_to=up_to)
    return looked_at


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@contextmanager
def opened_elsewhere(path: Path, *more: str) -> Iterator[int]:
    """Another process that has a ledger open; yields its id."""
    command = child_python("-c", HOLD, str(path), *more)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == "open\n"
        yield other.pid
        other.stdin.close()


def test_none_is_fine(tmp_path: Path) -> None:
    assert only(check_ledger, situation(tmp_path)).level == "ok"
    assert find_ledger_user(situation(tmp_path).settings.ledger_path) is None


def test_one_of_this_release_is_fine_and_stays_as_it_is(tmp_path: Path) -> None:
    looked_at = with_ledger(tmp_path)
    before = digests(tmp_path / "data")
    assert only(check_ledger, looked_at).level == "ok"
    assert digests(tmp_path / "data") == before


def test_an_older_one_is_a_warning_and_is_not_migrated(tmp_path: Path) -> None:
    looked_at = with_ledger(tmp_path, up_to=3)
    before = digests(tmp_path / "data")
    found = only(check_ledger, looked_at)
    assert (found.level, found.reason) == ("warning", "LEDGER_OLDER")
    assert "backup" in found.hint
    assert digests(tmp_path / "data") == before


def test_a_newer_one_is_a_problem(tmp_path: Path) -> None:
    looked_at = with_ledger(tmp_path)
    with closing(duckdb.connect(str(looked_at.settings.ledger_path))) as connection:
        connection.execute("INSERT INTO migrations (number, name, apply_time) VALUES (9999, 'next', now()::TIMESTAMP)")
    assert only(check_ledger, looked_at).reason == "LEDGER_NEWER"


def test_a_file_that_is_no_ledger_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    looked_at = situation(tmp_path)
    looked_at.settings.ledger_path.write_bytes(b"no ledger" * 1000)
    assert only(check_ledger, looked_at).level == "problem"


def test_one_that_another_program_has_open_is_a_problem_that_names_it(tmp_path: Path) -> None:
    looked_at = with_ledger(tmp_path)
    with opened_elsewhere(looked_at.settings.ledger_path) as pid:
        user = find_ledger_user(looked_at.settings.ledger_path)
        assert user is not None
        assert (user.pid, user.is_server) == (pid, False)
        found = only(check_ledger, replace(looked_at, user=user))
        assert found.level == "problem"
        assert f"process {pid} (" in found.found
        assert only(check_ledger, looked_at).level == "ok", "where the system does not tell who has it open"
    assert find_ledger_user(looked_at.settings.ledger_path) is None


def test_one_that_the_server_has_open_is_fine(tmp_path: Path) -> None:
    looked_at = with_ledger(tmp_path)
    with opened_elsewhere(looked_at.settings.ledger_path, "serve") as pid:
        user = find_ledger_user(looked_at.settings.ledger_path)
        assert user is not None
        assert user.is_server
        assert pid in user.family()
        assert only(check_ledger, replace(looked_at, user=user)).level == "ok"


def test_a_process_that_cannot_be_seen_may_be_the_server(tmp_path: Path) -> None:
    looked_at = replace(with_ledger(tmp_path), user=LedgerUser(0, "", is_server=True))
    assert only(check_ledger, looked_at).level == "ok"


@pytest.mark.parametrize(
    ("user", "text"),
    [
        (LedgerUser(7, "python", is_server=True), "process 7 (python)"),
        (LedgerUser(7, "", is_server=False), "process 7"),
        (LedgerUser(0, "", is_server=False), "a process that cannot be seen from here"),
    ],
)
def test_a_user_of_the_ledger_in_a_sentence(user: LedgerUser, text: str) -> None:
    assert str(user) == text
