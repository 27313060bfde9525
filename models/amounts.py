"""Sizes and times in messages, for people."""

from __future__ import annotations

import math

_MEBIBYTE = 1024 * 1024
_MINUTE_S = 60.0


def size_text(size_bytes: int) -> str:
    """A size in MiB, rounded down to a tenth; a small one in bytes."""
    tenths = size_bytes * 10 // _MEBIBYTE
    return f"{tenths / 10:g} MiB" if tenths else f"{size_bytes} bytes"


def time_text(seconds: float) -> str:
    """A length of time: whole minutes as such, everything else in seconds."""
    if seconds < _MINUTE_S or seconds % _MINUTE_S:
        return f"{seconds:g} seconds"
    minutes = round(seconds / _MINUTE_S)
    return f"{minutes} minute{'s' if minutes > 1 else ''}"


def retry_text(seconds: float) -> str:
    """When to try again: the seconds rounded up, so that nobody comes too early."""
    whole = math.ceil(seconds)
    return f"Try again in {whole} second{'s' if whole != 1 else ''}."


def count_text(number: int, one: str, many: str = "") -> str:
    """A number with its noun: ``1 file``, ``2 files``.

    Args:
        number: How many.
        one: The noun for one.
        many: The noun for any other number; one with an s if it is not given.
    """
    return f"{number} {one if number == 1 else many or f'{one}s'}"
