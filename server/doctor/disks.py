"""Room on the disks, compared with what the settings let the server use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from models.amounts import size_text
from models.reasons import Reason
from server.doctor.results import Finding, Level, Situation, ok, warning
from server.runtime.disk_room import HINT, Disk, DiskRoom
from server.runtime.folders import nearest_existing
from server.settings import Settings

SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - only its size is asked for


def check_disks(situation: Situation) -> Iterator[Finding]:
    """Look at the disks of the ledger and of the spool, and at the shared memory of Ray."""
    settings = situation.settings
    ledger = Disk("ledger", nearest_existing(settings.data_dir), Reason.LEDGER_FULL)
    spool = Disk("spool", nearest_existing(settings.spool_dir), Reason.SPOOL_FULL)
    room = DiskRoom((ledger, spool), settings.limits.least_free_bytes)
    for disk in room.disks:
        subject = f"disk of the {disk.name}"
        if not room.has_room(disk):
            yield Finding(Level.PROBLEM, subject, room.detail(disk), HINT, str(disk.reason))
        elif disk is spool:
            yield _spool(subject, settings, room.free(disk))
        else:
            yield ok(subject, room.detail(disk))
    if not settings.ray.address and SHARED_MEMORY.is_dir():
        yield shared_memory(SHARED_MEMORY, settings.ray.object_store_bytes)


def _spool(subject: str, settings: Settings, free: int) -> Finding:
    """Whether the spool can grow to its bound before the disk is full."""
    to_come = max(0, settings.limits.spool_bytes - size_of_files(settings.spool_dir))
    needed = to_come + settings.limits.least_free_bytes
    if free >= needed:
        return ok(subject, f"{size_text(free)} are free; the spool may take {size_text(to_come)} more.")
    found = f"{size_text(free)} are free, but the spool may take {size_text(to_come)} more, and "
    found += f"{size_text(settings.limits.least_free_bytes)} must stay free."
    return warning(subject, found, "Make room, or lower VESTIBULE_LIMITS__SPOOL_BYTES.")


def shared_memory(folder: Path, wanted: int) -> Finding:
    """Whether Ray's store of objects fits into the shared memory of the machine or the container.

    Args:
        folder: Where it is mounted.
        wanted: Bytes that the settings give to Ray.
    """
    disk = os.statvfs(folder)
    size = disk.f_blocks * disk.f_frsize
    if size >= wanted:
        return ok("shared memory", f"It has {size_text(size)}, and Ray takes {size_text(wanted)} of it.")
    found = f"It has {size_text(size)}, but Ray is to have {size_text(wanted)}, and then uses a disk instead."
    hint = "Give the container more, such as docker run --shm-size=512m, or lower VESTIBULE_RAY__OBJECT_STORE_BYTES."
    return warning("shared memory", found, hint)


def size_of_files(folder: Path) -> int:
    """Bytes of the files in a folder, without those in folders below it; 0 if it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return sum(entry.stat(follow_symlinks=False).st_size for entry in entries if entry.is_file())
    except OSError:
        return 0
