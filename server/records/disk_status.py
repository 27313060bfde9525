"""A line of the status for each disk."""

from __future__ import annotations

from server.records.status import Component
from server.runtime.disk_room import Disk, DiskRoom


class DiskStatus:
    """Reports one disk."""

    def __init__(self, room: DiskRoom, disk: Disk) -> None:
        self._room = room
        self._disk = disk

    @property
    def component(self) -> Component:
        """Its state now."""
        return Component(f"{self._disk.name} disk", self._room.has_room(self._disk), self._room.detail(self._disk))
