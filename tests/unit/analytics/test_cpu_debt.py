"""CPU time beyond what admitted queries should need, by hand."""

from __future__ import annotations

from server.analytics.cpu_debt import FREE_SHARE, QUERIES, CpuDebt

LONGEST_S = 10.0
MOST_S = QUERIES * LONGEST_S


def seconds_until_killed(cpu_share: float, admitted_share: float, most: int = 10_000) -> int | None:
    """How many seconds the process lives that uses and admits these shares of a CPU; None for longer than ``most``."""
    debt = CpuDebt(LONGEST_S)
    for second in range(most):
        if debt.too_high(float(second), second * cpu_share, second * admitted_share):
            return second
    return None


def test_an_idle_process_and_one_that_does_what_was_admitted_live() -> None:
    assert seconds_until_killed(0.0, 0.0) is None
    assert seconds_until_killed(1.0, 1.0) is None
    assert seconds_until_killed(FREE_SHARE, 0.0) is None


def test_a_query_that_runs_on_is_killed() -> None:
    assert seconds_until_killed(1.0, 0.0) == int(MOST_S / (1.0 - FREE_SHARE)) + 1


def test_short_queries_beside_it_do_not_hide_it() -> None:
    killed = seconds_until_killed(1.2, 0.4)
    assert killed is not None
    assert killed < 2 * MOST_S


def test_an_idle_hour_saves_no_more_than_one_allowance() -> None:
    debt = CpuDebt(LONGEST_S)
    assert not debt.too_high(0.0, 0.0, 0.0)
    assert not debt.too_high(3600.0, 0.0, 0.0)
    assert not debt.too_high(3600.0, 2 * MOST_S, 0.0)
    assert debt.too_high(3600.0, 2 * MOST_S + 0.1, 0.0)


def test_time_used_before_the_first_look_does_not_count() -> None:
    assert not CpuDebt(LONGEST_S).too_high(5.0, 1000.0, 0.0)
