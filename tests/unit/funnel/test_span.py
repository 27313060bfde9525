"""From when to when a report is, the versions of apps, and how the drop-offs moved."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from server.funnel.optimizer import FunnelData, FunnelOptimizer, read_funnel
from server.funnel.page import page
from server.funnel.report import FunnelReport
from server.funnel.selection import Selection
from server.funnel.span import Span, Version
from server.funnel.step_counts import Period, StepCount
from server.funnel.trend import HEIGHT, trend
from server.funnel.wording import wording_in
from server.ledger.columns import DuckDb
from server.ledger.types import SessionState
from server.services.funnel_messages import analysis_message, report_of
from tests.unit.funnel.stored import bulk, event_row, session_row

FIRST = datetime(2026, 8, 24, 9, tzinfo=UTC)  # a Monday
SAY = wording_in("en")


def store(cursor: DuckDb, weeks: int, each: int = 20) -> None:
    """In week n, n of 20 sessions leave before In progress; from week 2 on the app has another version."""
    sessions, events = [], []
    for week in range(weeks):
        for number in range(each):
            name = f"{week}-{number}"
            opened = FIRST + timedelta(days=7 * week, minutes=number)
            ended = opened + timedelta(hours=1)
            left = number < week
            state = SessionState.ABANDONED if left else SessionState.COMPLETED
            sessions.append(session_row(name, state, opened=opened, ended=ended))
            began = event_row(name, 0, "stage_entered", opened, stage=SessionState.STARTED)
            events.append(began | {"device_time": None, "event_time": opened})
            if not left:
                done = event_row(name, 1, "stage_entered", ended, stage=SessionState.COMPLETED)
                events.append(done | {"device_time": None, "event_time": ended})
            version = event_row(name, 2, "app_opened", opened, properties=json.dumps({"app_version": f"1.{week // 2}"}))
            kind = {"app_version": {"kind": "text" if number == 0 else "code"}}
            version["properties_meta"] = json.dumps(kind)
            events.append(version | {"device_time": opened, "event_time": opened})
    bulk(cursor, "sessions", sessions)
    bulk(cursor, "events", events)


def analyzed(cursor: DuckDb, selection: Selection | None = None) -> FunnelReport:
    return FunnelOptimizer().analyze(read_funnel(cursor, selection))


def test_a_report_says_its_time_and_the_versions_of_its_apps(cursor: DuckDb) -> None:
    store(cursor, 4)
    said = SAY.basis(analyzed(cursor))
    assert said.startswith("Sessions opened from 2026-08-24 to 2026-09-14 (UTC). 80 sessions, watched until 2026-09-1")
    assert "App versions, of the sessions of which it is known: 1.0 (50 %), 1.1 (50 %)." in said, "76 of 80"


def test_a_version_that_is_text_is_not_shown(cursor: DuckDb) -> None:
    store(cursor, 4)
    assert [version.sessions for version in analyzed(cursor).span.versions] == [38, 38]


def test_only_the_sessions_of_the_report_count(cursor: DuckDb) -> None:
    store(cursor, 4)
    later = analyzed(cursor, Selection(start=FIRST + timedelta(days=14)))
    assert (later.span.first, len(later.periods)) == (FIRST + timedelta(days=14), 2)
    assert [version.value for version in later.span.versions] == ["1.1"]
    nobody = analyzed(cursor, Selection(client_id="nobody"))
    assert (nobody.span, nobody.periods) == (Span(), ())
    assert "Sessions opened" not in SAY.basis(nobody)


def test_the_weeks_add_up_to_the_whole(cursor: DuckDb) -> None:
    store(cursor, 5)
    report = analyzed(cursor)
    assert [f"{period.start:%Y-%m-%d}" for period in report.periods] == [
        *("2026-08-24", "2026-08-31", "2026-09-07", "2026-09-14", "2026-09-21")
    ]
    assert [period.steps[0].dropped for period in report.periods] == [0, 1, 2, 3, 4]
    for number, found in enumerate(report.drop_offs):
        of_weeks = [period.steps[number] for period in report.periods]
        assert sum(count.dropped for count in of_weeks) == found.count.dropped
        assert sum(count.went_on for count in of_weeks) == found.count.went_on
    assert report_of(analysis_message(report)).periods[2].steps[0].dropped == 2


def test_more_than_half_a_year_is_counted_by_months(cursor: DuckDb) -> None:
    store(cursor, 30)
    report = analyzed(cursor)
    assert report.span.unit == "month"
    assert [f"{period.start:%Y-%m-%d}" for period in report.periods][:2] == ["2026-08-01", "2026-09-01"]
    assert "Month from" in page(report)


def data(*weeks: tuple[int, int]) -> FunnelReport:
    periods = tuple(
        Period(FIRST + timedelta(days=7 * number), (StepCount(1, of, of - left, left),))
        for number, (left, of) in enumerate(weeks)
    )
    whole = StepCount(1, 100, 60, 40)
    span = Span(FIRST, FIRST + timedelta(days=60), (Version("1 <b>", 3), *(Version(f"v{n}", 1) for n in range(7))))
    return FunnelOptimizer().analyze(FunnelData((whole,), FIRST, span=span, periods=periods))


def test_the_page_shows_each_line_as_numbers_too() -> None:
    report = data((10, 100), (20, 100), (30, 100))
    found = trend(report)
    assert found is not None
    assert [share.rate for share in found.steps[0].halves] == [0.15, 0.3]
    assert found.top == 0.3
    assert found.steps[0].end == (117.0, 3.0), "the highest share is at the top"
    text = page(report).replace("\u00a0", " ")
    assert 'aria-label="Before In progress: 10 %, 20 %, 30 %"' in text
    for day, rate in (("2026-08-24", "10 %"), ("2026-08-31", "20 %"), ("2026-09-07", "30 %")):
        assert f"{day}</th>" in text
        assert f">{rate} <span" in text
    assert "1 &lt;b&gt; (30 %), v0 (10 %), v1 (10 %), v2 (10 %), 4 more (40 %)" in text


def test_a_week_with_few_sessions_leaves_a_gap_in_the_line() -> None:
    found = trend(data((10, 100), (20, 100), (9, 9), (10, 100), (20, 100)))
    assert found is not None
    step = found.steps[0]
    assert [piece.count(",") for piece in step.lines] == [2, 2]
    assert step.shares[2].rate == 1.0, "the table has it"
    assert all(0 <= float(pair.split(",")[1]) <= HEIGHT for piece in step.lines for pair in piece.split())


def test_a_short_time_has_no_trend() -> None:
    assert trend(data((1, 20), (2, 20))) is None
    assert "<svg" not in page(data((1, 20), (2, 20)))


def test_a_time_without_sessions_that_count_has_no_line() -> None:
    found = trend(data((0, 0), (0, 0), (0, 0)))
    assert found is not None
    assert (found.steps[0].lines, found.steps[0].end) == ((), None)
    assert SAY.line(found.steps[0]) == "Before In progress: -, -, -"


def test_an_app_without_a_version_is_said() -> None:
    report = FunnelOptimizer().analyze(FunnelData((StepCount(1, 100, 60, 40),), FIRST))
    assert "App versions are not known" in SAY.basis(report)
