"""Each week is sent once through each channel: by the clock, after a restart, after failures, and by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.errors import Conflict, InternalError, InvalidInput, Unavailable, VestibuleError
from models.reasons import Reason
from models.retry import RetryPolicy
from server.funnel.report import FunnelReport
from server.funnel.texts import ReportTexts, load_texts
from server.ledger import weekly_reports as rows
from server.ledger.columns import Cursor
from server.ledger.writer import Ledger
from server.records.report_status import ReportStatus
from server.reports.delivery import ReportDelivery
from server.reports.message import ReportMessage
from server.reports.week import Schedule, Week
from server.reports.weekly import WeeklyReport
from tests.unit.ledger.conftest import ledger
from tests.unit.ledger.migrated import open_ledger
from tests.unit.reports.two_weeks import BERLIN

__all__ = ["ledger"]

WEEK = Week(2026, 10)
DUE = datetime(2026, 3, 9, 7, 0, tzinfo=UTC)
A_DAY = timedelta(days=1)
POLICY = RetryPolicy("reports", retries=3, first_delay_s=60.0, longest_s=3600.0, factor=2.0, total_s=86_400.0)
MONDAYS = Schedule(0, 8, BERLIN)
GONE = Unavailable("Gone.", reason=Reason.REPORT_NOT_SENT)
NO = InternalError("No.", reason=Reason.REPORT_REFUSED)


@cache
def texts() -> ReportTexts:
    return load_texts()


@dataclass
class Recorded:
    """A channel that keeps what it is given, after the failures that a test wants."""

    name: str = "mail"
    failures: list[VestibuleError] = field(default_factory=list)
    sent: list[tuple[str, bool]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)

    async def send(self, message: ReportMessage, report_id: str) -> None:
        self.ids.append(report_id)
        if self.failures:
            raise self.failures.pop(0)
        self.sent.append((message.week, message.test))

    @property
    def weeks(self) -> list[str]:
        return [week for week, _ in self.sent]


@dataclass
class Empty:
    """Makes reports of nothing, after the failures that a test wants."""

    failures: list[VestibuleError] = field(default_factory=list)
    made: list[str] = field(default_factory=list)

    async def make(self, week: Week) -> WeeklyReport:
        if self.failures:
            raise self.failures.pop(0)
        self.made.append(week.name)
        await asyncio.sleep(0)  # the others may run
        nothing = FunnelReport(0, None, ())
        return WeeklyReport(week, "Europe/Berlin", DUE, nothing, nothing, texts=texts())


class World:
    """A delivery with a clock that a test sets."""

    def __init__(
        self,
        ledger: Ledger,
        *channels: Recorded,
        now: datetime = DUE - A_DAY,
        schedule: Schedule = MONDAYS,
        policy: RetryPolicy = POLICY,
    ) -> None:
        self.now = now
        self.maker = Empty()
        self.ends: list[tuple[str, str]] = []
        self.delivery = ReportDelivery(
            ledger, channels, schedule, self.maker, policy, lambda: self.now, lambda *end: self.ends.append(end)
        )

    async def at(self, *moments: datetime) -> None:
        """Do a round at each of these times."""
        for self.now in moments:
            await self.delivery.round()

    @property
    def status(self) -> tuple[bool, str]:
        component = ReportStatus(self.delivery).component
        return component.healthy, component.detail


def hours(*numbers: float) -> Sequence[datetime]:
    return [DUE + timedelta(hours=number) for number in numbers]


async def test_each_week_is_sent_once_at_its_hour(ledger: Ledger) -> None:
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
        opened = Ledger.open(path)
        await World(opened, channel).at(later)
        opened.close()
    assert channel.weeks == ["2026-W10"]


async def test_a_server_that_was_down_for_weeks_sends_each_of_them_but_no_old_ones(ledger: Ledger) -> None:
    channel = Recorded()
    world = World(ledger, channel)
    await world.at(DUE - A_DAY, DUE + timedelta(days=15))
    assert channel.weeks == ["2026-W10", "2026-W11", "2026-W12"]
    await world.at(DUE + timedelta(days=150))
    assert len(channel.weeks) == 3 + 4


async def test_two_rounds_at_once_send_it_once(ledger: Ledger) -> None:
    channel = Recorded()
    world = World(ledger, channel)
    await world.at(DUE - A_DAY)
    world.now = DUE
    await asyncio.gather(*(world.delivery.round() for _ in range(3)))
    assert channel.weeks == ["2026-W10"]


async def test_each_channel_is_repeated_by_itself_with_growing_delays(ledger: Ledger) -> None:
    mail, folder = Recorded("mail", [GONE, GONE]), Recorded("folder")
    world = World(ledger, mail, folder)
    await world.at(DUE - A_DAY, DUE)
    assert (mail.weeks, folder.weeks) == ([], ["2026-W10"])
    assert world.status[0], "it is tried again"
    assert "That of 2026-W10 is tried again by mail (REPORT_NOT_SENT)." in world.status[1]
    await world.at(DUE + timedelta(seconds=29))
    assert len(mail.ids) == 1, "half of the first delay is not over"
    await world.at(DUE + timedelta(seconds=61), DUE + timedelta(seconds=90))
    assert len(mail.ids) == 2
    await world.at(DUE + timedelta(seconds=61 + 121))
    assert (mail.weeks, len(set(mail.ids)), folder.weeks) == (["2026-W10"], 1, ["2026-W10"])
    assert world.ends.count(("mail", "retried")) == 2
    assert world.maker.made == ["2026-W10"] * 3, "once for all channels of a round"


async def test_the_delays_survive_a_restart(tmp_path: Path) -> None:
    path, channel = tmp_path / "ledger.duckdb", Recorded(failures=[GONE])
    first = open_ledger(path)
    await World(first, channel).at(DUE - A_DAY, DUE)
    first.close()
    again = Ledger.open(path)
    world = World(again, channel)
    await world.at(DUE + timedelta(seconds=20))
    assert len(channel.ids) == 1
    await world.at(DUE + timedelta(seconds=61))
    assert (channel.weeks, len(set(channel.ids))) == (["2026-W10"], 1), "the same id, so that a second one is seen"
    again.close()


@pytest.mark.parametrize(("failures", "attempts", "reason"), [([NO], 1, NO.reason), ([GONE] * 9, 4, GONE.reason)])
async def test_what_fails_at_last_is_told_until_it_is_sent(
    ledger: Ledger, failures: list[VestibuleError], attempts: int, reason: Reason, capsys: pytest.CaptureFixture[str]
) -> None:
    channel = Recorded(failures=list(failures))
    world = World(ledger, channel)
    await world.at(DUE - A_DAY, *hours(*range(12)))
    assert len(channel.ids) == attempts
    assert world.ends[-1] == ("mail", "failed")
    assert "report_failed" in capsys.readouterr().out
    healthy, detail = world.status
    assert not healthy
    told = "1 attempt" if attempts == 1 else f"{attempts} attempts"
    assert detail.startswith(f"That of 2026-W10 could not be sent by mail in {told} ({reason}): ")
    assert "`vestibule report send --week 2026-W10 --to mail`" in detail
    assert world.delivery.failed("mail")
    channel.failures.clear()
    await world.delivery.send_now(WEEK, ["mail"])
    assert world.status[0]
    assert not world.delivery.failed("mail")


async def test_an_attempt_that_ends_the_server_is_not_made_for_ever(ledger: Ledger) -> None:
    channel = Recorded()
    world = World(ledger, channel)
    await world.at(DUE - A_DAY)

    def ended_in_each(cursor: Cursor) -> None:
        rows.enqueue(cursor, "mail", [WEEK.name], rows.DeliveryState.WAITING, DUE)
        for _ in range(POLICY.attempts):
            rows.begin(cursor, rows.waiting(cursor)[0], DUE, DUE)

    ledger.write_now(ended_in_each)
    await world.at(*hours(1, 2))
    assert (channel.ids, world.ends) == ([], [("mail", "failed")])
    assert not world.status[0]


async def test_a_ledger_that_takes_no_rows_is_told_and_the_other_channels_are_noted(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail, folder = Recorded("mail"), Recorded("folder")
    world = World(ledger, mail, folder)
    await world.at(DUE - A_DAY)
    end = rows.end

    def refuse(cursor: Cursor, week: str, channel: str, *more: Any) -> None:
        if channel == "folder":
            raise Unavailable("Full.", reason=Reason.LEDGER_FULL)
        end(cursor, week, channel, *more)

    monkeypatch.setattr(rows, "end", refuse)
    with pytest.raises(Unavailable):
        await world.at(DUE)
    monkeypatch.undo()
    await world.at(*hours(1))
    assert (mail.weeks, folder.weeks) == (["2026-W10"], ["2026-W10"] * 2), "it cannot know that the folder has it"
    assert len(set(folder.ids)) == 1, "but the receiver can"


async def test_a_failure_is_forgotten_with_the_next_report(ledger: Ledger) -> None:
    channel = Recorded(failures=[NO])
    world = World(ledger, channel)
    await world.at(DUE - A_DAY, DUE, DUE + timedelta(days=7))
    assert (channel.weeks, world.status[0]) == (["2026-W11"], True)


async def test_no_attempt_begins_after_the_time_of_the_policy(ledger: Ledger) -> None:
    channel = Recorded(failures=[GONE] * 9)
    world = World(ledger, channel, policy=replace(POLICY, retries=24, first_delay_s=3600.0, total_s=3 * 3600.0))
    await world.at(DUE - A_DAY, *hours(*np.arange(0, 30, 0.25)))
    assert world.ends[-1] == ("mail", "failed")
    assert 4 <= len(channel.ids) <= 7, "each delay is half an hour to an hour"


@pytest.mark.parametrize("stops", [[26.0], [26.0, 26.0], [26.0, 4.0, 80.0]], ids=str)
async def test_the_time_while_the_server_was_off_is_no_part_of_the_time_of_the_policy(
    ledger: Ledger, stops: list[float]
) -> None:
    channel = Recorded(failures=[GONE] * (len(stops) + 1))
    world = World(ledger, channel, policy=replace(POLICY, retries=24))
    await world.at(DUE - A_DAY, DUE, *hours(*np.cumsum(stops)), *hours(*(sum(stops) + np.arange(1, 4))))
    assert (channel.weeks, world.ends.count(("mail", "failed"))) == (["2026-W10"], 0)


async def test_attempts_by_hand_before_the_hour_take_no_time_from_the_schedule(ledger: Ledger) -> None:
    """Mail on Fridays; on Monday an operator sends it and the mail server is down, as it still is on Friday."""
    channel = Recorded(failures=[GONE] * 3)
    world = World(ledger, channel, now=DUE - 2 * A_DAY, schedule=Schedule(4, 8, BERLIN))
    await world.delivery.round()
    world.now = DUE
    await world.delivery.send_now(WEEK)
    await world.at(*hours(4 * 24, 4 * 24 + 1, 4 * 24 + 2))
    assert (channel.weeks, world.ends) == (["2026-W10"], [("mail", "retried")] * 2 + [("mail", "sent")])


@pytest.mark.parametrize("week", [Week(2026, 4), Week(2026, 9), WEEK], ids=str)
@pytest.mark.parametrize("failures", [[], [GONE]], ids=["sent", "not sent"])
async def test_a_new_channel_sends_no_old_weeks_after_one_was_sent_by_hand(
    ledger: Ledger, week: Week, failures: list[VestibuleError]
) -> None:
    channel = Recorded(failures=list(failures))
    world = World(ledger, channel, now=DUE + timedelta(hours=1))
    await world.delivery.send_now(week)
    by_hand = [] if failures else [week.name]
    await world.at(*hours(1.1, 2))
    assert channel.weeks == by_hand
    await world.at(DUE + timedelta(days=7))
    assert channel.weeks == [*by_hand, "2026-W11"]


async def test_missed_weeks_are_sent_also_after_the_newest_was_sent_by_hand(ledger: Ledger) -> None:
    channel = Recorded()
    world = World(ledger, channel)
    await world.at(DUE - A_DAY)
    world.now = DUE + timedelta(days=15)  # the server is up again, and a person is faster than the schedule
    await world.delivery.send_now()
    await world.at(world.now)
    assert channel.weeks == ["2026-W12", "2026-W10", "2026-W11"]


async def test_a_report_that_cannot_be_made_is_tried_again(ledger: Ledger) -> None:
    channel = Recorded()
    world = World(ledger, channel)
    await world.at(DUE - A_DAY)
    world.maker.failures = [InternalError("Broken.", reason=Reason.REPORT_NOT_MADE)]
    await world.at(DUE, *hours(1))
    assert (channel.weeks, world.ends) == (["2026-W10"], [("mail", "retried"), ("mail", "sent")])


async def test_a_channel_that_was_taken_away_gets_nothing_old_when_it_is_back(ledger: Ledger) -> None:
    mail = Recorded(failures=[GONE] * 2)
    await World(ledger, mail).at(DUE - A_DAY, DUE)
    folder = Recorded("folder")
    await World(ledger, folder).at(*hours(2))
    await World(ledger, mail).at(DUE + timedelta(days=100))
    assert "2026-W10" not in mail.weeks
    waiting = await ledger.read(rows.waiting)
    assert [row.week for row in waiting if row.week == "2026-W10"] == []


async def test_without_channels_nothing_happens(ledger: Ledger) -> None:
    world = World(ledger)
    await world.at(DUE - A_DAY, DUE)
    assert (world.maker.made, await ledger.read(rows.last_weeks)) == ([], {})
    assert world.status == (True, "The weekly report is off; VESTIBULE_REPORTS__... turns it on.")
    week, outcomes = await world.delivery.send_now()
    assert (week, outcomes) == (WEEK, [])


async def test_a_test_does_not_count_as_the_report_of_its_week(ledger: Ledger) -> None:
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


async def test_one_that_is_sent_by_hand_is_not_sent_again(ledger: Ledger) -> None:
    mail, folder = Recorded("mail"), Recorded("folder")
    world = World(ledger, mail, folder)
    await world.at(DUE - A_DAY)
    world.now = DUE - timedelta(hours=2)
    await world.delivery.send_now(channels=["mail"])
    await world.at(DUE, *hours(1))
    assert (mail.weeks, folder.weeks) == (["2026-W10"], ["2026-W10"])


@pytest.mark.parametrize("begin", [DUE, DUE - timedelta(hours=2)], ids=["after the schedule", "before it"])
async def test_by_hand_it_has_the_id_of_the_attempts_before(ledger: Ledger, begin: datetime) -> None:
    channel = Recorded(failures=[GONE, GONE])
    world = World(ledger, channel)
    await world.at(DUE - A_DAY, begin)  # the first attempt of the schedule, or none
    await world.delivery.send_now()
    await world.at(*hours(1, 2))
    await world.delivery.send_now()
    assert channel.weeks == ["2026-W10"] * 2
    *before, asked_again = channel.ids
    assert (len(before), len(set(before))) == (3, 1)
    assert asked_again not in before, "it was sent, and is wanted once more"


async def test_one_that_cannot_be_noted_as_sent_comes_again_with_its_id(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = Recorded()
    world = World(ledger, channel)
    await world.at(DUE - A_DAY)

    def refuse(*given: Any) -> None:
        raise Unavailable("Full.", reason=Reason.LEDGER_FULL)

    world.now = DUE - timedelta(hours=2)
    monkeypatch.setattr(rows, "end", refuse)
    with pytest.raises(Unavailable):
        await world.delivery.send_now()
    monkeypatch.undo()
    await world.at(DUE - timedelta(hours=1))
    assert channel.weeks == ["2026-W10"], "it is not due yet"
    await world.at(DUE)
    assert channel.weeks == ["2026-W10"] * 2
    assert len(set(channel.ids)) == 1
    assert world.maker.made == ["2026-W10"] * 2, "the later one has later numbers"


async def test_an_old_week_that_is_not_taken_by_hand_is_not_tried_by_the_schedule(ledger: Ledger) -> None:
    channel = Recorded(failures=[GONE])
    world = World(ledger, channel)
    await world.at(DUE - A_DAY, DUE - timedelta(hours=2))
    await world.delivery.send_now(Week(2026, 5))
    await world.at(*hours(0, 1))
    assert channel.weeks == ["2026-W10"]
    await world.delivery.send_now(Week(2026, 5))
    assert channel.weeks == ["2026-W10", "2026-W05"]
    assert channel.ids[0] == channel.ids[2]


async def test_a_week_that_is_not_over_and_a_channel_that_is_not_set_are_refused(ledger: Ledger) -> None:
    world = World(ledger, Recorded())
    with pytest.raises(InvalidInput) as early:
        await world.delivery.send_now(Week(2026, 11))
    assert early.value.reason == "REPORT_WEEK_INVALID"
    with pytest.raises(Conflict) as unset:
        await world.delivery.send_now(channels=["folder"])
    assert unset.value.reason == "REPORT_CHANNEL_UNSET"
