"""The keys of the spool, which threads share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from server.runtime.keyring import Keyring


class KeyComparedMeanwhile(bytes):
    """A key at whose comparison something else happens, as if another thread did it."""

    meanwhile: Callable[[], None] = staticmethod(lambda: None)

    def __eq__(self, other: object) -> bool:
        self.meanwhile()
        return super().__eq__(other)

    __hash__ = bytes.__hash__


def test_a_key_that_is_added_while_the_keys_are_listed_harms_nobody(tmp_path: Path) -> None:
    earlier, newest, added = KeyComparedMeanwhile(b"e" * 32), b"n" * 32, b"a" * 32
    keys = Keyring([earlier], tmp_path / "spool.key")
    keys.add(newest)
    keys.forget_earlier()
    adds = [added]
    earlier.meanwhile = lambda: keys.add(adds.pop()) if adds else None
    assert list(keys.known) == [newest, earlier]
    assert not adds
    assert list(keys.known) == [added, newest, earlier]
