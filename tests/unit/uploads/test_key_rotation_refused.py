"""The change of the spool's key while the disk refuses a file: the others are done, and whoever asks is told."""

from __future__ import annotations

import base64
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog

from models.errors import Unavailable
from server.access.caller import OFFLINE, acting_as
from server.ledger.embedded import EmbeddedLedger
from server.uploads import encrypt_anew
from server.uploads.encrypt_anew import REFUSED_AGAIN_S, SpoolEncryption
from server.uploads.key_rotation import RotationProgress
from tests.unit.uploads.rotation_world import World


class BadDisk:
    """Refuses to read some files, or to write anything.

    Attributes:
        names: Files that cannot be read.
        error: With which.
        reads: How often it was asked for one of them.
        on_write: Error for every write of a copy; 0 for none.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.names: set[str] = set()
        self.error = errno.EIO
        self.reads = 0
        self.on_write = 0
        self.on_sync = 0
        self._patch(patch, Path, "open", self._opened)
        self._patch(patch, encrypt_anew, "_write", self._written)
        self._patch(patch, encrypt_anew, "sync_folder", self._synced)

    def _patch(self, patch: pytest.MonkeyPatch, owner: Any, name: str, instead: Callable[..., Any]) -> None:
        real = getattr(owner, name)
        patch.setattr(owner, name, lambda *given, **named: instead(real, *given, **named))

    def _opened(self, real: Callable[..., Any], path: Path, *given: Any, **named: Any) -> Any:
        if path.name in self.names:
            self.reads += 1
            raise OSError(self.error, os.strerror(self.error))
        return real(path, *given, **named)

    def _written(self, real: Callable[..., Any], *given: Any) -> Any:
        if self.on_write:
            raise OSError(self.on_write, os.strerror(self.on_write))
        return real(*given)

    def _synced(self, real: Callable[..., Any], *given: Any) -> Any:
        if self.on_sync:
            raise OSError(self.on_sync, os.strerror(self.on_sync))
        return real(*given)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> BadDisk:
    return BadDisk(monkeypatch)


@pytest.fixture
def world(ledger: EmbeddedLedger, tmp_path: Path) -> World:
    made = World(ledger, tmp_path)
    made.fill()
    return made


async def rotate(world: World, newest: str = "") -> RotationProgress:
    with acting_as(OFFLINE):
        return await world.rotation.rotate(newest)


def first_of(world: World) -> str:
    """The file that comes first."""
    return min(path.name for path in world.spool.folder.iterdir())


@pytest.mark.parametrize("error", [errno.EIO, errno.EACCES, errno.ESTALE])
async def test_a_file_that_the_disk_refuses_is_counted_and_the_others_are_done(
    world: World, disk: BadDisk, error: int
) -> None:
    bad = first_of(world)
    disk.names, disk.error = {bad}, error
    with structlog.testing.capture_logs() as lines:
        progress = await rotate(world)
    assert (progress.done, progress.remaining, progress.refused) == (3, 1, 1)
    assert (progress.more, progress.finished, world.stored_keys) == (False, False, 2)
    assert [line for line in lines if line["event"] == "spool_file_refused"] == [
        {
            "event": "spool_file_refused",
            "log_level": "warning",
            "module": "spool_key",
            "file": bad,
            "code": errno.errorcode[error],
        }
    ]
    disk.names = set()
    World(world.ledger, world.path.parent).same(world)


async def test_it_is_tried_again_after_a_time_and_by_the_next_command(world: World, disk: BadDisk) -> None:
    disk.names = {first_of(world)}
    progress = await rotate(world)
    assert disk.reads == 1, "a disk that fails may take half a minute for each"
    assert await world.rotation.round()
    await rotate(world, progress.key_id)
    assert disk.reads == 1
    world.now_s += REFUSED_AGAIN_S + 1
    assert await world.rotation.round()
    assert disk.reads == 2
    assert (await rotate(world)).refused == 1
    assert disk.reads == 3
    disk.names = set()
    assert (await rotate(world)).finished
    assert world.stored_keys == 1
    World(world.ledger, world.path.parent).same(world)


async def test_a_slow_refusal_does_not_keep_the_others_from_their_turn(world: World, disk: BadDisk) -> None:
    """Each look at the clock takes more than a call may: the disk hangs."""
    disk.names = {first_of(world)}
    world.step_s = 60.0
    progress, calls = await rotate(world), 1
    while progress.more:
        progress, calls = await rotate(world, progress.key_id), calls + 1
    assert (progress.remaining, progress.refused) == (1, 1)
    assert calls < 6


async def test_one_that_is_deleted_is_forgotten(world: World, disk: BadDisk) -> None:
    disk.names = {next(iter(world.media))}
    assert (await rotate(world)).refused == 1
    world.spool.delete(next(iter(disk.names)))
    assert await world.rotation.round()
    assert world.stored_keys == 1


async def test_a_disk_that_takes_no_copy_leaves_every_file_as_it_was(world: World, disk: BadDisk) -> None:
    disk.on_write = errno.EIO
    progress = await rotate(world)
    assert (progress.remaining, progress.refused, world.stored_keys) == (3, 3, 2)
    assert not list(world.spool.folder.glob("*.anew"))
    world.same(world)


async def test_a_disk_that_gets_full_is_no_refusal(world: World, disk: BadDisk) -> None:
    disk.on_write = errno.ENOSPC
    progress = await rotate(world)
    assert (progress.remaining, progress.no_room, progress.refused) == (3, 3, 0)
    disk.on_write = 0
    assert await world.rotation.round()
    assert world.stored_keys == 1
    World(world.ledger, world.path.parent).same(world)


async def test_no_key_is_deleted_before_the_folder_is_on_the_disk(world: World, disk: BadDisk) -> None:
    """Without that, a loss of power would bring files back that need the earlier key."""
    disk.on_sync = errno.EIO
    assert (await rotate(world)).refused == 3
    world.now_s += REFUSED_AGAIN_S + 1
    with pytest.raises(Unavailable, match="EIO"):
        await world.rotation.round()
    assert world.stored_keys == 2
    disk.on_sync = 0
    assert await world.rotation.round()
    assert world.stored_keys == 1


async def test_the_status_says_how_far_the_change_is(world: World, disk: BadDisk) -> None:
    rotation = world.rotation
    assert (rotation.component.name, rotation.component.healthy) == ("spool_key", True)
    assert rotation.component.detail == "Everything is encrypted with one key."
    log = world.spool.open_log(world.log)
    await rotate(world)
    assert rotation.component.healthy
    assert rotation.component.detail == "1 file needs an earlier key: 1 being written."
    disk.names = {next(iter(world.media))}
    await rotate(world)
    assert not rotation.component.healthy
    assert rotation.component.detail == (
        "2 files need an earlier key: 1 being written, 1 refused by the disk, see spool_file_refused in the log."
    )
    log.close()
    disk.names = set()
    await rotate(world)
    assert rotation.component.detail == "Everything is encrypted with one key."


async def test_a_change_that_a_start_found_unfinished_is_no_fault(world: World) -> None:
    log = world.spool.open_log(world.log)
    await rotate(world)
    log.close()
    again = World(world.ledger, world.path.parent).rotation
    assert again.component.healthy
    assert again.component.detail == "A change of the key is unfinished; it goes on within half a minute."


def test_the_headers_of_refused_files_are_not_read_again_at_once(world: World, disk: BadDisk) -> None:
    disk.names = {first_of(world)}
    encryption = SpoolEncryption(world.spool, monotonic=lambda: 0.0)
    for _ in range(3):
        assert encryption.outdated() == [first_of(world)]
    assert disk.reads == 1


async def test_a_setting_may_still_have_a_key_that_nothing_needs(ledger: EmbeddedLedger, tmp_path: Path) -> None:
    world = World(ledger, tmp_path, ",".join(base64.b64encode(bytes([n] * 32)).decode() for n in (1, 2)))
    assert world.rotation.component.detail == "A change of the key is unfinished; it goes on within half a minute."
    assert await world.rotation.round()
    assert world.rotation.component.detail == "Nothing needs an earlier key. VESTIBULE_SPOOL_KEY still lists one."
