"""Attempts at jobs: when each began and ended, and how."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from models.reasons import Reason
from server.ledger.columns import Cursor, aware, aware_or_none, count, fetch_all, insert, stored_time
from server.ledger.table_schema import TableSchema
from server.ledger.types import JobRow

KEPT_ATTEMPTS: Final = 100
"""Attempts at one job that are kept, the newest ones."""

DONE: Final = "done"
DEAD: Final = "dead"
LOST: Final = "lost"

JOB_ATTEMPTS = TableSchema(
    "job_attempts",
    "One row for an attempt at a job that has ended.",
    (
        ("job_id", "VARCHAR NOT NULL", "UUID of the job."),
        ("number", "INTEGER NOT NULL", "Number of the attempt, from 1 since the job was accepted or last redriven."),
        ("begin_time", "TIMESTAMP NOT NULL", "When it began, UTC."),
        ("end_time", "TIMESTAMP NOT NULL", "When it ended, UTC; for a lost one, when that was noticed."),
        ("outcome", "VARCHAR NOT NULL", "done, refused, retry, dead, released or lost."),
        ("reason", "VARCHAR NOT NULL", "Stable reason of the failure; empty when there is none."),
        ("build", "VARCHAR NOT NULL", "Version of the server that made it; empty when it is not known."),
    ),
    ("job_id",),
)


@dataclass(frozen=True, slots=True)
class JobAttemptRow:
    """One attempt at a job.

    Attributes:
        number: From 1, counted since the job was accepted or last redriven. An attempt that did not count has the
            number of the next one.
        outcome: A ``server.jobs.types.JobOutcome``.
        reason: Stable reason of a failure; empty when there is none.
        build: Version of the server that made it; empty when it is not known.
    """

    job_id: str
    number: int
    begin_time: datetime
    end_time: datetime
    outcome: str
    reason: str
    build: str


def insert_attempt(cursor: Cursor, job: JobRow, ended: datetime, outcome: str, reason: str = "") -> None:
    """Store an attempt, in the transaction that ends it.

    Args:
        cursor: Within a transaction of the writer.
        job: As it was claimed.
        ended: The time now, by the clock that the claim was timed with.
        outcome: A ``JobOutcome``.
        reason: Stable reason of a failure.
    """
    began = job.claim_time or ended
    insert(
        cursor,
        "job_attempts",
        {
            "job_id": job.id,
            "number": job.attempts,
            "begin_time": stored_time(began),
            "end_time": stored_time(max(began, ended)),
            "outcome": outcome,
            "reason": reason,
            "build": build_of(job.lease_owner),
        },
    )
    if outcome != DONE:  # the usual case stays one statement
        _forget_oldest(cursor, job.id)


def insert_lost(cursor: Cursor, job_ids: Sequence[str], now: datetime) -> None:
    """Store the attempts of a process that died with them; call it before the jobs are taken from it.

    Args:
        cursor: Within a transaction of the writer.
        job_ids: Jobs that are RUNNING.
        now: When it was noticed.
    """
    cursor.execute(
        """INSERT INTO job_attempts (job_id, number, begin_time, end_time, outcome, reason, build)
        SELECT id, attempts, coalesce(claim_time, ?), greatest(claim_time, ?), ?, ?,
            CASE WHEN lease_owner LIKE '%/%' THEN split_part(lease_owner, '/', 1) ELSE '' END
        FROM jobs WHERE id IN (SELECT unnest(?::VARCHAR[]))""",
        [stored_time(now), stored_time(now), LOST, Reason.LEASE_LOST, list(job_ids)],
    )
    for job_id in job_ids:
        _forget_oldest(cursor, job_id)


def list_of_job(cursor: Cursor, job_id: str) -> list[JobAttemptRow]:
    """Attempts at a job, oldest first."""
    rows = fetch_all(cursor, "SELECT * FROM job_attempts WHERE job_id = ? ORDER BY begin_time, number", [job_id])
    return [
        JobAttemptRow(
            row["job_id"],
            row["number"],
            aware(row["begin_time"]),
            aware_or_none(row["end_time"]) or aware(row["begin_time"]),
            row["outcome"],
            row["reason"],
            row["build"],
        )
        for row in rows
    ]


def count_failed(cursor: Cursor, job_id: str, reasons: Iterable[str]) -> int:
    """How many attempts failed for one of these reasons since the job was accepted or last redriven."""
    return count(
        cursor,
        """SELECT count(*) FROM job_attempts WHERE job_id = $job AND list_contains($reasons::VARCHAR[], reason)
        AND begin_time > coalesce(
            (SELECT max(begin_time) FROM job_attempts WHERE job_id = $job AND outcome = $dead), '-infinity'::TIMESTAMP
        )""",
        {"job": job_id, "reasons": [str(reason) for reason in reasons], "dead": DEAD},
    )


def delete_of_jobs(cursor: Cursor, job_ids: Sequence[str]) -> None:
    """Delete the attempts at these jobs."""
    cursor.execute("DELETE FROM job_attempts WHERE job_id IN (SELECT unnest(?::VARCHAR[]))", [list(job_ids)])


def delete_ended(cursor: Cursor, before: datetime) -> None:
    """Delete old attempts at jobs that have ended and have no dead letter."""
    cursor.execute(
        """DELETE FROM job_attempts WHERE end_time < ?
        AND job_id NOT IN (SELECT id FROM jobs WHERE state IN ('QUEUED', 'RUNNING'))
        AND job_id NOT IN (SELECT job_id FROM dead_letters)""",
        [stored_time(before)],
    )


def owner_name(build: str, process_id: str) -> str:
    """Name of a process in leases. It tells the build, also of a process that has died since."""
    return f"{build}/{process_id}"


def build_of(owner: str) -> str:
    """The build in the name of a process; empty for a name without one."""
    build, found, _ = owner.partition("/")
    return build if found else ""


def _forget_oldest(cursor: Cursor, job_id: str) -> None:
    if count(cursor, "SELECT count(*) FROM job_attempts WHERE job_id = ?", [job_id]) > KEPT_ATTEMPTS:
        cursor.execute(
            """DELETE FROM job_attempts WHERE rowid IN (SELECT rowid FROM job_attempts WHERE job_id = ?
            ORDER BY begin_time DESC, number DESC OFFSET ?)""",
            [job_id, KEPT_ATTEMPTS],
        )


@dataclass(frozen=True, slots=True)
class SessionAttempt:
    """An attempt at a job of a session.

    Attributes:
        end_time: None while it runs.
        outcome: As of ``JobAttemptRow``; empty while it runs.
    """

    job_id: str
    kind: str
    number: int
    begin_time: datetime
    end_time: datetime | None
    outcome: str
    reason: str


def list_of_session(cursor: Cursor, session_id: str, most: int) -> list[SessionAttempt]:
    """The newest attempts at jobs of a session, those that run included, oldest first."""
    rows = fetch_all(
        cursor,
        """SELECT job_id, jobs.kind, number, begin_time, end_time, outcome, reason
        FROM job_attempts JOIN jobs ON jobs.id = job_attempts.job_id WHERE jobs.session_id = $session
        UNION ALL SELECT id, kind, attempts, claim_time, NULL, '', '' FROM jobs
            WHERE session_id = $session AND state = 'RUNNING' AND claim_time IS NOT NULL
        ORDER BY begin_time DESC, number DESC LIMIT $most""",
        {"session": session_id, "most": most},
    )
    return [
        SessionAttempt(
            row["job_id"],
            row["kind"],
            row["number"],
            aware(row["begin_time"]),
            aware_or_none(row["end_time"]),
            row["outcome"],
            row["reason"],
        )
        for row in reversed(rows)
    ]
