"""The servers that share a ledger, so that each knows which others live."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from server.ledger.columns import Cursor, Row, aware, count, fetch_all, insert, stored_time
from server.ledger.table_schema import TableSchema

SERVERS: Final = TableSchema(
    "servers",
    "One row for each server that shares the ledger with others, while it runs.",
    (
        ("id", "VARCHAR PRIMARY KEY", "UUID of this run of the server."),
        ("installation", "VARCHAR NOT NULL", "Id of the folder that it shares."),
        ("version", "VARCHAR NOT NULL", "Release of the server."),
        ("start_time", "TIMESTAMP NOT NULL", "When it started, UTC."),
        ("seen_time", "TIMESTAMP NOT NULL", "When it last said that it runs, UTC."),
    ),
)


@dataclass(frozen=True, slots=True)
class ServerRow:
    """A server that shares the ledger; the columns of ``SERVERS``."""

    id: str
    installation: str
    version: str
    start_time: datetime
    seen_time: datetime


def insert_server(cursor: Cursor, row: ServerRow) -> None:
    """Store that a server has started."""
    insert(
        cursor,
        SERVERS.name,
        {
            "id": row.id,
            "installation": row.installation,
            "version": row.version,
            "start_time": stored_time(row.start_time),
            "seen_time": stored_time(row.seen_time),
        },
    )


def see(cursor: Cursor, server_id: str, now: datetime) -> bool:
    """Store that a server runs; returns whether it is still one of those that share the ledger."""
    sql = "UPDATE servers SET seen_time = ? WHERE id = ?"
    return bool(count(cursor, sql, [stored_time(now), server_id]))


def list_servers(cursor: Cursor, seen_since: datetime) -> list[ServerRow]:
    """Servers that said since then that they run, by the time of their start."""
    sql = "SELECT * FROM servers WHERE seen_time >= ? ORDER BY start_time, id"
    return [_server(row) for row in fetch_all(cursor, sql, [stored_time(seen_since)])]


def delete(cursor: Cursor, server_id: str) -> None:
    """Forget a server that ends."""
    cursor.execute("DELETE FROM servers WHERE id = ?", [server_id])


def delete_dead(cursor: Cursor, before: datetime) -> None:
    """Forget servers that have not said since then that they run."""
    cursor.execute("DELETE FROM servers WHERE seen_time < ?", [stored_time(before)])


def _server(row: Row) -> ServerRow:
    times = {name: aware(row[name]) for name in ("start_time", "seen_time")}
    return ServerRow(row["id"], row["installation"], row["version"], **times)
