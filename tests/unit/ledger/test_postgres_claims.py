"""Several servers on one PostgreSQL: each job is taken by one of them, and nobody overtakes."""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from models.errors import Conflict
from server.ledger import claims, job_attempts, job_ends, jobs, sessions, turns
from server.ledger.columns import Cursor, count, fetch_all, update
from server.ledger.types import JobRow, SessionRow, SessionState
from tests.unit.ledger.at_once import at_once, transaction
from tests.unit.ledger.makers import after, job, new_id, session, turn

CLAIMANTS = 8
SESSIONS = 120
JOBS = 2000
LATER = 3600.0
"""All jobs are due at this time, and no lease that was taken then runs out."""


class Claimants:
    """Claim, run and end jobs until none is open, and note what a second claim or a wrong order would show."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._running: set[str] = set()
        self.begun: dict[str, list[str]] = defaultdict(list)
        self.done: list[str] = []
        self.wrong: list[str] = []

    def work(self, place: int) -> int:
        """Work as one server; returns how many jobs it ended."""
        from server.ledger.postgres.cursor import PostgresCursor, connect

        draw, owner, ended = random.Random(place), f"v1/{place}", 0
        with connect(self._url) as connection:
            cursor = PostgresCursor(connection)
            while True:
                taken = claims.claim(cursor, owner, after(LATER), 30.0, 6)
                connection.commit()
                for row in taken:
                    self._begin(row)
                for row in taken:
                    ended += self._end(cursor, row, owner, put_back=draw.random() < 0.1)
                    connection.commit()
                if not taken and not jobs.count_open(cursor):
                    return ended
                connection.commit()

    def _begin(self, row: JobRow) -> None:
        with self._lock:
            lane = row.session_id or row.id
            if lane in self._running:
                self.wrong.append(f"{row.id} began while another one of its session ran")
            self._running.add(lane)
            if row.session_id and row.id not in self.begun[lane]:
                self.begun[lane].append(row.id)

    def _end(self, cursor: Cursor, row: JobRow, owner: str, *, put_back: bool) -> int:
        with self._lock:  # before the row says so, or the next claimant would be there first
            self._running.remove(row.session_id or row.id)
            if not put_back:
                self.done.append(row.id)
        if put_back:
            jobs.reschedule(cursor, row.id, after(LATER), "WORKER_LOST", owner=owner, attempt=row.attempts)
            return 0
        job_ends.finish(cursor, row.id, owner=owner, attempt=row.attempts)
        return 1


def _queued(cursor: Cursor) -> dict[str, list[str]]:
    """Queue jobs of sessions of three clients, and some without a session; returns those of each session, in order."""
    owners = [sessions.insert_or_get(cursor, session(client_id=f"client {n % 3}"))[0].id for n in range(SESSIONS)]
    draw = random.Random(5)
    of_session: dict[str, list[str]] = defaultdict(list)
    for at in range(JOBS):
        owner = draw.choice([*owners, *owners, ""])
        row, _ = jobs.enqueue(cursor, job(owner, at=at // 10))
        of_session[owner].append(row.id)
    return of_session


@pytest.mark.slow
def test_eight_claimants_take_each_job_once_and_keep_the_order_of_sessions(postgres_url: str) -> None:
    with transaction(postgres_url) as cursor:
        queued = _queued(cursor)
    claimants = Claimants(postgres_url)
    ended = at_once(CLAIMANTS, claimants.work)
    assert claimants.wrong == []
    assert sum(ended) == len(claimants.done) == len(set(claimants.done)) == JOBS
    assert all(claimants.begun[owner] == ids for owner, ids in queued.items() if owner)
    assert sum(number > 0 for number in ended) > 1, "the work was shared"


def test_jobs_that_others_have_locked_are_skipped_and_later_ones_taken(postgres_url: str) -> None:
    with transaction(postgres_url) as cursor:
        rows = [jobs.enqueue(cursor, job("", at=at))[0].id for at in range(6)]
    with transaction(postgres_url) as first, transaction(postgres_url) as second:
        taken = claims.claim(first, "v1/1", after(LATER), 30.0, 2)
        others = claims.claim(second, "v1/2", after(LATER), 30.0, 2)
        assert [row.id for row in (*taken, *others)] == rows[:4]
    with transaction(postgres_url) as cursor:
        assert [row.id for row in claims.claim(cursor, "v1/3", after(LATER), 30.0, 9)] == rows[4:]


def test_a_session_from_which_one_takes_is_left_alone(postgres_url: str) -> None:
    with transaction(postgres_url) as cursor:
        owner = sessions.insert_or_get(cursor, session())[0].id
        first, second = (jobs.enqueue(cursor, job(owner, at=at))[0].id for at in range(2))
    with transaction(postgres_url) as one, transaction(postgres_url) as other:
        assert [row.id for row in claims.claim(one, "v1/1", after(LATER), 30.0, 5)] == [first]
        job_ends.finish(one, first, owner="v1/1")
        assert claims.claim(other, "v1/2", after(LATER), 30.0, 5) == [], "the end is not committed"
    with transaction(postgres_url) as cursor:
        assert [row.id for row in claims.claim(cursor, "v1/2", after(LATER), 30.0, 5)] == [second]


def test_one_job_that_runs_alone_is_taken_at_a_time(postgres_url: str) -> None:
    """Also where two claimants find different ones: the second asks for kinds that the first does not."""
    with transaction(postgres_url) as cursor:
        for at, kind in enumerate(("picture", "recording", "recording", "picture")):
            row, _ = jobs.enqueue(cursor, job("", at=at, kind=kind))
            update(cursor, "jobs", row.id, {"last_reason": "OOM"})

    def claim(cursor: Cursor, *kinds: str) -> int:
        return len(claims.claim(cursor, "v1/1", after(LATER), 30.0, 3, kinds, alone=["OOM"]))

    with transaction(postgres_url) as one, transaction(postgres_url) as other:
        assert (claim(one, "recording"), claim(other, "recording", "picture")) == (1, 0)
    with transaction(postgres_url) as cursor:
        assert claim(cursor, "recording", "picture") == 0


def test_a_new_server_takes_over_only_leases_that_ran_out(postgres_url: str) -> None:
    with transaction(postgres_url) as cursor:
        lost, held = (jobs.enqueue(cursor, job("", at=at))[0].id for at in range(2))
        claims.claim(cursor, "v1/dead", after(10), 30.0, 1)
        claims.claim(cursor, "v1/alive", after(30), 30.0, 1)
        assert claims.take_over(cursor, after(40), timedelta(seconds=600)) == 1
        states = {row["id"]: row["state"] for row in fetch_all(cursor, "SELECT id, state FROM jobs")}
        assert states == {lost: "QUEUED", held: "RUNNING"}
        assert [row.outcome for row in job_attempts.list_of_job(cursor, lost)] == ["lost"]


def test_a_key_that_eight_servers_queue_at_once_is_one_job(postgres_url: str) -> None:
    def enqueue(place: int) -> tuple[str, bool]:
        with transaction(postgres_url) as cursor:
            row, is_new = jobs.enqueue(cursor, job("s", at=place, key="read:1"))
            return row.id, is_new

    found = at_once(CLAIMANTS, enqueue)
    assert len({job_id for job_id, _ in found}) == 1
    assert sum(is_new for _, is_new in found) == 1


def test_jobs_of_a_session_from_servers_with_other_clocks_are_in_the_order_of_their_arrival(postgres_url: str) -> None:
    def enqueue(place: int) -> list[str]:
        ids = []
        for _ in range(10):
            with transaction(postgres_url) as cursor:
                ids.append(jobs.enqueue(cursor, job("s", at=-place))[0].id)
        return ids

    by_server = at_once(4, enqueue)
    with transaction(postgres_url) as cursor:
        stored = fetch_all(cursor, "SELECT id, create_time FROM jobs ORDER BY create_time")
    order = [row["id"] for row in stored]
    assert len({row["create_time"] for row in stored}) == 40
    assert all([job_id for job_id in order if job_id in ids] == ids for ids in by_server)


def test_a_request_that_eight_servers_get_at_once_opens_one_session(postgres_url: str) -> None:
    asked = session()

    def open_session(_: int) -> tuple[SessionRow, bool]:
        with transaction(postgres_url) as cursor:
            return sessions.insert_or_get(cursor, replace(session(), request_id=asked.request_id))

    found = at_once(CLAIMANTS, open_session)
    assert len({row.id for row, _ in found}) == 1
    assert sum(is_new for _, is_new in found) == 1


def test_an_utterance_that_two_servers_store_at_once_is_one_turn(postgres_url: str) -> None:
    with transaction(postgres_url) as cursor:
        owner = sessions.insert_or_get(cursor, session())[0].id

    def store(_: int) -> bool:
        with transaction(postgres_url) as cursor:
            return turns.insert_turn(cursor, replace(turn(owner), id=new_id()))

    assert sum(at_once(CLAIMANTS, store)) == 1
    with transaction(postgres_url) as cursor:
        assert sessions.get(cursor, owner).turn_count == count(cursor, "SELECT count(*) FROM turns") == 1


def test_of_two_decisions_about_a_session_at_once_one_is_refused(postgres_url: str) -> None:
    with transaction(postgres_url) as cursor:
        owner = sessions.insert_or_get(cursor, session())[0].id
        for stage in (SessionState.IN_PROGRESS, SessionState.AWAITING_APPROVAL):
            sessions.transition(cursor, owner, stage, after(1))

    def decide(place: int) -> Any:
        to = (SessionState.COMPLETED, SessionState.REJECTED)[place]
        try:
            with transaction(postgres_url) as cursor:
                return sessions.transition(cursor, owner, to, after(2)).state
        except Conflict as error:
            return error.reason

    assert sum(answer == "WRONG_STATE" for answer in at_once(2, decide)) == 1
    with transaction(postgres_url) as cursor:
        assert count(cursor, "SELECT count(*) FROM events WHERE session_id = ?", [owner]) == 4
