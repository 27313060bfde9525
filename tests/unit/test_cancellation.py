"""The flag that a caller sets and the deadline, with a clock by hand."""

from __future__ import annotations

import pytest

from models.cancellation import NEVER, Cancellation, Cancelled
from models.errors import DeadlineExceeded


def test_work_goes_on_until_its_time_is_over() -> None:
    now = [100.0]
    cancellation = Cancellation(5.0, clock=lambda: now[0])
    cancellation.check()
    now[0] = 104.0
    assert cancellation.left_s == 1.0
    cancellation.check()
    now[0] = 105.0
    assert cancellation.left_s == 0.0
    with pytest.raises(DeadlineExceeded):
        cancellation.check()
    assert not cancellation.cancelled


def test_a_flag_ends_work_at_its_next_look() -> None:
    cancellation = Cancellation(5.0)
    cancellation.check()
    cancellation.cancel()
    with pytest.raises(Cancelled):
        cancellation.check()
    assert cancellation.wait(0.0)


def test_a_flag_calls_what_the_work_waits_for_once() -> None:
    called: list[str] = []
    cancellation = Cancellation()
    with cancellation.calling(lambda: called.append("over")):
        pass
    with cancellation.calling(lambda: called.append("running")):
        cancellation.cancel()
        cancellation.cancel()
    with cancellation.calling(lambda: called.append("late")):
        assert called == ["running", "late"]


def test_idle_time_counts_from_the_last_look() -> None:
    now = [0.0]
    cancellation = Cancellation(clock=lambda: now[0])
    now[0] = 7.0
    assert cancellation.idle_s == 7.0
    cancellation.check()
    assert cancellation.idle_s == 0.0


def test_work_that_nobody_cancels_goes_on() -> None:
    NEVER.check()
    assert NEVER.left_s == float("inf")
