"""Pages of the sessions behind a number: the newest first, of one moment, and counted once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from vestibule.v1 import funnel_pb2

from models.errors import InvalidInput
from models.reasons import Reason
from server.analytics.funnel import sessions_behind
from server.ledger.embedded import EmbeddedLedger
from server.services import funnel_lists
from server.services.funnel_causes import KEPT
from server.services.funnel_lists import LISTS_KEPT, SessionLists, list_behind
from tests.unit.analytics.naive_funnel import Happened
from tests.unit.analytics.naive_groups import Told
from tests.unit.analytics.test_funnel_groups import keep
from tests.unit.ledger.makers import NOW
from tests.unit.ledger.migrated import open_ledger

NEWEST_FIRST = [f"s{n:02}" for n in reversed(range(25))]


class Lists:
    """A ledger of 25 sessions, opened three at a time, with what keeps its lists, and a clock."""

    def __init__(self, ledger: EmbeddedLedger) -> None:
        self.ledger = ledger
        self.now = NOW
        self.kept = SessionLists(lambda: self.now)
        self.told = [Told(f"s{n:02}", (Happened("a", 0),), NOW + timedelta(hours=n // 3)) for n in range(25)]
        ledger.write_now(lambda cursor: keep(cursor, self.told))

    async def page(
        self, size: int, token: str = "", step: str = "a", visible_to: str = ""
    ) -> funnel_pb2.ListFunnelSessionsResponse:
        request = funnel_pb2.ListFunnelSessionsRequest(
            report=funnel_pb2.GetReportRequest(steps=[step]),
            position=1,
            number=funnel_pb2.FUNNEL_NUMBER_REACHED,
            page_size=size,
            page_token=token,
        )
        return await list_behind(self.ledger, request, lambda _: "", visible_to=visible_to, lists=self.kept)

    async def ids(self, size: int, token: str = "") -> list[str]:
        found: list[str] = []
        while True:
            page = await self.page(size, token)
            assert [session.id for session in page.sessions] == list(page.session_ids)
            found += page.session_ids
            token = page.next_page_token
            if not token:
                return found


@pytest.fixture
async def lists(tmp_path: Path) -> AsyncIterator[Lists]:
    ledger = open_ledger(tmp_path / "ledger.duckdb", memory_bytes=128 * 1024 * 1024)
    yield Lists(ledger)
    ledger.close()


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows with each count of a funnel."""
    counted: list[int] = []

    def count(*args: Any, **more: Any) -> Any:
        counted.append(1)
        return sessions_behind(*args, **more)

    monkeypatch.setattr(funnel_lists, "sessions_behind", count)
    return counted


@pytest.mark.parametrize("size", [1, 3, 4, 24, 25, 26])
async def test_pages_have_the_newest_first_and_are_counted_once(lists: Lists, counts: list[int], size: int) -> None:
    assert await lists.ids(size) == NEWEST_FIRST
    assert len(counts) == 1


@pytest.mark.parametrize("most", [1, 4, 24, 25])
@pytest.mark.parametrize("size", [1, 3, 10])
async def test_a_list_longer_than_what_is_kept_is_whole(
    lists: Lists, monkeypatch: pytest.MonkeyPatch, most: int, size: int
) -> None:
    monkeypatch.setattr(funnel_lists, "MOST_KEPT", most)
    assert await lists.ids(size) == NEWEST_FIRST


async def test_the_first_page_is_counted_anew_and_a_list_is_of_one_moment(lists: Lists, counts: list[int]) -> None:
    first = await lists.page(20)
    newer = Told("s25", (Happened("a", 0),), NOW + timedelta(days=1))
    older = Told("old", (Happened("a", 0),), NOW - timedelta(days=1))
    lists.ledger.write_now(lambda cursor: keep(cursor, [*lists.told, newer, older]))
    assert list((await lists.page(20, first.next_page_token)).session_ids) == NEWEST_FIRST[20:]
    assert await lists.ids(20) == ["s25", *NEWEST_FIRST, "old"]
    assert len(counts) == 2


async def test_a_list_is_kept_for_a_minute_and_goes_on_at_its_place(lists: Lists, counts: list[int]) -> None:
    token = (await lists.page(20)).next_page_token
    lists.now += KEPT
    assert await lists.ids(3, token) == NEWEST_FIRST[20:]
    assert len(counts) == 1
    lists.now += timedelta(seconds=1)
    assert await lists.ids(3, token) == NEWEST_FIRST[20:]
    assert len(counts) == 2


async def test_the_lists_that_are_kept_are_few(lists: Lists, counts: list[int]) -> None:
    token = (await lists.page(20)).next_page_token
    for n in range(LISTS_KEPT):
        await lists.page(20, step=f"b{n}")
    assert len(lists.kept._kept) == LISTS_KEPT
    assert await lists.ids(3, token) == NEWEST_FIRST[20:]
    assert len(counts) == LISTS_KEPT + 2


async def test_a_list_is_given_to_those_who_may_see_it(lists: Lists) -> None:
    token = (await lists.page(20, visible_to="app")).next_page_token
    assert list((await lists.page(20, token, visible_to="app")).session_ids) == NEWEST_FIRST[20:]
    assert not (await lists.page(20, token, visible_to="other")).session_ids


async def test_a_session_that_was_erased_meanwhile_is_left_out(lists: Lists) -> None:
    token = (await lists.page(20)).next_page_token
    lists.ledger.write_now(lambda cursor: cursor.execute("DELETE FROM sessions WHERE id = 's03'"))
    assert await lists.ids(20, token) == ["s04", "s02", "s01", "s00"]


async def test_a_token_of_no_page_is_refused(lists: Lists) -> None:
    with pytest.raises(InvalidInput) as refused:
        await lists.page(20, "s03")
    assert refused.value.reason == Reason.PAGE_TOKEN_INVALID
