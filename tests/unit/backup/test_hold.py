"""The hold on the files of a running server, while they are copied."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest

from models.errors import Overloaded
from server.access.audit import AuditAction
from server.access.audit_book import AuditBook
from server.access.caller import OFFLINE, acting_as
from server.analytics.snapshot import mark_of
from server.backup.hold import LONGEST_S, FilesHold
from server.erasure.eraser import Eraser, NoWork
from server.erasure.retention import Retention
from server.ledger import audit as audit_rows
from server.ledger import erasure
from server.ledger.audit import AuditFilter
from server.ledger.erasure import ErasureScope, ErasureTarget
from server.ledger.types import utc_now
from server.setting_groups import AuditSettings, RetentionSettings
from server.uploads.spool import Spool
from tests.eventually import eventually
from tests.unit.backup.conftest import Home


class Held:
    """A hold, and what waits for its end."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.now_s = 0.0
        state = home.files.state_dir
        self.audit = AuditBook(home.ledger, AuditSettings(), state, utc_now, "1.2.3")
        self.eraser = Eraser(home.ledger, home.spool, home.pictures, NoWork(), utc_now, self.audit.trail)
        self.hold = FilesHold(home.spool, home.ledger, self.audit, self.eraser.alone, 0.0, lambda: self.now_s)

    async def backed_up(self) -> None:
        """Hold the files for a moment, when it is its turn."""
        async with FilesHold(self.home.spool, self.home.ledger, self.audit, self.eraser.alone).held():
            pass


@pytest.fixture
def held(home: Home) -> Held:
    return Held(home)


async def test_what_is_deleted_meanwhile_is_deleted_at_the_end(held: Held, home: Home) -> None:
    [name] = home.needed
    [stream] = home.spool.log_ids()
    with acting_as(OFFLINE):
        async with held.hold.held():
            home.spool.delete(name)
            home.spool.delete_log(stream)
            home.spool.delete(name)
            assert home.spool.read(name) == b"content"
            assert home.spooled() == 2
    assert home.spooled() == 0
    assert home.spool.usage.used_bytes == 0


async def test_half_files_are_deleted_at_once(held: Held, home: Home) -> None:
    [name] = home.needed
    (home.files.spool / f"{name}.part").write_bytes(b"")
    with acting_as(OFFLINE):
        async with held.hold.held():
            home.spool.delete_part(name)
            assert home.spool.part_ids() == set()


async def test_erasures_and_the_housekeeping_wait_for_their_turn(held: Held, home: Home) -> None:
    settings = RetentionSettings(artifacts_days=1, turns_days=1)
    later = utc_now() + timedelta(days=1000)
    retention = Retention(home.ledger, home.spool, home.pictures, settings, lambda: later, held.eraser)
    with acting_as(OFFLINE):
        async with held.hold.held():
            deleting = asyncio.ensure_future(retention.round())
            await _turns()
            target = ErasureTarget(ErasureScope.SESSION, home.session)
            erasing = asyncio.ensure_future(held.eraser.erase(target))
            await _turns()
            assert not deleting.done()
            assert not erasing.done()
            assert len(list(home.pictures.iterdir())) == 1
            following = asyncio.ensure_future(held.backed_up())
            await _turns()
        assert await deleting, "the next backup does not come first"
        await erasing
        await following
    assert home.marks("jane") == set()
    assert home.spooled() == 0


async def test_an_erasure_says_when_a_backup_runs_for_longer_than_it_waits(held: Held, home: Home) -> None:
    eraser = Eraser(home.ledger, home.spool, home.pictures, NoWork(), utc_now, held.audit.trail, wait_s=0.0)
    eraser.alone = held.eraser.alone
    target = ErasureTarget(ErasureScope.SESSION, home.session)
    with acting_as(OFFLINE):
        async with held.hold.held():
            with pytest.raises(Overloaded, match="backup runs") as refused:
                await eraser.erase(target)
        assert (refused.value.reason, home.marks("jane") == set()) == ("BACKUP_BUSY", False)
        await eraser.erase(target)
    assert home.marks("jane") == set()


