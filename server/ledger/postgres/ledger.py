"""The ledger in PostgreSQL, which several servers share. It is not complete, and no setting leads to it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg

from models.errors import VestibuleError
from server.ledger.columns import Cursor
from server.ledger.group_commit import More, Settled, Write
from server.ledger.open_connection import OpenConnection
from server.ledger.postgres.errors import REACH_HINT, translate
from server.ledger.postgres.schema import bring_up_to_date
from server.ledger.postgres.transactions import PostgresTransactions, connected
from server.ledger.readers import Readers
from server.ledger.transactional import TransactionalLedger
from server.ledger.types import utc_now

if TYPE_CHECKING:
    from server.ledger.types import Clock


class PostgresLedger(TransactionalLedger[Cursor]):
    """A server has one connection that writes and a few that read. Made by ``open``.

    Within a server one transaction follows the other, as with the embedded file. Those of other servers run at the same
    time. So a function may be run again because another transaction was in its way: see ``PostgresTransactions``.
    Each function has a transaction of its own, because it takes its locks in an order that two of them together would
    not keep; see ``dialects``. PostgreSQL itself lets the commits of several servers share a write to the disk.
    """

    @classmethod
    def open(cls, url: str, clock: Clock = utc_now) -> PostgresLedger:
        """Connect, and bring the schema to its newest form.

        Args:
            url: As libpq takes it. With several hosts, name ``target_session_attrs=read-write``.
            clock: For the rows that record migrations; callers may use it too.

        Raises:
            VestibuleError: LEDGER_IO when PostgreSQL does not answer, LEDGER_NEWER when a newer release has written the
                schema.
        """
        transactions = connected(url)
        failure: VestibuleError
        try:
            bring_up_to_date(transactions.cursor, clock)
            transactions.commit()
        except psycopg.Error as error:
            failure = translate(error)
        except VestibuleError as error:
            failure = error
        else:
            return cls(_Writer(transactions, url), Readers(partial(connected, url)), clock, REACH_HINT)
        transactions.close()
        raise failure


class _Writer(OpenConnection):
    """The connection of the writer."""

    def __init__(self, transactions: PostgresTransactions, url: str) -> None:
        super().__init__(transactions)
        self._url = url

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
            VestibuleError: PostgreSQL does not answer or refuses.
        """
        return connected(self._url)
