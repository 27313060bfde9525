"""PostgreSQL remembers which jobs are first in their lanes: none is forgotten, and a claim reads few."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.ledger import claim_locks, claims, job_ends, jobs, sessions
from server.ledger.columns import Cursor, count, fetch_all, stored_time
from server.ledger.embedded import EmbeddedLedger
from tests.unit.ledger.at_once import beside, transaction
from tests.unit.ledger.makers import NOW, after, job, session

KIND = "read_upload"
LATER = 3600.0
READ = """SELECT coalesce(sum(seq_tup_read + idx_tup_fetch), 0)::BIGINT FROM pg_stat_xact_user_tables
WHERE relname = 'jobs'"""
FILL = """INSERT INTO jobs (id, kind, key, session_id, payload, state, policy, create_time, next_attempt_time, attempts,
    lease_owner, last_reason, correlation_id)
SELECT n || '-' || ?::VARCHAR, ?::VARCHAR, n || '-' || ?::VARCHAR, ?::VARCHAR || n % ?::INTEGER, '{}', 'QUEUED',
    'network', ?::TIMESTAMP + n * INTERVAL '1 millisecond', ?::TIMESTAMP, 0, '', '', ''
FROM generate_series(1, 1500) AS n"""


def _claim(cursor: Cursor, number: int = 5, at: float = LATER) -> list[str]:
    return [row.id for row in claims.claim(cursor, "v1/1", after(at), 30.0, number, (KIND,))]


def _two(url: str) -> tuple[str, str]:
    """The first job of a session, which runs, and the id of the session."""
    with transaction(url) as cursor:
        owner = sessions.insert_or_get(cursor, session())[0].id
        first, _ = jobs.enqueue(cursor, job(owner, at=0))
        assert _claim(cursor) == [first.id]
    return owner, first.id


def test_a_job_that_is_queued_while_the_one_before_it_ends_is_found(postgres_url: str) -> None:
    owner, first = _two(postgres_url)
    later = job(owner, at=1)
    with transaction(postgres_url) as ending, transaction(postgres_url) as queueing:
        job_ends.finish(ending, first, owner="v1/1")
        jobs.enqueue(queueing, later)
    with transaction(postgres_url) as cursor:
        assert _claim(cursor) == [later.id]


def test_a_job_ends_after_those_that_were_queued_behind_it_at_the_same_time(postgres_url: str) -> None:
    owner, first = _two(postgres_url)
    rows = [job(owner, at=at) for at in (1, 2)]

    def enqueue(cursor: Cursor) -> None:
        for row in rows:
            jobs.enqueue(cursor, row)

    assert beside(postgres_url, enqueue, lambda cursor: job_ends.finish(cursor, first, owner="v1/1")) is None
    for row in rows:
        with transaction(postgres_url) as cursor:
            assert _claim(cursor) == [row.id]
            job_ends.finish(cursor, row.id, owner="v1/1")


def test_a_job_that_waited_when_it_was_closed_is_found_when_it_is_open_again(postgres_url: str) -> None:
    owner, first = _two(postgres_url)
    with transaction(postgres_url) as cursor:
        later, _ = jobs.enqueue(cursor, job(owner, at=1))
        cursor.execute("UPDATE jobs SET state = 'DEAD' WHERE id = ?", [later.id])
        job_ends.finish(cursor, first, owner="v1/1")
        assert _claim(cursor) == []
        cursor.execute("UPDATE jobs SET state = 'QUEUED' WHERE id = ?", [later.id])
        assert _claim(cursor) == [later.id]


def test_a_job_behind_one_that_is_deleted_is_found(postgres_url: str) -> None:
    owner, first = _two(postgres_url)
    with transaction(postgres_url) as cursor:
        later, _ = jobs.enqueue(cursor, job(owner, at=1))
        cursor.execute("DELETE FROM jobs WHERE id = ?", [first])
        assert _claim(cursor) == [later.id]


def test_a_claim_looks_at_more_jobs_where_others_have_locked_the_first(postgres_url: str) -> None:
    with transaction(postgres_url) as cursor:
        rows = [jobs.enqueue(cursor, job("", at=at))[0].id for at in range(30)]
    with transaction(postgres_url) as others, transaction(postgres_url) as cursor:
        assert _claim(others, 29) == rows[:29]
        assert _claim(cursor, 1) == rows[29:]


@pytest.mark.parametrize("of_sessions", [1, 1500])
def test_a_claim_finds_jobs_by_reading_few_of_many(postgres_url: str, of_sessions: int) -> None:
    """Of many sessions, of one, of those that wait for their next attempt, and of another kind."""
    with transaction(postgres_url) as cursor:
        for kind in (KIND, "other"):
            cursor.execute(FILL, [kind, kind, kind, "s", of_sessions, NOW, NOW])
        cursor.execute(FILL, ["waits", KIND, "waits", "w", 1500, NOW, NOW])
        later = after(9 * LATER)
        cursor.execute("UPDATE jobs SET attempts = 1, next_attempt_time = ? WHERE id LIKE '%-waits'", [later])
    moment = stored_time(after(LATER))
    wanted = {"kinds": [KIND], "now": moment, "recent": stored_time(NOW), "number": 2, "held": [], "alone": ["OOM"]}
    with transaction(postgres_url) as cursor:
        before = count(cursor, READ)
        assert len(claim_locks.take_first(cursor, wanted)) == min(2, of_sessions)
        assert jobs.next_due(cursor, after(LATER)) == later
        assert 0 < count(cursor, READ) - before < 200


def test_jobs_of_before_there_were_lanes_are_placed(postgres_url: str) -> None:
    from server.ledger.postgres.schema import bring_up_to_date

    with transaction(postgres_url) as cursor:
        owners = [sessions.insert_or_get(cursor, session(client_id=name))[0].id for name in ("a", "a", "b")]
        rows = [jobs.enqueue(cursor, job(owner, at=at))[0] for at in range(3) for owner in (*owners, "")]
        placed = fetch_all(cursor, "SELECT id, lane_client AS client, lane_time AS since FROM jobs ORDER BY id")
        cursor.execute("ALTER TABLE jobs DROP COLUMN lane_client CASCADE, DROP COLUMN lane_time CASCADE")
        cursor.execute("DROP FUNCTION enter_lane, enter_lane_again, leave_lane CASCADE")
        bring_up_to_date(cursor, lambda: NOW)
        again = fetch_all(cursor, "SELECT id, lane_client AS client, lane_time AS since FROM jobs ORDER BY id")
        assert again == placed
        assert sum(row["since"] is None for row in placed) == 6
        assert len(_claim(cursor, 20)) == len(owners) + 3
        assert len(rows) == len(placed)


def test_jobs_that_are_copied_before_their_sessions_are_placed(
    ledger: EmbeddedLedger, postgres_url: str, tmp_path: Path
) -> None:
    from server.ledger.postgres.copy_in import copy_in

    owner = ledger.write_now(lambda cursor: sessions.insert_or_get(cursor, session(client_id="a"))[0].id)
    rows = [job(owner, at=at) for at in range(3)]
    for row in rows:
        ledger.write_now(lambda cursor, row=row: jobs.enqueue(cursor, row))  # type: ignore[misc]
    ledger.write_now(lambda cursor: copy_in(cursor, postgres_url, tmp_path, lambda: NOW))
    with transaction(postgres_url) as cursor:
        assert count(cursor, "SELECT count(*) FROM jobs WHERE lane_client = 'a'") == 3
        assert count(cursor, "SELECT count(*) FROM jobs WHERE lane_time IS NULL") == 2
        assert _claim(cursor) == [rows[0].id]
