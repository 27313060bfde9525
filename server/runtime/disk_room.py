"""Refuses new work while a disk has little room left, so that what was accepted can still be finished."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from models.amounts import size_text
from models.errors import Overloaded
from models.reasons import Reason
from server.observability.log import get_logger
from server.runtime.free_bytes import free_bytes

log = get_logger("disk")

LOOK_EVERY_S: Final = 2.0
RETRY_AFTER_S: Final = 30.0
HINT: Final = (
    "Try again later. The operator has to make room on the disk; what was accepted is kept, and the server goes on by "
    "itself."
)


@dataclass(frozen=True, slots=True)
class Disk:
    """A folder whose disk is watched.

    Attributes:
        name: What it holds, one word.
        folder: Exists.
        reason: Of calls that are refused because it is full.
    """

    name: str
    folder: Path
    reason: Reason


class DiskRoom:
    """Looks at the free bytes of some disks.

    Args:
        disks: Those that new work needs.
        least_free_bytes: With less on any of them, new work is refused.
        free: Gives the free bytes of a folder.
    """

    def __init__(self, disks: Sequence[Disk], least_free_bytes: int, free: Callable[[Path], int] = free_bytes) -> None:
        self.disks = tuple(disks)
        self._least_free_bytes = least_free_bytes
        self._free = free
        self._seen_full: frozenset[str] = frozenset()

    def free(self, disk: Disk) -> int:
        """Free bytes now."""
        return self._free(disk.folder)

    def has_room(self, disk: Disk) -> bool:
        """Whether a disk takes new work."""
        return self.free(disk) >= self._least_free_bytes

    @property
    def ok(self) -> bool:
        """Whether all of them do."""
        return all(map(self.has_room, self.disks))

    def require(self) -> None:
        """Refuse new work while a disk lacks room.

        Raises:
            Overloaded: With the reason of the disk, and RetryInfo.
        """
        for disk in self.disks:
            if not self.has_room(disk):
                raise Overloaded(
                    f"The disk of the {disk.name} is nearly full, so nothing new is accepted.",
                    reason=disk.reason,
                    hint=HINT,
                    retry_after_s=RETRY_AFTER_S,
                )

    def detail(self, disk: Disk) -> str:
        """Its state, one or two sentences."""
        sentence = f"{size_text(self.free(disk))} are free."
        if self.has_room(disk):
            return sentence
        return f"{sentence} New work is refused below {size_text(self._least_free_bytes)}; make room."

    async def watch(self) -> None:
        """Log each change until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    def look(self) -> None:
        """Log what changed since the last look."""
        full = frozenset(disk.name for disk in self.disks if not self.has_room(disk))
        for disk in self.disks:
            if disk.name in full - self._seen_full:
                log.error("disk_full", disk=disk.name, free_bytes=self.free(disk))
            if disk.name in self._seen_full - full:
                log.info("disk_has_room", disk=disk.name, free_bytes=self.free(disk))
        self._seen_full = full
