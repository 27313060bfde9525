"""Weeks, and when their reports are due."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from models.errors import InvalidInput
from server.reports.week import Schedule, Week, weeks_between

BERLIN = ZoneInfo("Europe/Berlin")
MONDAY_AT_8 = Schedule(0, 8, BERLIN)


@pytest.mark.parametrize(
    ("day", "name"),
    [(date(2026, 3, 1), "2026-W09"), (date(2026, 3, 2), "2026-W10"), (date(2027, 1, 3), "2026-W53")],
)
def test_a_week_has_its_iso_name(day: date, name: str) -> None:
    week = Week.of(day)
    assert (week.name, Week.parse(name)) == (name, week)


@pytest.mark.parametrize("name", ["2026-10", "2026-W54", "2025-W53", "2026-W00", "26-W10", "2026-W1", "9999-W52", ""])
def test_what_is_no_week_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Week.parse(name)
    assert refused.value.reason == "REPORT_WEEK_INVALID"
    is_none = name in ("2026-W54", "2025-W53", "2026-W00", "9999-W52")
    assert refused.value.message == (
        f"There is no week {name}." if is_none else "The week is not of the form 2026-W48."
    )


@pytest.mark.parametrize(("week", "hours"), [(Week(2026, 10), 168), (Week(2026, 13), 167), (Week(2026, 43), 169)])
def test_a_week_in_which_the_clocks_change_has_an_hour_more_or_less(week: Week, hours: int) -> None:
    begin, end = week.bounds(BERLIN)
    assert end - begin == timedelta(hours=hours)
    assert begin.astimezone(BERLIN).strftime("%A %H:%M") == "Monday 00:00"


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2026-03-09T06:59:59", "2026-W09"),
        ("2026-03-09T07:00:00", "2026-W10"),  # 8 o'clock in Berlin
        ("2026-03-15T23:30:00", "2026-W10"),  # already Monday in Berlin, and before 8
        ("2026-03-30T05:59:59", "2026-W12"),
        ("2026-03-30T06:00:00", "2026-W13"),  # summer time
    ],
)
def test_a_report_is_due_at_its_local_hour(now: str, due: str) -> None:
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert MONDAY_AT_8.latest_due(moment).name == due
    assert MONDAY_AT_8.next_due(moment) == MONDAY_AT_8.due_time(Week.parse(due).after) > moment


def test_a_later_day_reports_the_same_week() -> None:
    friday = Schedule(4, 17, BERLIN)
    assert friday.latest_due(datetime(2026, 3, 13, 15, 59, tzinfo=UTC)) == Week(2026, 9)
    assert friday.latest_due(datetime(2026, 3, 13, 16, 0, tzinfo=UTC)) == Week(2026, 10)
    assert friday.latest_whole(datetime(2026, 3, 9, 0, 0, tzinfo=UTC)) == Week(2026, 10)


def test_of_many_missed_weeks_the_newest_are_taken() -> None:
    names = [week.name for week in weeks_between(Week(2025, 50), Week(2026, 2), most=4)]
    assert names == ["2025-W51", "2025-W52", "2026-W01", "2026-W02"]
    assert [week.name for week in weeks_between(Week(2025, 40), Week(2026, 2), most=2)] == ["2026-W01", "2026-W02"]
    assert list(weeks_between(Week(2026, 2), Week(2026, 2), most=4)) == []
