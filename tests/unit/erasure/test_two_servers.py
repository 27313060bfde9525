"""Two servers on one database of PostgreSQL: what one erases, the other can neither keep nor write anew."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("psycopg")

from models.errors import VestibuleError
from models.numbered_tags import TagIdentity
from models.text import RedactedText
from server.access import ownership
from server.access.audit import AuditTrail
from server.access.caller import Caller
from server.erasure.eraser import Eraser, NoWork
from server.erasure.retention import Retention
from server.ledger import audit, erasure, events, jobs, sessions, streams, turns, uploads
from server.ledger.columns import Cursor, count, fetch_all
from server.ledger.erasure import ErasureScope, ErasureTarget
from server.ledger.postgres import rewrite
from server.ledger.postgres.cursor import PostgresCursor, connect
from server.ledger.postgres.ledger import PostgresLedger, Use
from server.ledger.types import SessionState
from server.records.numbering import number_tags
from server.setting_groups import RetentionSettings
from server.uploads import transactions
from server.uploads.spool import Spool
from tests.eventually import eventually
from tests.unit.erasure.filled import fill_rows, mark_of, rows_of
from tests.unit.ledger import makers
from tests.unit.ledger.makers import NOW
from tests.unit.ledger.postgres_files import files_with

CALLER = Caller("key:app", "", frozenset())
A_MONTH = timedelta(days=31)


async def _nothing() -> None:
    return


class Server:
    """A server that shares the database and the folders with others."""

    def __init__(self, url: str, home: Path) -> None:
        self.ledger = PostgresLedger.open(url, lambda: NOW, use=Use.TOGETHER)
        self.spool = Spool(home / "spool", bytes(32))
        self.pictures = home / "pictures"
        self.pictures.mkdir(exist_ok=True)
        self.now = NOW
        self.meanwhile: Callable[[], Awaitable[None]] = _nothing
        trail = AuditTrail(bytes(32), bytes(32), lambda: self.now)
        self.eraser = Eraser(
            self.ledger, self.spool, self.pictures, NoWork(), lambda: self.now, trail, self._after_rewrite
        )

    async def _after_rewrite(self) -> None:
        await self.meanwhile()

    def fill(self, name: str, **changes: Any) -> str:
        row = replace(makers.session(), state=SessionState.COMPLETED, **changes)
        stored = self.ledger.write_now(lambda cursor: fill_rows(cursor, row, name))
        (self.pictures / f"{stored.job_id}.jpg").write_bytes(b"picture")
        return row.id

    async def erase(self, session_id: str) -> str:
        erasure_id, _ = await self.eraser.erase(ErasureTarget(ErasureScope.SESSION, session_id))
        return erasure_id

    def rows(self, session_id: str) -> dict[str, int]:
        return self.ledger.write_now(lambda cursor: rows_of(cursor, session_id))

    async def unfinished(self) -> frozenset[str]:
        return await self.ledger.read(erasure.unfinished)


class Two:
    """Two servers."""

    def __init__(self, url: str, home: Path) -> None:
        self.url = url
        self.one, self.two = Server(url, home), Server(url, home)

    def close(self) -> None:
        self.one.ledger.close()
        self.two.ledger.close()

    def in_tables(self, text: str) -> bool:
        return bool(files_with(text, self.url))


@pytest.fixture
def both(postgres_url: str, tmp_path: Path) -> Iterator[Two]:
    with closing(Two(postgres_url, tmp_path)) as two:
        yield two


async def test_two_servers_erase_at_once(both: Two) -> None:
    names = [f"gone-{number}" for number in range(4)]
    gone, stays = [both.one.fill(name) for name in names], both.two.fill("stays")
    before = both.one.rows(stays)
    assert all(both.in_tables(mark_of(name)) for name in names), "else this test shows nothing"
    servers = [both.one, both.two] * 2
    done = await asyncio.gather(*(server.erase(each) for server, each in zip(servers, gone, strict=True)))
    assert len({each for each in done if each}) == 4
    assert await both.one.unfinished() == frozenset()
    assert not any(number for each in gone for number in both.two.rows(each).values())
    assert not [name for name in names if both.in_tables(mark_of(name))]
    assert both.one.rows(stays) == before
    assert len(list(both.one.pictures.iterdir())) == 1


async def test_the_same_session_that_two_servers_erase_is_erased_once(both: Two) -> None:
    gone = both.one.fill("gone")
    done = await asyncio.gather(both.one.erase(gone), both.two.erase(gone))
    assert sum(map(bool, done)) == 1
    assert len(await both.one.ledger.read(lambda cursor: audit.rows_after(cursor, 0, 10))) == 1
    assert await both.one.unfinished() == frozenset()


async def test_an_erasure_that_another_server_begins_meanwhile_is_not_called_complete(both: Two) -> None:
    """Its rows are deleted, and their bytes are in the files: the ledger was written anew before."""
    first, second = both.one.fill("first"), both.two.fill("second")

    async def begin() -> None:
        await both.two.eraser.expire(frozenset({second}), "records_days")
        assert not await both.two.eraser.resume(), "the other one is at it"

    both.one.meanwhile = begin
    await both.one.erase(first)
    assert len(await both.one.unfinished()) == 1
    assert await both.two.eraser.resume()
    assert await both.one.unfinished() == frozenset()
    assert not both.in_tables(mark_of("second"))


async def test_what_another_server_was_about_to_write_goes_too(both: Two) -> None:
    """Its transaction has found the session, and commits after the session is gone."""
    gone = both.one.fill("gone")
    late = mark_of("late")
    with connect(both.url) as connection:
        cursor = PostgresCursor(connection)
        events.append(cursor, makers.event(gone, name=late))
        erasing = asyncio.create_task(both.one.erase(gone))
        await eventually(lambda: not both.two.rows(gone)["sessions"])
        connection.commit()
        assert both.two.rows(gone)["events"] == 1, "else this test shows nothing"
        await erasing
    assert not any(both.two.rows(gone).values())
    assert not both.in_tables(late)


async def test_an_erasure_waits_for_a_transaction_that_has_written_before(
    both: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two statements nobody sees that it reads anything, and yet rows are kept for it."""
    monkeypatch.setattr(rewrite, "LONGEST_S", 0.2)
    gone = both.one.fill("gone")
    with connect(both.url) as other:
        other.execute("SELECT pg_current_xact_id()")
        with pytest.raises(VestibuleError) as refused:
            await both.one.erase(gone)
        assert refused.value.reason == "LEDGER_CONFLICT"
        assert len(await both.one.unfinished()) == 1
    monkeypatch.setattr(rewrite, "LONGEST_S", 60.0)
    await both.two.eraser.round()
    assert await both.one.unfinished() == frozenset()
    assert not both.in_tables(mark_of("gone"))


