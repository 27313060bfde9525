"""Times of devices whose clocks are right, late, ahead, behind or absurd."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from server.ledger import sessions
from server.ledger.app_events import AppendEvents
from server.ledger.columns import Cursor, fetch_all
from server.ledger.device_clock import microseconds, receipt, session_clock
from server.ledger.types import EventRow
from tests.unit.ledger.makers import NOW, event, session

DAY = timedelta(days=1)
YEARS = timedelta(days=3652)
OPENED = NOW - timedelta(days=4)


def times(*device: datetime, sent: datetime | None = None, known_s: int = 0) -> list[tuple[datetime, str]]:
    """What is taken of the times of one session in one batch that came at NOW."""
    given = [microseconds(at) for at in device]
    clock = session_clock(given, microseconds(OPENED), receipt(NOW, sent), known_s)
    found = [clock.event_time(at) for at in given]
    return [(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=row.at_us), row.clock) for row in found]


@pytest.mark.parametrize(
    "device",
    [NOW, NOW - timedelta(days=3), OPENED - timedelta(hours=23), NOW + timedelta(hours=2)],
    ids=["now", "offline for three days", "hours behind", "hours ahead"],
)
def test_a_time_that_can_be_true_is_kept(device: datetime) -> None:
    assert times(device) == [(device, "device")]


@pytest.mark.parametrize(
    "off",
    [YEARS, -YEARS, timedelta(days=2), timedelta(days=-7), datetime.max.replace(tzinfo=UTC) - NOW],
    ids=["ten years ahead", "ten years behind", "days ahead", "days behind", "year 9999"],
)
def test_times_of_a_wrong_clock_are_shifted_together(off: timedelta) -> None:
    found = times(NOW - timedelta(hours=5) + off, NOW + off)
    first, last = (at for at, _ in found)
    assert [clock for _, clock in found] == ["corrected", "corrected"]
    assert abs(last - NOW) <= timedelta(seconds=1)
    assert last - first == timedelta(hours=5)


def test_with_a_time_of_sending_a_clock_is_corrected_though_its_times_can_be_true() -> None:
    behind = timedelta(days=2)
    offline = NOW - timedelta(days=1, hours=5)
    assert times(offline - behind, sent=NOW - behind) == [(offline, "corrected")]
    assert times(offline, sent=NOW + timedelta(hours=3)) == [(offline, "device")]
    assert times(offline, sent=datetime(9999, 1, 1, tzinfo=UTC)) == [(offline, "device")]


OLD = (OPENED - timedelta(days=10), OPENED - timedelta(days=2), NOW)
"""Events of an app that opened its session only when it was online again."""


@pytest.mark.parametrize("off", [timedelta(), timedelta(hours=2), -timedelta(hours=23)])
def test_a_time_of_sending_that_is_right_keeps_all_times(off: timedelta) -> None:
    assert times(*OLD, sent=NOW + off) == [(at, "device") for at in OLD]
    assert times(OLD[0], sent=NOW + off) == [(OLD[0], "device")], "alone in its batch"


@pytest.mark.parametrize("off", [timedelta(days=3), -timedelta(days=3), YEARS, -YEARS])
def test_a_time_of_sending_that_is_off_corrects_all_times_by_the_same(off: timedelta) -> None:
    found = times(*(at + off for at in OLD), sent=NOW + off)
    assert found == [(at, "corrected") for at in OLD]


def test_without_a_time_of_sending_old_times_are_kept_beside_one_that_can_be_true() -> None:
    assert times(*OLD) == [(at, "device") for at in OLD]
    assert times(OLD[0]) == [(NOW, "corrected")], "nothing shows that the clock is right"


def test_a_session_with_a_shift_keeps_it_for_old_times() -> None:
    """The clock was ten days behind, and then it was set right."""
    assert times(NOW - timedelta(days=11), NOW, known_s=-10 * 86_400) == [(NOW - DAY, "corrected"), (NOW, "device")]


def test_a_time_of_sending_that_is_right_proves_no_absurd_time() -> None:
    assert [clock for _, clock in times(OUTLIER, NOW - DAY, OPENED - YEARS, sent=NOW)] == [
        "corrected",
        "device",
        "server",
    ]


def test_what_no_shift_mends_gets_the_time_of_receipt() -> None:
    first, last = times(datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))
    assert first == (NOW, "server")
    assert last[1] == "corrected"


OUTLIER = datetime(9999, 1, 1, tzinfo=UTC)


def test_one_absurd_time_does_not_set_the_shift_of_the_others() -> None:
    found = times(NOW - YEARS - timedelta(hours=5), OUTLIER, NOW - YEARS)
    assert [clock for _, clock in found] == ["corrected", "server", "corrected"]
    assert found[1][0] == NOW
    assert found[2][0] - found[0][0] == timedelta(hours=5)


def test_a_shift_that_makes_no_time_of_a_batch_possible_is_replaced() -> None:
    absurd_s = (OUTLIER - NOW) // timedelta(seconds=1)
    assert times(NOW - YEARS, known_s=absurd_s) == [(NOW, "corrected")]
    assert times(NOW - YEARS, OUTLIER, known_s=absurd_s)[1] == (NOW, "corrected"), "one time fits, so it stays"


def test_right_times_of_a_batch_are_kept_beside_wrong_ones() -> None:
    kept, wrong = times(NOW - DAY, NOW + YEARS)
    assert (kept, wrong[1]) == ((NOW - DAY, "device"), "corrected")


def _stored(cursor: Cursor, rows: Sequence[EventRow]) -> dict[int, tuple[datetime, str]]:
    """Store each event in a batch of its own; returns time and clock by sequence."""
    for row in rows:
        AppendEvents([row])(cursor)
    found = fetch_all(cursor, "SELECT sequence, event_time, clock FROM events WHERE device_time IS NOT NULL")
    return {row["sequence"]: (row["event_time"].replace(tzinfo=UTC), row["clock"]) for row in found}


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1)])
def test_times_between_events_stay_right_over_batches_in_any_order(cursor: Cursor, order: tuple[int, ...]) -> None:
    owner, _ = sessions.insert_or_get(cursor, session())
    at = {1: NOW + YEARS, 2: NOW + YEARS + timedelta(days=5), 3: NOW + YEARS + timedelta(days=9)}
    rows = {n: EventRow(event("").id, owner.id, "", "step", NOW, device_time=at[n], sequence=n) for n in at}
    stored = _stored(cursor, [rows[n] for n in order])
    assert {clock for _, clock in stored.values()} == {"corrected"}
    assert stored[2][0] - stored[1][0] == timedelta(days=5)
    assert stored[3][0] - stored[1][0] == timedelta(days=9)
    assert abs(stored[3][0] - NOW) <= timedelta(seconds=1)


def test_an_absurd_time_before_or_between_others_spoils_none_of_them(cursor: Cursor) -> None:
    at = {1: OUTLIER, 2: NOW - YEARS, 3: NOW - YEARS + timedelta(hours=5), 4: OUTLIER}
    for order in ((1, 2, 3), (2, 1, 3), (2, 3, 4)):
        owner, _ = sessions.insert_or_get(cursor, session())
        for n in order:
            row = EventRow(event("").id, owner.id, "", "step", NOW, device_time=at[n], sequence=n)
            AppendEvents([row])(cursor)
        found = fetch_all(
            cursor,
            f"SELECT clock, event_time FROM events WHERE session_id = '{owner.id}' AND device_time IS NOT NULL",
        )
        assert {row["clock"] for row in found} == {"corrected"}
        assert all(abs(row["event_time"].replace(tzinfo=UTC) - NOW) <= timedelta(hours=5) for row in found), order


FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@pytest.mark.parametrize("order", [(FIRST, LAST), (LAST, FIRST), (FIRST, NOW - YEARS, LAST), (LAST, FIRST, LAST)])
def test_the_first_and_the_last_time_of_all_are_stored_as_sent_and_fail_no_batch(
    cursor: Cursor, order: tuple[datetime, ...]
) -> None:
    owner, _ = sessions.insert_or_get(cursor, session())
    for n, at in enumerate(order, 1):
        AppendEvents([EventRow(event("").id, owner.id, "", "step", NOW, device_time=at, sequence=n)])(cursor)
    found = fetch_all(cursor, "SELECT * FROM events WHERE device_time IS NOT NULL ORDER BY sequence")
    assert [row["device_time"].replace(tzinfo=UTC) for row in found] == list(order)
    assert all(abs(row["event_time"].replace(tzinfo=UTC) - NOW) <= timedelta(seconds=1) for row in found)


def test_events_with_the_time_of_receipt_are_corrected_once_the_shift_is_known(cursor: Cursor) -> None:
    owner, _ = sessions.insert_or_get(cursor, session())

    def row(at: datetime, sequence: int) -> EventRow:
        return EventRow(event("").id, owner.id, "", "step", NOW, device_time=at, sequence=sequence)

    begun = NOW - YEARS
    AppendEvents([row(begun, 1), row(OUTLIER, 2)])(cursor)
    AppendEvents([row(begun + timedelta(hours=3), 3)])(cursor)
    found = fetch_all(cursor, "SELECT clock, event_time FROM events WHERE device_time IS NOT NULL ORDER BY sequence")
    assert [row["clock"] for row in found] == ["corrected"] * 3
    assert found[2]["event_time"] - found[0]["event_time"] == timedelta(hours=3)


def test_each_session_of_a_batch_is_looked_at_alone(cursor: Cursor) -> None:
    right, wrong = (sessions.insert_or_get(cursor, session())[0] for _ in range(2))
    rows = [
        EventRow(event("").id, right.id, "", "step", NOW, device_time=NOW - timedelta(hours=1), sequence=1),
        EventRow(event("").id, wrong.id, "", "step", NOW, device_time=NOW - YEARS, sequence=2),
    ]
    AppendEvents(rows)(cursor)
    found = fetch_all(cursor, "SELECT clock, event_time, device_time FROM events WHERE sequence > 0 ORDER BY sequence")
    assert [row["clock"] for row in found] == ["device", "corrected"]
    assert [row["device_time"].replace(tzinfo=UTC) for row in found] == [NOW - timedelta(hours=1), NOW - YEARS]
