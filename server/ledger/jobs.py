"""Jobs: work that was accepted, with leases, in order within a session and fair between sessions."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from models.errors import Conflict, NotFound
from models.reasons import Reason
from models.retry import get_retry_policy
from server.ledger.columns import (
    Cursor,
    Row,
    aware,
    aware_or_none,
    count,
    fetch_all,
    fetch_one,
    insert,
    stored_time,
    stored_time_or_none,
    update,
)
from server.ledger.types import JobRow, JobState

FAIR_FOR = timedelta(hours=1)
"""A client or session served longer ago than this counts as never served. It bounds the rows that claiming reads."""

# The first open job of each session, if it is due and nobody holds it. Sessions of one client take turns, and so do
# clients: whoever was served longest ago comes first, those never served before them. A job without a session has a
# lane of its own.
_CLAIMABLE = """
WITH opened AS (
    SELECT jobs.*, coalesce(sessions.client_id, '') AS client_id, coalesce(nullif(session_id, ''), jobs.id) AS lane
    FROM jobs LEFT JOIN sessions ON sessions.id = jobs.session_id
    WHERE jobs.state IN ('QUEUED', 'RUNNING') AND (len($kinds::VARCHAR[]) = 0 OR list_contains($kinds, kind))
), served AS (
    SELECT session_id, coalesce(client_id, '') AS client_id, max(claim_time) AS served_time
    FROM jobs LEFT JOIN sessions ON sessions.id = jobs.session_id WHERE claim_time >= $recent GROUP BY ALL
), clients AS (
    SELECT client_id, max(served_time) AS served_time FROM served GROUP BY client_id
), heads AS (
    SELECT * FROM opened QUALIFY row_number() OVER (PARTITION BY lane ORDER BY create_time, id) = 1
), turns AS (
    SELECT heads.id, create_time, heads.client_id, row_number() OVER (
        PARTITION BY heads.client_id ORDER BY served.served_time NULLS FIRST, create_time, heads.id) AS turn
    FROM heads LEFT JOIN served ON served.session_id = heads.session_id
    WHERE (state = 'QUEUED' AND next_attempt_time <= $now) OR (state = 'RUNNING' AND lease_until <= $now)
)
SELECT id FROM turns LEFT JOIN clients USING (client_id)
ORDER BY turn, clients.served_time NULLS FIRST, create_time, id LIMIT $number
"""


def new_job(kind: str, key: str, session_id: str, payload: dict[str, str], policy: str, now: datetime) -> JobRow:
    """A job that is due at once.

    Raises:
        InvalidInput: UNKNOWN_POLICY.
    """
    return JobRow(
        id=str(uuid.uuid4()),
        kind=kind,
        key=key,
        session_id=session_id,
        payload=payload,
        state=JobState.QUEUED,
        policy=get_retry_policy(policy).name,
        create_time=now,
        next_attempt_time=now,
    )


def enqueue(cursor: Cursor, row: JobRow) -> tuple[JobRow, bool]:
    """Accept work; a key that is known gives the job that is there.

    Returns:
        The job, and whether it is new.
    """
    known = fetch_one(cursor, "SELECT * FROM jobs WHERE key = ?", [row.key])
    if known is not None:
        return _job(known), False
    insert_job(cursor, row)
    return row, True


def insert_job(cursor: Cursor, row: JobRow) -> None:
    """Store a job whose key is new."""
    insert(
        cursor,
        "jobs",
        {
            "id": row.id,
            "kind": row.kind,
            "key": row.key,
            "session_id": row.session_id,
            "payload": json.dumps(row.payload),
            "state": row.state,
            "policy": row.policy,
            "create_time": stored_time(row.create_time),
            "next_attempt_time": stored_time(row.next_attempt_time),
            "attempts": row.attempts,
            "first_attempt_time": stored_time_or_none(row.first_attempt_time),
            "lease_owner": row.lease_owner,
            "lease_until": stored_time_or_none(row.lease_until),
            "last_reason": row.last_reason,
        },
    )


def get(cursor: Cursor, job_id: str) -> JobRow:
    """Find a job.

    Raises:
        NotFound: JOB_NOT_FOUND.
    """
    row = fetch_one(cursor, "SELECT * FROM jobs WHERE id = ?", [job_id])
    if row is None:
        raise NotFound("There is no such job.", reason=Reason.JOB_NOT_FOUND)
    return _job(row)


def claim(
    cursor: Cursor, owner: str, now: datetime, lease_s: float, limit: int, kinds: Sequence[str] = ()
) -> list[JobRow]:
    """Take jobs that are due, at most one a session, and count an attempt for each.

    Order is kept among the kinds that are asked for: while the first open job of a session runs or waits for its next
    attempt, its later ones of these kinds wait too. A lease that ran out counts as free.

    Args:
        cursor: Within a transaction of the writer.
        owner: Name of the process that takes them.
        now: The time now.
        lease_s: Length of the lease in seconds.
        limit: At most this many.
        kinds: Only these; empty means all.

    Returns:
        The jobs, in the order in which to begin them.
    """
    moment = stored_time(now)
    wanted = {"kinds": list(kinds), "now": moment, "recent": stored_time(now - FAIR_FOR), "number": limit}
    ids = [row["id"] for row in fetch_all(cursor, _CLAIMABLE, wanted)]
    if not ids:
        return []
    taken = fetch_all(
        cursor,
        """UPDATE jobs SET state = 'RUNNING', attempts = attempts + 1, lease_owner = ?, lease_until = ?,
            claim_time = ?, first_attempt_time = coalesce(first_attempt_time, ?)
        WHERE id IN (SELECT unnest(?::VARCHAR[])) RETURNING *""",
        [owner, stored_time(now + timedelta(seconds=lease_s)), moment, moment, ids],
    )
    by_id = {row["id"]: _job(row) for row in taken}
    return [by_id[job_id] for job_id in ids]


def require_lease(cursor: Cursor, job_id: str, owner: str) -> JobRow:
    """The job, held by this owner.

    Raises:
        NotFound: JOB_NOT_FOUND.
        Conflict: LEASE_LOST when it has ended, or somebody else has taken it.
    """
    job = get(cursor, job_id)
    if job.lease_owner != owner:
        raise Conflict("Another process has taken the job.", reason=Reason.LEASE_LOST)
    return job


def renew_lease(cursor: Cursor, job_id: str, owner: str, until: datetime) -> JobRow:
    """Extend the lease of a running job.

    Raises:
        NotFound: JOB_NOT_FOUND.
        Conflict: LEASE_LOST when somebody else has taken it.
    """
    require_lease(cursor, job_id, owner)
    update(cursor, "jobs", job_id, {"lease_until": stored_time(until)})
    return get(cursor, job_id)


def release_leases_of_others(cursor: Cursor, owner: str, now: datetime) -> int:
    """At the start, make the jobs of a dead process due at once. Only one server uses a ledger.

    Returns:
        How many jobs were taken over.
    """
    return count(
        cursor,
        """UPDATE jobs SET state = 'QUEUED', lease_owner = '', lease_until = NULL, next_attempt_time = ?
        WHERE state = 'RUNNING' AND lease_owner <> ?""",
        [stored_time(now), owner],
    )


def reschedule(cursor: Cursor, job_id: str, at: datetime, reason: str, *, owner: str) -> JobRow:
    """Put a job back until its next attempt.

    Args:
        cursor: Within a transaction of the writer.
        job_id: UUID of the job.
        at: Not before this time.
        reason: Stable reason of the failure.
        owner: Who holds the lease.

    Raises:
        NotFound: JOB_NOT_FOUND.
        Conflict: LEASE_LOST.
    """
    require_lease(cursor, job_id, owner)
    update(
        cursor,
        "jobs",
        job_id,
        {
            "state": JobState.QUEUED,
            "next_attempt_time": stored_time(at),
            "last_reason": reason,
            "lease_owner": "",
            "lease_until": None,
        },
    )
    return get(cursor, job_id)


def release(cursor: Cursor, job_id: str, now: datetime, *, owner: str) -> JobRow:
    """Put a job back that its owner cannot finish before it stops. The attempt does not count.

    Raises:
        NotFound: JOB_NOT_FOUND.
        Conflict: LEASE_LOST.
    """
    job = require_lease(cursor, job_id, owner)
    reschedule(cursor, job_id, now, job.last_reason, owner=owner)
    update(cursor, "jobs", job_id, {"attempts": max(0, job.attempts - 1)})
    return get(cursor, job_id)


def count_open(cursor: Cursor) -> int:
    """Jobs that wait or run."""
    return count(cursor, "SELECT count(*) FROM jobs WHERE state IN ('QUEUED', 'RUNNING')")


def next_due(cursor: Cursor, after: datetime | None = None) -> datetime | None:
    """When the next job becomes due, or a lease runs out; None when nothing is open.

    Args:
        cursor: Of a read.
        after: Ignore jobs that were due at this time already. They wait for room or for another job, not for the clock.
    """
    moment = stored_time_or_none(after)
    row = fetch_one(
        cursor,
        """SELECT min(due) AS due FROM (
            SELECT CASE WHEN state = 'QUEUED' THEN next_attempt_time ELSE lease_until END AS due
            FROM jobs WHERE state IN ('QUEUED', 'RUNNING'))
        WHERE ?::TIMESTAMP IS NULL OR due > ?""",
        [moment, moment],
    )
    return aware_or_none(row["due"]) if row else None


def _job(row: Row) -> JobRow:
    return JobRow(
        id=row["id"],
        kind=row["kind"],
        key=row["key"],
        session_id=row["session_id"],
        payload=json.loads(row["payload"]),
        state=JobState(row["state"]),
        policy=row["policy"],
        create_time=aware(row["create_time"]),
        next_attempt_time=aware(row["next_attempt_time"]),
        attempts=row["attempts"],
        first_attempt_time=aware_or_none(row["first_attempt_time"]),
        lease_owner=row["lease_owner"],
        lease_until=aware_or_none(row["lease_until"]),
        last_reason=row["last_reason"],
    )