def _said() -> RedactedText:
    tag = "[REDACTED_NAME]"
    return RedactedText._seal(tag, [], safe_for_llm=True, identities=[TagIdentity(0, len(tag), "NAME", "ab")])


async def _late_writes(server: Server, gone: str, job_id: str, turn_id: str) -> AsyncIterator[Awaitable[object]]:
    """What another server, which has not noticed anything yet, writes for an erased session."""
    ledger, later = server.ledger, makers.after(5)
    upload, job = makers.upload(gone), makers.job(gone)
    stream = makers.stream(gone)

    def speak(cursor: Cursor) -> None:
        session = sessions.require_open(cursor, gone)
        turns.insert_turn(cursor, makers.turn(session.id))

    def open_stream(cursor: Cursor) -> None:
        streams.insert_stream(cursor, stream)
        ownership.note_participant(cursor, gone, CALLER)

    def begin_attempt(cursor: Cursor) -> None:
        uploads.begin_attempt(cursor, upload.id, later)

    yield ledger.write(speak)
    yield ledger.write(open_stream)
    yield ledger.write(begin_attempt)
    yield ledger.write(lambda cursor: transactions.record(cursor, upload, job, CALLER))
    yield ledger.write(lambda cursor: turns.set_reply(cursor, turn_id, _said(), None))
    yield ledger.write(lambda cursor: jobs.renew_lease(cursor, job_id, "server", later, 1))
    yield ledger.write(lambda cursor: jobs.release(cursor, job_id, later, owner="server", attempt=1))
    yield number_tags(ledger, gone, [_said()])


async def test_what_another_server_writes_later_is_refused(both: Two) -> None:
    gone = both.one.fill("gone")
    [job] = await both.one.ledger.read(lambda c: fetch_all(c, "SELECT id FROM jobs"))
    [turn] = await both.one.ledger.read(lambda c: fetch_all(c, "SELECT id FROM turns"))
    await both.one.erase(gone)
    refused = []
    async for late in _late_writes(both.two, gone, job["id"], turn["id"]):
        with pytest.raises(VestibuleError) as caught:
            await late
        refused.append(str(caught.value.reason))
    assert set(refused) == {"SESSION_NOT_FOUND", "UPLOAD_NOT_FOUND", "TURN_NOT_FOUND", "LEASE_LOST"}
    await both.two.ledger.write(lambda cursor: events.append(cursor, makers.event(gone)))
    assert not any(both.one.rows(gone).values())
    assert not await both.one.ledger.read(erasure.has_orphans)


async def test_retention_of_two_servers_at_once_erases_once(both: Two) -> None:
    both.one.fill("old")
    rounds = []
    for server in (both.one, both.two):
        server.now = NOW + A_MONTH
        settings = RetentionSettings(records_days=30, turns_days=7)
        rounds.append(
            Retention(
                server.ledger, server.spool, server.pictures, settings, lambda: NOW + A_MONTH, server.eraser
            ).round()
        )
    await asyncio.gather(*rounds)
    entries = await both.one.ledger.read(lambda cursor: fetch_all(cursor, "SELECT sessions FROM erasures"))
    assert entries == [{"sessions": 1}]
    assert await both.one.unfinished() == frozenset()
    assert not both.in_tables(mark_of("old"))
    daily = "SELECT sum(events)::BIGINT FROM daily_events"
    assert await both.one.ledger.read(lambda cursor: count(cursor, daily)) == 2, "each event is counted once"


async def test_a_picture_that_a_lost_server_left_goes_within_a_day_and_one_that_is_being_read_stays(both: Two) -> None:
    server, running = both.one, makers.job("")
    await server.ledger.write(lambda cursor: jobs.enqueue(cursor, running))
    for name in (makers.new_id(), running.id):
        (server.pictures / f"{name}.png").write_bytes(b"picture")
    await server.eraser.round()
    assert [file.stem for file in server.pictures.iterdir()] == [running.id]
    (server.pictures / f"{makers.new_id()}.png").write_bytes(b"picture")
    await server.eraser.round()
    assert len(list(server.pictures.iterdir())) == 2, "it is looked once a day"
    server.now += timedelta(days=1)
    await server.eraser.round()
    assert [file.stem for file in server.pictures.iterdir()] == [running.id]
