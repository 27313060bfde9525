"""Refusals become events, a flood of them fills no disk, and no number of refusals is lost."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from models.errors import Conflict, Unavailable
from server.ledger import sessions
from server.ledger.columns import fetch_all
from server.ledger.embedded import EmbeddedLedger
from server.ledger.types import SessionRow
from server.records.refusal_events import MOST_EVENTS, WINDOW, RefusalEvents
from tests.unit.ledger.makers import NOW, session


class Refusing:
    """Refuses, by a clock that stands still."""

    def __init__(self, ledger: EmbeddedLedger) -> None:
        self.now = NOW
        self.ledger = ledger
        self.events = RefusalEvents(ledger, lambda: self.now)

    async def session(self, client_id: str = "app") -> SessionRow:
        row = replace(session(), client_id=client_id)
        return (await self.ledger.write(lambda cursor: sessions.insert_or_get(cursor, row)))[0]

    async def refuse(self, owner: SessionRow, number: int = 1, name: str = "upload_refused") -> None:
        for place in range(number):
            await self.events.record_refusal(owner, name, Conflict("No."), size_bytes=place)

    async def stored(self, name: str = "upload_refused") -> list[tuple[datetime, int, int]]:
        """Time, size and number of those left out before it, of each event."""
        sql = "SELECT server_time, properties FROM events WHERE name = ? ORDER BY server_time, id"
        rows = await self.ledger.read(lambda cursor: fetch_all(cursor, sql, [name]))
        parsed = [(row["server_time"].replace(tzinfo=NOW.tzinfo), json.loads(row["properties"])) for row in rows]
        return [(at, found["size_bytes"], found["left_out"]) for at, found in parsed]

    async def counted(self) -> int:
        return sum(1 + left_out for _, _, left_out in await self.stored())


@pytest.fixture
def refusing(ledger: EmbeddedLedger) -> Refusing:
    return Refusing(ledger)


async def test_the_number_of_those_left_out_is_stored_when_the_window_is_over(refusing: Refusing) -> None:
    await refusing.refuse(await refusing.session(), MOST_EVENTS + 30)
    refusing.now += WINDOW - timedelta(seconds=1)
    await refusing.events.round()
    assert len(await refusing.stored()) == MOST_EVENTS
    refusing.now += timedelta(seconds=1)
    for _ in range(2):
        await refusing.events.round()
        assert len(await refusing.stored()) == MOST_EVENTS + 1
    assert (await refusing.stored())[-1] == (NOW, MOST_EVENTS + 29, 29), "it is the last of those left out"
    assert await refusing.counted() == MOST_EVENTS + 30


async def test_and_when_the_server_stops(refusing: Refusing) -> None:
    owner, other = await refusing.session(), await refusing.session("other")
    await refusing.refuse(owner, MOST_EVENTS + 1)
    await refusing.refuse(other, MOST_EVENTS + 2)
    await refusing.refuse(owner, 1, "decision_refused")
    await refusing.events.close()
    assert await refusing.counted() == 2 * MOST_EVENTS + 3
    assert len(await refusing.stored("decision_refused")) == 1


async def test_a_refusal_in_the_next_window_has_the_number(refusing: Refusing) -> None:
    owner = await refusing.session()
    await refusing.refuse(owner, MOST_EVENTS + 5)
    refusing.now += WINDOW
    await refusing.refuse(owner)
    assert (await refusing.stored())[-1] == (refusing.now, 0, 5)
    await refusing.events.close()
    assert await refusing.counted() == MOST_EVENTS + 6


async def test_each_client_and_each_name_has_its_own_window(refusing: Refusing) -> None:
    owner, other = await refusing.session(), await refusing.session("other")
    for who in (owner, other):
        await refusing.refuse(who, MOST_EVENTS)
    await refusing.refuse(owner, MOST_EVENTS, "decision_refused")
    assert len(await refusing.stored()) == 2 * MOST_EVENTS
    assert len(await refusing.stored("decision_refused")) == MOST_EVENTS


async def test_what_could_not_be_stored_is_counted(refusing: Refusing, monkeypatch: pytest.MonkeyPatch) -> None:
    async def failing(_fn: object) -> None:
        raise Unavailable("The disk did not take it.")

    owner = await refusing.session()
    with monkeypatch.context() as patch:
        patch.setattr(refusing.ledger, "write", failing)
        await refusing.refuse(owner, 3)
        await refusing.events.close()
    await refusing.events.close()
    assert await refusing.stored() == [(NOW, 2, 2)]


async def test_nothing_is_stored_of_a_session_that_was_erased(refusing: Refusing) -> None:
    owner = await refusing.session()
    await refusing.refuse(owner, MOST_EVENTS + 1)

    def erase(cursor: object) -> None:
        for table in ("events", "sessions"):
            cursor.execute(f"DELETE FROM {table}")  # type: ignore[attr-defined]

    await refusing.ledger.write(erase)
    await refusing.events.close()
    assert await refusing.stored() == []
