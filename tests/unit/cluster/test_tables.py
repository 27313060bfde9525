"""How ``make cluster`` compares a mirror with PostgreSQL."""

from __future__ import annotations

from collections import Counter

import pytest

pytest.importorskip("psycopg")

from tests.cluster.tables import Tables, differing

BEFORE = ["kept", "kept", "changed at the end"]
AFTER = ["kept", "kept", "changed", "new at the end"]


def letters(rows: list[str]) -> Tables:
    return {"dead_letters": Counter((row,) for row in rows)}


@pytest.mark.parametrize(
    ("shown", "differs"),
    [
        (BEFORE, False),
        (AFTER, False),
        (["kept", "changed at the end"], True),
        ([*AFTER, "kept"], True),
        ([*BEFORE, "never there"], True),
        ([], True),
    ],
)
def test_a_mirror_shows_each_row_that_stayed_and_none_that_never_was(shown: list[str], *, differs: bool) -> None:
    assert differing(letters(BEFORE), letters(AFTER), letters(shown)) == ["dead_letters"] * differs
