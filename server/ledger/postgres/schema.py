"""Brings a schema of PostgreSQL to the newest form. Servers that start at the same time do it one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

import duckdb

from models.errors import NotFound
from models.reasons import Reason
from server.ledger import migrate
from server.ledger.columns import Cursor, count, insert
from server.ledger.migrations import ALL
from server.ledger.postgres import changes, lanes
from server.ledger.postgres.definitions import FUNCTIONS, MigrationCursor, missing, tables_of
from server.ledger.postgres.safety import refuse_unsafe

if TYPE_CHECKING:
    from collections.abc import Iterable

    from server.ledger.types import Clock

BASE: Final = 36
"""The earliest migration after which a schema of PostgreSQL can have begun. Later ones are run on both engines."""


def bring_up_to_date(cursor: Cursor, clock: Clock, *, up_to: int = len(ALL)) -> int:
    """Create the tables where there are none, else run the migrations that came since.

    Then make what PostgreSQL alone has, also what a release has added: functions, indexes, and what tells of changes.

    Args:
        cursor: Of PostgreSQL, within a transaction that the caller commits.
        clock: For the rows that record the migrations.
        up_to: Stop after this number, at least ``BASE``; tests make older schemas with it.

    Returns:
        How many migrations were recorded.

    Raises:
        Unavailable: LEDGER_UNSAFE, the database may lose what it is given.
        InternalError: LEDGER_NEWER, when a newer release has written the schema.
    """
    refuse_unsafe(cursor)
    cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('vestibule/schema/' || current_schema(), 0))")
    is_new = not count(cursor, "SELECT count(to_regclass('migrations'))")
    if not is_new:
        done = count(cursor, "SELECT max(number) FROM migrations")
        migrate.refuse_newer(migrate.needed_schema(cursor, done))
    _execute(cursor, FUNCTIONS)
    number = _create(cursor, clock, up_to) if is_new else _migrate(cursor, clock, up_to)
    _execute(cursor, lanes.missing(cursor))
    _execute(cursor, missing(cursor))
    _execute(cursor, changes.missing(cursor))
    if up_to == len(ALL):
        changes.renumber(cursor)
    return number


def is_older(cursor: Cursor) -> bool:
    """Whether there is a schema that lacks migrations of this release."""
    if not count(cursor, "SELECT count(to_regclass('migrations'))"):
        return False
    return count(cursor, "SELECT max(number) FROM migrations") < len(ALL)


def require_newest(cursor: Cursor) -> None:
    """Make sure that a schema is that of this release, without changing it.

    Raises:
        NotFound: LEDGER_NOT_FOUND.
        InternalError: LEDGER_OLDER or LEDGER_NEWER, when another release has written it.
    """
    hint = "`vestibule ledger migrate` brings it to the newest schema; so does the start of a server of this release."
    migrate.refuse_other(cursor, schema_of(cursor), hint)


def schema_of(cursor: Cursor) -> int:
    """Number of the last migration of a schema, of any release.

    Raises:
        NotFound: LEDGER_NOT_FOUND.
    """
    if count(cursor, "SELECT count(to_regclass('migrations'))"):
        return count(cursor, "SELECT max(number) FROM migrations")
    raise NotFound(
        "The database that VESTIBULE_LEDGER__URL names has no ledger.",
        reason=Reason.LEDGER_NOT_FOUND,
        hint="Check the name of the database. The first start of a server makes the tables.",
    )


def _execute(cursor: Cursor, statements: Iterable[str]) -> None:
    for statement in statements:
        cursor.execute(statement)


def _migrate(cursor: Cursor, clock: Clock, up_to: int) -> int:
    """Run the migrations that came since the schema was made or migrated last."""
    done = count(cursor, "SELECT max(number) FROM migrations")
    later = cast("Cursor", MigrationCursor(cursor))
    for number in range(done + 1, up_to + 1):
        ALL[number - 1].change(later)
        insert(cursor, "migrations", migrate.row_of(number, clock))
    return max(0, up_to - done)


def _create(cursor: Cursor, clock: Clock, up_to: int) -> int:
    """Create the tables as an embedded ledger in memory has them after its migrations."""
    with duckdb.connect(":memory:") as embedded:
        migrate.migrate(embedded, clock, up_to=up_to)
        _execute(cursor, tables_of(embedded))
    for number in range(1, up_to + 1):
        insert(cursor, "migrations", migrate.row_of(number, clock))
    return up_to
