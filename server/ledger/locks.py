"""Locks of rows, where several servers write at once; ``server.ledger.dialects`` has their order.

With one writer they are none. Each lasts until the transaction ends. What was read before a lock may be outdated, so a
function that decides by it reads it after the lock.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from server.ledger.columns import Cursor
from server.ledger.dialects import dialect_of, hold
from server.ledger.owners import Owned


def lock_sessions(cursor: Cursor, session_ids: Collection[str]) -> None:
    """Lock sessions, in the order of their ids. Whoever changes what belongs to one waits."""
    dialect = dialect_of(cursor)
    if not dialect.one_writer and session_ids:
        sql = f"SELECT id FROM sessions WHERE id = ANY(?::VARCHAR[]) ORDER BY id{dialect.for_update}"  # noqa: S608 - ours
        cursor.execute(sql, [list(session_ids)])


def lock_streams(cursor: Cursor, stream_ids: Collection[str]) -> None:
    """Lock streams, in the order of their ids."""
    dialect = dialect_of(cursor)
    if not dialect.one_writer and stream_ids:
        sql = f"SELECT id FROM streams WHERE id = ANY(?::VARCHAR[]) ORDER BY id{dialect.for_update}"  # noqa: S608 - ours
        cursor.execute(sql, [list(stream_ids)])


def lock_session_of(cursor: Cursor, table: Owned, row_id: str) -> None:
    """Lock the session that a row belongs to, if there is one."""
    dialect = dialect_of(cursor)
    if not dialect.one_writer:
        owner = f"SELECT session_id FROM {table} WHERE id = ?"  # noqa: S608 - a literal of ours
        cursor.execute(f"SELECT id FROM sessions WHERE id = ({owner}){dialect.for_update}", [row_id])  # noqa: S608 - ours


def lock_row(cursor: Cursor, table: Literal["recommendations", "api_keys"], row_id: str) -> None:
    """Lock one row, after its session."""
    dialect = dialect_of(cursor)
    if not dialect.one_writer:
        cursor.execute(f"SELECT id FROM {table} WHERE id = ?{dialect.for_update}", [row_id])  # noqa: S608 - ours


def lock_deletion(cursor: Cursor) -> None:
    """Have one transaction at a time erase sessions or delete old rows, of which each touches many."""
    hold(cursor, "deletion", "")


def lock_letters(cursor: Cursor) -> None:
    """Lock all dead letters: whoever closes or deletes some waits. They are few, and so are those who do that."""
    hold(cursor, "dead_letters", "")
