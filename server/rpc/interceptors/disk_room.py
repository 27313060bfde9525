"""Calls that bring new work are refused while a disk lacks room. Everything else goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from server.rpc.interceptors.base import Call, CallHook
from server.runtime.disk_room import DiskRoom

BRING_WORK: Final = frozenset(
    f"vestibule.v1.{method}"
    for method in (
        "SessionService/StartSession",
        "ConversationService/Converse",
        "MediaService/Upload",
        "FunnelService/RecordEvents",
        "AdminService/RetryDeadLetter",
        "AdminService/RedriveDeadLetters",
    )
)
"""Methods that store something new. The others read, decide about what is there, or make room."""


class NeedsRoom(CallHook):
    """Refuses those calls."""

    def __init__(self, room: DiskRoom) -> None:
        self._room = room

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Refuse the call, or let it pass.

        Raises:
            Overloaded: LEDGER_FULL or SPOOL_FULL, with RetryInfo.
        """
        if call.method in BRING_WORK:
            self._room.require()
        yield
