"""A clock that went back, and what systemd says about time servers."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from server.doctor import system_time
from server.doctor.system_time import asked_systemd, check_system_time, newest_write
from tests.unit.doctor.situations import NOW, lines, situation


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[bool | None]:
    """What systemd says; a test changes the first."""
    given: list[bool | None] = [True]
    monkeypatch.setattr(system_time, "asked_systemd", lambda: given[0])
    return given


@pytest.mark.parametrize(("answer", "level"), [(True, "ok"), (None, "ok"), (False, "warning")])
def test_a_clock_without_a_time_server_is_a_warning(
    tmp_path: Path, answers: list[bool | None], answer: bool | None, level: str
) -> None:
    answers[0] = answer
    assert lines(check_system_time(situation(tmp_path, now=NOW))) == [(level, "clock")]


@pytest.mark.parametrize("name", ["data/ledger.duckdb", "data/ledger.duckdb.wal", "state/audit.head"])
@pytest.mark.parametrize(
    ("ahead", "levels"), [(timedelta(seconds=30), ["ok"]), (timedelta(hours=2), ["problem", "ok"])]
)
def test_files_from_the_future_are_a_problem(
    tmp_path: Path, answers: list[bool | None], name: str, ahead: timedelta, levels: list[str]
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "state").mkdir()
    written(tmp_path / "data" / "ledger.duckdb", NOW - timedelta(days=1))
    written(tmp_path / name, NOW + ahead)
    found = list(check_system_time(situation(tmp_path, now=NOW)))
    assert [each.level for each in found] == levels
    assert "2 h" in found[0].found or len(levels) == 1


def written(path: Path, when: datetime) -> None:
    path.touch()
    os.utime(path, (when.timestamp(), when.timestamp()))


def test_before_the_first_start_nothing_was_written(tmp_path: Path) -> None:
    assert newest_write(situation(tmp_path).settings) is None


@pytest.mark.parametrize(
    ("script", "answer"),
    [("echo yes", True), ("echo no", False), ("echo 'Failed to connect to bus' >&2; exit 1", None)],
)
def test_the_program_of_systemd_is_asked(tmp_path: Path, script: str, answer: bool | None) -> None:
    program = tmp_path / "timedatectl"
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="ascii")
    program.chmod(0o700)
    assert asked_systemd(str(program)) is answer


def test_without_that_program_nothing_is_known(tmp_path: Path) -> None:
    assert asked_systemd(str(tmp_path / "none")) is None
