"""Makes what one server does known to the others on the same ledger: notices to wake, and looking as the truth."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

from models.errors import VestibuleError
from server.ledger.notices import Notice
from server.observability.log import describe, get_logger

log = get_logger("relay")

LOOK_EVERY_S: Final = 5.0
"""Longest time until a server sees what another one did, whatever becomes of the notice."""


class Updates(Protocol):
    """``server.records.relayed_updates.RelayedUpdates``."""

    def heard(self, notice: Notice) -> None:
        """Another server has published something."""
        ...

    def missed(self) -> None:
        """Other servers may have published anything."""
        ...


class Relay:
    """Refreshes what this server knows when another one says that it changed, and every few seconds anyway.

    Call everything on the event loop.

    Args:
        updates: Gets notices of any other kind.
        refreshes: By the kind of the notice; each reads from the ledger what this server keeps in memory.
        every_s: How often all are called.
    """

    def __init__(
        self, updates: Updates, refreshes: dict[str, Callable[[], Awaitable[object]]], every_s: float = LOOK_EVERY_S
    ) -> None:
        self._updates = updates
        self._refreshes = refreshes
        self._every_s = every_s
        self._due = set(refreshes)
        self._woken = asyncio.Event()
        self._failed: dict[str, str] = {}

    def heard(self, notices: Sequence[Notice]) -> None:
        """Act on what another server told."""
        for notice in notices:
            if notice.kind in self._refreshes:
                self._refresh(notice.kind)
            else:
                self._updates.heard(notice)

    def missed(self) -> None:
        """Act as if other servers had told everything."""
        self._refresh(*self._refreshes)
        self._updates.missed()

    async def run(self) -> None:
        """Refresh until cancelled. What fails is logged once and tried again."""
        loop = asyncio.get_running_loop()
        all_at = loop.time() + self._every_s
        while True:
            try:
                async with asyncio.timeout_at(all_at):
                    await self._woken.wait()
            except TimeoutError:
                self._refresh(*self._refreshes)
                all_at = loop.time() + self._every_s
            await self.refresh()

    async def refresh(self) -> None:
        """Refresh what is due."""
        self._woken.clear()
        due, self._due = self._due, set()
        await asyncio.gather(*map(self._attempt, sorted(due)))

    def _refresh(self, *kinds: str) -> None:
        self._due.update(kinds)
        self._woken.set()

    async def _attempt(self, kind: str) -> None:
        try:
            await self._refreshes[kind]()
        except VestibuleError as error:
            if self._failed.get(kind) != error.reason:  # a database may be away for hours
                log.warning("refresh_failed", what=kind, **describe(error))
            self._failed[kind] = error.reason
        except Exception as error:  # noqa: BLE001 - the edge: a failure must not end the others
            log.error("unexpected_error", what=kind, **describe(error))
        else:
            self._failed.pop(kind, None)
