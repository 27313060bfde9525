"""What is not sent is tried again: by whom, when, with which id, and until when."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.errors import InternalError, Unavailable, VestibuleError
from models.reasons import Reason
from server.ledger import weekly_reports as rows
from server.ledger.columns import Cursor
from server.ledger.embedded import EmbeddedLedger
from server.reports.week import Schedule, Week
from tests.unit.ledger.conftest import ledger
from tests.unit.ledger.migrated import open_ledger
from tests.unit.reports.delivery_world import A_DAY, DUE, GONE, NO, POLICY, WEEK, Recorded, World, hours
from tests.unit.reports.two_weeks import BERLIN

__all__ = ["ledger"]


async def test_each_channel_is_repeated_by_itself_with_growing_delays(ledger: EmbeddedLedger) -> None:
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
    again = open_ledger(path)
    world = World(again, channel)
    await world.at(DUE + timedelta(seconds=20))
    assert len(channel.ids) == 1
    await world.at(DUE + timedelta(seconds=61))
    assert (channel.weeks, len(set(channel.ids))) == (["2026-W10"], 1), "the same id, so that a second one is seen"
    again.close()


@pytest.mark.parametrize(("failures", "attempts", "reason"), [([NO], 1, NO.reason), ([GONE] * 9, 4, GONE.reason)])
async def test_what_fails_at_last_is_told_until_it_is_sent(
    ledger: EmbeddedLedger,
    failures: list[VestibuleError],
    attempts: int,
    reason: Reason,
    capsys: pytest.CaptureFixture[str],
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


async def test_an_attempt_that_ends_the_server_is_not_made_for_ever(ledger: EmbeddedLedger) -> None:
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
    ledger: EmbeddedLedger, monkeypatch: pytest.MonkeyPatch
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


async def test_a_failure_is_forgotten_with_the_next_report(ledger: EmbeddedLedger) -> None:
    channel = Recorded(failures=[NO])
    world = World(ledger, channel)
    await world.at(DUE - A_DAY, DUE, DUE + timedelta(days=7))
    assert (channel.weeks, world.status[0]) == (["2026-W11"], True)


async def test_no_attempt_begins_after_the_time_of_the_policy(ledger: EmbeddedLedger) -> None:
    channel = Recorded(failures=[GONE] * 9)
    world = World(ledger, channel, policy=replace(POLICY, retries=24, first_delay_s=3600.0, total_s=3 * 3600.0))
    await world.at(DUE - A_DAY, *hours(*np.arange(0, 30, 0.25)))
    assert world.ends[-1] == ("mail", "failed")
    assert 4 <= len(channel.ids) <= 7, "each delay is half an hour to an hour"


@pytest.mark.parametrize("stops", [[26.0], [26.0, 26.0], [26.0, 4.0, 80.0]], ids=str)
async def test_the_time_while_the_server_was_off_is_no_part_of_the_time_of_the_policy(
    ledger: EmbeddedLedger, stops: list[float]
) -> None:
    channel = Recorded(failures=[GONE] * (len(stops) + 1))
    world = World(ledger, channel, policy=replace(POLICY, retries=24))
    await world.at(DUE - A_DAY, DUE, *hours(*np.cumsum(stops)), *hours(*(sum(stops) + np.arange(1, 4))))
    assert (channel.weeks, world.ends.count(("mail", "failed"))) == (["2026-W10"], 0)


async def test_attempts_by_hand_before_the_hour_take_no_time_from_the_schedule(ledger: EmbeddedLedger) -> None:
    """Mail on Fridays; on Monday an operator sends it and the mail server is down, as it still is on Friday."""
    channel = Recorded(failures=[GONE] * 3)
    world = World(ledger, channel, now=DUE - 2 * A_DAY, schedule=Schedule(4, 8, BERLIN))
    await world.delivery.round()
    world.now = DUE
    await world.delivery.send_now(WEEK)
    await world.at(*hours(4 * 24, 4 * 24 + 1, 4 * 24 + 2))
    assert (channel.weeks, world.ends) == (["2026-W10"], [("mail", "retried")] * 2 + [("mail", "sent")])


async def test_a_report_that_cannot_be_made_is_tried_again(ledger: EmbeddedLedger) -> None:
    channel = Recorded()
    world = World(ledger, channel)
    await world.at(DUE - A_DAY)
    world.maker.failures = [InternalError("Broken.", reason=Reason.REPORT_NOT_MADE)]
    await world.at(DUE, *hours(1))
    assert (channel.weeks, world.ends) == (["2026-W10"], [("mail", "retried"), ("mail", "sent")])


@pytest.mark.parametrize("begin", [DUE, DUE - timedelta(hours=2)], ids=["after the schedule", "before it"])
async def test_by_hand_it_has_the_id_of_the_attempts_before(ledger: EmbeddedLedger, begin: datetime) -> None:
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
    ledger: EmbeddedLedger, monkeypatch: pytest.MonkeyPatch
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


async def test_an_old_week_that_is_not_taken_by_hand_is_not_tried_by_the_schedule(ledger: EmbeddedLedger) -> None:
    channel = Recorded(failures=[GONE])
    world = World(ledger, channel)
    await world.at(DUE - A_DAY, DUE - timedelta(hours=2))
    await world.delivery.send_now(Week(2026, 5))
    await world.at(*hours(0, 1))
    assert channel.weeks == ["2026-W10"]
    await world.delivery.send_now(Week(2026, 5))
    assert channel.weeks == ["2026-W10", "2026-W05"]
    assert channel.ids[0] == channel.ids[2]
