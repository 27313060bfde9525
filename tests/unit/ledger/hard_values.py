"""Values that are hard to copy from one engine to the other."""

from __future__ import annotations

from typing import Final

_QUOTED: Final = ['"', '""', "'", "\\", "\\N", "NULL", "{}"]
_BROKEN: Final = ["a,b", "line\nline", "\r\n", "\t", "\x01", "\\.\n"]
"""The last one ends the data of PostgreSQL's COPY where it is not in quotes."""

TEXTS: Final = ["", *_QUOTED, *_BROKEN, "Zoë 👩‍🔧", "x" * 70_000]
