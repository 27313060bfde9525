"""Which content of the spool a job still needs."""

from __future__ import annotations

import json
from dataclasses import dataclass

from server.ledger.columns import Cursor, Row, fetch_all


def needed_spool_ids(cursor: Cursor) -> set[str]:
    """The ``spool_id`` of every job that waits, runs, or lies in a dead letter that can still be redriven."""
    rows = fetch_all(
        cursor,
        """SELECT payload FROM jobs WHERE state IN ('QUEUED', 'RUNNING') OR (state = 'DEAD' AND EXISTS (
            SELECT 1 FROM dead_letters WHERE job_id = jobs.id AND closed_time IS NULL))""",
    )
    return _spool_ids(rows)


@dataclass(frozen=True, slots=True)
class OpenReads:
    """Jobs that wait or run and read an upload. Others, which may wait for an upstream for days, are not counted.

    Attributes:
        number: Of all sessions.
        spool_ids: The ``spool_id`` of each of one session.
    """

    number: int
    spool_ids: set[str]


def open_reads(cursor: Cursor, session_id: str) -> OpenReads:
    """What waits or runs, in all and for a session. One statement: the server bounds how many of them are open."""
    rows = fetch_all(cursor, "SELECT session_id, payload FROM jobs WHERE state IN ('QUEUED', 'RUNNING')")
    own = [row for row in rows if row["session_id"] == session_id]
    return OpenReads(len(_spool_ids(rows)), _spool_ids(own))


def _spool_ids(rows: list[Row]) -> set[str]:
    payloads = (json.loads(row["payload"]) for row in rows)
    return {payload["spool_id"] for payload in payloads if "spool_id" in payload}
