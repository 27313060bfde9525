"""What bounds the change of the spool's key: time, room on the disk, other work on the files, damaged files."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models.errors import Overloaded
from server.access.audit import AuditAction
from server.access.caller import OFFLINE, acting_as
from server.ledger import audit as audit_rows
from server.ledger import sessions, vocabularies
from server.ledger.audit import AuditFilter
from server.ledger.embedded import EmbeddedLedger
from server.uploads import key_rotation
from server.uploads.encrypt_anew import SpoolEncryption
from server.uploads.key_rotation import CALL_S, RotationProgress
from tests.unit.uploads.rotation_world import LEAST_FREE_BYTES, WORDS, World

NEW, OLD = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=", "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY="


class Calls:
    """Counts the calls of a function, which happen."""

    def __init__(self, patch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
        self.count = 0
        real: Callable[..., Any] = getattr(owner, name)

        def counted(*given: Any, **named: Any) -> Any:
            self.count += 1
            return real(*given, **named)

        patch.setattr(owner, name, counted)


async def rotate(world: World, newest: str = "") -> RotationProgress:
    with acting_as(OFFLINE):
        return await world.rotation.rotate(newest)


async def audited(ledger: EmbeddedLedger) -> list[str]:
    """Ids of the keys that the audit names."""
    wanted = AuditFilter(action=AuditAction.SPOOL_KEY_ROTATED)
    rows, _ = await ledger.read(lambda cursor: audit_rows.list_rows(cursor, wanted, page_size=10, page_token=""))
    return [row.object_id for row in rows]


async def test_many_vocabularies_end_with_the_time_of_a_call_and_the_next_goes_on(
    ledger: EmbeddedLedger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_rotation, "SESSIONS_AT_ONCE", 2)
    world = World(ledger, tmp_path)
    world.fill()
    started = [world.start_session() for _ in range(6)]
    world.step_s = CALL_S * 0.6
    looks, stores = Calls(monkeypatch, vocabularies, "sealed_after"), Calls(monkeypatch, vocabularies, "replace")
    first = await rotate(world)
    assert (looks.count, stores.count) == (2, 2), "one statement for those of a transaction"
    assert (first.done, first.remaining, first.more, first.finished) == (4 + 1, 2, True, False), "and a file is done"
    later = [await rotate(world, first.key_id) for _ in range(3)]
    assert [progress.more for progress in later] == [True, False, False]
    assert (first.done + sum(progress.done for progress in later), later[-1].finished) == (7 + 3, True)
    assert looks.count == 4, "each of them was looked at once"
    fresh = World(ledger, tmp_path)
    fresh.same(world)
    for session_id in started:
        row = ledger.write_now(lambda cursor, wanted=session_id: sessions.get(cursor, wanted))  # type: ignore[misc]
        assert fresh.sealer.open(row.sealed_vocabulary) == WORDS


async def test_vocabularies_are_looked_at_once_for_a_key(
    ledger: EmbeddedLedger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(ledger, tmp_path)
    world.fill()
    log = world.spool.open_log(world.log)
    looks = Calls(monkeypatch, vocabularies, "sealed_after")
    assert (await rotate(world)).in_use == 1
    assert await world.rotation.round()
    assert looks.count == 1
    log.close()
    assert await world.rotation.round()
    await rotate(world)
    assert looks.count == 2, "another key"
    World(ledger, tmp_path).same(world)


async def test_the_housekeeping_goes_on_with_the_keys_of_a_setting(ledger: EmbeddedLedger, tmp_path: Path) -> None:
    world = World(ledger, tmp_path, OLD)
    world.fill()
    both = World(ledger, tmp_path, f"{NEW},{OLD}")
    log = both.spool.open_log(world.log)
    assert await both.rotation.round()
    progress = await rotate(both)
    assert (progress.in_use, progress.finished, progress.given) == (1, False, True)
    log.close()
    assert await both.rotation.round()
    assert not await both.rotation.round(), "nothing needs the earlier key, although the setting has it"
    World(ledger, tmp_path, NEW).same(world)


async def test_a_damaged_file_is_copied_once(
    ledger: EmbeddedLedger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(ledger, tmp_path)
    world.fill()
    file = world.spool.folder / next(iter(world.media))
    whole = file.read_bytes()
    file.write_bytes(whole[:-10])
    copies = Calls(monkeypatch, SpoolEncryption, "_copy")
    progress = await rotate(world)
    assert (progress.remaining, progress.damaged, progress.more, copies.count) == (1, 1, False, 3)
    assert await world.rotation.round()
    assert copies.count == 3
    file.write_bytes(whole)
    assert await world.rotation.round()
    assert (copies.count, world.stored_keys) == (4, 1), "it was put in order"
    World(ledger, tmp_path).same(world)


async def test_a_file_waits_for_room_on_the_disk(ledger: EmbeddedLedger, tmp_path: Path) -> None:
    world = World(ledger, tmp_path)
    world.fill()
    large = max(path.stat().st_size for path in world.spool.folder.iterdir())
    world.free_bytes = LEAST_FREE_BYTES + large - 1
    progress = await rotate(world)
    assert (progress.remaining, progress.no_room, progress.more, world.stored_keys) == (1, 1, False, 2)
    world.same(world)
    world.free_bytes += 1
    assert await world.rotation.round()
    assert world.stored_keys == 1
    World(ledger, tmp_path).same(world)


async def test_a_call_is_refused_while_a_backup_holds_the_files(ledger: EmbeddedLedger, tmp_path: Path) -> None:
    world = World(ledger, tmp_path, wait_s=0.0)
    before = world.keys.kept
    async with world.alone:
        for _ in range(2):
            with pytest.raises(Overloaded, match="a backup") as refused:
                await rotate(world)
            assert refused.value.reason == "BACKUP_BUSY"
    assert not world.alone.locked()
    assert (world.keys.kept, await audited(ledger)) == (before, [])
    assert (await rotate(world)).finished


async def test_a_round_waits_for_its_turn(ledger: EmbeddedLedger, tmp_path: Path) -> None:
    world = World(ledger, tmp_path)
    world.fill()
    log = world.spool.open_log(world.log)
    await rotate(world)
    log.close()
    async with world.alone:
        a_round = asyncio.ensure_future(world.rotation.round())
        await asyncio.sleep(0)
        assert not a_round.done(), "a backup after a backup would keep it from working for ever"
    next_backup = asyncio.ensure_future(world.alone.acquire())
    assert await a_round
    await next_backup
    assert world.stored_keys == 1


async def test_a_round_that_waited_for_the_end_of_the_change_does_nothing(
    ledger: EmbeddedLedger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(ledger, tmp_path)
    world.fill()
    log = world.spool.open_log(world.log)
    await rotate(world)
    log.close()
    looks = Calls(monkeypatch, SpoolEncryption, "outdated")
    call = asyncio.ensure_future(rotate(world))
    await asyncio.sleep(0)
    assert not await world.rotation.round()
    assert (await call).finished
    assert looks.count == 2, "of the call alone: before and after its work"


async def test_calls_that_wait_together_make_one_key(ledger: EmbeddedLedger, tmp_path: Path) -> None:
    world = World(ledger, tmp_path)
    async with world.alone:
        calls = [asyncio.ensure_future(rotate(world)) for _ in range(4)]
        await asyncio.sleep(0)
        calls.pop().cancel()
    keys = {progress.key_id for progress in await asyncio.gather(*calls)}
    assert keys == {world.keys.current_id} == set(await audited(ledger))
    assert len(await audited(ledger)) == 1


async def test_a_call_with_the_id_of_a_key_that_was_replaced_makes_none(ledger: EmbeddedLedger, tmp_path: Path) -> None:
    world = World(ledger, tmp_path)
    first, second = await rotate(world), await rotate(world)
    assert first.key_id != second.key_id
    assert (await rotate(world, first.key_id)).key_id == second.key_id


async def test_a_caller_that_goes_away_does_not_stop_what_works(
    ledger: EmbeddedLedger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(ledger, tmp_path)
    world.fill()
    old = world.keys.current
    began, goes_on = asyncio.Event(), asyncio.Event()
    real = EmbeddedLedger.write

    async def slow(*given: Any) -> Any:
        began.set()
        await goes_on.wait()
        return await real(*given)

    monkeypatch.setattr(EmbeddedLedger, "write", slow)
    call = asyncio.ensure_future(rotate(world))
    await began.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert world.alone.locked()
    goes_on.set()
    async with world.alone:
        assert (world.stored_keys, world.keys.current == old) == (1, False)
    World(ledger, tmp_path).same(world)


async def test_the_audit_names_a_key_before_it_is_made(
    ledger: EmbeddedLedger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(ledger, tmp_path)

    def full(*_: Any) -> None:
        raise OSError(28, "no space")

    before = world.keys.kept
    monkeypatch.setattr("server.runtime.keyring.write_atomically", full)
    with pytest.raises(Overloaded) as refused:
        await rotate(world)
    assert refused.value.reason == "SPOOL_FULL"
    assert world.keys.kept == before
    assert len(await audited(ledger)) == 1, "no key is used that the audit does not name"
