"""The change of the spool's key: interrupted at each step, beside streams, uploads and erasures."""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar
from uuid import uuid4

import pytest

from models import private_files
from models.errors import Conflict
from server.access.audit import AuditAction
from server.access.caller import OFFLINE, acting_as
from server.ledger import audit as audit_rows
from server.ledger.audit import AuditFilter
from server.ledger.embedded import EmbeddedLedger
from server.records.vocabulary import VocabularySealer
from server.runtime.keyring import Keyring, key_id
from server.uploads import encrypt_anew
from server.uploads.encrypt_anew import Outcome, SpoolEncryption
from tests.unit.uploads.rotation_world import WORDS, World

T = TypeVar("T")


class Killed(BaseException):
    """Stands for a SIGKILL: nothing that runs after it changes a file."""


class Killer:
    """Lets a number of steps that change the disk or the ledger happen, then none any more."""

    def __init__(self, patch: pytest.MonkeyPatch, steps: int) -> None:
        self.left = steps
        self.dead = False
        for owner, name in (
            (os, "fsync"),
            (os, "unlink"),
            (Path, "replace"),
            (Path, "unlink"),
            (encrypt_anew, "open"),
            (encrypt_anew, "_write"),
            (encrypt_anew, "sync_folder"),
            (private_files, "open"),
            (private_files, "sync_folder"),
        ):
            patch.setattr(owner, name, self._step(getattr(owner, name, open)), raising=False)
        patch.setattr(EmbeddedLedger, "write", self._ledger_step(EmbeddedLedger.write))

    def _before(self) -> None:
        self.dead = self.dead or self.left == 0
        if self.dead:
            raise Killed
        self.left -= 1

    def _step(self, real: Callable[..., T]) -> Callable[..., T]:
        def step(*given: Any, **named: Any) -> T:
            self._before()
            return real(*given, **named)

        return step

    def _ledger_step(self, real: Callable[..., Coroutine[Any, Any, T]]) -> Callable[..., Coroutine[Any, Any, T]]:
        async def step(*given: Any, **named: Any) -> T:
            self._before()
            return await real(*given, **named)

        return step


async def rotated(world: World) -> None:
    with acting_as(OFFLINE):
        await world.rotation.rotate("")


async def test_a_kill_at_any_step_leaves_everything_readable(ledger: EmbeddedLedger, tmp_path: Path) -> None:
    steps = 0
    while True:
        folder = tmp_path / str(steps)
        world = World(ledger, folder)
        world.fill()
        old = world.keys.current
        with pytest.MonkeyPatch.context() as patch:
            killer = Killer(patch, steps)
            with suppress(Killed):
                await rotated(world)
        again = World(ledger, folder)
        again.same(world)
        assert not list(again.spool.folder.glob("*.anew")), "a half copy would survive an erasure"
        with acting_as(OFFLINE):
            progress = await again.rotation.rotate(again.keys.current_id if again.keys.current != old else "")
        assert progress.finished
        assert again.stored_keys == 1
        assert again.needed_keys == {key_id(again.keys.current)} != {key_id(old)}
        World(ledger, folder).same(world)
        if not killer.dead:
            break
        steps += 1
    assert steps > 30, "each file takes several steps"


async def test_the_change_is_audited_once_and_names_the_key(ledger: EmbeddedLedger, tmp_path: Path) -> None:
    world = World(ledger, tmp_path)
    world.fill()
    with acting_as(OFFLINE):
        first = await world.rotation.rotate("")
        again = await world.rotation.rotate(first.key_id)
    assert (first.done, first.remaining, first.finished) == (4, 0, True)
    assert (again.key_id, again.done, again.finished) == (first.key_id, 0, True), "a repeated call makes no key"
    wanted = AuditFilter(action=AuditAction.SPOOL_KEY_ROTATED)
    rows, _ = await ledger.read(lambda cursor: audit_rows.list_rows(cursor, wanted, page_size=10, page_token=""))
    assert [(row.object_type, row.object_id) for row in rows] == [("spool_key", first.key_id)]


async def test_an_open_stream_keeps_the_earlier_key_until_it_ends(ledger: EmbeddedLedger, tmp_path: Path) -> None:
    world = World(ledger, tmp_path)
    world.fill()
    log = world.spool.open_log(world.log)
    with acting_as(OFFLINE):
        progress = await world.rotation.rotate("")
    assert (progress.remaining, progress.finished, world.stored_keys) == (1, False, 2)
    log.append(b"later")
    assert await world.rotation.round(), "the housekeeping goes on"
    assert world.stored_keys == 2
    log.close()
    assert await world.rotation.round()
    assert world.stored_keys == 1
    assert not await world.rotation.round(), "there is nothing left to do"
    assert list(World(ledger, tmp_path).spool.log_pieces(world.log)) == [b"sound", b"", b"more soundlater"]


