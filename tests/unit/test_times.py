"""Times and lengths of time are written in one form for people and one for programs."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from buf.validate import validate_pb2
from vestibule.v1 import funnel_pb2

from server.times import LONGEST_WINDOW, day_in_zone, machine_time, shown_length, shown_time, zone_named

ROOT = Path(__file__).parents[2]
WHEN = datetime(2026, 11, 28, 0, 35, 23, 999_999)


@pytest.mark.parametrize("zone", [None, UTC, timezone(timedelta(hours=2))])
def test_a_time_is_in_utc(zone: timezone | None) -> None:
    when = WHEN.replace(tzinfo=UTC).astimezone(zone) if zone else WHEN
    assert shown_time(when) == "2026-11-28 00:35 UTC"
    assert machine_time(when) == "2026-11-28T00:35:23Z"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 s"),
        (0.85, "850 ms"),
        (0.99951, "1 s"),
        (10.0, "10 s"),
        (12.34, "12.3 s"),
        (59.96, "1 min"),
        (1544.239, "25 min 44 s"),
        (7500, "2 h 5 min"),
        (273_600, "3 d 4 h"),
        (-4.2, "\N{MINUS SIGN}4.2 s"),
    ],
)
def test_lengths_of_time_are_read_at_a_glance(seconds: float, text: str) -> None:
    assert shown_length(seconds) == text


ELSEWHERE = {
    "server/times.py",
    "server/observability/log.py",  # lines of the log
    "server/access/audit.py",  # what the chain of the audit log is made of; it must never change
    "server/ledger/page_token.py",
    "server/flows/reading/times.py",  # a time of day in a record
    "server/risk/fit_process.py",  # between two processes of ours
}
OWN_FORM = re.compile(r":%[YHM]|%Y-%m-%d[ T]%H|\.isoformat\((?:timespec|[\"'])|strftime\([^\"']*[\"']%Y-%m-%d[ T]")


def test_no_part_of_the_server_writes_times_in_a_form_of_its_own() -> None:
    found = [
        f"{path}:{number}: {line.strip()}"
        for file in sorted((ROOT / "server").rglob("*"))
        if file.suffix in {".py", ".j2", ".html"} and (path := file.relative_to(ROOT).as_posix()) not in ELSEWHERE
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1)
        if OWN_FORM.search(line) and not DAYS_OR_OPTIONS.search(line)
    ]
    assert found == []


DAYS_OR_OPTIONS = re.compile(r':%Y-%m-%d}|DateTime\(|__init__\(\("%Y-%m-%d"|:%Y-%m-%d \{')
"""Days, and forms that are read and not written."""


@pytest.mark.parametrize(
    ("when", "zone", "day"),
    [
        ("2026-11-27T12:59Z", "Australia/Sydney", date(2026, 11, 27)),
        ("2026-11-27T13:00Z", "Australia/Sydney", date(2026, 11, 28)),
        ("2026-11-27T07:59Z", "America/Los_Angeles", date(2026, 11, 26)),
        ("2026-11-27T08:00Z", "America/Los_Angeles", date(2026, 11, 27)),
        ("2026-07-27T07:00Z", "America/Los_Angeles", date(2026, 7, 27)),  # daylight saving time
        ("2026-11-27T23:59", "UTC", date(2026, 11, 27)),
        ("2026-11-27T23:59Z", "Mars/Olympus", date(2026, 11, 27)),
    ],
)
def test_a_day_begins_at_midnight_of_its_zone(when: str, zone: str, day: date) -> None:
    assert day_in_zone(datetime.fromisoformat(when), zone) == day


@pytest.mark.parametrize("name", ["", "Europe", "Mars/Olympus", "/etc/passwd", "../../etc/passwd", "a\0b", "x" * 300])
def test_what_names_no_zone_is_unknown(name: str) -> None:
    assert zone_named(name) is None


@pytest.mark.parametrize("message", [funnel_pb2.GetReportRequest, funnel_pb2.FunnelStepRule])
def test_the_longest_window_is_that_of_the_api(message: type[funnel_pb2.GetReportRequest]) -> None:
    rules = message.DESCRIPTOR.fields_by_name["window"].GetOptions().Extensions[validate_pb2.field]
    assert rules.duration.lte.ToTimedelta() == LONGEST_WINDOW
