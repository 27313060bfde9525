"""The id of an installation, and the file that it is kept in."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from models.errors import InvalidInput
from server.runtime.installation import ID_FILE, load_or_create_installation_id


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_id_is_made_once_and_private(tmp_path: Path) -> None:
    state = tmp_path / "state"
    first = load_or_create_installation_id(state)
    assert load_or_create_installation_id(state) == first
    assert mode(state / ID_FILE) == 0o600
    assert mode(state) == 0o700
    assert load_or_create_installation_id(tmp_path / "other") != first


@pytest.mark.parametrize("content", [b"", b"0123456789AB\n", b"../../etc", b"\xff" * 12])
def test_a_file_that_was_changed_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / ID_FILE).write_bytes(content)
    with pytest.raises(InvalidInput) as caught:
        load_or_create_installation_id(tmp_path)
    assert caught.value.reason == "INSTALLATION_ID_INVALID"
