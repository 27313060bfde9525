"""Deletes rows that are older than they may become. The bytes stay in the file until ``Ledger.rewrite``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from server.ledger import answers, daily_events, job_attempts, server_events
from server.ledger.columns import Cursor, count, fetch_all, stored_time
from server.ledger.locks import lock_letters
from server.ledger.types import SessionState

_ENDED = "session_id IN (SELECT id FROM sessions WHERE state IN ('COMPLETED', 'REJECTED', 'ABANDONED'))"
_OF_FLOW = "flow = $flow AND flow_version = $version"
_IN_FLOW = f"($flow = '' OR session_id IN (SELECT id FROM sessions WHERE {_OF_FLOW}))"  # noqa: S608 - literals of ours

DECIDED: Final = (SessionState.COMPLETED, SessionState.REJECTED)
"""States of sessions whose record a person decided, or that needed nobody."""
UNFINISHED: Final = (SessionState.ABANDONED,)
SESSIONS_AT_ONCE: Final = 1000
"""Sessions that one transaction erases, so that other writes need not wait for long."""


class FlowVersion(NamedTuple):
    """A version of a flow, to whose sessions a deletion is limited."""

    name: str
    version: int


EVERY_FLOW: Final = FlowVersion("", 0)


@dataclass(frozen=True, slots=True)
class OldLetters:
    """Dead letters that were deleted, and the content of the spool that they kept."""

    number: int
    spool_ids: frozenset[str]


def _which(before: datetime, flow: FlowVersion) -> dict[str, Any]:
    return {"before": stored_time(before), "flow": flow.name, "version": flow.version}


def old_sessions(
    cursor: Cursor, states: Sequence[SessionState], before: datetime, flow: FlowVersion = EVERY_FLOW
) -> frozenset[str]:
    """UUIDs of sessions that ended in one of these states before a time; at most ``SESSIONS_AT_ONCE``."""
    rows = fetch_all(
        cursor,
        f"""SELECT id FROM sessions WHERE list_contains($states::VARCHAR[], state) AND stage_time < $before
        AND ($flow = '' OR ({_OF_FLOW})) LIMIT {SESSIONS_AT_ONCE}""",  # noqa: S608 - literals of ours
        {**_which(before, flow), "states": list(states)},
    )
    return frozenset(row["id"] for row in rows)


def delete_turns(cursor: Cursor, before: datetime, flow: FlowVersion = EVERY_FLOW) -> int:
    """Delete turns of sessions that have ended, with the times of their words, their answers and their comparisons.

    Returns:
        How many turns.
    """
    old = f"create_time < $before AND {_ENDED} AND {_IN_FLOW}"
    which = _which(before, flow)
    cursor.execute(f"DELETE FROM turn_words WHERE turn_id IN (SELECT id FROM turns WHERE {old})", which)  # noqa: S608
    answers.delete_where(cursor, old, which)
    cursor.execute(f"DELETE FROM model_comparisons WHERE {old}", which)  # noqa: S608 - literals of ours
    return count(cursor, f"DELETE FROM turns WHERE {old}", which)  # noqa: S608 - literals of ours


def delete_sealed_values(cursor: Cursor, before: datetime, flow: FlowVersion = EVERY_FLOW) -> int:
    """Delete sealed values of sessions that have ended, released or not; returns how many."""
    sql = f"DELETE FROM sealed_values WHERE create_time < $before AND {_ENDED} AND {_IN_FLOW}"  # noqa: S608 - ours
    return count(cursor, sql, _which(before, flow))


def clear_artifacts(cursor: Cursor, before: datetime, flow: FlowVersion = EVERY_FLOW) -> list[str]:
    """Forget what uploads led to; returns the paths of the files that are to be deleted now.

    The rows stay, so that a client still learns that its upload was read. Values that were read in pictures stay while
    their session is open, which needs them.
    """
    old = f"""create_time < $before AND state IN ('DONE', 'FAILED') AND (artifact_path <> '' OR text IS NOT NULL)
        AND {_IN_FLOW}"""
    which = _which(before, flow)
    rows = fetch_all(cursor, f"SELECT artifact_path FROM uploads WHERE {old}", which)  # noqa: S608 - literals of ours
    cursor.execute(
        f"""UPDATE uploads SET artifact_path = '', artifact_mime = '', artifact_bytes = 0, artifact_width = 0,
        artifact_height = 0, text = NULL, text_counts = NULL, text_safe = NULL, labels = NULL WHERE {old}""",  # noqa: S608 - ours
        which,
    )
    answers.clear_read_values(cursor, f"{_ENDED} AND {_IN_FLOW}", which)
    return [row["artifact_path"] for row in rows if row["artifact_path"]]


def delete_events(cursor: Cursor, before: datetime, flow: FlowVersion = EVERY_FLOW) -> int:
    """Delete events of sessions, and of the server unless a flow is named, and keep counts of those of sessions.

    Returns:
        How many were deleted.
    """
    old, which = f"server_time < $before AND {_IN_FLOW}", _which(before, flow)
    daily_events.keep_counts(cursor, old, which)
    of_sessions = count(cursor, f"DELETE FROM events WHERE {old}", which)  # noqa: S608 - literals of ours
    return of_sessions + (server_events.delete(cursor, before) if flow == EVERY_FLOW else 0)


def delete_letters(
    cursor: Cursor,
    before: datetime,
    kinds: Sequence[str] = (),
    but: Sequence[str] = (),
    flow: FlowVersion = EVERY_FLOW,
) -> OldLetters:
    """Delete dead letters and their jobs, unless a job was redriven or has a newer letter.

    Args:
        cursor: Within a transaction of the writer.
        before: Letters that are older go.
        kinds: Of these kinds of jobs only; empty means all.
        but: Except those of these kinds.
        flow: Of sessions of this flow only.
    """
    lock_letters(cursor)
    old = f"""create_time < $before AND (len($kinds::VARCHAR[]) = 0 OR list_contains($kinds, kind))
        AND NOT list_contains($but, kind) AND {_IN_FLOW}"""
    which = {**_which(before, flow), "kinds": list(kinds), "but": list(but)}
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
