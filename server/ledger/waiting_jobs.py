"""How many jobs wait, and since when."""

from __future__ import annotations

from datetime import datetime

from server.ledger.columns import Cursor, aware, fetch_all

_WAITING = """
SELECT kind, count(*) AS number, min(create_time) AS oldest FROM jobs WHERE state = 'QUEUED' GROUP BY kind
"""


def waiting_jobs(cursor: Cursor) -> dict[str, tuple[int, datetime]]:
    """For each kind that has any: how many jobs wait for their first or next attempt, and when the oldest was made."""
    return {row["kind"]: (int(row["number"]), aware(row["oldest"])) for row in fetch_all(cursor, _WAITING)}
