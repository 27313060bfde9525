"""The folders of the data and the state are for the user of the server alone."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from models.errors import InvalidInput
from server.runtime.folders import make_private_folder


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def made(folder: Path) -> int:
    make_private_folder(folder, "VESTIBULE_STATE_DIR", "mark")
    return mode(folder)


def test_a_new_an_empty_and_an_own_folder_are_private(tmp_path: Path) -> None:
    assert made(tmp_path / "a" / "new") == 0o700
    for name in ("empty", "own"):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(0o775)
    (tmp_path / "own" / "mark").touch()
    (tmp_path / "own" / "more").touch()
    assert [made(tmp_path / name) for name in ("empty", "own")] == [0o700, 0o700]


@pytest.mark.parametrize(("bits", "name"), [(0o755, "of-others"), (0o1777, "mark")])
def test_a_folder_that_others_use_is_refused_and_stays_as_it_is(tmp_path: Path, bits: int, name: str) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / name).touch()
    shared.chmod(bits)
    with pytest.raises(InvalidInput) as caught:
        made(shared)
    assert caught.value.reason == "FOLDER_SHARED"
    assert "Set VESTIBULE_STATE_DIR to a folder below it" in caught.value.hint
    assert mode(shared) == bits
    assert made(shared / "below") == 0o700
