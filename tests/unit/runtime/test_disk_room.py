"""New work is refused while a disk has little room left."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from models.errors import Overloaded
from models.reasons import Reason
from server.runtime.disk_room import Disk, DiskRoom
from server.runtime.free_bytes import free_bytes

LEAST = 1024 * 1024
LEDGER = Disk("ledger", Path("/ledger"), Reason.LEDGER_FULL)
SPOOL = Disk("spool", Path("/spool"), Reason.SPOOL_FULL)


class Free:
    """Free bytes of each folder."""

    def __init__(self) -> None:
        self.of = {LEDGER.folder: LEAST, SPOOL.folder: LEAST}

    def __call__(self, folder: Path) -> int:
        return self.of[folder]


@pytest.mark.parametrize("full", [LEDGER, SPOOL])
def test_one_full_disk_refuses_new_work_until_there_is_room(full: Disk) -> None:
    free = Free()
    room = DiskRoom((LEDGER, SPOOL), LEAST, free)
    room.require()
    assert room.ok
    free.of[full.folder] -= 1
    with pytest.raises(Overloaded) as caught:
        room.require()
    assert caught.value.reason is full.reason
    assert caught.value.retry_after_s
    assert "make room" in caught.value.hint
    assert not room.ok
    assert not room.has_room(full)
    assert "New work is refused below 1 MiB" in room.detail(full)
    free.of[full.folder] += 1
    room.require()
    assert room.detail(full) == "1 MiB are free."


def test_each_change_is_logged_once() -> None:
    free = Free()
    room = DiskRoom((LEDGER, SPOOL), LEAST, free)
    with capture_logs() as lines:
        room.look()
        free.of[SPOOL.folder] = 5
        room.look()
        room.look()
        free.of[SPOOL.folder] = LEAST
        room.look()
    assert [(line["event"], line["disk"], line["free_bytes"]) for line in lines] == [
        ("disk_full", "spool", 5),
        ("disk_has_room", "spool", LEAST),
    ]


def test_a_real_disk_has_free_bytes_and_a_folder_that_is_gone_has_none(tmp_path: Path) -> None:
    disk = os.statvfs(tmp_path)
    assert 0 < free_bytes(tmp_path) <= disk.f_blocks * disk.f_frsize
    assert free_bytes(tmp_path / "gone") == 0
