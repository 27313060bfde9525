"""How ``make cluster`` compares a mirror with PostgreSQL, and searches that."""

from __future__ import annotations

from collections import Counter

import pytest

psycopg = pytest.importorskip("psycopg")

from tests.cluster.tables import Tables, differing, personal_rows  # noqa: E402

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


def test_all_tables_are_searched_in_texts_json_and_bytes(postgres_url: str) -> None:
    before, found = personal_rows(postgres_url, ["Maria", "Lopez"])
    assert found == []
    with psycopg.connect(postgres_url) as connection:
        connection.execute("CREATE TABLE planted (number INTEGER, bytes BYTEA, kept JSON)")
        row = (1, b"\0Maria\0", '{"name": "Lopez"}')
        connection.execute("INSERT INTO planted VALUES (%s, %s, %s)", row)
    found_in = ["the table planted holds 'Maria'", "the table planted holds 'Lopez'"]
    assert personal_rows(postgres_url, ["Maria", "Lopez"]) == (before + 1, found_in)
