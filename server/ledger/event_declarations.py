"""What each client has declared: the names of its events, their keys, and the kind of each value."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from server.ledger.columns import Cursor, fetch_all, fetch_one, insert, stored_time
from server.ledger.dialects import hold
from server.ledger.table_schema import TableSchema, comment_on

if TYPE_CHECKING:  # as in ``server.ledger.answers``
    from server.flows.app_events import Declaration, DeclaredProperty

EVENT_DECLARATIONS = TableSchema(
    "event_declarations",
    "One row for an event that a client has declared.",
    (
        ("client_id", "VARCHAR NOT NULL", "App or site that sends it."),
        ("name", "VARCHAR NOT NULL", "Machine name of the event."),
        ("properties", "JSON NOT NULL", "Keys; of each its kind, and the values of an enumeration."),
        ("declare_time", "TIMESTAMP NOT NULL", "When it was declared, UTC."),
    ),
)

COMMENTS = (
    comment_on(
        "COLUMN",
        "events.properties",
        "Keys and values. Declared values are as they came, but text and all that is not declared is redacted.",
    ),
    comment_on(
        "COLUMN",
        "events.properties_meta",
        "Of text with replaced entities, counts and whether it is safe; the kind of a time, a code or an enumeration.",
    ),
)


def all_declarations(cursor: Cursor) -> dict[str, Declaration]:
    """What every client has declared, by client."""
    from server.flows.app_events import DeclaredProperty, PropertyKind

    found: dict[str, dict[str, Mapping[str, DeclaredProperty]]] = {}
    for row in fetch_all(cursor, "SELECT client_id, name, properties FROM event_declarations ORDER BY client_id, name"):
        properties = {
            key: DeclaredProperty(PropertyKind(given["kind"]), tuple(given["values"]))
            for key, given in json.loads(row["properties"]).items()
        }
        found.setdefault(row["client_id"], {})[row["name"]] = properties
    return dict(found)


def replace_declaration(cursor: Cursor, client_id: str, declaration: Declaration, now: datetime) -> None:
    """Store what a client declares, in place of what it had declared."""
    hold(cursor, "event_declarations", client_id)
    cursor.execute("DELETE FROM event_declarations WHERE client_id = ?", [client_id])
    for name, properties in declaration.items():
        stored = {key: {"kind": given.kind, "values": given.values} for key, given in properties.items()}
        values = {
            "client_id": client_id,
            "name": name,
            "properties": json.dumps(stored),
            "declare_time": stored_time(now),
        }
        insert(cursor, "event_declarations", values)


def knows_client(cursor: Cursor, client_id: str) -> bool:
    """Whether an API key or a session has this client. Its id was then checked, and is stored already."""
    return any(
        fetch_one(cursor, f"SELECT 1 FROM {table} WHERE client_id = ? LIMIT 1", [client_id])  # noqa: S608 - ours
        for table in ("api_keys", "sessions")
    )
