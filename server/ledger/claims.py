"""Which jobs a process takes: in order within a session, fair between sessions and clients, none twice."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final

from server.ledger import claim_locks, job_attempts
from server.ledger.columns import Cursor, count, fetch_all, stored_time
from server.ledger.dialects import dialect_of
from server.ledger.job_order import note_newest
from server.ledger.jobs import job_of
from server.ledger.types import JobRow, JobState

FAIR_FOR: Final = timedelta(hours=1)
"""A client or session served longer ago than this counts as never served. It bounds the rows that claiming reads."""

# PostgreSQL has a query of its own that gives the same, see ``lane_heads``.
#
# The first open job of each session, if it is due and nobody holds it. The client with the fewest running jobs comes
# first; among equal ones, and among the sessions of one client, whoever was served longest ago, those never served
# before them. A job without a session has a lane of its own. A job that was never tried is due whatever the clock
# says: it may have been set back since. Of the jobs that run alone only the first is taken, and none while one is held.
# Otherwise they would fill the places of a kind, where they can only wait for each other.
OVER_ALL: Final = """
WITH opened AS (
    SELECT jobs.*, coalesce(sessions.client_id, '') AS client_id, coalesce(nullif(session_id, ''), jobs.id) AS lane
    FROM jobs LEFT JOIN sessions ON sessions.id = jobs.session_id
    WHERE jobs.state IN ('QUEUED', 'RUNNING') AND (len($kinds::VARCHAR[]) = 0 OR list_contains($kinds, kind))
), served AS (
    SELECT session_id, coalesce(client_id, '') AS client_id, max(claim_time) AS served_time
    FROM jobs LEFT JOIN sessions ON sessions.id = jobs.session_id WHERE claim_time >= $recent
    GROUP BY session_id, coalesce(client_id, '')
), clients AS (
    SELECT client_id, max(served_time) AS served_time FROM served GROUP BY client_id
), heads AS (
    SELECT * FROM (
        SELECT opened.*, row_number() OVER (PARTITION BY lane ORDER BY create_time, id) AS place_in_lane FROM opened
    ) AS placed WHERE place_in_lane = 1
), taken AS (
    SELECT client_id, list_contains($alone::VARCHAR[], last_reason) AS alone FROM opened
    WHERE state = 'RUNNING' AND (lease_until > $now OR list_contains($held::VARCHAR[], id))
), running AS (
    SELECT client_id, count(*) AS jobs FROM taken GROUP BY client_id
), turns AS (
    SELECT heads.id, state, create_time, heads.client_id, list_contains($alone::VARCHAR[], last_reason) AS alone,
        row_number() OVER (
            PARTITION BY heads.client_id ORDER BY served.served_time NULLS FIRST, create_time, heads.id) AS turn
    FROM heads LEFT JOIN served ON served.session_id = heads.session_id
    WHERE (state = 'QUEUED' AND ((attempts = 0 AND heads.claim_time IS NULL) OR next_attempt_time <= $now))
        OR (state = 'RUNNING' AND lease_until <= $now AND NOT list_contains($held::VARCHAR[], heads.id))
), queue AS (
    SELECT id, state, alone, row_number() OVER (
        ORDER BY turn + coalesce(running.jobs, 0), clients.served_time NULLS FIRST, create_time, id) AS place
    FROM turns LEFT JOIN clients USING (client_id) LEFT JOIN running USING (client_id)
), numbered AS (
    SELECT id, state, alone, place, row_number() OVER (PARTITION BY alone ORDER BY place) AS place_of_kind FROM queue
)
SELECT id, state, alone FROM numbered
WHERE NOT alone OR (place_of_kind = 1 AND NOT EXISTS (SELECT 1 FROM taken WHERE alone))
ORDER BY place LIMIT $number
"""


def claim(
    cursor: Cursor,
    owner: str,
    now: datetime,
    lease_s: float,
    limit: int,
    kinds: Sequence[str] = (),
    held: Sequence[str] = (),
    alone: Collection[str] = (),
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
        held: Ids of jobs that this process still works on. They are not taken again, even if their lease ran out while
            the process or its clock stood still.
        alone: Reasons of a last attempt after which a job runs alone. At most one such job of these kinds is held at a
            time.

    Returns:
        The jobs, in the order in which to begin them.
    """
    moment = stored_time(now)
    wanted = {
        "kinds": list(kinds),
        "now": moment,
        "recent": stored_time(now - FAIR_FOR),
        "number": limit,
        "held": list(held),
        "alone": list(alone),
    }
    if dialect_of(cursor).one_writer:
        due = fetch_all(cursor, OVER_ALL, wanted)
    else:
        due = claim_locks.take_first(cursor, wanted)
    ids = [row["id"] for row in due]
    if not ids:
        return []
    if lost := [row["id"] for row in due if row["state"] == JobState.RUNNING]:
        job_attempts.insert_lost(cursor, lost, now)
    taken = fetch_all(
        cursor,
        """UPDATE jobs SET state = 'RUNNING', attempts = attempts + 1, lease_owner = ?, lease_until = ?,
            claim_time = ?, first_attempt_time = coalesce(first_attempt_time, ?)
        WHERE id IN (SELECT unnest(?::VARCHAR[])) RETURNING *""",
        [owner, stored_time(now + timedelta(seconds=lease_s)), moment, moment, ids],
    )
    by_id = {row["id"]: job_of(row) for row in taken}
    return [by_id[job_id] for job_id in ids]


def take_over(cursor: Cursor, now: datetime, longest_wait: timedelta) -> int:
    """At the start, make the jobs of a dead process due at once.

    Where one server writes, all jobs that run are those of a dead process. Where several do, those whose lease ran out.

    It also brings times that lie too far ahead back: the clock was set back while no server ran. A longer wait that an
    upstream asked for is cut with them.

    Args:
        cursor: Within a transaction of the writer.
        now: The time now.
        longest_wait: Longest delay between two attempts.

    Returns:
        How many jobs were taken over.
    """
    moment = stored_time(now)
    dialect = dialect_of(cursor)
    running = fetch_all(
        cursor,
        f"SELECT id FROM jobs WHERE state = 'RUNNING' AND (? OR lease_until <= ?) ORDER BY id{dialect.for_update}",  # noqa: S608 - ours
        [dialect.one_writer, moment],
    )
    ids = [row["id"] for row in running]
    if ids:
        job_attempts.insert_lost(cursor, ids, now)
    taken = count(
        cursor,
        """UPDATE jobs SET state = 'QUEUED', lease_owner = '', lease_until = NULL, next_attempt_time = ?
        WHERE id IN (SELECT unnest(?::VARCHAR[]))""",
        [moment, ids],
    )
    latest = stored_time(now + longest_wait)
    for name, bound in (("next_attempt_time", latest), ("first_attempt_time", moment)):
        sql = f"UPDATE jobs SET {name} = ? WHERE state = 'QUEUED' AND {name} > ?"  # noqa: S608 - literals of ours
        cursor.execute(sql, [bound, bound])
    if dialect.one_writer:
        note_newest(cursor)
    return taken
