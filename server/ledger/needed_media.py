"""Which content of the spool a job still needs."""

from __future__ import annotations

import json

from server.ledger.columns import Cursor, Row, fetch_all


def needed_spool_ids(cursor: Cursor) -> set[str]:
    """The ``spool_id`` of every job that waits, runs, or lies in a dead letter that can still be redriven."""
    rows = fetch_all(
        cursor,
        """SELECT payload FROM jobs WHERE state IN ('QUEUED', 'RUNNING') OR (state = 'DEAD' AND EXISTS (
            SELECT 1 FROM dead_letters WHERE job_id = jobs.id AND closed_time IS NULL))""",
    )
    return _spool_ids(rows)


def waiting_spool_ids(cursor: Cursor, session_id: str) -> set[str]:
    """The ``spool_id`` of every job of a session that waits or runs."""
    sql = "SELECT payload FROM jobs WHERE session_id = ? AND state IN ('QUEUED', 'RUNNING')"
    return _spool_ids(fetch_all(cursor, sql, [session_id]))


def _spool_ids(rows: list[Row]) -> set[str]:
    payloads = (json.loads(row["payload"]) for row in rows)
    return {payload["spool_id"] for payload in payloads if "spool_id" in payload}
