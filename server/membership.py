"""Tells the servers that share a ledger of each other."""

from __future__ import annotations

import asyncio
import uuid
from datetime import timedelta
from typing import Final

from models.errors import Unavailable, VestibuleError
from models.reasons import Reason
from server.ledger import servers
from server.ledger.columns import Cursor
from server.ledger.dialects import hold
from server.ledger.servers import ServerRow
from server.ledger.transactional import Ledger
from server.ledger.types import Clock
from server.observability.log import describe, get_logger
from server.records.status import Component

log = get_logger("servers")

SEEN_EVERY_S: Final = 5.0
DEAD_AFTER_S: Final = 30.0
"""A server that has not said for so long that it runs counts as dead."""


class Membership:
    """This server among those that share the ledger.

    Args:
        ledger: That they share.
        installation: Id of the folder that they share, too.
        version: Of this server.
        clock: The time now. Those of the machines may differ by a few seconds, not by ``DEAD_AFTER_S``.

    Attributes:
        id: UUID of this run of the server.
        joined: Whether it is one of them. One that was taken for dead may find others there with another folder.
    """

    def __init__(self, ledger: Ledger, installation: str, version: str, clock: Clock) -> None:
        self._ledger = ledger
        self._installation = installation
        self._version = version
        self._clock = clock
        self.id = str(uuid.uuid4())
        self.joined = False
        self._number = 1

    @property
    def component(self) -> Component:
        """How many share the ledger, for the status report."""
        if not self.joined:
            return Component(
                "servers", False, "Servers with another shared folder use the ledger.", Reason.LEDGER_LOCKED
            )
        return Component("servers", True, f"{self._number} share the ledger; this one is {self.id}.")

    async def join(self) -> None:
        """Become one of them.

        Raises:
            Unavailable: LEDGER_LOCKED, others that run share another folder.
        """
        now = self._clock()
        row = ServerRow(self.id, self._installation, self._version, now, now)

        def write(cursor: Cursor) -> list[ServerRow]:
            hold(cursor, "servers", "")
            servers.delete_dead(cursor, now - timedelta(seconds=DEAD_AFTER_S))
            others = servers.list_servers(cursor, now - timedelta(seconds=DEAD_AFTER_S))
            if any(other.installation != self._installation for other in others):
                raise Unavailable(
                    "Servers with another shared folder use the ledger.",
                    reason=Reason.LEDGER_LOCKED,
                    hint=f"Mount their folder here, and name it in VESTIBULE_SHARED_DIR. If none of them runs, wait "
                    f"{DEAD_AFTER_S:g} s.",
                )
            servers.insert_server(cursor, row)
            return others

        self.joined = False
        others = await self._ledger.write(write)
        self._number, self.joined = len(others) + 1, True
        log.info("joined", server=self.id, others=len(others))

    async def run(self) -> None:
        """Say that this server runs, until cancelled. What fails is logged and tried again."""
        while True:
            await asyncio.sleep(SEEN_EVERY_S)
            try:
                await self.seen()
            except VestibuleError as error:
                log.warning("server_not_seen", **describe(error))

    async def seen(self) -> None:
        """Say that this server runs. One that others took for dead joins anew.

        Raises:
            VestibuleError: The ledger takes no write, or as ``join``.
        """
        now = self._clock()
        dead = now - timedelta(seconds=DEAD_AFTER_S)

        def write(cursor: Cursor) -> int:
            known = servers.see(cursor, self.id, now)
            servers.delete_dead(cursor, dead)
            return len(servers.list_servers(cursor, dead)) if known else 0

        number = await self._ledger.write(write)
        if number:
            self._number = number
        else:
            await self.join()

    async def leave(self) -> None:
        """Say that this server ends. What fails is logged: the others see it when the server is not seen any more."""
        try:
            await self._ledger.write(lambda cursor: servers.delete(cursor, self.id))
        except VestibuleError as error:
            log.warning("server_not_left", **describe(error))