async def test_an_upload_that_was_begun_before_keeps_the_earlier_key(ledger: EmbeddedLedger, tmp_path: Path) -> None:
    world = World(ledger, tmp_path)
    name = str(uuid4())
    writer = world.spool.writer(name)
    writer.write(b"began before")
    with acting_as(OFFLINE):
        progress = await world.rotation.rotate("")
    assert (progress.remaining, progress.finished) == (1, False)
    new = str(uuid4())
    later = world.spool.writer(new)
    writer.commit()
    assert await world.rotation.round()
    assert world.stored_keys == 1, "one that is written with the new key needs no other"
    later.commit()
    fresh = World(ledger, tmp_path)
    assert (fresh.spool.read(name), fresh.spool.read(new)) == (b"began before", b"")


def test_a_file_that_is_deleted_meanwhile_does_not_come_back(ledger: EmbeddedLedger, tmp_path: Path) -> None:
    world = World(ledger, tmp_path)
    world.fill()
    name = next(iter(world.media))
    with world.spool.in_use.alone(name) as alone:
        deleting = Thread(target=world.spool.delete, args=(name,))
        deleting.start()
        deleting.join(0.05)
        assert alone
        assert deleting.is_alive(), "it waits for the copy"
    deleting.join(10)
    assert SpoolEncryption(world.spool).encrypt(name) is Outcome.ENCRYPTED, "there is nothing to do"
    assert not (world.spool.folder / name).exists()


async def test_a_damaged_file_keeps_the_earlier_key(ledger: EmbeddedLedger, tmp_path: Path) -> None:
    world = World(ledger, tmp_path)
    world.fill()
    name = next(iter(world.media))
    file = world.spool.folder / name
    damaged = file.read_bytes()[:-10]
    file.write_bytes(damaged)
    with acting_as(OFFLINE):
        progress = await world.rotation.rotate("")
    assert (progress.remaining, progress.finished, world.stored_keys) == (1, False, 2)
    assert file.read_bytes() == damaged, "it is left for a person to look at"
    world.spool.delete(name)
    assert await world.rotation.round()
    assert world.stored_keys == 1


async def test_keys_of_a_setting_are_used_and_not_changed(ledger: EmbeddedLedger, tmp_path: Path) -> None:
    new, old = ("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=", "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY=")
    world = World(ledger, tmp_path, old)
    world.fill()
    with acting_as(OFFLINE), pytest.raises(Conflict, match="given by a setting") as refused:
        await world.rotation.rotate("")
    assert refused.value.reason == "SPOOL_KEY_GIVEN"
    both = World(ledger, tmp_path, f"{new}, {old}")
    both.same(world)
    with acting_as(OFFLINE):
        progress = await both.rotation.rotate("")
    assert (progress.done, progress.finished) == (4, True)
    World(ledger, tmp_path, new).same(world)
    assert not world.path.exists()


def test_a_session_that_begins_meanwhile_is_sealed_with_a_key_that_is_kept() -> None:
    keys = Keyring([bytes(32), bytes(range(32))])
    sealer = VocabularySealer(keys)
    sealed = sealer.seal(WORDS)
    assert not sealer.outdated(sealed)
    assert sealer.outdated(VocabularySealer(bytes(range(32))).seal(WORDS))
    assert not sealer.outdated("broken"), "nothing can help it"


async def test_a_log_that_a_kill_cut_off_is_encrypted_up_to_its_last_whole_frame(
    ledger: EmbeddedLedger, tmp_path: Path
) -> None:
    world = World(ledger, tmp_path)
    world.fill()
    file = world.spool.folder / f"{world.log}.log"
    file.write_bytes(file.read_bytes()[:-3])
    again = World(ledger, tmp_path)
    with acting_as(OFFLINE):
        progress = await again.rotation.rotate("")
    assert progress.finished
    assert list(again.spool.log_pieces(world.log)) == [b"sound", b""]
    used_bytes = sum(path.stat().st_size for path in again.spool.folder.iterdir())
    assert again.spool.usage.used_bytes == used_bytes
