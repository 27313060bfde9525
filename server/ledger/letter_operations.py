"""Operations on many dead letters: which letters each is about, so that repeating one changes nothing.

The letters are marked when an operation begins. One that is written later, by a redriven job that fails again, is not
part of it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from models.errors import Conflict
from models.reasons import Reason
from server.ledger.columns import Cursor, count, fetch_all, fetch_one, insert, stored_time
from server.ledger.letter_filter import MATCHES, LetterFilter
from server.ledger.locks import lock_letters
from server.ledger.table_schema import TableSchema, comment_on

KEPT_OPERATIONS: Final = 1000

LETTER_OPERATIONS = TableSchema(
    "letter_operations",
    "One row for an operation on many dead letters, so that repeating it changes nothing.",
    (
        ("id", "VARCHAR NOT NULL", "UUID that the caller made."),
        ("client_id", "VARCHAR NOT NULL", "App or site of the credential; empty for one of every client."),
        ("action", "VARCHAR NOT NULL", "redrive or discard."),
        ("reason", "VARCHAR NOT NULL", "Why, a machine word."),
        ("matched", "BIGINT NOT NULL", "Open letters that it was about when it began."),
        ("begin_time", "TIMESTAMP NOT NULL", "When it began, UTC."),
    ),
    (),
    ("UNIQUE (id, client_id)",),
)

MARKS: Final = [
    "ALTER TABLE dead_letters ADD COLUMN operation_id VARCHAR DEFAULT ''",
    comment_on("COLUMN", "dead_letters.operation_id", "Operation on many letters that it is part of; empty for none."),
]


@dataclass(frozen=True, slots=True)
class LetterOperation:
    """What somebody asked for.

    Attributes:
        id: UUID that the caller made.
        client_id: Client of the caller; empty for every client.
        action: ``redrive`` or ``discard``.
        reason: A machine word.
    """

    id: str
    client_id: str
    action: str
    reason: str


@dataclass(frozen=True, slots=True)
class OperationProgress:
    """How far an operation is.

    Attributes:
        matched: Letters that it is about.
        done: Letters that it has closed.
        open_ids: Letters that it has not closed yet, oldest first.
        counts: Those by kind and reason.
    """

    matched: int
    done: int
    open_ids: tuple[str, ...]
    counts: Counter[tuple[str, str]]


def preview(cursor: Cursor, which: LetterFilter) -> OperationProgress:
    """What an operation would be about."""
    sql = f"SELECT * FROM dead_letters WHERE closed_time IS NULL AND {MATCHES} ORDER BY create_time, id"  # noqa: S608
    return _progress(fetch_all(cursor, sql, which.parameters), None, 0)


def begin(cursor: Cursor, operation: LetterOperation, which: LetterFilter, now: datetime) -> bool:
    """Mark the letters of an operation; returns whether it is new.

    Raises:
        Conflict: OPERATION_ID_USED, the id belongs to another action or has another reason.
    """
    lock_letters(cursor)
    known = _find(cursor, operation)
    if known is not None:
        if (known["action"], known["reason"]) != (operation.action, operation.reason):
            raise Conflict(
                "The operation id was used for something else.",
                reason=Reason.OPERATION_ID_USED,
                hint="Give the action and the reason of that operation, or make a new id.",
            )
        return False
    marked = cursor.execute(
        f"UPDATE dead_letters SET operation_id = $operation WHERE closed_time IS NULL AND {MATCHES}",  # noqa: S608 - ours
        which.parameters | {"operation": operation.id},
    ).fetchone()
    insert(
        cursor,
        LETTER_OPERATIONS.name,
        {
            "id": operation.id,
            "client_id": operation.client_id,
            "action": operation.action,
            "reason": operation.reason,
            "matched": int(marked[0]) if marked else 0,
            "begin_time": stored_time(now),
        },
    )
    _forget_oldest(cursor)
    return True


def progress(cursor: Cursor, operation: LetterOperation) -> OperationProgress:
    """How far an operation is."""
    visible = LetterFilter(visible_to=operation.client_id)
    rows = fetch_all(
        cursor,
        f"SELECT * FROM dead_letters WHERE operation_id = $operation AND {MATCHES} ORDER BY create_time, id",  # noqa: S608
        visible.parameters | {"operation": operation.id},
    )
    known = _find(cursor, operation)
    closed = sum(row["closed_time"] is not None for row in rows)
    return _progress([row for row in rows if row["closed_time"] is None], known["matched"] if known else None, closed)


def _progress(open_rows: list[dict[str, Any]], matched: int | None, done: int) -> OperationProgress:
    counts = Counter((row["kind"], row["reason"]) for row in open_rows)
    ids = tuple(row["id"] for row in open_rows)
    return OperationProgress(len(ids) if matched is None else matched, done, ids, counts)


def _find(cursor: Cursor, operation: LetterOperation) -> dict[str, Any] | None:
    sql = "SELECT * FROM letter_operations WHERE id = ? AND client_id = ?"
    return fetch_one(cursor, sql, [operation.id, operation.client_id])


def _forget_oldest(cursor: Cursor) -> None:
    if count(cursor, "SELECT count(*) FROM letter_operations") > KEPT_OPERATIONS:
        cursor.execute(
            "DELETE FROM letter_operations WHERE begin_time < "
            "(SELECT begin_time FROM letter_operations ORDER BY begin_time DESC OFFSET ? LIMIT 1)",
            [KEPT_OPERATIONS - 1],
        )
