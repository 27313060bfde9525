"""The ledger in PostgreSQL."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg

from models.errors import VestibuleError
from server.ledger.columns import Cursor
from server.ledger.group_commit import More, Settled, Write
from server.ledger.open_connection import OpenConnection
from server.ledger.postgres.errors import REACH_HINT, translate
from server.ledger.postgres.rewrite import write_anew
from server.ledger.postgres.schema import bring_up_to_date
from server.ledger.postgres.transactions import PostgresTransactions, connected, connected_alone
from server.ledger.readers import Readers
from server.ledger.transactional import TransactionalLedger
from server.ledger.types import utc_now

if TYPE_CHECKING:
    from collections.abc import Callable

    from server.ledger.types import Clock


class PostgresLedger(TransactionalLedger[Cursor]):
    """A server has one connection that writes and a few that read. Made by ``open``.

    Within a server one transaction follows the other, as with the embedded file. Those of other processes run at the
    same time: commands, and later other servers. So a function may be run again because another transaction was in its
    way: see ``PostgresTransactions``. Each function has a transaction of its own, because it takes its locks in an
    order that two of them together would not keep; see ``dialects``.
    """

    where = "PostgreSQL"

    def __init__(self, url: str, writer: OpenConnection, readers: Readers, clock: Clock) -> None:
        super().__init__(writer, readers, clock, REACH_HINT)
        self._url = url

    @classmethod
    def open(cls, url: str, clock: Clock = utc_now, *, alone: bool = False) -> PostgresLedger:
        """Connect, and bring the schema to its newest form.

        Args:
            url: As libpq takes it. With several hosts, name ``target_session_attrs=read-write``.
            clock: For the rows that record migrations; callers may use it too.
            alone: Whether to refuse while another process has it open alone. After a lost connection nothing is
                written before this process has it alone again.

        Raises:
            VestibuleError: LEDGER_IO when PostgreSQL does not answer, LEDGER_LOCKED when another process has it alone,
                LEDGER_NEWER when a newer release has written the schema.
        """
        connect = partial(connected_alone if alone else connected, url)
        transactions = connect()
        failure: VestibuleError
        try:
            bring_up_to_date(transactions.cursor, clock)
            transactions.commit()
        except psycopg.Error as error:
            failure = translate(error)
        except VestibuleError as error:
            failure = error
        else:
            return cls(url, _Writer(transactions, connect), Readers(partial(connected, url)), clock)
        transactions.close()
        raise failure

    async def rewrite(self) -> None:
        """Write each table into a new file. What PostgreSQL keeps for standbys and for its own recovery is not touched.

        Raises:
            VestibuleError: See ``rewrite.write_anew``.
        """
        await asyncio.to_thread(write_anew, self._url)


class _Writer(OpenConnection):
    """The connection of the writer."""

    def __init__(self, transactions: PostgresTransactions, connect: Callable[[], PostgresTransactions]) -> None:
        super().__init__(transactions)
        self._connect = connect

    def settle(self, batch: list[Write[Any]], more: More = lambda: []) -> Settled:
        """Commit each write of a batch."""
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
            VestibuleError: PostgreSQL does not answer or refuses, or another process has it alone.
        """
        return self._connect()
