"""Which sessions count for a step: those whose end would be known by now."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from server.funnel.selection import Selection
from server.funnel.step_counts import StepCount, count_steps, outcome_parameters
from server.funnel.steps import Steps
from server.ledger import recommendations, sessions
from server.ledger.columns import Cursor, stored_time
from server.ledger.types import SessionState
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