async def test_interrupted_erasures_are_completed_between_two_backups(held: Held, home: Home) -> None:
    target = ErasureTarget(ErasureScope.SESSION, home.session)
    await home.ledger.write(lambda cursor: erasure.begin(cursor, str(uuid4()), target, 1, utc_now()))
    with acting_as(OFFLINE):
        async with held.hold.held():
            resuming = asyncio.ensure_future(held.eraser.resume())
            await eventually(lambda: bool(held.eraser.alone._waiters))  # it reads the ledger first
            following = asyncio.ensure_future(held.backed_up())
            await _turns()
            assert not resuming.done()
        assert await resuming
        await following
    assert not await home.ledger.read(erasure.unfinished)


async def test_one_backup_at_a_time(held: Held) -> None:
    with acting_as(OFFLINE):
        async with held.hold.held():
            with pytest.raises(Overloaded, match="backup runs") as refused:
                async with held.hold.held():
                    pass
        async with held.hold.held():
            pass
    assert refused.value.reason == "BACKUP_BUSY"


async def test_each_request_gets_a_mark_until_the_longest_time_is_over(held: Held, home: Home) -> None:
    answered = 0

    async def requests() -> AsyncIterator[object]:
        while True:
            yield object()

    with acting_as(OFFLINE):
        async with held.hold.held() as marks:
            async for mark in marks(requests()):
                assert mark == mark_of(home.files.ledger)
                answered += 1
                held.now_s = LONGEST_S * answered / 3
    assert answered == 3
    assert not held.eraser.alone.locked()


async def test_a_hold_ends_when_what_it_keeps_fills_the_spool(held: Held, home: Home) -> None:
    spool = Spool(home.files.spool, home.spool.keys, limit_bytes=home.spool.usage.used_bytes + 100_000)
    hold = FilesHold(spool, home.ledger, held.audit, held.eraser.alone, 0.0, lambda: held.now_s, look_s=0.0)
    asked, gets_nearly_full = asyncio.Event(), 90_000

    async def requests() -> AsyncIterator[object]:
        yield object()
        asked.set()
        await asyncio.Event().wait()

    async def back_up() -> None:
        with acting_as(OFFLINE):
            async with hold.held() as marks:
                async for _ in marks(requests()):
                    pass

    backing_up = asyncio.ensure_future(back_up())
    await asked.wait()
    spool.put(str(uuid4()), [bytes(gets_nearly_full)])
    assert spool.usage.nearly_full
    await _turns()
    assert not backing_up.done(), "there is nothing that could be deleted"
    spool.delete(home.needed.pop())
    with pytest.raises(Overloaded) as ended:
        await backing_up
    assert ended.value.reason == "BACKUP_SPOOL_FULL"
    assert home.needed.isdisjoint(spool.ids()), "it is deleted now"
    assert not held.eraser.alone.locked()


async def _turns() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


async def test_a_caller_that_goes_away_lets_the_files_go(held: Held, home: Home) -> None:
    waits = asyncio.Event()

    async def nothing() -> AsyncIterator[object]:
        waits.set()
        await asyncio.Event().wait()
        yield object()

    async def hold() -> None:
        with acting_as(OFFLINE):
            async with held.hold.held() as marks:
                async for _ in marks(nothing()):
                    pass

    holding = asyncio.ensure_future(hold())
    await waits.wait()
    holding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await holding
    assert not held.eraser.alone.locked()
    home.spool.delete(home.needed.pop())
    assert home.spool.ids() == set()


async def test_a_backup_is_audited(held: Held, home: Home) -> None:
    with acting_as(OFFLINE):
        async with held.hold.held():
            pass
    wanted = AuditFilter(action=AuditAction.BACKUP)
    rows, _ = await home.ledger.read(lambda cursor: audit_rows.list_rows(cursor, wanted, page_size=9, page_token=""))
    assert [row.object_type for row in rows] == ["ledger"]
