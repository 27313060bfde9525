"""Folders that are missing, shared, not writable, of another user, and in the middle of a restore."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from server.doctor.folders import check_folders
from server.runtime.folders import UNFINISHED_RESTORE
from tests.unit.doctor.situations import bad, only, situation


def test_folders_that_are_missing_are_fine_and_are_not_made(tmp_path: Path) -> None:
    assert bad(check_folders(situation(tmp_path))) == []
    assert list(tmp_path.iterdir()) == []


def test_an_own_folder_that_others_can_enter_is_a_warning_and_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(0o755)
    found = only(check_folders, situation(tmp_path), "folder of the state")
    assert found.level == "warning"
    assert "chmod 700" in found.hint
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o755


def test_a_folder_of_other_programs_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "of-others").touch()
    (tmp_path / "data").chmod(0o777)
    found = only(check_folders, situation(tmp_path), "folder of the data")
    assert (found.level, found.reason) == ("problem", "FOLDER_SHARED")


def test_a_file_in_the_place_of_a_folder_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    found = only(check_folders, situation(tmp_path), "folder of the data")
    assert (found.level, found.reason) == ("problem", "FOLDER_UNUSABLE")


def test_a_folder_that_cannot_be_written_to_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "state").mkdir(mode=0o500)
    monkeypatch.setattr("os.access", lambda path, _mode: Path(path) != tmp_path / "state")  # root may write anywhere
    found = only(check_folders, situation(tmp_path), "folder of the state")
    assert (found.level, found.reason) == ("problem", "FOLDER_UNUSABLE")


def test_a_folder_of_another_user_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir(mode=0o700)
    monkeypatch.setattr("os.geteuid", lambda: 4242)
    found = only(check_folders, situation(tmp_path), "folder of the data")
    assert found.level == "warning"
    assert "user 4242" in found.found


def test_the_folder_of_the_reports_must_exist(tmp_path: Path) -> None:
    looked_at = situation(tmp_path, reports={"folder": tmp_path / "reports"})
    assert only(check_folders, looked_at, "folder of the reports").level == "problem"
    (tmp_path / "reports").mkdir()
    assert only(check_folders, looked_at, "folder of the reports").level == "ok"


def test_a_restore_that_was_cut_short_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "data" / UNFINISHED_RESTORE).touch()
    assert only(check_folders, situation(tmp_path), "restore").reason == "RESTORE_UNFINISHED"
