"""Retention deletes events: the funnel then starts later, and nobody becomes a drop-off."""

from __future__ import annotations

from server.funnel.selection import Selection
from server.funnel.step_counts import count_steps, outcome_parameters
from server.ledger import retention, sessions
from server.ledger.columns import Cursor, fetch_all, stored_time
from server.ledger.types import SessionState
from tests.unit.analytics.funnel_rows import funnel_report
from tests.unit.ledger.makers import after, session

IDLE = after(1800) - after(0)


def complete(cursor: Cursor, at: float) -> str:
    row, _ = sessions.insert_or_get(cursor, session(at=at))
    for step, state in enumerate(
        (SessionState.IN_PROGRESS, SessionState.AWAITING_APPROVAL, SessionState.COMPLETED), start=1
    ):
        sessions.transition(cursor, row.id, state, after(at + step))
    return row.id


def test_sessions_whose_events_were_deleted_are_in_no_funnel(cursor: Cursor) -> None:
    old, new = complete(cursor, 0), complete(cursor, 100)
    left, _ = sessions.insert_or_get(cursor, session(at=101))
    sessions.transition(cursor, left.id, SessionState.ABANDONED, after(110))
    assert retention.delete_events(cursor, after(50)) == 4
    stages = funnel_report(cursor)
    assert [(stage.sessions, stage.dropped) for stage in stages] == [(2, 0), (1, 1), (1, 0), (1, 0)]
    assert {row["session_id"] for row in fetch_all(cursor, "FROM v_session_stages")} == {new, left.id}
    assert {row["session_id"] for row in fetch_all(cursor, "FROM v_sessions")} == {old, new, left.id}
    counts = count_steps(cursor, outcome_parameters(Selection(), stored_time(after(100_000)), IDLE))
    assert [(step.entered, step.went_on, step.dropped) for step in counts] == [(2, 1, 1), (1, 1, 0), (1, 1, 0)]


def test_a_session_that_lost_its_first_events_only_is_left_out_too(cursor: Cursor) -> None:
    complete(cursor, 0)
    retention.delete_events(cursor, after(1.5))
    assert [stage.sessions for stage in funnel_report(cursor)] == [0, 0, 0, 0]
