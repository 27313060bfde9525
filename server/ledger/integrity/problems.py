"""What a check of the ledger finds."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MOST_IDS: Final = 20
"""Ids that are told of one problem."""
_ID: Final = re.compile(r"[0-9A-Za-z_.:+-]{1,80}")
"""What an id may look like. A damaged one may be anything, also content."""
NOT_SHOWN: Final = "(not an id)"


class Check(StrEnum):
    """What was looked at."""

    FILE = "file"
    TABLES = "tables"
    READING = "reading"
    KEYS = "keys"
    REFERENCES = "references"
    RULES = "rules"
    VIEWS = "views"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong.

    Attributes:
        subject: The table, view or macro; for a problem of the whole, ``ledger``.
        found: One sentence, without content.
        rows: How many rows; 0 for a problem that is none of rows.
        ids: Ids of the first ``MOST_IDS`` of them.
    """

    check: Check
    subject: str
    found: str
    rows: int = 0
    ids: tuple[str, ...] = ()


def shown_ids(ids: Iterable[object]) -> tuple[str, ...]:
    """Ids as they may be shown."""
    return tuple(text if _ID.fullmatch(text) else NOT_SHOWN for text in map(str, ids))
