"""What differs between the engines of the ledger. A statement that both engines take is not here.

Two engines can hold the operational tables: the embedded file of DuckDB, and PostgreSQL. The functions over a cursor
are the same for both; ``tests/unit/ledger/conformance.py`` lists those whose tests run on both.

With the embedded file one server writes, one transaction after the other. So what a transaction has read stays true
until it ends. With PostgreSQL several servers write at once, each transaction READ COMMITTED. There a function that
decides by what it has read takes a lock first: on a row with ``for_update``, or on a name with ``hold`` where there may
be no row yet. Each statement sees what was committed before it began, so a lock must be a statement of its own.

Transactions that wait for each other's locks never end by themselves. So all take their locks in one order, which is
this one. A transaction may leave out some, and never goes back:

1. the erasure of sessions and the deletion of old rows (``hold``);
2. sessions, several of them in the order of their ids (``locks.lock_sessions``, ``sessions.held``);
3. a job, or jobs that nobody holds (``SKIP LOCKED``);
4. dead letters (``locks.lock_letters``);
5. what belongs to a session: its recommendations, streams, turns, uploads and reviews, and names that stand for what
   may not be there yet (``hold``);
6. what belongs to none: API keys, breakers, flows, reports;
7. the audit (``hold``), because everybody waits for it.

A transaction that changes what belongs to a session locks the session first, unless it changes one row and nothing
else. Then whoever else works on that session waits, and what the transaction reads of the session stays true. One that
changes many rows of no session that it has locked has a name for that, so that two of them run one after the other.
Functions that are written for one transaction each keep the order; two of them in one transaction may not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from server.ledger.columns import Cursor


@dataclass(frozen=True, slots=True)
class Dialect:
    """An engine.

    Attributes:
        name: For messages.
        one_writer: Whether transactions that write never run at the same time.
        for_update: Follows a SELECT of rows that are changed in the same transaction.
        unless_known: Follows an INSERT of a row whose key may be there.
    """

    name: str
    one_writer: bool
    for_update: str
    unless_known: str


EMBEDDED: Final = Dialect("DuckDB", one_writer=True, for_update="", unless_known="")
POSTGRESQL: Final = Dialect(
    "PostgreSQL", one_writer=False, for_update=" FOR UPDATE", unless_known=" ON CONFLICT DO NOTHING"
)


def dialect_of(cursor: Cursor) -> Dialect:
    """The engine of a cursor. One that does not say is DuckDB's own."""
    dialect: Dialect = getattr(cursor, "dialect", EMBEDDED)
    return dialect


def hold(cursor: Cursor, subject: str, name: str) -> None:
    """Wait until no other transaction holds a name, and hold it until this one ends.

    Args:
        cursor: Within a transaction of the writer.
        subject: What the name is one of, so that a session and a stream of the same id do not wait for each other.
        name: Any text.
    """
    if not dialect_of(cursor).one_writer:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(?, 0))", [f"{subject}/{name}"])
