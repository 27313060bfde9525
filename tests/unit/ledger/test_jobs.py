"""Jobs: once by key, in order within a session, fair between sessions and clients, leases, dead letters."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from models.errors import Conflict, InvalidInput, NotFound
from server.ledger import claims, dead_letters, job_attempts, job_ends, jobs, sessions
from server.ledger.columns import Cursor, count, fetch_all, update
from server.ledger.dead_letters import DroppedLetters, LetterBounds
from server.ledger.letter_filter import LetterFilter
from server.ledger.needed_media import needed_spool_ids
from server.ledger.types import DeadLetterRow, JobRow, JobState
from tests.unit.ledger.copies import copy_row
from tests.unit.ledger.makers import after, job, new_id, session


def _queue(cursor: Cursor, *rows: JobRow) -> list[JobRow]:
    for row in rows:
        jobs.enqueue(cursor, row)
    return list(rows)


def _claim(cursor: Cursor, at: float = 0.0, limit: int = 10, kinds: tuple[str, ...] = ()) -> list[str]:
    return [row.id for row in claims.claim(cursor, "me", after(at), 30.0, limit, kinds)]


def test_a_key_enqueues_one_job(cursor: Cursor) -> None:
    row = job("s", key="read:1")
    assert jobs.enqueue(cursor, row) == (row, True)
    assert jobs.enqueue(cursor, job("s", key="read:1")) == (row, False)
    assert jobs.get(cursor, row.id) == row
    assert jobs.count_open(cursor) == 1


def test_claiming_counts_an_attempt_and_takes_a_lease(cursor: Cursor) -> None:
    (row,) = _queue(cursor, job("s"))
    (taken,) = claims.claim(cursor, "me", after(1), 30.0, 10, ["read_upload"])
    assert taken == replace(
        row,
        state=JobState.RUNNING,
        attempts=1,
        first_attempt_time=after(1),
        lease_owner="me",
        lease_until=after(31),
        claim_time=after(1),
    )
    assert _claim(cursor, at=2) == []
    assert jobs.renew_lease(cursor, row.id, "me", after(60)).lease_until == after(60)
    assert _claim(cursor, at=59) == []
    assert _claim(cursor, at=60) == [row.id]
    assert jobs.get(cursor, row.id).first_attempt_time == after(1)


def test_jobs_of_a_session_keep_their_order(cursor: Cursor) -> None:
    first, second, third = _queue(cursor, job("s", at=0), job("s", at=1), job("s", at=2))
    assert _claim(cursor) == [first.id]
    jobs.reschedule(cursor, first.id, after(10), "WORKER_LOST", owner="me")
    assert _claim(cursor, at=9) == []
    assert _claim(cursor, at=10) == [first.id]
    job_ends.finish(cursor, first.id, owner="me")
    assert _claim(cursor, at=11) == [second.id]
    job_ends.fail(cursor, second.id, after(12), reason="BROKEN_MEDIA", message="It does not decode.", owner="me")
    assert _claim(cursor, at=13) == [third.id]


def test_jobs_of_other_kinds_do_not_block_a_claim(cursor: Cursor) -> None:
    retried = replace(job("s", at=0, kind="reply", due=600), attempts=1)
    reply, read = _queue(cursor, retried, job("s", at=1, kind="read_upload"))
    assert _claim(cursor) == []
    assert _claim(cursor, kinds=("read_upload",)) == [read.id]
    assert _claim(cursor, at=600, kinds=("reply",)) == [reply.id]


def test_one_job_that_runs_alone_is_held_at_a_time(cursor: Cursor) -> None:
    def claim(at: float, held: list[str]) -> list[str]:
        return [
            row.id for row in claims.claim(cursor, "me", after(at), 30.0, 10, ["read_upload"], held, ["WORKER_LOST"])
        ]

    first, second, third = _queue(cursor, job("s-1", at=0), job("s-2", at=1), job("s-3", at=2))
    other = job("s-4", at=3, kind="reply")
    _queue(cursor, other)
    for row in (first, second, other):
        update(cursor, "jobs", row.id, {"last_reason": "WORKER_LOST"})
    assert claim(10, []) == [first.id, third.id]
    assert claim(39, []) == []
    assert claim(41, [first.id, third.id]) == [], "its lease ran out, and it is still held"
    assert claim(42, [third.id]) == [second.id], "nobody holds the first one, and this one was never served"
    job_ends.finish(cursor, second.id, owner="me")
    assert claim(43, [third.id]) == [first.id]


def test_sessions_take_turns(cursor: Cursor) -> None:
    many = _queue(cursor, *[job("busy", at=n) for n in range(20)])
    (one,) = _queue(cursor, job("quiet", at=100))
    served = []
    for at in range(3):
        (claimed,) = _claim(cursor, at=200 + at, limit=1)
        job_ends.finish(cursor, claimed, owner="me")
        served.append(claimed)
    assert served == [many[0].id, one.id, many[1].id]


def test_clients_take_turns(cursor: Cursor) -> None:
    for number in range(5):
        sessions.insert_or_get(cursor, session(f"big-{number}", client_id="big"))
    sessions.insert_or_get(cursor, session("small-0", client_id="small"))
    _queue(cursor, *[job(f"big-{number}", at=number) for number in range(5)])
    (small,) = _queue(cursor, job("small-0", at=50))
    assert small.id in _claim(cursor, at=60, limit=2)


@pytest.mark.parametrize("sessions_of_the_busy", [1, 1_000])
def test_a_thousand_uploads_of_a_client_delay_one_of_another_by_one_job(
    cursor: Cursor, sessions_of_the_busy: int
) -> None:
    for name in ("busy", "quiet"):
        sessions.insert_or_get(cursor, session(f"{name}-0", client_id=name))
    (first,) = _queue(cursor, job("busy-0"))
    more = {"id": "'busy-' || n", "request_id": "'request-' || n"}
    copy_row(cursor, "sessions", "busy-0", sessions_of_the_busy - 1, more)
    more = {"id": "id || n", "key": "key || n", "create_time": "create_time + n * INTERVAL '1 millisecond'"}
    more |= {"session_id": f"'busy-' || (n % {sessions_of_the_busy})"}
    copy_row(cursor, "jobs", first.id, 999, more)
    running = _claim(cursor, at=10, limit=4)
    for at in (20, 30, 40):  # also when both were served shortly before
        (quiet,) = _queue(cursor, job("quiet-0", at=at))
        job_ends.finish(cursor, running.pop(0), owner="me")
        assert _claim(cursor, at=at + 1, limit=1) == [quiet.id], "it is the next, whatever else waits"
        job_ends.finish(cursor, quiet.id, owner="me")
        running += _claim(cursor, at=at + 2, limit=1)
        assert len(running) == min(4, sessions_of_the_busy), "the other client goes on"


def test_jobs_without_a_session_do_not_wait_for_each_other(cursor: Cursor) -> None:
    rows = _queue(cursor, job(""), job("", at=1))
    assert _claim(cursor) == [row.id for row in rows]


def test_a_new_process_takes_over_leased_jobs(cursor: Cursor) -> None:
    (row,) = _queue(cursor, job("s"))
    claims.claim(cursor, "dead", after(0), 3600.0, 1)
    assert claims.take_over(cursor, after(5), timedelta(seconds=600)) == 1
    assert claims.take_over(cursor, after(5), timedelta(seconds=600)) == 0
    assert _claim(cursor, at=5) == [row.id]
    for late in (
        lambda: job_ends.finish(cursor, row.id, owner="dead"),
        lambda: jobs.reschedule(cursor, row.id, after(9), "X", owner="dead"),
        lambda: job_ends.fail(cursor, row.id, after(9), reason="X", message="X.", owner="dead"),
        lambda: jobs.renew_lease(cursor, row.id, "dead", after(99)),
    ):
        with pytest.raises(Conflict) as caught:
            late()
        assert caught.value.reason == "LEASE_LOST"
    job_ends.finish(cursor, row.id, owner="me")
    assert jobs.get(cursor, row.id).state == JobState.DONE
    with pytest.raises(Conflict):
        job_ends.finish(cursor, row.id, owner="me")


def test_next_due_is_the_earliest_time_that_is_not_held_by_a_lease(cursor: Cursor) -> None:
    assert jobs.next_due(cursor) is None
    _queue(cursor, job("a", due=50), job("b", due=20))
    assert jobs.next_due(cursor) == after(20)
    _claim(cursor, at=20)
    assert jobs.next_due(cursor) == after(50)


def test_a_permanent_failure_writes_a_letter_and_redriving_enqueues_the_job(cursor: Cursor) -> None:
    (row,) = _queue(cursor, job("s"))
    _claim(cursor)
    letter = job_ends.fail(cursor, row.id, after(3), reason="UPSTREAM_FAILED", message="No answer.", owner="me")
    assert dead_letters.get(cursor, letter.id) == letter
    assert (letter.attempts, letter.policy, letter.kind) == (1, "network", "read_upload")
    assert jobs.get(cursor, row.id).state == JobState.DEAD
    assert (jobs.count_open(cursor), dead_letters.count_open(cursor)) == (0, 1)
    with pytest.raises(Conflict):
        job_ends.fail(cursor, row.id, after(4), reason="X", message="X.", owner="me")
    for _ in range(2):
        closed = job_ends.redrive(cursor, letter.id, after(5))
        assert (closed.closed_as, closed.closed_time) == ("retried", after(5))
    queued = jobs.get(cursor, row.id)
    assert (queued.state, queued.attempts, queued.first_attempt_time) == (JobState.QUEUED, 0, None)
    with pytest.raises(Conflict):
        job_ends.discard(cursor, letter.id, after(6), "duplicate")
    assert _claim(cursor, at=5) == [row.id]
    second = job_ends.fail(cursor, row.id, after(7), reason="BROKEN", message="X.", owner="me", exhausted=False)
    assert second.policy == ""
    assert job_ends.discard(cursor, second.id, after(8), "duplicate").closed_reason == "duplicate"
    assert job_ends.discard(cursor, second.id, after(9), "again").closed_time == after(8)
    with pytest.raises(Conflict):
        job_ends.redrive(cursor, second.id, after(9))
    with pytest.raises(NotFound):
        job_ends.redrive(cursor, "x", after(9))


def _letter(at: float) -> DeadLetterRow:
    return DeadLetterRow(new_id(), new_id(), "read_upload", "s", "R", "M.", 5, "network", after(at))


def test_letters_come_in_pages(cursor: Cursor) -> None:
    rows = [_letter(at) for at in (1, 2, 2, 3, 4)]
    for row in rows:
        dead_letters.insert_letter(cursor, row)
    job_ends.discard(cursor, rows[4].id, after(9), "old")
    seen, token, pages = [], "", 0
    while pages == 0 or token:
        page, token = dead_letters.list_letters(cursor, page_size=2, page_token=token)
        seen += page
        pages += 1
    assert pages == 2
    assert {row.id for row in seen} == {row.id for row in rows[:4]}
    assert [row.create_time for row in seen] == [after(3), after(2), after(2), after(1)]
    assert len(dead_letters.list_letters(cursor, include_closed=True)[0]) == 5
    assert dead_letters.count_letters(cursor) == 4
    assert dead_letters.count_letters(cursor, include_closed=True) == 5
    with pytest.raises(InvalidInput):
        dead_letters.list_letters(cursor, page_token="nonsense")


def test_letters_are_counted_by_kind_and_reason(cursor: Cursor) -> None:
    groups = (("k", "r"), ("k", "r"), ("k", "s"), ("l", "r"))
    rows = [replace(_letter(at), kind=kind, reason=reason) for at, (kind, reason) in enumerate(groups)]
    for row in rows:
        dead_letters.insert_letter(cursor, row)
    job_ends.discard(cursor, rows[0].id, after(9), "old")
    assert dead_letters.open_counts(cursor) == {("k", "r"): 1, ("k", "s"): 1, ("l", "r"): 1}
    assert dead_letters.open_counts(cursor, LetterFilter(kind="k")) == {("k", "r"): 1, ("k", "s"): 1}
    assert dead_letters.count_letters(cursor, LetterFilter(kind="k"), include_closed=True) == 3


def test_letters_are_bounded_in_number(cursor: Cursor) -> None:
    bounds = LetterBounds(3)
    rows = [_letter(at) for at in (1, 2, 3)]
    for row in rows:
        dead_letters.insert_letter(cursor, row)
    assert dead_letters.prune(cursor, bounds) == []
    job_ends.discard(cursor, rows[2].id, after(4), "old")
    dead_letters.insert_letter(cursor, _letter(5))
    assert dead_letters.prune(cursor, bounds) == [], "the closed one made room"
    assert dead_letters.count_open(cursor) == 3
    dead_letters.insert_letter(cursor, _letter(6))
    assert dead_letters.prune(cursor, bounds) == [DroppedLetters("", "read_upload", 1)]
    assert dead_letters.count_open(cursor) == count(cursor, "SELECT count(*) FROM dead_letters") == 3
    assert rows[0].id not in {row.id for row in dead_letters.list_letters(cursor)[0]}, "the oldest went"


def _dead(cursor: Cursor, session_id: str, kind: str, at: float) -> JobRow:
    """A job of the session that has failed, with its letter and one attempt."""
    row = replace(job(session_id, kind=kind), payload={"spool_id": new_id()}, attempts=1, claim_time=after(at))
    jobs.insert_job(cursor, row)
    update(cursor, "jobs", row.id, {"state": JobState.DEAD})
    dead_letters.insert_letter(cursor, replace(_letter(at), job_id=row.id, kind=kind, session_id=session_id))
    job_attempts.insert_attempt(cursor, row, after(at), "dead", "R")
    return row


def _of_client(cursor: Cursor, client_id: str) -> str:
    """A session of a client; returns its id."""
    row = session(client_id=client_id)
    sessions.insert_or_get(cursor, row)
    return row.id


def test_a_client_with_many_letters_pushes_out_its_own_and_no_others(cursor: Cursor) -> None:
    """Nor does it push out its letters of another kind. What is pushed out is gone with its job."""
    busy, quiet = _of_client(cursor, "busy"), _of_client(cursor, "quiet")
    picture, own_picture = _dead(cursor, quiet, "read_picture", 1), _dead(cursor, busy, "read_picture", 2)
    replies = [_dead(cursor, busy, "reply", 3 + at) for at in range(7)]
    assert dead_letters.prune(cursor, LetterBounds(5)) == [DroppedLetters("busy", "reply", 4)]
    kept = {row.job_id for row in dead_letters.list_letters(cursor)[0]}
    assert kept == {picture.id, own_picture.id, *(row.id for row in replies[4:])}
    assert needed_spool_ids(cursor) >= {picture.payload["spool_id"], own_picture.payload["spool_id"]}
    left = {row["id"] for row in fetch_all(cursor, "SELECT id FROM jobs")}
    assert left == kept == {row["job_id"] for row in fetch_all(cursor, "SELECT job_id FROM job_attempts")}


def test_a_client_with_letters_of_many_kinds_keeps_no_more_than_another(cursor: Cursor) -> None:
    busy, quiet = _of_client(cursor, "busy"), _of_client(cursor, "quiet")
    kept = {_dead(cursor, quiet, "reply", at).id for at in range(3)}
    kinds = ("propose", "read_picture", "reply")
    of_busy = [_dead(cursor, busy, kind, at).id for at in (5, 6) for kind in kinds]
    assert dead_letters.prune(cursor, LetterBounds(6)) == [DroppedLetters("busy", kind, 1) for kind in kinds]
    assert {row.job_id for row in dead_letters.list_letters(cursor)[0]} == kept | set(of_busy[3:])


def test_the_job_of_a_dropped_letter_stays_while_it_can_still_run(cursor: Cursor) -> None:
    """One that was redriven has a closed letter, and a newer one if it failed again."""
    of_client = _of_client(cursor, "app")
    queued, failed_again, discarded = (_dead(cursor, of_client, "reply", at) for at in (1, 2, 3))
    for letter in dead_letters.list_letters(cursor)[0]:
        if letter.job_id == discarded.id:
            job_ends.discard(cursor, letter.id, after(4), "old")
        else:
            job_ends.redrive(cursor, letter.id, after(4))
    update(cursor, "jobs", failed_again.id, {"state": JobState.DEAD})
    again = replace(_letter(5), job_id=failed_again.id, kind="reply", session_id=of_client)
    dead_letters.insert_letter(cursor, again)
    assert dead_letters.prune(cursor, LetterBounds(1)) == [], "only closed ones went"
    assert dead_letters.list_letters(cursor, include_closed=True)[0] == [again]
    assert {row["id"] for row in fetch_all(cursor, "SELECT id FROM jobs")} == {queued.id, failed_again.id}


def test_letters_of_one_kind_have_a_bound_of_their_own(cursor: Cursor) -> None:
    for at in range(5):
        dead_letters.insert_letter(cursor, replace(_letter(at), kind="reply" if at % 2 else "propose"))
    assert dead_letters.prune(cursor, LetterBounds(4, {"propose": 2})) == [DroppedLetters("", "propose", 1)]
    assert [(row.kind, row.create_time) for row in dead_letters.list_letters(cursor)[0]] == [
        ("propose", after(4)),
        ("reply", after(3)),
        ("propose", after(2)),
        ("reply", after(1)),
    ]
