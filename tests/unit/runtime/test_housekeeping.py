"""Periodic work, with a clock that the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from models.errors import InternalError
from server.flows.catalogue import shipped_catalogue
from server.housekeeping import Housekeeping
from server.ledger import sessions as session_rows
from server.ledger import streams as stream_rows
from server.ledger.streams import StreamRow
from server.ledger.types import SessionState
from server.observability.metrics import Metrics
from server.records.pubsub import PubSub
from server.records.refusal_events import RefusalEvents
from server.records.sessions import Sessions
from server.records.vocabulary import VocabularySealer
from server.setting_groups import LimitSettings
from server.uploads.build import build_upload_service
from server.uploads.spool import Spool
from tests.fakes.cleaner import SameBytes
from tests.fakes.gateway import FakeGateway
from tests.unit.ledger.migrated import open_ledger

SEALER, FLOWS = VocabularySealer(bytes(32)), shipped_catalogue()

IDLE_S = 1800.0


@dataclass
class Open:
    """What is open, as a test wants it."""

    ids: frozenset[str] = frozenset()
    session_ids: frozenset[str] = frozenset()


@dataclass
class House:
    """A ledger, a spool and a clock."""

    folder: Path
    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    open: Open = field(default_factory=Open)

    def __post_init__(self) -> None:
        self.ledger = open_ledger(self.folder / "ledger.duckdb", memory_bytes=128 * 1024 * 1024)
        self.spool = Spool(self.folder / "spool", bytes(32))
        pubsub = PubSub()
        intake = build_upload_service(
            self.ledger,
            self.spool,
            pubsub,
            FakeGateway(),
            Metrics(),
            LimitSettings(),
            SameBytes(),
            on_job=lambda: None,
            clock=lambda: self.now,
            refusals=RefusalEvents(self.ledger, lambda: self.now),
        )
        self.sessions = Sessions(self.ledger, pubsub, SEALER, lambda: self.now, FLOWS)
        self.keeping = Housekeeping(self.sessions, intake, self.ledger, self.spool, lambda: self.now, self.open, IDLE_S)

    async def session(self) -> str:
        row = await self.sessions.start(
            client_id="app", request_id=str(uuid4()), language="", vocabulary=(), variant=""
        )
        return row.id

    async def stream(self, session_id: str) -> str:
        row = StreamRow(str(uuid4()), session_id, "hash", "PCM_S16LE", 16000, 1, "en", self.now, self.now)
        await self.ledger.write(lambda cursor: stream_rows.insert_stream(cursor, row))
        log = self.spool.open_log(row.id)
        log.append(b"audio")
        log.close()
        return row.id

    async def row(self, stream_id: str) -> StreamRow:
        return await self.ledger.read(lambda cursor: stream_rows.get(cursor, stream_id))

    async def state(self, session_id: str) -> SessionState:
        return await self.ledger.read(lambda cursor: session_rows.get(cursor, session_id).state)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    built = House(tmp_path)
    yield built
    built.ledger.close()


async def test_idle_sessions_without_an_open_stream_are_ended(house: House) -> None:
    idle, talking = await house.session(), await house.session()
    house.open.session_ids = frozenset({talking})
    house.now += timedelta(seconds=IDLE_S + 1)
    await house.keeping.round()
    assert await house.state(idle) is SessionState.ABANDONED
    assert await house.state(talking) is SessionState.STARTED


async def test_what_another_server_has_open_is_left_alone_while_that_one_lives(house: House) -> None:
    session_id = await house.session()
    stream_id = await house.stream(session_id)
    house.now += timedelta(seconds=IDLE_S + 1)
    until = house.now + timedelta(seconds=30)
    await house.ledger.write(lambda cursor: stream_rows.hold(cursor, stream_id, "elsewhere", until))
    await house.keeping.round()
    assert await house.state(session_id) is SessionState.STARTED
    assert house.spool.log_ids() == {stream_id}
    assert (await house.row(stream_id)).open
    house.now = until + timedelta(seconds=1)
    await house.keeping.round()
    assert await house.state(session_id) is SessionState.ABANDONED
    assert not house.spool.log_ids()
    assert not (await house.row(stream_id)).open


async def test_audio_is_deleted_when_its_stream_can_no_longer_be_resumed(house: House) -> None:
    session_id = await house.session()
    open_now, resumable = await house.stream(session_id), await house.stream(session_id)
    house.open.ids = frozenset({open_now})
    await house.keeping.round()
    assert house.spool.log_ids() == {open_now, resumable}
    house.now += timedelta(seconds=IDLE_S + 1)
    await house.keeping.round()
    assert house.spool.log_ids() == {open_now}
    row = await house.row(resumable)
    assert (row.open, row.next_offset) == (False, len(b"audio"))  # a client that comes back now learns what got in


async def test_a_finished_stream_keeps_its_end_offset_when_leftover_audio_is_deleted(house: House) -> None:
    finished = await house.stream(await house.session())
    await house.ledger.write(lambda cursor: stream_rows.close(cursor, finished, house.now, 7))
    before = await house.row(finished)
    await house.keeping.round()
    assert not house.spool.log_ids()
    assert await house.row(finished) == before


async def test_damaged_audio_is_deleted_too(house: House) -> None:
    stream_id = await house.stream(await house.session())
    (log,) = (house.folder / "spool").glob("*.log")
    log.write_bytes(b"?" * log.stat().st_size)
    house.now += timedelta(seconds=IDLE_S + 1)
    await house.keeping.round()
    assert not house.spool.log_ids()
    row = await house.row(stream_id)
    assert (row.open, row.next_offset) == (False, 0)


async def test_a_stream_resumed_meanwhile_is_not_closed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    stream_id = await house.stream(await house.session())
    house.now += timedelta(seconds=IDLE_S + 1)
    log_bytes = house.spool.log_bytes

    def slow(resumed: str) -> int:
        house.open.ids = frozenset({resumed})
        return log_bytes(resumed)

    monkeypatch.setattr(house.spool, "log_bytes", slow)
    await house.keeping.round()
    assert house.spool.log_ids() == {stream_id}
    assert (await house.row(stream_id)).open


async def test_work_that_waits_for_the_files_holds_up_nothing_else(house: House) -> None:
    waits, worked = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        waits.set()
        await asyncio.Event().wait()

    async def work() -> None:
        worked.set()
        raise InternalError("It failed.")

    async def defect() -> None:
        raise BlockingIOError(11, "There is no process to be had.")

    house.keeping._also = (wait, defect, work)
    running = asyncio.ensure_future(house.keeping.run())
    async with asyncio.timeout(60):
        await asyncio.gather(waits.wait(), worked.wait())
    assert not running.done()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


@pytest.mark.parametrize(("way", "other"), [("run", "_heavy"), ("run_heavy", "_also")])
async def test_heavy_work_is_begun_by_itself(house: House, way: str, other: str) -> None:
    worked = {"_also": asyncio.Event(), "_heavy": asyncio.Event()}

    def sets(name: str) -> Callable[[], Awaitable[None]]:
        async def work() -> None:
            worked[name].set()

        return work

    house.keeping._also, house.keeping._heavy = (sets("_also"),), (sets("_heavy"),)
    running = asyncio.ensure_future(getattr(house.keeping, way)())
    [begun] = worked.keys() - {other}
    async with asyncio.timeout(60):
        await worked[begun].wait()
    assert not worked[other].is_set()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_foreign_files_in_the_spool_are_kept(house: House) -> None:
    (house.folder / "spool" / "notes.log").write_text("not ours")
    await house.keeping.round()
    assert (house.folder / "spool" / "notes.log").exists()


async def test_audio_whose_deletion_waits_for_a_backup_is_not_logged_in_each_round(house: House) -> None:
    await house.stream(await house.session())
    house.now += timedelta(seconds=IDLE_S + 1)
    house.spool.keep()
    with capture_logs() as logged:
        for _ in range(3):
            await house.keeping.round()
    house.spool.let_go()
    assert [(entry["sessions_abandoned"], entry["spool_files_deleted"]) for entry in logged] == [(1, 0)]
    assert not house.spool.log_ids()
