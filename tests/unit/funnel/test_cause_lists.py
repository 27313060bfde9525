"""How often the table of the analysis is read for the lists of causes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from vestibule.v1 import funnel_pb2 as pb

from server.funnel.affected import AffectedIds, read_affected
from server.ledger.embedded import EmbeddedLedger
from server.services.funnel_analysis import Analysis
from server.services.funnel_lists import SessionLists, list_behind
from tests.unit.funnel.shop import Shop
from tests.unit.funnel.test_affected import NETWORK, OF_STEPS, behind
from tests.unit.ledger.makers import NOW

WIFI = pb.FunnelFeatureCondition(feature="app.network", text="wifi")


class Lists:
    """The lists of one server, which count how often the table is read."""

    def __init__(self, ledger: EmbeddedLedger) -> None:
        self._ledger, self._analysis = ledger, Analysis()
        self.now = NOW
        self.lists = SessionLists(self._clock)
        self.reads = 0
        self.unlocked = 0

    def _clock(self) -> datetime:
        return self.now

    def counting(self, read: Callable[..., AffectedIds]) -> Callable[..., AffectedIds]:
        def counted(*given: Any, **named: Any) -> AffectedIds:
            self.reads += 1
            self.unlocked += not self._analysis.one_at_a_time.locked()
            return read(*given, **named)

        return counted

    async def page(self, *conditions: pb.FunnelFeatureCondition, visible_to: str = "", **given: Any) -> list[str]:
        request = behind(OF_STEPS, *conditions, **given)
        found = await list_behind(
            self._ledger, request, str, visible_to=visible_to, lists=self.lists, analysis=self._analysis
        )
        return list(found.session_ids)


@pytest.fixture
async def lists(ledger: EmbeddedLedger, monkeypatch: pytest.MonkeyPatch) -> Lists:
    await ledger.write(Shop(400).store)
    made = Lists(ledger)
    monkeypatch.setattr("server.services.funnel_causes.read_affected", made.counting(read_affected))
    return made


async def test_both_lists_of_a_cause_read_the_table_once_a_minute(lists: Lists) -> None:
    affected = await lists.page(NETWORK)
    left = await lists.page(NETWORK, number=pb.FUNNEL_NUMBER_LEFT, page_size=900)
    assert set(left) < set(affected)
    assert (await lists.page(NETWORK), lists.reads) == (affected, 1)
    lists.now += timedelta(seconds=61)
    assert (await lists.page(NETWORK), lists.reads) == (affected, 2)


async def test_callers_at_the_same_time_read_the_table_one_after_the_other(lists: Lists) -> None:
    pages = await asyncio.gather(*(lists.page(NETWORK) for _ in range(6)), lists.page(WIFI))
    assert pages[0] == pages[5]
    assert set(pages[0]).isdisjoint(pages[6])
    assert (lists.reads, lists.unlocked) == (2, 0)


async def test_who_sees_other_sessions_has_lists_of_their_own(lists: Lists) -> None:
    assert await lists.page(NETWORK)
    assert await lists.page(NETWORK, visible_to="another") == []
    assert lists.reads == 2


async def test_the_sessions_of_few_causes_are_kept(lists: Lists) -> None:
    for position in (2, 3, 2):
        await lists.page(NETWORK, position=position)
    await lists.page(WIFI)
    assert lists.reads == 3
    await lists.page(NETWORK, position=3)
    assert lists.reads == 3, "it is the second last"
    await lists.page(NETWORK)
    assert lists.reads == 4
