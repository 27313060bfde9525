"""The second step of a claim where several servers claim at once: locks on the candidates.

The first step, ``claims``, finds candidates in the order in which to take them. Several claimants find the same ones at
the same time. So each locks the rows that it takes, skips those that somebody else has locked, and looks again whether
they are free: one may have been taken, put back or ended since it was found. The one job that may run alone has a lock
of its own.

The order within a session needs no further lock here. A new job is stored under a lock of its session and later than
every open one of it, see ``job_order``. So the first open job stays the first one until it ends, unless an older one is
redriven meanwhile.
"""

from __future__ import annotations

from typing import Final

from server.ledger.columns import Cursor, Row, fetch_all

CANDIDATES_EACH: Final = 8
"""Candidates for each job that is wanted, because other claimants take the first ones."""

# A statement of its own: the next one then sees what was committed before the lock was taken.
_ALONE: Final = "SELECT pg_try_advisory_xact_lock(hashtextextended('alone', 0)) AS ours"

_STILL_FREE: Final = """
SELECT id, state FROM jobs WHERE id = ANY($ids::VARCHAR[])
    AND ((state = 'QUEUED' AND ((attempts = 0 AND claim_time IS NULL) OR next_attempt_time <= $now))
        OR (state = 'RUNNING' AND lease_until <= $now))
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
FOR UPDATE OF jobs SKIP LOCKED
"""


def lock_free(cursor: Cursor, candidates: list[Row], wanted: Row) -> list[Row]:
    """Lock jobs that are still free.

    Args:
        cursor: Within a transaction of the writer.
        candidates: With ``id`` and ``alone``, in the order in which to take them.
        wanted: The parameters of the claim; ``number`` is how many jobs it wants.

    Returns:
        The jobs, with ``id`` and ``state``. They are locked until the transaction ends.
    """
    number = wanted["number"]
    locked: list[Row] = []
    while candidates and len(locked) < number:
        part, candidates = candidates[: number - len(locked)], candidates[number - len(locked) :]
        locked += _lock(cursor, part, wanted)
    return locked


def _lock(cursor: Cursor, part: list[Row], wanted: Row) -> list[Row]:
    may_alone = any(row["alone"] for row in part) and fetch_all(cursor, _ALONE)[0]["ours"]
    given = {name: wanted[name] for name in ("now", "kinds", "alone", "held")}
    rows = fetch_all(cursor, _STILL_FREE, given | {"ids": [row["id"] for row in part], "may_alone": may_alone})
    states = {row["id"]: row for row in rows}
    return [states[row["id"]] for row in part if row["id"] in states]
