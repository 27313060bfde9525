"""Finals that two weights recognised: how far the texts differ, and how long both took."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from models.text import RedactedText
from server.ledger.columns import (
    Cursor,
    Row,
    aware,
    exists,
    fetch_all,
    fetch_one,
    insert_if_new,
    stored_time,
    text_columns,
    text_of,
    text_or_none,
)
from server.ledger.locks import lock_sessions
from server.ledger.table_schema import SqlView, TableSchema

MODEL_COMPARISONS: Final = TableSchema(
    "model_comparisons",
    "One row for a final that a candidate recognised as well.",
    (
        ("id", "VARCHAR PRIMARY KEY", "UUID of the turn, so that each final is compared once."),
        ("session_id", "VARCHAR NOT NULL", "UUID of the session."),
        ("weights", "VARCHAR NOT NULL", "Weights that made the turn."),
        ("candidate", "VARCHAR NOT NULL", "Weights of the candidate."),
        ("create_time", "TIMESTAMP NOT NULL", "When both were compared, UTC."),
        ("language", "VARCHAR NOT NULL", "Language of the turn."),
        ("audio_s", "DOUBLE NOT NULL", "Length of the audio in seconds."),
        ("words", "INTEGER NOT NULL", "Words of the turn; a tag is a word."),
        (
            "word_differences",
            "INTEGER NOT NULL",
            "Words to insert, delete or replace to get one text from the other.",
        ),
        ("entities_equal", "BOOLEAN NOT NULL", "Whether as many values of each entity were replaced in both texts."),
        ("compute_s", "DOUBLE NOT NULL", "Seconds of work of the weights that made the turn."),
        ("candidate_compute_s", "DOUBLE NOT NULL", "Seconds of work of the candidate."),
        ("latency_s", "DOUBLE NOT NULL", "Seconds that the call took that made the turn."),
        ("candidate_latency_s", "DOUBLE NOT NULL", "Seconds that the call to the candidate took."),
        ("text", "VARCHAR NOT NULL", "What the candidate recognised; redacted."),
        ("text_counts", "JSON NOT NULL", "How many of which entity were replaced in text."),
        ("text_safe", "BOOLEAN NOT NULL", "Whether the redactor vouches for text."),
    ),
    ("session_id",),
)

V_MODEL_COMPARISONS: Final = SqlView(
    "v_model_comparisons",
    "One row for a final that a candidate recognised as well, with both texts.",
    {
        "turn_id": "UUID of the turn.",
        "session_id": "UUID of its session.",
        "weights": "Weights that made the turn.",
        "candidate": "Weights of the candidate.",
        "create_time": "When both were compared, UTC.",
        "language": "Language of the turn.",
        "audio_s": "Length of the audio in seconds.",
        "word_count": "Words of the turn; a tag is a word.",
        "word_differences": "Words to insert, delete or replace to get one text from the other.",
        "entities_equal": "Whether as many values of each entity were replaced in both texts.",
        "compute_s": "Seconds of work of the weights that made the turn.",
        "candidate_compute_s": "Seconds of work of the candidate.",
        "latency_s": "Seconds that the call took that made the turn.",
        "candidate_latency_s": "Seconds that the call to the candidate took.",
        "text": "What the turn says, redacted; null when the redactor does not vouch for it, or the turn is deleted.",
        "candidate_text": "What the candidate recognised, redacted; null when the redactor does not vouch for it.",
    },
    """SELECT c.id AS turn_id, c.session_id, c.weights, c.candidate, c.create_time, c.language, c.audio_s,
        c.words AS word_count, c.word_differences, c.entities_equal, c.compute_s, c.candidate_compute_s, c.latency_s,
        c.candidate_latency_s,
        CASE WHEN t.text_safe THEN t.text END AS text, CASE WHEN c.text_safe THEN c.text END AS candidate_text
    FROM model_comparisons c LEFT JOIN turns t ON t.id = c.id""",
)

STATEMENTS: Final = [*MODEL_COMPARISONS.statements(), *V_MODEL_COMPARISONS.statements()]
"""Of the migration that creates both."""


@dataclass(frozen=True, slots=True)
class ComparisonRow:
    """One final; see the table for the attributes."""

    turn_id: str
    session_id: str
    weights: str
    candidate: str
    create_time: datetime
    language: str
    audio_s: float
    words: int
    word_differences: int
    entities_equal: bool
    compute_s: float
    candidate_compute_s: float
    latency_s: float
    candidate_latency_s: float
    text: RedactedText


@dataclass(frozen=True, slots=True)
class ComparedTexts:
    """Both texts of a final that differ; the first is None when its turn is deleted."""

    turn_id: str
    text: RedactedText | None
    candidate_text: RedactedText


def insert_comparison(cursor: Cursor, row: ComparisonRow) -> bool:
    """Store a comparison, unless its session is gone: then it was erased meanwhile. Returns whether it is new."""
    lock_sessions(cursor, [row.session_id])
    if not exists(cursor, "sessions", row.session_id):
        return False
    return insert_if_new(
        cursor,
        MODEL_COMPARISONS.name,
        {
            "id": row.turn_id,
            "session_id": row.session_id,
            "weights": row.weights,
            "candidate": row.candidate,
            "create_time": stored_time(row.create_time),
            "language": row.language,
            "audio_s": row.audio_s,
            "words": row.words,
            "word_differences": row.word_differences,
            "entities_equal": row.entities_equal,
            "compute_s": row.compute_s,
            "candidate_compute_s": row.candidate_compute_s,
            "latency_s": row.latency_s,
            "candidate_latency_s": row.candidate_latency_s,
            **text_columns("text", row.text),
        },
    )


def newest(cursor: Cursor, weights: str, candidate: str, client_id: str, most: int) -> list[ComparisonRow]:
    """The newest comparisons of two weights; of the sessions of one client only, if it is given."""
    rows = fetch_all(
        cursor,
        """SELECT * FROM model_comparisons WHERE weights = $weights AND candidate = $candidate
        AND ($client = '' OR session_id IN (SELECT id FROM sessions WHERE client_id = $client))
        ORDER BY create_time DESC, id LIMIT $most""",
        {"weights": weights, "candidate": candidate, "client": client_id, "most": most},
    )
    return [_comparison(row) for row in rows]


def last_candidate(cursor: Cursor, weights: str) -> str:
    """What these weights were compared with, if they were in the last comparison; empty otherwise."""
    row = fetch_one(cursor, "SELECT weights, candidate FROM model_comparisons ORDER BY create_time DESC, id LIMIT 1")
    return row["candidate"] if row is not None and row["weights"] == weights else ""


def differing_texts(cursor: Cursor, rows: list[ComparisonRow], most: int) -> list[ComparedTexts]:
    """Both texts of those of some rows that differ, the first ones."""
    found = []
    for row in [row for row in rows if row.word_differences or not row.entities_equal][:most]:
        turn = fetch_one(cursor, "SELECT text, text_counts, text_safe FROM turns WHERE id = ?", [row.turn_id])
        found.append(ComparedTexts(row.turn_id, None if turn is None else text_or_none(turn, "text"), row.text))
    return found


def delete_of_session(cursor: Cursor, session_id: str) -> None:
    """Delete the comparisons of a session whose texts are redacted by other rules from now on."""
    cursor.execute("DELETE FROM model_comparisons WHERE session_id = ?", [session_id])


def _comparison(row: Row) -> ComparisonRow:
    taken = {name: value for name, value in row.items() if not name.startswith("text") and name != "id"}
    return ComparisonRow(row["id"], text=text_of(row, "text"), **(taken | {"create_time": aware(row["create_time"])}))
