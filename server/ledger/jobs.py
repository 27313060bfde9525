"""Jobs: work that was accepted, with leases, in order within a session and fair between sessions."""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

from models.errors import Conflict, InvalidInput, NotFound
from models.reasons import Reason
from models.retry import get_retry_policy
from models.tracing.spans import trace_argument
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
from server.ledger.dialects import dialect_of, hold
from server.ledger.job_order import after_earlier
from server.ledger.types import JobRow, JobState
from server.observability.log import correlation_id

REFUSALS: Final = (Reason.BREAKER_OPEN, Reason.UPSTREAM_KEY_REFUSED)
"""Reasons of attempts that an open breaker refused."""

RETURN_S = 5
"""Jobs that a breaker refused come back within this time after it has closed."""


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

    Raises:
        InvalidInput: INVALID_ID without a key: all jobs without one would count as one.
    """
    if not row.key:
        raise InvalidInput("A job needs a key.", reason=Reason.INVALID_ID)
    hold(cursor, "job", row.key)
    known = fetch_one(cursor, "SELECT * FROM jobs WHERE key = ?", [row.key])
    if known is not None:
        return job_of(known), False
    insert_job(cursor, row)
    return row, True


def insert_job(cursor: Cursor, row: JobRow) -> None:
    """Store a job whose key is new, with the correlation id, and the span, of the call that is served now."""
    row = after_earlier(cursor, row)
    insert(
        cursor,
        "jobs",
        {
            "id": row.id,
            "kind": row.kind,
            "key": row.key,
            "session_id": row.session_id,
            "payload": json.dumps(row.payload | trace_argument()),
            "state": row.state,
            "policy": row.policy,
            "create_time": stored_time(row.create_time),
            "next_attempt_time": stored_time(row.next_attempt_time),
            "attempts": row.attempts,
            "first_attempt_time": stored_time_or_none(row.first_attempt_time),
            "lease_owner": row.lease_owner,
            "lease_until": stored_time_or_none(row.lease_until),
            "last_reason": row.last_reason,
            "correlation_id": row.correlation_id or correlation_id(),
        },
    )


def get(cursor: Cursor, job_id: str) -> JobRow:
    """Find a job.

    Raises:
        NotFound: JOB_NOT_FOUND.
    """
    return _found(fetch_one(cursor, "SELECT * FROM jobs WHERE id = ?", [job_id]))


def _held(cursor: Cursor, job_id: str) -> JobRow:
    """The same for a job that no other transaction may change until this one ends."""
    sql = f"SELECT * FROM jobs WHERE id = ?{dialect_of(cursor).for_update}"  # noqa: S608 - literals of ours
    return _found(fetch_one(cursor, sql, [job_id]))


def _found(row: Row | None) -> JobRow:
    if row is None:
        raise NotFound("There is no such job.", reason=Reason.JOB_NOT_FOUND)
    return job_of(row)


def untried_of_session(cursor: Cursor, session_id: str, kind: str) -> list[JobRow]:
    """Open jobs of one kind of which no attempt has failed, oldest first."""
    rows = fetch_all(
        cursor,
        """SELECT * FROM jobs WHERE session_id = ? AND kind = ? AND state IN ('QUEUED', 'RUNNING')
            AND last_reason = '' ORDER BY create_time, id""",
        [session_id, kind],
    )
    return [job_of(row) for row in rows]


def require_lease(cursor: Cursor, job_id: str, owner: str, attempt: int | None = None) -> JobRow:
    """The job, held by this owner.

    Args:
        cursor: Within a transaction.
        job_id: UUID of the job.
        owner: Who claims to hold it.
        attempt: Number of the attempt that it holds it for; None for any.

    Raises:
        Conflict: LEASE_LOST when it has ended, or was taken again since, by somebody else or by the owner itself; also
            when it was erased.
    """
    try:
        job = _held(cursor, job_id)
    except NotFound:
        raise Conflict("The job was erased.", reason=Reason.LEASE_LOST) from None
    if job.lease_owner != owner or (attempt is not None and job.attempts != attempt):
        raise Conflict("Another attempt has taken the job.", reason=Reason.LEASE_LOST)
    return job


def renew_lease(cursor: Cursor, job_id: str, owner: str, until: datetime, attempt: int | None = None) -> JobRow:
    """Extend the lease of a running job.

    Raises:
        Conflict: LEASE_LOST when another attempt has taken it.
    """
    require_lease(cursor, job_id, owner, attempt)
    update(cursor, "jobs", job_id, {"lease_until": stored_time(until)})
    return get(cursor, job_id)


def reschedule(
    cursor: Cursor,
    job_id: str,
    at: datetime,
    reason: str,
    *,
    owner: str,
    attempt: int | None = None,
    begun: bool = True,
    anew: bool = False,
) -> JobRow:
    """Put a job back until its next attempt.

    Args:
        cursor: Within a transaction of the writer.
        job_id: UUID of the job.
        at: Not before this time.
        reason: Stable reason of the failure.
        owner: Who holds the lease.
        attempt: Number of the attempt that failed; None for any.
        begun: Whether the attempt counts.
        anew: Whether the time in which the job may be tried again begins anew with the next attempt.

    Raises:
        Conflict: LEASE_LOST.
    """
    job = require_lease(cursor, job_id, owner, attempt)
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
            "attempts": job.attempts if begun else max(0, job.attempts - 1),
            "first_attempt_time": None if anew else stored_time_or_none(job.first_attempt_time),
        },
    )
    return get(cursor, job_id)


def return_refused(cursor: Cursor, now: datetime, reasons: Collection[Reason] = REFUSALS) -> None:
    """Let jobs that an open breaker refused come back within RETURN_S, not all at once, and none later than before.

    Args:
        cursor: Within a transaction of the writer.
        now: The time now.
        reasons: Those for which they wait.
    """
    hold(cursor, "waiting_jobs", "")
    latest = now + timedelta(seconds=RETURN_S)
    cursor.execute(
        """UPDATE jobs SET next_attempt_time = ?::TIMESTAMP + to_milliseconds((random() * ?)::BIGINT)
        WHERE state = 'QUEUED' AND list_contains(?::VARCHAR[], last_reason) AND next_attempt_time > ?""",
        [stored_time(now), 1000 * RETURN_S, list(reasons), stored_time(latest)],
    )


def release(cursor: Cursor, job_id: str, now: datetime, *, owner: str, attempt: int | None = None) -> JobRow:
    """Put a job back that its owner cannot finish before it stops. The attempt does not count.

    Raises:
        Conflict: LEASE_LOST.
    """
    job = require_lease(cursor, job_id, owner, attempt)
    return reschedule(cursor, job_id, now, job.last_reason, owner=owner, begun=False)


def postpone(
    cursor: Cursor, job_id: str, at: datetime, *, owner: str, attempt: int | None = None, reason: str = ""
) -> JobRow:
    """Put a job back whose attempt could not be made, because what it needs is away. The attempt does not count, and
    the time in which the job may be tried again begins anew.

    Args:
        cursor: Within a transaction of the writer.
        job_id: UUID of the job.
        at: Not before this time.
        owner: Who holds the lease.
        attempt: Number of the attempt; None for any.
        reason: What is noted as the reason of its last attempt; empty leaves that.

    Raises:
        Conflict: LEASE_LOST.
    """
    last = require_lease(cursor, job_id, owner, attempt).last_reason
    return reschedule(cursor, job_id, at, reason or last, owner=owner, begun=False, anew=True)


def keep(cursor: Cursor, kinds: Collection[str]) -> None:
    """Have the time in which waiting jobs of these kinds may be tried again begin anew: nobody does them now."""
    hold(cursor, "waiting_jobs", "")
    cursor.execute(
        """UPDATE jobs SET first_attempt_time = NULL
        WHERE state = 'QUEUED' AND first_attempt_time IS NOT NULL AND list_contains(?::VARCHAR[], kind)""",
        [list(kinds)],
    )


def count_open(cursor: Cursor, policy: str = "") -> int:
    """Jobs that wait or run; with ``policy`` those under this retry policy alone."""
    sql = "SELECT count(*) FROM jobs WHERE state IN ('QUEUED', 'RUNNING') AND ($policy = '' OR policy = $policy)"
    return count(cursor, sql, {"policy": policy})


def next_due(cursor: Cursor, after: datetime | None = None) -> datetime | None:
    """When the next job becomes due, or a lease runs out; None when nothing is open.

    Args:
        cursor: Of a read.
        after: Ignore jobs that were due at this time already. They wait for room or for another job, not for the clock.
    """
    row = fetch_one(
        cursor,
        # One minimum for each state: PostgreSQL has an index for each.
        """SELECT least(
            (SELECT min(next_attempt_time) FROM jobs
                WHERE state = 'QUEUED' AND next_attempt_time > coalesce(?::TIMESTAMP, '-infinity'::TIMESTAMP)),
            (SELECT min(lease_until) FROM jobs
                WHERE state = 'RUNNING' AND lease_until > coalesce(?::TIMESTAMP, '-infinity'::TIMESTAMP))) AS due""",
        [stored_time_or_none(after)] * 2,
    )
    return aware_or_none(row["due"]) if row else None


def job_of(row: Row) -> JobRow:
    """The job of a row with all columns."""
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
        claim_time=aware_or_none(row["claim_time"]),
        correlation_id=row["correlation_id"],
    )
