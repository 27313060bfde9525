"""Which sessions count for a step: those whose end would be known by now."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from server.analytics.funnel import FunnelChoice
from server.analytics.funnel_cohorts import Watched
from server.funnel.selection import Selection
from server.funnel.step_counts import StepCount, count_steps, outcome_parameters
from server.funnel.steps import Steps
from server.ledger import recommendations, sessions
from server.ledger.columns import Cursor, fetch_all, stored_time
from server.ledger.types import SessionState
from tests.unit.analytics.funnel_rows import funnel_report, store
from tests.unit.analytics.naive_funnel import Happened
from tests.unit.ledger.makers import after, recommendation, session

IDLE = timedelta(seconds=30)
DAY_S = 86_400.0


def propose(cursor: Cursor, number: int, *, approved: bool) -> None:
    """Open a session at each second, which proposes a record a second later; some are approved after another five."""
    row, _ = sessions.insert_or_get(cursor, session(at=number))
    sessions.transition(cursor, row.id, SessionState.IN_PROGRESS, after(number))
    sessions.transition(cursor, row.id, SessionState.AWAITING_APPROVAL, after(number + 1))
    proposed = replace(recommendation(row.id, number + 1), expire_time=after(number + 1 + DAY_S))
    recommendations.insert_recommendation(cursor, proposed)
    if approved:
        sessions.transition(cursor, row.id, SessionState.COMPLETED, after(number + 6))


def counted(cursor: Cursor, at: float, steps: Steps) -> StepCount:
    return count_steps(cursor, outcome_parameters(Selection(), stored_time(after(at)), IDLE), steps)[-1]


@pytest.mark.parametrize("names", [(), ("STARTED", "COMPLETED")], ids=["stages", "steps"])
def test_nobody_counts_as_having_stayed_while_records_of_others_can_still_be_approved(
    cursor: Cursor, names: tuple[str, ...]
) -> None:
    steps = Steps.of(names)
    for number in range(40):
        propose(cursor, number, approved=number % 2 == 0)
    early = counted(cursor, 120, steps)
    assert (early.entered, early.counted, early.waiting) == (40, 0, 40)
    for row in sessions.list_idle(cursor, after(DAY_S + 120), after(DAY_S + 120)):
        sessions.transition(cursor, row.id, SessionState.ABANDONED, after(DAY_S + 120))
    propose(cursor, int(DAY_S) + 130, approved=True)
    propose(cursor, int(DAY_S) + 131, approved=False)
    late = counted(cursor, DAY_S + 300, steps)
    assert (late.entered, late.went_on, late.dropped, late.waiting) == (42, 20, 20, 2)


DAY_US, SECOND_US = 86_400_000_000, 1_000_000


def visit(cursor: Cursor, name: str, at_us: int, *, left: int, late: int, went_on: int) -> None:
    """Sessions that have ended. Of those that went on, the events of ``late`` are still on their way."""
    gone = {f"{name}-left-{n}": [Happened("a", at_us)] for n in range(left + late)}
    on = {f"{name}-on-{n}": [Happened("a", at_us), Happened("b", at_us + 10 * SECOND_US)] for n in range(went_on)}
    store(cursor, gone | on)


def test_sessions_wait_for_events_of_apps_that_were_offline(cursor: Cursor) -> None:
    """A fifth of those that go on are known a day later; until then they seem to have left. 32 % leave."""
    visit(cursor, "old", 0, left=64, late=0, went_on=136)
    cursor.execute(
        "UPDATE events SET server_time = server_time + INTERVAL 1 DAY WHERE name = 'b' AND hash(session_id) % 5 = 0"
    )
    visit(cursor, "new", DAY_US, left=32, late=14, went_on=54)
    store(cursor, {"seen last": [Happened("other", DAY_US + 3600 * SECOND_US)]})
    steps = Steps.of(("a", "b"))
    early = counted(cursor, DAY_S + 3600, steps)
    assert (early.entered, early.went_on, early.dropped, early.waiting) == (300, 136, 64, 100)
    [row] = fetch_all(cursor, "FROM drop_offs(['a', 'b'], idle := INTERVAL 30 SECOND)")
    assert (row["sessions"], row["counted"], row["drop_off_rate"]) == (300, 200, 0.32)
    report = funnel_report(cursor, FunnelChoice(steps=("a", "b")), Watched(after(DAY_S + 3600), IDLE))[1]
    assert (report.counted, report.counted_dropped, report.dropped) == (200, 64, 110)
    assert counted(cursor, 3 * DAY_S, steps).waiting == 0


def test_a_log_that_an_app_imports_is_not_late(cursor: Cursor) -> None:
    """Its events are from long before the session was opened, and arrive with it."""
    visit(cursor, "log", -300 * DAY_US, left=32, late=0, went_on=68)
    cursor.execute("UPDATE events SET server_time = $at", {"at": stored_time(after(5))})
    assert counted(cursor, 60, Steps.of(("a", "b"))).waiting == 0
