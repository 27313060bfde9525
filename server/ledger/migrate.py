"""Brings a ledger to the newest schema: each migration in one transaction with the row that records it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from models.errors import InternalError
from models.reasons import Reason
from server.ledger import schema
from server.ledger.columns import Cursor, DuckDb, Row, count, insert, stored_time
from server.ledger.migration_marks import MARKED_FROM, Change
from server.ledger.migrations import ALL
from server.ledger.view_migrations import renew_macros

if TYPE_CHECKING:
    from server.ledger.types import Clock


def migrate(cursor: DuckDb, clock: Clock, *, up_to: int = len(ALL)) -> int:
    """Bring a ledger to the newest schema.

    Args:
        cursor: The only user of the file.
        clock: For the rows that record the migrations.
        up_to: Stop after this number; tests make older schemas with it.

    Returns:
        How many migrations were applied.

    Raises:
        InternalError: LEDGER_NEWER, when a newer release has written the file.
    """
    if not count(cursor, "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'migrations'"):
        _in_transaction(cursor, _create_table_of_migrations)
    done = count(cursor, "SELECT max(number) FROM migrations")
    refuse_newer(needed_schema(cursor, done))
    renewals = [number for number in range(done + 1, up_to + 1) if ALL[number - 1].change is renew_macros]
    for number in range(done + 1, up_to + 1):
        superseded = number in renewals[:-1]  # the last one makes all macros again: 0.4 s for a new ledger
        _in_transaction(cursor, partial(_apply, number=number, clock=clock, change=not superseded))
    return max(0, up_to - done)


def schema_of(cursor: Cursor) -> int:
    """Number of the last migration of a ledger, of any release; 0 for an empty file."""
    known = count(cursor, "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'migrations'")
    return count(cursor, "SELECT max(number) FROM migrations") if known else 0


def require_newest(cursor: Cursor) -> None:
    """Make sure that a ledger needs no migration, without changing it.

    Raises:
        InternalError: LEDGER_OLDER or LEDGER_NEWER, when another release has written the file.
    """
    hint = "`vestibule ledger migrate` brings it to the newest schema; so does the start of the server."
    refuse_other(cursor, schema_of(cursor), hint)


def refuse_other(cursor: Cursor, done: int, hint: str) -> None:
    """``require_newest`` for a ledger of either engine.

    Args:
        cursor: Of the ledger.
        done: Number of its last migration.
        hint: What brings it to the newest schema.
    """
    refuse_newer(needed_schema(cursor, done))
    if done < len(ALL):
        raise InternalError(
            f"The ledger has schema {done}, this release has {len(ALL)}.", reason=Reason.LEDGER_OLDER, hint=hint
        )


def needed_schema(cursor: Cursor, done: int) -> int:
    """Number of the last migration that a release must know to use a ledger.

    Args:
        cursor: Of the ledger.
        done: Number of its last migration.
    """
    if done < MARKED_FROM:
        return done
    return count(cursor, "SELECT max(number) FROM migrations WHERE NOT goes_back")


def refuse_newer(needed: int) -> None:
    """Make sure that this release knows every migration of a ledger that it must know.

    Args:
        needed: Of ``needed_schema``.

    Raises:
        InternalError: LEDGER_NEWER.
    """
    if needed > len(ALL):
        raise InternalError(
            f"The ledger needs a release with schema {needed}, this release has {len(ALL)}.",
            reason=Reason.LEDGER_NEWER,
            hint="Run the release that wrote the ledger, or a newer one.",
        )


def row_of(number: int, clock: Clock) -> Row:
    """The row that records a migration."""
    step = ALL[number - 1]
    row = {"number": number, "name": step.name, "apply_time": stored_time(clock())}
    return row | ({"goes_back": step.goes_back} if number >= MARKED_FROM else {})


def _create_table_of_migrations(cursor: Cursor) -> None:
    for statement in schema.MIGRATIONS.statements():
        cursor.execute(statement)


def _apply(cursor: Cursor, number: int, clock: Clock, *, change: bool) -> None:
    if change:
        ALL[number - 1].change(cursor)
    insert(cursor, "migrations", row_of(number, clock))


def _in_transaction(cursor: DuckDb, step: Change) -> None:
    cursor.begin()
    try:
        step(cursor)
    except BaseException:
        cursor.rollback()
        raise
    cursor.commit()
