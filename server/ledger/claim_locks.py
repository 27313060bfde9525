"""The second step of a claim where several servers claim at once: locks on the candidates.

The first step, ``lane_heads``, finds candidates in the order in which to take them. Several claimants find the same
ones at the same time. So each locks the rows that it takes, skips those that somebody else has locked, and looks again
whether they are free: one may have been taken, put back or ended since it was found. The one job that may run alone has
a lock of its own.

The order within a session needs no further lock here. A new job is stored under a lock of its session and later than
every open one of it, see ``job_order``. So the first open job stays the first one until it ends, unless an older one is
redriven meanwhile.
"""

from __future__ import annotations

from typing import Final

from server.ledger.columns import Cursor, Row, fetch_all
from server.ledger.lane_heads import candidates

CANDIDATES_EACH: Final = 8
"""Candidates for each job that is wanted, because other claimants take the first ones."""

# A statement of its own: the next one then sees what was committed before the lock was taken.
_ALONE: Final = "SELECT pg_try_advisory_xact_lock(hashtextextended('alone', 0)) AS ours"

# CASE leaves the planner no index but the one of the ids.
_STILL_FREE: Final = """
SELECT jobs.id, state FROM unnest($ids::VARCHAR[]) WITH ORDINALITY AS found (id, place) JOIN jobs ON jobs.id = found.id
WHERE CASE state WHEN 'QUEUED' THEN (attempts = 0 AND claim_time IS NULL) OR next_attempt_time <= $now
        WHEN 'RUNNING' THEN lease_until <= $now ELSE false END
    AND NOT EXISTS (
        SELECT 1 FROM jobs AS earlier
        WHERE jobs.session_id <> '' AND earlier.session_id = jobs.session_id AND earlier.state IN ('QUEUED', 'RUNNING')
            AND (cardinality($kinds::VARCHAR[]) = 0 OR earlier.kind = ANY($kinds))
            AND (earlier.create_time, earlier.id) < (jobs.create_time, jobs.id))
    AND (NOT last_reason = ANY($alone::VARCHAR[]) OR ($may_alone AND NOT EXISTS (
        SELECT 1 FROM jobs AS other
        WHERE other.state = 'RUNNING' AND other.last_reason = ANY($alone) AND other.id <> jobs.id
            AND (cardinality($kinds) = 0 OR other.kind = ANY($kinds))
            AND (other.lease_until > $now OR other.id = ANY($held::VARCHAR[])))))
ORDER BY place LIMIT $number FOR UPDATE OF jobs SKIP LOCKED
"""


def take_first(cursor: Cursor, wanted: Row) -> list[Row]:
    """Find jobs and lock them: the first ones that are free.

    Where others have locked so many that too few are left, more are looked at. So a claim gives fewer than it was asked
    for only if there are no more.

    Args:
        cursor: Of PostgreSQL, within a transaction of the writer.
        wanted: The parameters of the claim; ``number`` is how many jobs it wants.

    Returns:
        The jobs, with ``id`` and ``state``, in the order in which to take them. They are locked until the transaction
        ends.
    """
    number, looked_at = wanted["number"], wanted["number"] * CANDIDATES_EACH
    while True:
        found = candidates(cursor, wanted | {"number": looked_at})
        locked = _lock(cursor, found, wanted)
        if len(locked) == number or len(found) < looked_at:
            return locked
        looked_at *= CANDIDATES_EACH


def _lock(cursor: Cursor, found: list[Row], wanted: Row) -> list[Row]:
    """Lock jobs that are still free. The query ends with the last one that is wanted, so no more are locked."""
    if not found:
        return []
    may_alone = any(row["alone"] for row in found) and fetch_all(cursor, _ALONE)[0]["ours"]
    given = {name: wanted[name] for name in ("now", "kinds", "alone", "held", "number")}
    return fetch_all(cursor, _STILL_FREE, given | {"ids": [row["id"] for row in found], "may_alone": may_alone})
