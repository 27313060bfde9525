"""Brings a ledger to the newest schema: each migration in one transaction with the row that records it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from models.errors import InternalError
from models.reasons import Reason
from server.ledger import schema
from server.ledger.columns import Cursor, DuckDb, count, insert, stored_time
from server.ledger.migrations import ALL, Migration

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
    refuse_newer(done)
    for number in range(done + 1, up_to + 1):
        _in_transaction(cursor, partial(_apply, number=number, clock=clock))
    return max(0, up_to - done)


def require_newest(cursor: Cursor) -> None:
    """Make sure that a ledger needs no migration, without changing it.

    Raises:
        InternalError: LEDGER_OLDER or LEDGER_NEWER, when another release has written the file.
    """
    known = count(cursor, "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'migrations'")
    done = count(cursor, "SELECT max(number) FROM migrations") if known else 0
    refuse_newer(done)
    if done < len(ALL):
        raise InternalError(
            f"The ledger has schema {done}, this release has {len(ALL)}.",
            reason=Reason.LEDGER_OLDER,
            hint="Start and end the server of this release once: it brings the ledger to the newest schema.",
        )


def refuse_newer(done: int) -> None:
    """Make sure that this release knows the last migration of a ledger.

    Raises:
        InternalError: LEDGER_NEWER.
    """
    if done > len(ALL):
        raise InternalError(
            f"The ledger has schema {done}, this release knows {len(ALL)}.",
            reason=Reason.LEDGER_NEWER,
            hint="Run the release that wrote the ledger, or a newer one.",
        )


def _create_table_of_migrations(cursor: Cursor) -> None:
    for statement in schema.MIGRATIONS.statements():
        cursor.execute(statement)


def _apply(cursor: Cursor, number: int, clock: Clock) -> None:
    step = ALL[number - 1]
    step(cursor)
    insert(cursor, "migrations", {"number": number, "name": step.__name__, "apply_time": stored_time(clock())})


def _in_transaction(cursor: DuckDb, step: Migration) -> None:
    cursor.begin()
    try:
        step(cursor)
    except BaseException:
        cursor.rollback()
        raise
    cursor.commit()
