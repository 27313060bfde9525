"""Drop-offs: what counts, what waits, and how sure the rates are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import duckdb
import pytest
from scipy.stats import binomtest

from benchmarks.funnel_coverage import DESIGNS, Design, coverage
from server.funnel.drop_offs import DropOff, SeverityRules
from server.funnel.intervals import wilson
from server.funnel.optimizer import FunnelData, FunnelOptimizer, read_funnel
from server.funnel.report import FunnelReport
from server.funnel.selection import Selection
from server.funnel.step_counts import StepCount
from server.ledger.columns import DuckDb
from server.ledger.types import SessionState as S
from tests.unit.funnel.stored import fill
from tests.unit.ledger.makers import NOW, after

IDLE_S = 1800.0
LATER = NOW + timedelta(days=1)


def _report(cursor: DuckDb, selection: Selection | None = None, at: float | None = 86_400.0) -> FunnelReport:
    now = None if at is None else after(at)
    return FunnelOptimizer().analyze(read_funnel(cursor, selection, now=now))


def _short(found: DropOff) -> tuple[int, int, int, int, int, str]:
    count = found.count
    return count.entered, count.went_on, count.dropped, count.waiting, count.under_way, found.severity


@pytest.mark.parametrize(("hits", "of"), [(450, 1000), (1, 7), (0, 12), (12, 12), (1, 1), (50_000, 1_000_000)])
def test_the_interval_is_that_of_wilson(hits: int, of: int) -> None:
    found, expected = wilson(hits, of), binomtest(hits, of).proportion_ci(method="wilson")
    assert (found.low, found.mid, found.high) == pytest.approx((expected.low, hits / of, expected.high))


def test_without_sessions_anything_is_possible() -> None:
    assert (wilson(0, 0).low, wilson(0, 0).high) == (0.0, 1.0)


def test_the_owners_case(cursor: DuckDb) -> None:
    """1,000 sessions, of which 45 % are lost on the way into AWAITING_APPROVAL."""
    fill(cursor, 0, 450, 0, 550)
    report = _report(cursor)
    assert report.sessions == 1000
    assert [_short(found) for found in report.drop_offs] == [
        (1000, 1000, 0, 0, 0, "NORMAL"),
        (1000, 550, 450, 0, 0, "HIGH"),
        (550, 550, 0, 0, 0, "NORMAL"),
    ]
    assert report.worst is report.drop_offs[1]
    assert report.worst.categories[0] == "performance"
    assert (report.worst.rate.low, report.worst.rate.high) == pytest.approx((0.419, 0.481), abs=0.001)


def test_the_owners_rules_say_what_a_step_points_to() -> None:
    data = FunnelData(tuple(StepCount(step, 100, 50, 50) for step in (1, 2, 3)))
    assert {str(f.count.to_stage): f.categories for f in FunnelOptimizer().analyze(data).drop_offs} == {
        "IN_PROGRESS": ("ux", "content"),
        "AWAITING_APPROVAL": ("performance", "complexity"),
        "COMPLETED": ("content", "ux"),
    }


@pytest.mark.parametrize(
    ("dropped", "went_on", "severity"),
    [(29, 71, "NORMAL"), (30, 70, "HIGH"), (49, 51, "HIGH"), (50, 50, "CRITICAL"), (19, 0, ""), (20, 0, "CRITICAL")],
)
def test_severity_follows_the_rate_and_too_few_get_none(dropped: int, went_on: int, severity: str) -> None:
    assert SeverityRules().severity(dropped, dropped + went_on) == severity


def test_severity_follows_the_settings() -> None:
    strict = SeverityRules(high=0.10, critical=0.20, least_sessions=100)
    assert [strict.severity(n, 100) for n in (9, 10, 20)] == ["NORMAL", "HIGH", "CRITICAL"]
    assert strict.severity(99, 99) == ""


def test_sessions_under_way_wait_and_are_not_lost(cursor: DuckDb) -> None:
    fill(cursor, 10, 20, 30, 40)
    fill(cursor, 1, 200, 300, state=S.IN_PROGRESS, name="open-")
    assert [_short(found) for found in _report(cursor).drop_offs] == [
        (601, 590, 10, 1, 1, "NORMAL"),
        (590, 370, 20, 200, 200, "NORMAL"),
        (370, 40, 30, 300, 300, "HIGH"),
    ]


def test_sessions_that_went_on_a_moment_ago_wait_until_those_that_left_are_known(cursor: DuckDb) -> None:
    fill(cursor, 50, 50)
    fill(cursor, 0, 30, name="new-", at=86_400.0)
    fill(cursor, 30, state=S.STARTED, name="open-", at=86_400.0)
    long_enough = 86_400.0 + IDLE_S + 10  # the time of a step is ten seconds
    assert _short(_report(cursor, at=long_enough - 1).drop_offs[0]) == (160, 50, 50, 60, 30, "CRITICAL")
    assert _short(_report(cursor, at=long_enough + 1).drop_offs[0]) == (160, 80, 50, 30, 30, "HIGH")


def test_where_every_end_is_known_every_session_counts(cursor: DuckDb) -> None:
    fill(cursor, 50, 50)
    assert _short(_report(cursor, at=20.0).drop_offs[0]) == (100, 50, 50, 0, 0, "CRITICAL")


def test_a_stopped_server_was_watched_until_it_stopped(cursor: DuckDb) -> None:
    """Nobody ended the sessions that were open when it stopped, however long ago that was."""
    fill(cursor, 50, 50)
    fill(cursor, 0, 30, name="new-", at=86_400.0)
    fill(cursor, 30, state=S.STARTED, name="open-", at=86_400.0)
    report = _report(cursor, at=None)
    assert report.observed_until == after(86_420.0)
    assert _short(report.drop_offs[0]) == (160, 50, 50, 60, 30, "CRITICAL")


def test_reviewers_who_need_days_do_not_make_their_step_look_good(cursor: DuckDb) -> None:
    """Approvals come days after a proposal, so that a proposal of yesterday says nothing yet."""
    fill(cursor, 0, 0, 40, 60)
    cursor.execute("UPDATE events SET server_time = server_time + INTERVAL 2 DAY WHERE stage = 'COMPLETED'")
    fill(cursor, 0, 0, 0, 15, name="quick-", at=3 * 86_400.0)
    fill(cursor, 0, 0, 25, state=S.AWAITING_APPROVAL, name="open-", at=3 * 86_400.0)
    found = _report(cursor, at=4 * 86_400.0).drop_offs[2]
    assert _short(found) == (140, 60, 40, 40, 25, "HIGH")


@pytest.mark.parametrize(
    ("chosen", "sessions"),
    [
        (Selection(), 30),
        (Selection(start=after(50)), 20),
        (Selection(end=after(50)), 10),
        (Selection(client_id="another"), 0),
        (Selection(client_id="given", pseudonym="app"), 30),
        (Selection(visible_to="another"), 0),
        (Selection(client_id="app", visible_to="app"), 30),
    ],
)
def test_the_selection(cursor: DuckDb, chosen: Selection, sessions: int) -> None:
    fill(cursor, 10)
    fill(cursor, 20, name="later-", at=100.0)
    assert _report(cursor, chosen).sessions == sessions


def test_an_empty_ledger(cursor: DuckDb) -> None:
    report = _report(cursor, at=None)
    assert (report.sessions, report.observed_until, report.worst) == (0, None, None)
    assert [_short(found) for found in report.drop_offs] == [(0, 0, 0, 0, 0, "")] * 3


@pytest.fixture
def simulation() -> Iterator[DuckDb]:
    with duckdb.connect() as connection:
        connection.execute("SET threads = 1")
        connection.execute("SELECT setseed(0.14)")
        yield connection


@pytest.mark.parametrize("name", ["1,000 sessions in 4 hours", "5,000 sessions in 4 hours, slow to leave"])
def test_intervals_hold_the_truth_though_leavers_are_known_late(simulation: DuckDb, name: str) -> None:
    """The benchmark has 2,000 runs; 80 tell 95 % from what counting all known outcomes gives."""
    held = coverage(simulation, DESIGNS[name], 80)
    assert held["report"] >= 0.87
    assert held["all that is known"] < 0.65


def test_intervals_hold_the_truth_though_events_of_some_devices_are_late(simulation: DuckDb) -> None:
    held = coverage(simulation, DESIGNS["5,000 sessions in 30 hours, 20 % of devices up to 24 hours late"], 60)
    assert held["report"] >= 0.86
    assert held["all that is known"] < 0.1


def test_the_simulation_holds_the_truth_when_nobody_is_late(simulation: DuckDb) -> None:
    held = coverage(simulation, Design(500, hours=1000.0), 80)
    assert all(share >= 0.87 for share in held.values())
