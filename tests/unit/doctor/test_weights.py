"""Weights that are whole, missing, cut short, and changed by one bit."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from models.weights.store import ALL, locate
from server.doctor.weights import check_weights
from tests.unit.doctor.situations import only, situation
from tests.unit.weights.test_added import kept

NAME = "silero-vad"  # the smallest with one file


@pytest.fixture
def placed(tmp_path: Path, weights_cache: Path) -> Path:
    """A copy of real weights; returns their one file."""
    source = locate(NAME, weights_cache)
    copy = tmp_path / "cache" / "weights" / source.relative_to(weights_cache)
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("derived"))
    return copy / ALL[NAME].files[0].name


def test_whole_weights_are_fine(tmp_path: Path, placed: Path) -> None:
    assert only(check_weights, situation(tmp_path)).level == "ok"


def test_one_flipped_bit_is_a_problem(tmp_path: Path, placed: Path) -> None:
    content = bytearray(placed.read_bytes())
    content[len(content) // 2] ^= 1
    placed.write_bytes(content)
    found = only(check_weights, situation(tmp_path))
    assert (found.level, found.subject) == ("problem", f"weights {NAME}")
    assert found.hint


@pytest.mark.parametrize("cut", [True, False])
def test_missing_weights_are_a_warning_because_the_start_fetches_them(tmp_path: Path, placed: Path, cut: bool) -> None:
    if cut:
        placed.write_bytes(placed.read_bytes()[:-1])
    else:
        placed.unlink()
    found = only(check_weights, situation(tmp_path))
    assert (found.level, found.subject) == ("warning", "weights")
    assert NAME in found.found
    assert "vestibule models fetch" in found.hint


def test_a_disk_without_room_for_them_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.doctor.weights.free_bytes", lambda _folder: 1000)
    assert only(check_weights, situation(tmp_path)).level == "problem"


def test_a_name_that_nobody_knows_is_a_problem(tmp_path: Path) -> None:
    looked_at = replace(situation(tmp_path), weights=("whisper-gigantic",))
    assert only(check_weights, looked_at).level == "problem"


def test_an_added_model_whose_file_was_cut_is_a_problem_because_nothing_fetches_it(tmp_path: Path) -> None:
    cache = situation(tmp_path).settings.weights_dir
    (kept(cache) / "model.bin").write_bytes(b"cut")
    found = only(check_weights, replace(situation(tmp_path), weights=("mine",)))
    assert found.level == "problem"
    assert "vestibule models remove" in found.hint
