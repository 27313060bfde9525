"""Deletes rows that are older than they may become. The bytes stay in the file until ``Ledger.rewrite``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from server.ledger import answers, daily_events, job_attempts, server_events
from server.ledger.columns import Cursor, count, fetch_all, stored_time

_ENDED = "session_id IN (SELECT id FROM sessions WHERE state IN ('COMPLETED', 'REJECTED', 'ABANDONED'))"


@dataclass(frozen=True, slots=True)
class OldLetters:
    """Dead letters that were deleted, and the content of the spool that they kept."""

    number: int
    spool_ids: frozenset[str]


def delete_turns(cursor: Cursor, before: datetime) -> int:
    """Delete turns of sessions that have ended, with the times of their words and their answers; returns how many."""
    old = f"create_time < ? AND {_ENDED}"
    when = [stored_time(before)]
    cursor.execute(f"DELETE FROM turn_words WHERE turn_id IN (SELECT id FROM turns WHERE {old})", when)  # noqa: S608
    answers.delete_of_ended(cursor, _ENDED, before)
    return count(cursor, f"DELETE FROM turns WHERE {old}", when)  # noqa: S608 - literals of ours


def delete_sealed_values(cursor: Cursor, before: datetime) -> int:
    """Delete sealed values of sessions that have ended, released or not; returns how many."""
    sql = f"DELETE FROM sealed_values WHERE create_time < ? AND {_ENDED}"  # noqa: S608 - literals of ours
    return count(cursor, sql, [stored_time(before)])


def clear_artifacts(cursor: Cursor, before: datetime) -> list[str]:
    """Forget what uploads led to; returns the paths of the files that are to be deleted now.

    The rows stay, so that a client still learns that its upload was read.
    """
    old = "create_time < ? AND state IN ('DONE', 'FAILED') AND (artifact_path <> '' OR text IS NOT NULL)"
    when = [stored_time(before)]
    rows = fetch_all(cursor, f"SELECT artifact_path FROM uploads WHERE {old}", when)  # noqa: S608 - literals of ours
    cursor.execute(
        f"""UPDATE uploads SET artifact_path = '', artifact_mime = '', artifact_bytes = 0, artifact_width = 0,
        artifact_height = 0, text = NULL, text_counts = NULL, text_safe = NULL, labels = NULL WHERE {old}""",  # noqa: S608 - ours
        when,
    )
    return [row["artifact_path"] for row in rows if row["artifact_path"]]


def delete_events(cursor: Cursor, before: datetime) -> int:
    """Delete events of sessions and of the server, and keep counts of those of sessions; returns how many."""
    daily_events.keep_counts(cursor, before)
    return count(cursor, "DELETE FROM events WHERE server_time < ?", [stored_time(before)]) + server_events.delete(
        cursor, before
    )


def delete_letters(cursor: Cursor, before: datetime, kinds: Sequence[str] = (), but: Sequence[str] = ()) -> OldLetters:
    """Delete dead letters and their jobs, unless a job was redriven or has a newer letter.

    Args:
        cursor: Within a transaction of the writer.
        before: Letters that are older go.
        kinds: Of these kinds of jobs only; empty means all.
        but: Except those of these kinds.
    """
    old = "create_time < $1 AND (len($2::VARCHAR[]) = 0 OR list_contains($2, kind)) AND NOT list_contains($3, kind)"
    which = [stored_time(before), list(kinds), list(but)]
    jobs = fetch_all(
        cursor,
        f"""SELECT id, payload FROM jobs WHERE state = 'DEAD'
        AND id IN (SELECT job_id FROM dead_letters WHERE {old})
        AND id NOT IN (SELECT job_id FROM dead_letters WHERE NOT ({old}))""",  # noqa: S608 - literals of ours
        which,
    )
    ids = [job["id"] for job in jobs]
    number = count(cursor, f"DELETE FROM dead_letters WHERE {old}", which)  # noqa: S608 - literals of ours
    job_attempts.delete_of_jobs(cursor, ids)
    cursor.execute("DELETE FROM jobs WHERE id IN (SELECT unnest(?::VARCHAR[]))", [ids])
    payloads = [json.loads(job["payload"]) for job in jobs]
    return OldLetters(number, frozenset(payload["spool_id"] for payload in payloads if "spool_id" in payload))
