"""Which key of a map is meant, where the key itself is not repeated because it may be somebody's name."""

from __future__ import annotations

from collections.abc import Iterable


def key_place(key: str, keys: Iterable[str]) -> str:
    """The place of a key among all keys, such as ``key 2 of 3 in alphabetical order``."""
    ordered = sorted(keys)
    return f"key {ordered.index(key) + 1} of {len(ordered)} in alphabetical order"
