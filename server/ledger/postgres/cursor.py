"""A cursor of PostgreSQL that the functions over a cursor take: the same parameters, and the same values in rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.types.string import StrDumperUnknown, TextLoader

from models.errors import InvalidInput
from models.reasons import Reason
from server.ledger.columns import stored_text
from server.ledger.dialects import POSTGRESQL, Dialect
from server.ledger.postgres.placeholders import translate


class PostgresCursor:
    """Runs statements in the transaction of a connection. It never commits or rolls back.

    Args:
        connection: As ``connect`` makes it. Times in it have no zone and are UTC, as in the embedded file.
    """

    dialect: ClassVar[Dialect] = POSTGRESQL

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._cursor = psycopg.RawCursor(connection)
        self._changed: list[tuple[Any, ...]] = []

    def execute(self, query: str, parameters: Any = None, /) -> PostgresCursor:
        """Run a statement with ``?`` or ``$name``.

        Raises:
            ValueError: The parameters are not those of the statement.
            psycopg.Error: PostgreSQL refuses it.
        """
        translated = translate(query)
        self._cursor.execute(translated.sql.encode(), translated.values(parameters or ()))
        self._note()
        return self

    def executemany(self, query: str, parameters: Any = None, /) -> PostgresCursor:
        """Run a statement once for each item of the parameters.

        Raises:
            ValueError: The parameters are not those of the statement.
            psycopg.Error: PostgreSQL refuses it.
        """
        translated = translate(query)
        self._cursor.executemany(translated.sql.encode(), [translated.values(given) for given in parameters or ()])
        self._note()
        return self

    def fetchone(self) -> tuple[Any, ...] | None:
        """The next row of the last statement; None at the end."""
        if self._cursor.description is None:
            return self._changed.pop() if self._changed else None
        row: tuple[Any, ...] | None = self._cursor.fetchone()
        return row

    def fetchall(self) -> list[tuple[Any, ...]]:
        """The rows of the last statement that were not fetched yet."""
        if self._cursor.description is None:
            rows, self._changed = self._changed, []
            return rows
        return self._cursor.fetchall()

    @property
    def description(self) -> Sequence[Sequence[Any]] | None:
        """A sequence for each column of the last statement; its first item is the name."""
        return self._cursor.description

    def _note(self) -> None:
        """Keep how many rows a statement without rows has changed; DuckDB answers with that as a row."""
        self._changed = [(max(0, self._cursor.rowcount),)]


class _TextDumper(StrDumperUnknown):
    """Sends a text that has a NUL as it would be stored, so that a query for one finds nothing and does not fail."""

    def dump(self, obj: str) -> Any:
        return super().dump(stored_text(obj))


_OPTIONS: Final = " ".join(
    (
        # What locks and quoted texts rely on, whatever the database has as its default.
        "-c default_transaction_isolation=read\\ committed",
        "-c standard_conforming_strings=on",
        # What the files for a mirror rely on.
        "-c datestyle=ISO",
        "-c statement_timeout=0",
        # PostgreSQL ends the connection of a server that is gone, which holds locks, as soon as that one would notice.
        "-c tcp_keepalives_idle=5",
        "-c tcp_keepalives_interval=2",
        "-c tcp_keepalives_count=3",
        "-c tcp_user_timeout=15000",
        # A server that stands still with a lock must not stop the others for ever.
        "-c lock_timeout=10s",
        "-c idle_in_transaction_session_timeout=60s",
    )
)
_DEFAULTS: Final[dict[str, Any]] = {
    "application_name": "vestibule",
    "client_encoding": "UTF8",
    "connect_timeout": 10,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
"""What a URL may say otherwise. A host that is gone is noticed after about eleven seconds, fifteen amid a statement."""


def _parsed(url: str) -> dict[str, Any]:
    """What a URL says. The error of libpq would quote it.

    Raises:
        InvalidInput: LEDGER_URL_INVALID.
    """
    try:
        return dict(conninfo_to_dict(url))
    except psycopg.ProgrammingError:
        pass
    raise InvalidInput(
        "VESTIBULE_LEDGER__URL is not a URL that libpq reads.",
        reason=Reason.LEDGER_URL_INVALID,
        hint="Write postgresql://USER:PASSWORD@HOST/NAME. In a password, write % as %25, @ as %40 and / as %2F.",
    )


def connect(url: str) -> psycopg.Connection[Any]:
    """Connect to a database of PostgreSQL.

    A column of JSON is read as the text that was written, as the functions over a cursor do it in the embedded file.

    Raises:
        psycopg.Error: The server does not answer or refuses.
        InvalidInput: LEDGER_URL_INVALID.
    """
    given = _parsed(url)
    options = f"{given.pop('options', None) or ''} {_OPTIONS}".strip()
    connection = psycopg.connect(make_conninfo(**(_DEFAULTS | given), options=options))
    connection.adapters.register_loader("json", TextLoader)
    connection.adapters.register_dumper(str, _TextDumper)
    return connection
