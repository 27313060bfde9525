"""Looks at a database of PostgreSQL without changing anything."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import TypeVar

from server.ledger import migrate
from server.ledger.columns import Cursor, count
from server.ledger.postgres.errors import translated
from server.ledger.postgres.safety import refuse_unsafe
from server.ledger.postgres.schema import schema_of
from server.ledger.postgres.transactions import connected

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a server would find.

    Attributes:
        version: Release of PostgreSQL, for example 15.9.
        is_standby: Whether it takes no writes.
        may_create: Whether the user of the URL may make tables in the schema.
        schema: Number of the last migration; 0 where there are no tables yet.
        is_used: Whether a server of Vestibule has it open.
    """

    version: str
    is_standby: bool
    may_create: bool
    schema: int
    is_used: bool


_LOOK = """SELECT current_setting('server_version'), pg_is_in_recovery(),
    coalesce(has_schema_privilege(current_schema(), 'CREATE'), false), to_regclass('migrations') IS NOT NULL,
    EXISTS (SELECT 1 FROM pg_locks, hashtextextended('vestibule/server/' || coalesce(current_schema(), ''), 0) AS wanted
        WHERE locktype = 'advisory' AND granted AND objsubid = 1
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND (classid::BIGINT << 32 | objid::BIGINT) = wanted)"""


def inspect(url: str) -> Inspection:
    """Look.

    Raises:
        VestibuleError: LEDGER_IO when PostgreSQL does not answer, LEDGER_UNSAFE when the database may lose what it is
            given, LEDGER_NEWER when a newer release has written it, LEDGER_URL_INVALID.
    """
    return _read(url, _look)


def stored_schema(url: str) -> int:
    """Number of the last migration of a ledger that this release can use or migrate.

    Raises:
        NotFound: LEDGER_NOT_FOUND.
        VestibuleError: As ``inspect``.
    """
    return _read(url, _stored_schema)


def _read(url: str, look: Callable[[Cursor], T]) -> T:
    with closing(connected(url)) as transactions, translated():
        transactions.begin_read()
        return look(transactions.cursor)


def _stored_schema(cursor: Cursor) -> int:
    number = schema_of(cursor)
    migrate.refuse_newer(migrate.needed_schema(cursor, number))
    return number


def _look(cursor: Cursor) -> Inspection:
    refuse_unsafe(cursor)
    row = cursor.execute(_LOOK).fetchone()
    assert row is not None
    version, is_standby, may_create, has_tables, is_used = row
    schema = count(cursor, "SELECT max(number) FROM migrations") if has_tables else 0
    if has_tables:
        migrate.refuse_newer(migrate.needed_schema(cursor, schema))
    return Inspection(version.partition(" ")[0], is_standby, may_create, schema, is_used)
