"""Statements with the parameters of DuckDB on PostgreSQL, and values that come back as DuckDB gives them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import pytest

from models.errors import InvalidInput
from models.text import RedactedText
from server.ledger.columns import Cursor, count, fetch_all, insert, insert_if_new, text_literal
from server.ledger.dialects import EMBEDDED, POSTGRESQL, dialect_of
from server.ledger.postgres.placeholders import translate
from server.ledger.reviews_decisions import CommentRow, comments_of_session, insert_comment
from server.ledger.types import JobState
from tests.unit.ledger.makers import NOW

AT = NOW.replace(tzinfo=None)


@pytest.fixture
def stored(cursor: Cursor) -> Iterator[Cursor]:
    insert(cursor, "breakers", {"name": "llm", "state": "open", "failures": 0, "opened_at": AT})
    yield cursor


@pytest.mark.parametrize(
    ("given", "sql", "keys"),
    [
        ("a = ? AND b = ?", "a = $1 AND b = $2", (0, 1)),
        ("$at::TIMESTAMP IS NULL OR t < $at OR id = $id", "$1::TIMESTAMP IS NULL OR t < $1 OR id = $2", ("at", "id")),
        ("a = $2 AND b = $1", "a = $1 AND b = $2", (1, 0)),
        ("a = '?' AND b = 'it''s $x' AND c = ?", "a = '?' AND b = 'it''s $x' AND c = $1", (0,)),
        (r"a = E'\'?' AND b = ?", r"a = E'\'?' AND b = $1", (0,)),
        ('"odd?" = ? AND "a""?" = 1', '"odd?" = $1 AND "a""?" = 1', (0,)),
        ("a = ? -- why?\nAND b = ?", "a = $1 -- why?\nAND b = $2", (0, 1)),
        ("a = ? /* $no * ? */ AND b = ?", "a = $1 /* $no * ? */ AND b = $2", (0, 1)),
        ("a = $$ ? $b $$ AND c = ?", "a = $$ ? $b $$ AND c = $1", (0,)),
        ("a = $tag$ ? $$ $tag$ AND c = ?", "a = $tag$ ? $$ $tag$ AND c = $1", (0,)),
        ("a$b = ? AND c = x::VARCHAR[]", "a$b = $1 AND c = x::VARCHAR[]", (0,)),
        ("[1:?]", "[1:$1]", (0,)),
    ],
)
def test_parameters_are_numbered_outside_quotes_and_comments(given: str, sql: str, keys: tuple[int | str, ...]) -> None:
    translated = translate(given)
    assert (translated.sql, translated.keys) == (sql, keys)


def test_parameters_that_do_not_match_are_refused() -> None:
    with pytest.raises(ValueError, match="not both"):
        translate("a = ? AND b = $name")
    for sql, given in (("a = ?", []), ("a = ?", [1, 2]), ("a = $b", {}), ("a = $b", {"b": 1, "c": 2})):
        with pytest.raises(ValueError, match="parameters"):
            translate(sql).values(given)


def test_values_come_back_as_they_were(cursor: Cursor) -> None:
    odd = "naïve ' \\ \" \u2028 %s $1 ?"
    values = {
        "id": odd,
        "kind": "",
        "key": "k",
        "session_id": "s",
        "payload": '{"b":  1,"a":[2]}',
        "state": JobState.QUEUED,
        "policy": "p",
        "create_time": AT.replace(microsecond=123456),
        "next_attempt_time": AT,
        "attempts": 0,
        "lease_until": None,
        "lease_owner": "",
        "last_reason": "",
    }
    insert(cursor, "jobs", values)
    [row] = fetch_all(cursor, f"SELECT * FROM jobs WHERE id = {text_literal(odd)}")
    assert {name: row[name] for name in values} == values, "JSON as it was written"
    assert type(row["create_time"]) is datetime and row["create_time"].tzinfo is None


def test_a_change_answers_with_the_number_of_its_rows(stored: Cursor) -> None:
    assert count(stored, "UPDATE breakers SET failures = ? WHERE name = ?", [3, "llm"]) == 1
    assert stored.execute("UPDATE breakers SET failures = 4 WHERE name = 'none'").fetchall() == [(0,)]
    assert count(stored, "DELETE FROM breakers") == 1
    assert stored.fetchone() is None


def test_a_row_whose_id_is_there_is_not_inserted_again(cursor: Cursor) -> None:
    row = {"id": "s", "rules": "r", "redact_time": AT}
    assert insert_if_new(cursor, "redactions", row)
    assert not insert_if_new(cursor, "redactions", row | {"rules": "other"})
    assert fetch_all(cursor, "SELECT rules FROM redactions") == [{"rules": "r"}]
    assert insert(cursor, "redactions", row | {"id": "t"}, dialect_of(cursor).unless_known)
    if dialect_of(cursor) is POSTGRESQL:  # what comes between the look and the insert
        assert not insert(cursor, "redactions", row, POSTGRESQL.unless_known)
    else:
        assert dialect_of(cursor) is EMBEDDED


def test_texts_are_compared_by_their_bytes(cursor: Cursor) -> None:
    """Pages are cut by ids, so both engines need one order."""
    for name in ("b", "A", "a", "B", "é", "-", "z"):
        insert(cursor, "redactions", {"id": name, "rules": "r", "redact_time": AT})
    rows = fetch_all(cursor, "SELECT id FROM redactions ORDER BY id")
    assert [row["id"] for row in rows] == ["-", "A", "B", "a", "b", "z", "é"]
    assert count(cursor, "SELECT count(*) FROM redactions WHERE id < ?", ["a"]) == 3


def test_a_nul_in_a_text_is_stored_as_a_replacement_character_by_both_engines(cursor: Cursor) -> None:
    text = RedactedText.restore("a\0b", {}, safe_for_llm=True)
    insert_comment(cursor, CommentRow("c", "s", "r", text, "", "", "key:a", NOW))
    [stored] = comments_of_session(cursor, "s")
    assert stored.text is not None and stored.text.value == "a\ufffdb"


def test_a_query_for_a_text_with_a_nul_finds_nothing_and_does_not_fail(cursor: Cursor) -> None:
    """A page token may hold one, and so may the subject that an audit is searched for."""
    insert(cursor, "redactions", {"id": "a", "rules": "r", "redact_time": AT})
    sql = "SELECT count(*) FROM redactions WHERE id = ? OR list_contains(?::VARCHAR[], id)"
    assert count(cursor, sql, ["a\0", ["\0a"]]) == 0
    assert count(cursor, sql, ["b", ["a"]]) == 1


@pytest.mark.parametrize("at", [datetime(1970, 1, 1), datetime(2026, 3, 1, 12, 0, 0, 999999), datetime(1969, 7, 20, 1)])
def test_functions_of_time_agree(cursor: Cursor, at: datetime) -> None:
    microseconds = count(cursor, "SELECT epoch_us(?::TIMESTAMP)", [at])
    given = {"us": microseconds, "s": 3, "ms": 250}
    [row] = fetch_all(
        cursor,
        """SELECT make_timestamp($us::BIGINT) AS at, make_timestamp($us::BIGINT) + to_seconds($s::BIGINT)
            + to_milliseconds($ms::BIGINT) - to_seconds(3) - INTERVAL '250 milliseconds' AS same""",
        given,
    )
    assert row == {"at": at, "same": at}


def test_functions_of_lists_agree(cursor: Cursor) -> None:
    sql = "SELECT len($list::VARCHAR[]) AS n, list_contains($list::VARCHAR[], $item::VARCHAR) AS has"
    for items, item, n, has in ((["a", "b"], "b", 2, True), ([], "b", 0, False), (["a"], "A", 1, False)):
        assert fetch_all(cursor, sql, {"list": items, "item": item}) == [{"n": n, "has": has}]


def test_a_url_that_cannot_be_read_is_refused_without_its_password() -> None:
    from server.ledger.postgres.cursor import connect

    with pytest.raises(InvalidInput) as refused:
        connect("postgresql://me:se%cret@db/ledger")
    assert refused.value.reason == "LEDGER_URL_INVALID"
    assert "cret" not in f"{refused.value.message} {refused.value.__context__}"
