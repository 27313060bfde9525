"""Each week is sent once through each channel: by the clock, after a restart, and by hand."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from models.errors import Conflict, InvalidInput, VestibuleError
from server.ledger import weekly_reports as rows
from server.ledger.embedded import EmbeddedLedger
from server.reports.week import Week
from server.reports.weekly import WeeklyReport
from tests.unit.ledger.conftest import ledger
from tests.unit.ledger.migrated import open_ledger
from tests.unit.reports.delivery_world import A_DAY, DUE, GONE, NO, WEEK, Recorded, World, hours

__all__ = ["ledger"]


async def test_each_week_is_sent_once_at_its_hour(ledger: EmbeddedLedger) -> None:
    channel = Recorded()
    world = World(ledger, channel)
    await world.at(*hours(-24, -0.01))
    assert channel.weeks == [], "a channel that was set on Sunday waits for Monday"
    await world.at(*hours(0, 0.01, 5, 7 * 24 - 0.01))
    assert channel.weeks == ["2026-W10"]
    await world.at(*hours(7 * 24, 7 * 24 + 1))
    assert channel.weeks == ["2026-W10", "2026-W11"]
    assert world.ends == [("mail", "sent")] * 2
    assert world.status == (True, "The next weekly report is due at 2026-03-23 07:00 UTC by mail.")


async def test_a_server_that_was_down_at_the_hour_sends_it_when_it_is_up(tmp_path: Path) -> None:
    path, channel = tmp_path / "ledger.duckdb", Recorded()
    first = open_ledger(path)
    await World(first, channel).at(DUE - A_DAY)
    first.close()
    for later in hours(30, 31):  # two more starts
        opened = open_ledger(path)
        await World(opened, channel).at(later)
        opened.close()
    assert channel.weeks == ["2026-W10"]


async def test_a_server_that_was_down_for_weeks_sends_each_of_them_but_no_old_ones(ledger: EmbeddedLedger) -> None:
    channel = Recorded()
    world = World(ledger, channel)
    await world.at(DUE - A_DAY, DUE + timedelta(days=15))
    assert channel.weeks == ["2026-W10", "2026-W11", "2026-W12"]
    await world.at(DUE + timedelta(days=150))
    assert len(channel.weeks) == 3 + 4


async def test_two_rounds_at_once_send_it_once(ledger: EmbeddedLedger) -> None:
    channel = Recorded()
    world = World(ledger, channel)
    await world.at(DUE - A_DAY)
    world.now = DUE
    await asyncio.gather(*(world.delivery.round() for _ in range(3)))
    assert channel.weeks == ["2026-W10"]


async def test_while_one_server_sends_it_another_does_not(ledger: EmbeddedLedger) -> None:
    """Making a report may take ten minutes, and the first failure is repeated after one."""
    channel, other = Recorded(), Recorded()
    one, two = World(ledger, channel), World(ledger, other)
    await one.at(DUE - A_DAY)
    make = one.maker.make

    async def make_slowly(week: Week) -> WeeklyReport:
        await two.at(*hours(0.02, 0.2))
        return await make(week)

    one.maker.make = make_slowly  # type: ignore[method-assign]
    await one.at(DUE)
    assert (channel.weeks, other.weeks) == (["2026-W10"], [])
    await two.at(*hours(0.3))
    assert other.weeks == []


@pytest.mark.parametrize("week", [Week(2026, 4), Week(2026, 9), WEEK], ids=str)
@pytest.mark.parametrize("failures", [[], [GONE]], ids=["sent", "not sent"])
async def test_a_new_channel_sends_no_old_weeks_after_one_was_sent_by_hand(
    ledger: EmbeddedLedger, week: Week, failures: list[VestibuleError]
) -> None:
    channel = Recorded(failures=list(failures))
    world = World(ledger, channel, now=DUE + timedelta(hours=1))
    await world.delivery.send_now(week)
    by_hand = [] if failures else [week.name]
    await world.at(*hours(1.1, 2))
    assert channel.weeks == by_hand
    await world.at(DUE + timedelta(days=7))
    assert channel.weeks == [*by_hand, "2026-W11"]


async def test_missed_weeks_are_sent_also_after_the_newest_was_sent_by_hand(ledger: EmbeddedLedger) -> None:
    channel = Recorded()
    world = World(ledger, channel)
    await world.at(DUE - A_DAY)
    world.now = DUE + timedelta(days=15)  # the server is up again, and a person is faster than the schedule
    await world.delivery.send_now()
    await world.at(world.now)
    assert channel.weeks == ["2026-W12", "2026-W10", "2026-W11"]


async def test_a_channel_that_was_taken_away_gets_nothing_old_when_it_is_back(ledger: EmbeddedLedger) -> None:
    mail = Recorded(failures=[GONE] * 2)
    await World(ledger, mail).at(DUE - A_DAY, DUE)
    folder = Recorded("folder")
    await World(ledger, folder).at(*hours(2))
    await World(ledger, mail).at(DUE + timedelta(days=100))
    assert "2026-W10" not in mail.weeks
    waiting = await ledger.read(rows.waiting)
    assert [row.week for row in waiting if row.week == "2026-W10"] == []


async def test_without_channels_nothing_happens(ledger: EmbeddedLedger) -> None:
    world = World(ledger)
    await world.at(DUE - A_DAY, DUE)
    assert (world.maker.made, await ledger.read(rows.last_weeks)) == ([], {})
    assert world.status == (True, "The weekly report is off; VESTIBULE_REPORTS__... turns it on.")
    week, outcomes = await world.delivery.send_now()
    assert (week, outcomes) == (WEEK, [])


async def test_a_test_does_not_count_as_the_report_of_its_week(ledger: EmbeddedLedger) -> None:
    mail, folder = Recorded("mail", [NO]), Recorded("folder")
    world = World(ledger, mail, folder)
    await world.at(DUE - A_DAY)
    world.now = DUE - timedelta(hours=2)
    week, outcomes = await world.delivery.send_now(test=True)
    assert week == WEEK
    assert [(each.channel, each.sent, each.reason, each.message) for each in outcomes] == [
        ("mail", False, "REPORT_REFUSED", "No."),
        ("folder", True, "", "Sent."),
    ]
    assert (folder.sent, world.ends) == ([("2026-W10", True)], [])
    await world.at(DUE)
    assert (mail.sent, folder.sent[1:]) == ([("2026-W10", False)], [("2026-W10", False)])


async def test_one_that_is_sent_by_hand_is_not_sent_again(ledger: EmbeddedLedger) -> None:
    mail, folder = Recorded("mail"), Recorded("folder")
    world = World(ledger, mail, folder)
    await world.at(DUE - A_DAY)
    world.now = DUE - timedelta(hours=2)
    await world.delivery.send_now(channels=["mail"])
    await world.at(DUE, *hours(1))
    assert (mail.weeks, folder.weeks) == (["2026-W10"], ["2026-W10"])


async def test_a_week_that_is_not_over_and_a_channel_that_is_not_set_are_refused(ledger: EmbeddedLedger) -> None:
    world = World(ledger, Recorded())
    with pytest.raises(InvalidInput) as early:
        await world.delivery.send_now(Week(2026, 11))
    assert early.value.reason == "REPORT_WEEK_INVALID"
    with pytest.raises(Conflict) as unset:
        await world.delivery.send_now(channels=["folder"])
    assert unset.value.reason == "REPORT_CHANNEL_UNSET"
