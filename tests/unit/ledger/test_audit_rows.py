"""Rows of the audit in pages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from models.errors import InvalidInput
from server.ledger.audit import AuditFilter, AuditRow, insert_rows, list_rows
from server.ledger.columns import Cursor

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
MINUTES = {1: 0, 2: 5, 3: 3, 4: 3, 5: 4, 6: 9}
"""Number of a row, and its time: a row about calls is added when others that are later in time are there."""


@pytest.fixture
def filled(cursor: Cursor) -> Cursor:
    rows = [
        AuditRow(
            number, NOON + timedelta(minutes=at), "key:1", "", "", "access", "method", "S/M", "allowed", "", 1, "h"
        )
        for number, at in MINUTES.items()
    ]
    insert_rows(cursor, rows)
    return cursor


@pytest.mark.parametrize("page_size", [1, 2, 3, 4, 6, 100])
def test_pages_go_back_in_time_and_miss_no_row(filled: Cursor, page_size: int) -> None:
    found, token = [], ""
    while True:
        rows, token = list_rows(filled, AuditFilter(), page_size=page_size, page_token=token)
        found += [row.number for row in rows]
        if not token:
            break
    assert found == [6, 2, 5, 4, 3, 1]


def test_a_filter_holds_on_every_page(filled: Cursor) -> None:
    since = AuditFilter(since=NOON + timedelta(minutes=3))
    first, token = list_rows(filled, since, page_size=3)
    second, end = list_rows(filled, since, page_size=3, page_token=token)
    assert ([row.number for row in first], [row.number for row in second], end) == ([6, 2, 5], [4, 3], "")


@pytest.mark.parametrize("token", ["5", "5.", ".5", "a.b", "5.1.1", "-5.1", "5." + "9" * 18, "\u0665.1", "5.1\n"])
def test_a_token_that_is_none_is_refused(filled: Cursor, token: str) -> None:
    with pytest.raises(InvalidInput, match="page token"):
        list_rows(filled, AuditFilter(), page_size=3, page_token=token)


def test_the_latest_token_is_no_fault(filled: Cursor) -> None:
    rows, _ = list_rows(filled, AuditFilter(), page_size=9, page_token=f"{'9' * 18}.{'9' * 17}")
    assert len(rows) == 6
