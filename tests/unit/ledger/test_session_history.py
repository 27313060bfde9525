"""What pages of a session's history are read from: turns, attempts at jobs, changes of breakers, and lists."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models.errors import InvalidInput
from server.ledger import breakers, job_attempts, jobs, server_events, sessions, turns
from server.ledger.columns import Cursor
from server.ledger.types import SessionState
from tests.unit.ledger.makers import after, job, new_id, session, turn


def test_sessions_are_listed_by_their_last_change_in_pages(cursor: Cursor) -> None:
    rows = [session(at=n, client_id="app" if n % 2 else "other") for n in range(5)]
    for row in rows:
        sessions.insert_or_get(cursor, row)
    ended = rows[3]
    sessions.transition(cursor, ended.id, SessionState.ABANDONED, after(100))

    def listed(page_size: int = 10, client_id: str = "", *, running: bool = False) -> list[str]:
        found, token = [], ""
        while True:
            page, token = sessions.page_of_sessions(
                cursor, client_id=client_id, running=running, page_size=page_size, token=token
            )
            found += [row.id for row in page]
            if not token:
                return found

    everything = [ended.id, *(rows[n].id for n in (4, 2, 1, 0))]
    for page_size in (1, 2, 3, 10):
        assert listed(page_size) == everything
    assert listed(2, "app") == [ended.id, rows[1].id]
    assert listed(2, running=True) == everything[1:]
    with pytest.raises(InvalidInput):
        sessions.page_of_sessions(cursor, client_id="", running=False, page_size=2, token="x")


def test_turns_come_in_pages_from_the_newest(cursor: Cursor) -> None:
    sessions.insert_or_get(cursor, row := session())
    stored = [turn(row.id, n) for n in range(5)]
    stored[2] = replace(stored[2], create_time=stored[1].create_time)  # two at the same moment
    for one in stored:
        turns.insert_turn(cursor, one)
    found: list[str] = []
    token = ""
    while True:
        page, token = turns.page_of_session(cursor, row.id, 2, token)
        found = [one.id for one in page] + found
        if not token:
            break
    assert sorted(found) == sorted(one.id for one in stored)
    assert (found[0], found[-2:]) == (stored[0].id, [stored[3].id, stored[4].id])
    assert turns.page_of_session(cursor, new_id(), 2) == ([], "")


def test_attempts_of_a_session_include_the_one_that_runs(cursor: Cursor) -> None:
    ours, other = new_id(), new_id()
    failed, running = (replace(job(ours), claim_time=after(n), attempts=1, lease_owner=f"v1/{n}") for n in (1, 20))
    for one in (failed, running, foreign := replace(job(other), claim_time=after(3), attempts=1)):
        jobs.enqueue(cursor, one)
    job_attempts.insert_attempt(cursor, failed, after(4), "retry", "WORKER_LOST")
    job_attempts.insert_attempt(cursor, foreign, after(4), "done")
    cursor.execute("UPDATE jobs SET state = 'RUNNING', attempts = 1, claim_time = ? WHERE id = ?", [
        after(20).replace(tzinfo=None), running.id
    ])  # fmt: skip
    found = job_attempts.list_of_session(cursor, ours, 10)
    assert [(a.job_id, a.number, a.begin_time, a.end_time, a.outcome, a.reason) for a in found] == [
        (failed.id, 1, after(1), after(4), "retry", "WORKER_LOST"),
        (running.id, 1, after(20), None, "", ""),
    ]
    assert [a.job_id for a in job_attempts.list_of_session(cursor, ours, 1)] == [running.id], "the newest"


def test_changes_of_breakers_include_how_each_was_before(cursor: Cursor) -> None:
    for at, name, new in (
        (-50, "llm_api", "open"),
        (-40, "llm_api", "closed"),
        (-30, "speech", "open"),
        (5, "llm_api", "open"),
        (9, "speech", "half-open"),
        (99, "llm_api", "closed"),
    ):
        properties: dict[str, str | int | float] = {"old": "closed", "new": new, "failures": 3, "cause": "failures"}
        server_events.append(cursor, "breaker_changed", name, properties, after(at))
    server_events.append(cursor, "worker_ended", "speech", {"reason": "oom", "pid": 1}, after(6))
    found = breakers.changes_between(cursor, after(0), after(10), 10)
    assert [(c.name, c.state, c.time) for c in found] == [
        ("llm_api", "closed", after(-40)),
        ("speech", "open", after(-30)),
        ("llm_api", "open", after(5)),
        ("speech", "half-open", after(9)),
    ]
    assert found[0].cause == "failures"
    assert len(breakers.changes_between(cursor, after(0), None, 10)) == 5, "of a session that runs"
