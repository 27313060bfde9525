from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from server.funnel.types import Cause, Column, Condition, Interval, SessionTable

FEATURES: dict[str, Column] = {
    "silent": np.array([True, False, True, False]),
    "network": np.array(["3g", "wifi", None, "3g"], dtype=object),
    "wait_s": np.array([9.0, 8.0, np.nan, 1.0]),
}
TABLE = SessionTable(
    features=FEATURES,
    reached=np.array([1, 1, 2, 3]),
    ended=np.array([True, False, True, True]),
    steps=("start", "confirm", "done"),
)


@pytest.mark.parametrize(
    ("condition", "text", "holds"),
    [
        (Condition("silent"), "silent", [True, False, True, False]),
        (Condition("silent", "not"), "silent = no", [False, True, False, True]),
        (Condition("network", "=", "3g"), "network = 3g", [True, False, False, True]),
        (Condition("network", "=", None), "network = unknown", [False, False, True, False]),
        (Condition("wait_s", ">", 8.0), "wait_s > 8", [True, False, False, False]),
        (Condition("wait_s", "<=", 8.0), "wait_s <= 8", [False, True, False, True]),
        (Condition("wait_s", ">", 6100.0), "wait_s > 6,100", [False] * 4),
        (Condition("wait_s", "in", (6000.0, 83_000.5)), "wait_s > 6,000 and <= 83,000", [False] * 4),
        (Condition("wait_s", ">", 0.00012), "wait_s > 0.00012", [True, True, False, True]),
        (Condition("wait_s", "=", None), "wait_s = unknown", [False, False, True, False]),
        (Condition("wait_s", "=", 1.0), "wait_s = 1", [False, False, False, True]),
    ],
)
def test_a_condition_reads_well_and_holds_where_it_says(condition: Condition, text: str, holds: list[bool]) -> None:
    assert str(condition) == text
    assert condition.holds(TABLE).tolist() == holds


def test_two_conditions_hold_together() -> None:
    both = (Condition("silent"), Condition("network", "=", "3g"))
    cause = Cause(both, "confirm", 1, Interval(0.5, 1.0, 1.5), 1, 1, 3, 1.0, 0.3)
    assert (cause.kind, cause.feature, cause.text) == ("together", "silent & network", "silent and network = 3g")
    assert cause.holds(TABLE).tolist() == [True, False, False, False]
    assert replace(cause, conditions=both[:1]).kind == "one"


def test_sessions_under_way_are_neither_lost_nor_gone_on() -> None:
    assert TABLE.at_risk(1).tolist() == [True, False, True, True]
    assert TABLE.at_risk(2).tolist() == [False, False, True, True]


def test_a_person_is_known_for_each_session_or_for_none() -> None:
    with pytest.raises(ValueError, match="one value for each session"):
        replace(TABLE, persons=np.array([0, 0, 1]))


@pytest.mark.parametrize(
    ("steps", "reached", "wait"),
    [
        (("start",), [1, 1, 1, 1], [1.0, 1.0, 1.0, 1.0]),
        (("start", "start"), [1, 1, 1, 1], [1.0, 1.0, 1.0, 1.0]),
        (("start", "done"), [1, 0, 1, 1], [1.0, 1.0, 1.0, 1.0]),
        (("start", "done"), [1, 3, 1, 1], [1.0, 1.0, 1.0, 1.0]),
        (("start", "done"), [1, 1, 1, 1], [1.0]),
        (("start", "done"), [1, 1, 1, 1], [1, 2, 3, 4]),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(steps: tuple[str, ...], reached: list[int], wait: list[float]) -> None:
    with pytest.raises(ValueError, match=r"steps|column"):
        SessionTable({"wait_s": np.array(wait)}, np.array(reached), TABLE.ended, steps)
