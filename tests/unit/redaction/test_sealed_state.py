"""The sealed state of a stream, and its key."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from models.errors import InvalidInput
from models.redaction.streaming.sealed_state import KEY_BYTES, StateSealer, load_or_create_key

KEY = bytes(range(KEY_BYTES))
STATE = {
    "previous": "my name is Zoë",
    "tokens": 4,
    "safe": True,
    "counts": {"NAME": 1},
    "audio": b"\x00\xff",
    "none": None,
}


def test_a_sealed_state_opens_unchanged() -> None:
    sealer = StateSealer(KEY)
    assert sealer.open(sealer.seal(STATE)) == STATE


def test_sealed_states_are_unreadable_and_never_equal() -> None:
    sealer = StateSealer(KEY)
    first, second = sealer.seal(STATE), sealer.seal(STATE)
    assert first != second
    assert b"name" not in first


@pytest.mark.parametrize("position", [0, 1, 12, 13, 40, -1])
def test_a_changed_byte_is_refused(position: int) -> None:
    sealer = StateSealer(KEY)
    sealed = bytearray(sealer.seal(STATE))
    sealed[position] ^= 1
    with pytest.raises(InvalidInput) as caught:
        sealer.open(bytes(sealed))
    assert caught.value.reason == "CARRY_INVALID"


@pytest.mark.parametrize("sealed", [b"", b"\x01", b"\x01" * 13, b"\x02" * 60, b"\x01" * 60])
def test_invalid_bytes_are_refused(sealed: bytes) -> None:
    with pytest.raises(InvalidInput) as caught:
        StateSealer(KEY).open(sealed)
    assert caught.value.reason == "CARRY_INVALID"


def test_another_key_is_refused() -> None:
    with pytest.raises(InvalidInput):
        StateSealer(KEY[::-1]).open(StateSealer(KEY).seal(STATE))


def test_only_json_and_bytes_can_be_sealed() -> None:
    with pytest.raises(TypeError):
        StateSealer(KEY).seal({"x": object()})


def test_short_keys_are_refused() -> None:
    with pytest.raises(ValueError, match="32"):
        StateSealer(b"short")


def test_the_key_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "state" / "carry.key"
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(load_or_create_key, [path] * 8))
    assert len(keys) == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["carry.key"]


def test_a_damaged_key_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "carry.key"
    path.write_bytes(b"half")
    with pytest.raises(ValueError, match="4 bytes"):
        load_or_create_key(path)
