"""Answers: what a person, a picture or an app answered in a flow. Rows are only added.

Each is written in the transaction that stores the turn or the upload it comes from. It is erased with its session, and
deleted with the turns of its session.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from models.text import RedactedText
from server.ledger.columns import (
    Cursor,
    Row,
    aware,
    count,
    fetch_all,
    insert,
    stored_time,
    text_columns,
    text_of,
    update,
)
from server.ledger.table_schema import SqlView, TableSchema

if TYPE_CHECKING:  # readers for analysts need only the views; without these imports they start in half the time
    from server.flows.definition import FlowDefinition
    from server.flows.progress import Answer

ANSWERS: Final = TableSchema(
    "answers",
    "One row for what happened to a field of a flow in a session; only added.",
    (
        ("id", "VARCHAR PRIMARY KEY", "UUID of the session, and the position of the row in it."),
        ("session_id", "VARCHAR NOT NULL", "UUID of the session."),
        ("position", "INTEGER NOT NULL", "Place among the rows of the session, from 0."),
        ("step", "VARCHAR NOT NULL", "Name of the step."),
        ("field", "VARCHAR NOT NULL", "Name of the field; empty where a step was asked for the first time."),
        ("kind", "VARCHAR NOT NULL", "Kind of the field; empty for a step."),
        ("status", "VARCHAR NOT NULL", "answered, skipped, reopened or entered."),
        ("value", "VARCHAR NOT NULL", "Value as the record has it, redacted; empty unless it was answered."),
        ("value_counts", "JSON NOT NULL", "Entities in the value, by type."),
        ("value_safe", "BOOLEAN NOT NULL", "Whether the redactor vouches for the value."),
        ("way", "VARCHAR NOT NULL", "speech, text, picture or app; review where a reviewer opened the field again."),
        (
            "source_id",
            "VARCHAR NOT NULL",
            "UUID of the turn, the upload or the record sent back; of the app one of its own.",
        ),
        ("corrects", "BOOLEAN NOT NULL", "Whether it was meant as a correction."),
        ("create_time", "TIMESTAMP NOT NULL", "When, UTC."),
    ),
    ("session_id",),
)

V_ANSWERS: Final = SqlView(
    "v_answers",
    "One row for what happened to a field of a flow in a session. Values are those of choices, yes or no, and numbers.",
    {
        "session_id": "UUID of the session.",
        "position": "Place among the rows of the session, from 0.",
        "step": "Name of the step.",
        "field": "Name of the field; empty where a step was asked for the first time.",
        "kind": "Kind of the field; empty for a step.",
        "status": "answered, skipped, reopened or entered.",
        "way": "speech, text, picture or app; review where a reviewer opened the field again.",
        "value": "Value of a choice, of yes or no, or of a number; null for all others.",
        "corrects": "Whether it was meant as a correction.",
        "answer_time": "When, UTC.",
    },
    """SELECT session_id, position, step, field, kind, status, way,
        CASE WHEN kind IN ('choice', 'yes_no', 'number') AND value_safe AND value <> '' THEN value END AS value,
        corrects, create_time AS answer_time FROM answers""",
)

STATEMENTS: Final = [*ANSWERS.statements(), *V_ANSWERS.statements()]
"""Of the migration that creates both."""


def append(
    cursor: Cursor, session_id: str, flow: FlowDefinition, answers: Iterable[Answer], first: int, now: datetime
) -> None:
    """Store answers after those that a session has.

    Args:
        cursor: Within a transaction of the writer.
        session_id: The session.
        flow: Its flow, which says of which kind a field is.
        answers: Oldest first.
        first: How many the session has already.
        now: When they came.
    """
    for position, answer in enumerate(answers, first):
        insert(
            cursor,
            "answers",
            {
                "id": f"{session_id}/{position}",
                "session_id": session_id,
                "position": position,
                "step": answer.step,
                "field": answer.field,
                "kind": flow.fields[answer.field].kind if answer.field else "",
                "status": answer.status,
                **text_columns("value", answer.value),
                "way": answer.way,
                "source_id": answer.source_id,
                "corrects": answer.corrects,
                "create_time": stored_time(now),
            },
        )


def list_of_session(cursor: Cursor, session_id: str) -> list[Answer]:
    """Answers of a session, oldest first."""
    rows = fetch_all(cursor, "SELECT * FROM answers WHERE session_id = ? ORDER BY position", [session_id])
    return [_answer(row) for row in rows]


def texts_of_session(cursor: Cursor, session_id: str) -> list[tuple[str, RedactedText]]:
    """Values that are words of a person, with the ids of their rows, oldest first."""
    rows = fetch_all(
        cursor,
        "SELECT * FROM answers WHERE session_id = ? AND kind = 'text' AND value <> '' ORDER BY position",
        [session_id],
    )
    return [(row["id"], text_of(row, "value")) for row in rows]


def replace_text(cursor: Cursor, row_id: str, text: RedactedText) -> None:
    """Store a value anew, because it was redacted again."""
    update(cursor, "answers", row_id, text_columns("value", text))


def delete_where(cursor: Cursor, old: str, which: dict[str, Any]) -> int:
    """Delete answers by a condition of ``server.ledger.retention``, with its values; returns how many."""
    return count(cursor, f"DELETE FROM answers WHERE {old}", which)  # noqa: S608 - a literal of ours


def clear_read_values(cursor: Cursor, where: str, which: dict[str, Any]) -> None:
    """Forget the values that were read in pictures which came before a time, by a condition as for ``delete_where``.
    That they were read stays.
    """
    old = "SELECT session_id, coalesce(nullif(given_id, ''), id) FROM uploads WHERE create_time < $before"
    sql = f"""UPDATE answers SET value = '', value_counts = '{{}}', value_safe = true
        WHERE way = 'picture' AND value <> '' AND (session_id, source_id) IN ({old}) AND {where}"""  # noqa: S608 - ours
    cursor.execute(sql, which)


def _answer(row: Row) -> Answer:
    from server.flows.progress import ANSWER_WAYS, Answer, AnswerStatus

    assert row["way"] in ANSWER_WAYS
    return Answer(
        step=row["step"],
        field=row["field"],
        status=AnswerStatus(row["status"]),
        value=text_of(row, "value"),
        way=row["way"],
        source_id=row["source_id"],
        corrects=row["corrects"],
        create_time=aware(row["create_time"]),
    )
