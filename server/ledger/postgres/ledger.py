"""The ledger in PostgreSQL."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, closing
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from models.errors import VestibuleError
from server.ledger.columns import Cursor
from server.ledger.group_commit import More, Settled, Write
from server.ledger.open_connection import OpenConnection
from server.ledger.postgres.errors import REACH_HINT, translated
from server.ledger.postgres.rewrite import write_anew
from server.ledger.postgres.safety import refuse_unsafe
from server.ledger.postgres.schema import bring_up_to_date, is_older, require_newest
from server.ledger.postgres.transactions import (
    HeldName,
    PostgresTransactions,
    connected,
    connected_alone,
    connected_together,
    leave_alone,
    wait_alone,
)
from server.ledger.readers import Readers
from server.ledger.transactional import TransactionalLedger
from server.ledger.types import utc_now

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from server.ledger.types import Clock


class Use(Enum):
    """How a process uses a database, seen from the others."""

    UNMARKED = "unmarked"
    ALONE = "alone"  # no other process is ALONE or TOGETHER
    TOGETHER = "together"  # no other process is ALONE


_PAUSE_S: Final = 0.2
_CONNECT: Final = {Use.UNMARKED: connected, Use.ALONE: connected_alone, Use.TOGETHER: connected_together}


class PostgresLedger(TransactionalLedger[Cursor]):
    """A server has one connection that writes and a few that read. Made by ``open``.

    Within a server one transaction follows the other, as with the embedded file. Those of other processes run at the
    same time: commands and other servers. So a function may be run again because another transaction was in its
    way: see ``PostgresTransactions``. Each function has a transaction of its own, because it takes its locks in an
    order that two of them together would not keep; see ``dialects``.
    """

    where = "PostgreSQL"

    def __init__(self, url: str, writer: OpenConnection, readers: Readers, clock: Clock) -> None:
        super().__init__(writer, readers, clock, REACH_HINT)
        self._url = url

    @classmethod
    def open(
        cls, url: str, clock: Clock = utc_now, *, use: Use = Use.UNMARKED, migrates: bool = True
    ) -> PostgresLedger:
        """Connect, and bring the schema to its newest form.

        Args:
            url: As libpq takes it. With several hosts, name ``target_session_attrs=read-write``.
            clock: For the rows that record migrations; callers may use it too.
            use: How others may use it meanwhile. After a lost connection nothing is written before that holds again.
            migrates: Whether to bring the schema to its newest form; else there must be one, and an older one is
                refused.

        Raises:
            VestibuleError: LEDGER_IO when PostgreSQL does not answer, LEDGER_LOCKED when another process uses it in a
                way that does not fit, LEDGER_UNSAFE when the database may lose what it is given, LEDGER_NEWER when a
                newer release has written the schema; LEDGER_NOT_FOUND or LEDGER_OLDER when nothing may be migrated.
        """
        if migrates and use is Use.TOGETHER:
            _migrate_alone(url, clock)
        connect = partial(_CONNECT[use], url)
        transactions = connect()
        _prepare(transactions, partial(bring_up_to_date, clock=clock) if migrates else require_newest)
        return cls(url, _Writer(transactions, connect), Readers(partial(connected, url)), clock)

    async def rewrite(self) -> None:
        """Write each table into a new file. What PostgreSQL keeps for standbys and for its own recovery is not touched.

        Raises:
            VestibuleError: See ``rewrite.write_anew``.
        """
        await asyncio.to_thread(write_anew, self._url)

    @asynccontextmanager
    async def alone(self, work: str, wait_s: float) -> AsyncIterator[bool]:
        """See ``TransactionalLedger``. A server that is lost does it no longer, as soon as PostgreSQL notices that."""
        name = await asyncio.to_thread(HeldName, self._url, work)
        try:
            give_up_at = time.monotonic() + wait_s
            while True:
                held = await asyncio.to_thread(name.hold)
                if held or time.monotonic() >= give_up_at:
                    break
                await asyncio.sleep(_PAUSE_S)
            yield held
        finally:
            await asyncio.to_thread(name.close)


def require_newest_schema(url: str) -> None:
    """Make sure that a database has the schema of this release, without changing it, and beside whoever uses it.

    Raises:
        VestibuleError: As ``schema.require_newest``, or PostgreSQL does not answer or refuses.
    """
    with closing(connected(url)) as transactions, translated():
        require_newest(transactions.cursor)


def _prepare(transactions: PostgresTransactions, step: Callable[[Cursor], object]) -> None:
    """Take a step in a transaction of a new connection, which is closed after a failure."""
    try:
        with translated():
            step(transactions.cursor)
            transactions.commit()
    except VestibuleError:
        transactions.close()
        raise


def _migrate_alone(url: str, clock: Clock) -> None:
    """Change an older schema while no server uses it: those of the earlier release would not know what they find."""
    with closing(connected(url)) as transactions, translated():
        if is_older(transactions.cursor):
            wait_alone(transactions.connection)
            # Nothing happens if another server has done it meanwhile.
            _prepare(transactions, partial(bring_up_to_date, clock=clock))
            leave_alone(transactions.connection)


class _Writer(OpenConnection):
    """The connection of the writer."""

    def __init__(self, transactions: PostgresTransactions, connect: Callable[[], PostgresTransactions]) -> None:
        super().__init__(transactions)
        self._connect = connect

    def settle(self, batch: list[Write[Any]], more: More = lambda: []) -> Settled:
        """Commit each write of a batch in a transaction of its own. So none is open that ``more`` could join."""
        together = Settled()
        for write in batch:
            settled = super().settle([write])
            if settled.committed or settled.refused is not None:
                together.refused = settled.refused
            together.committed |= settled.committed
        return together

    def connect(self) -> PostgresTransactions:
        """Connect.

        Raises:
            VestibuleError: PostgreSQL does not answer or refuses, another process has it alone, or LEDGER_UNSAFE: what
                answers after a failover may have other settings.
        """
        transactions = self._connect()
        _prepare(transactions, refuse_unsafe)
        return transactions
