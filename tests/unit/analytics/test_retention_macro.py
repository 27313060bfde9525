"""Who comes back equals a count by loops; only periods that are over count; analysts see no hash of a person."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.funnel.intervals import wilson
from server.ledger.columns import DuckDb, fetch_all

START = datetime(2026, 1, 28, 22, 0)  # a Wednesday evening, three days before the end of a month
AS_OF = START + timedelta(days=40)

# Person (0 for none), client, hours after START, whether it sent something.
Visit = tuple[int, str, int, bool]
visit = st.tuples(st.integers(0, 6), st.sampled_from(("app", "site")), st.integers(0, 24 * 38), st.booleans())


def _store(cursor: DuckDb, visits: list[Visit]) -> None:
    cursor.begin()
    cursor.execute("DELETE FROM events; DELETE FROM sessions")
    for number, (person, client, hours, sent) in enumerate(visits):
        opened = START + timedelta(hours=hours)
        name = f"s{number:03}"
        cursor.execute(
            """INSERT INTO sessions (id, client_id, request_id, state, create_time, update_time, stage_time, language,
            sealed_vocabulary, variant, turn_count, subject_hash)
            VALUES (?, ?, ?, 'ABANDONED', ?, ?, ?, '', '', '', 0, ?)""",
            [name, client, name, opened, opened, opened, f"hash-of-{person}" if person else ""],
        )
        if sent:
            cursor.execute(
                """INSERT INTO events (id, session_id, client_id, name, server_time, device_time, sequence, variant,
                properties, properties_meta, event_time, clock)
                VALUES (?, ?, ?, 'sent', ?, ?, 1, '', '{}', '{}', ?, 'device')""",
                [name, name, client, opened, opened, opened + timedelta(minutes=5)],
            )
    cursor.commit()


def _begin(unit: str, day: date) -> date:
    if unit == "month":
        return day.replace(day=1)
    return day - timedelta(days=day.weekday()) if unit == "week" else day


def _after(unit: str, day: date, number: int) -> date:
    if unit == "month":
        months = day.year * 12 + day.month - 1 + number
        return date(months // 12, months % 12 + 1, 1)
    return day + timedelta(days=number * (7 if unit == "week" else 1))


def _by_loops(visits: list[Visit], unit: str, *, sent: bool, client: str | None) -> dict[tuple[date, int], Any]:
    """Cohort and period, with the size of the cohort and how many came back."""
    seen: dict[int, list[datetime]] = {}
    for person, of, hours, has_sent in visits:
        if person and client in (None, of) and (has_sent or not sent):
            seen.setdefault(person, []).append(START + timedelta(hours=hours, minutes=5 if sent else 0))
    answer: dict[tuple[date, int], Any] = {}
    cohorts: dict[date, list[list[datetime]]] = {}
    for times in seen.values():
        cohorts.setdefault(_begin(unit, min(times).date()), []).append(times)
    for cohort, members in cohorts.items():
        for period in range(13):
            if datetime.combine(_after(unit, cohort, period + 1), datetime.min.time()) > AS_OF:
                continue
            came = sum(
                any(_begin(unit, time.date()) == _after(unit, cohort, period) for time in times) for times in members
            )
            answer[cohort, period] = (len(members), came)
    return answer


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(visit, max_size=40), st.sampled_from((None, "app")), st.booleans())
@pytest.mark.parametrize("unit", ["day", "week", "month"])
def test_who_comes_back_equals_a_count_by_loops(
    cursor: DuckDb, unit: str, visits: list[Visit], client: str | None, sent: bool
) -> None:
    _store(cursor, visits)
    event = "'sent'" if sent else "NULL"
    rows = fetch_all(
        cursor,
        f"FROM retention(unit := '{unit}', first_event := {event}, return_event := {event}, client := $1, as_of := $2)",
        [client, AS_OF],
    )
    found = {(row["cohort"], row["period"]): (row["actors"], row["returned"]) for row in rows}
    assert found == _by_loops(visits, unit, sent=sent, client=client)
    assert list(found) == sorted(found)
    for row in rows:
        assert row["rate"] == row["returned"] / row["actors"]
        if row["period"] > 0:
            interval = wilson(row["returned"], row["actors"])
            assert row["low"] == pytest.approx(interval.low, abs=1e-12)
            assert row["high"] == pytest.approx(interval.high)
        else:
            assert (row["returned"], row["low"], row["high"]) == (row["actors"], None, None)


def test_a_client_comes_back_too_and_cohorts_can_be_chosen(cursor: DuckDb) -> None:
    _store(cursor, [(0, "app", 0, False), (0, "site", 200, False), (0, "app", 240, False)])
    call = "FROM retention(actor := 'client', periods := 2, as_of := $1, since := $2)"
    rows = fetch_all(cursor, call, [AS_OF, START])
    assert [(str(row["cohort"]), row["period"], row["actors"], row["returned"]) for row in rows] == [
        ("2026-01-26", 0, 1, 1),
        ("2026-01-26", 1, 1, 1),
        ("2026-01-26", 2, 1, 0),
        ("2026-02-02", 0, 1, 1),
        ("2026-02-02", 1, 1, 0),
        ("2026-02-02", 2, 1, 0),
    ]
    later = fetch_all(cursor, call, [AS_OF, START + timedelta(days=3)])
    assert {str(row["cohort"]) for row in later} == {"2026-02-02"}


def test_a_week_that_is_not_over_has_no_row(cursor: DuckDb) -> None:
    now = datetime.now(UTC).replace(tzinfo=None)
    hours = [int((now - timedelta(days=days) - START).total_seconds()) // 3600 for days in (21, 14, 0)]
    _store(cursor, [(1, "app", at, False) for at in hours])
    rows = fetch_all(cursor, "FROM retention()")
    assert [(row["period"], row["returned"]) for row in rows] == [(0, 1), (1, 1), (2, 0)]


def test_analysts_see_the_first_session_of_a_person_in_place_of_the_hash(cursor: DuckDb) -> None:
    _store(cursor, [(2, "app", 5, False), (1, "app", 3, False), (2, "site", 1, False), (0, "app", 2, False)])
    rows = fetch_all(cursor, "SELECT session_id, person, visit FROM v_person_sessions ORDER BY session_id")
    assert [tuple(row.values()) for row in rows] == [("s000", "s002", 2), ("s001", "s001", 1), ("s002", "s002", 1)]
    everything = fetch_all(cursor, "FROM v_person_sessions")
    assert not any("hash-of" in str(value) for row in everything for value in row.values())


@pytest.mark.parametrize(
    ("given", "said"),
    [("unit := 'hour'", "day, week or month"), ("actor := 'site'", "person or client"), ("periods := 0", "1 to 400")],
)
def test_what_cannot_be_counted_is_said(cursor: DuckDb, given: str, said: str) -> None:
    _store(cursor, [(1, "app", 0, False)])
    with pytest.raises(duckdb.InvalidInputException, match=said):
        fetch_all(cursor, f"FROM retention({given})")
