"""The key of the spool: made once, or given."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from models.errors import InvalidInput
from server.uploads.keys import load_or_create_spool_keys


def test_a_key_is_generated_once_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "state" / "spool.key"
    keys = load_or_create_spool_keys("", path)
    assert [len(key) for key in keys.kept] == [32]
    assert load_or_create_spool_keys("", path).kept == keys.kept
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["spool.key"]


def test_the_setting_overrides_the_file_and_writes_none(tmp_path: Path) -> None:
    setting = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
    assert load_or_create_spool_keys(setting, tmp_path / "key").kept == (b"01234567890123456789012345678901",)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("setting", ["short", "not base64 at all!", "MDEyMw=="])
def test_an_invalid_key_is_refused(tmp_path: Path, setting: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        load_or_create_spool_keys(setting, tmp_path / "key")
    assert caught.value.reason == "SPOOL_KEY_INVALID"
    assert "VESTIBULE_SPOOL_KEY" in caught.value.hint
    assert setting not in caught.value.message
