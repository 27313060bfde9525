"""API keys. The secret part of a key is stored as its SHA-256 only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from models.errors import NotFound
from models.reasons import Reason
from server.ledger.columns import (
    Cursor,
    Row,
    aware,
    aware_or_none,
    count,
    fetch_all,
    fetch_one,
    insert,
    stored_time,
    stored_time_or_none,
    update,
)


@dataclass(frozen=True, slots=True)
class ApiKeyRow:
    """An API key without its secret.

    Attributes:
        id: Public part of the key.
        holder_id: Id of the first key of its holder; a rotated key keeps it.
        secret_hash: SHA-256 of the secret part, hexadecimal.
        client_id: App or site that it belongs to; empty means every one.
        scopes: What it allows, in the words of ``server.access.caller.Scope``.
        expire_time: From when on it is refused; None when it does not expire.
        last_use_time: When it was last used, to within some minutes.
    """

    id: str
    holder_id: str
    secret_hash: str
    client_id: str
    scopes: tuple[str, ...]
    label: str
    create_time: datetime
    expire_time: datetime | None = None
    revoke_time: datetime | None = None
    last_use_time: datetime | None = None


def insert_key(cursor: Cursor, row: ApiKeyRow) -> None:
    """Store a new key."""
    insert(
        cursor,
        "api_keys",
        {
            "id": row.id,
            "holder_id": row.holder_id,
            "secret_hash": row.secret_hash,
            "client_id": row.client_id,
            "scopes": " ".join(row.scopes),
            "label": row.label,
            "create_time": stored_time(row.create_time),
            "expire_time": stored_time_or_none(row.expire_time),
            "revoke_time": stored_time_or_none(row.revoke_time),
            "last_use_time": stored_time_or_none(row.last_use_time),
        },
    )


def get(cursor: Cursor, key_id: str) -> ApiKeyRow:
    """Find a key.

    Raises:
        NotFound: API_KEY_NOT_FOUND.
    """
    row = fetch_one(cursor, "SELECT * FROM api_keys WHERE id = ?", [key_id])
    if row is None:
        raise not_found()
    return _key(row)


def list_keys(cursor: Cursor) -> list[ApiKeyRow]:
    """Every key, newest first."""
    return [_key(row) for row in fetch_all(cursor, "SELECT * FROM api_keys ORDER BY create_time DESC, id")]


def expiry_of_holder(cursor: Cursor, holder_id: str) -> datetime | None:
    """The expiry that a holder's first key was given, or None: the latest of all its keys.

    Rotating a key copies its expiry to the new one and then shortens that of the old one, and nothing lengthens any.
    """
    found = fetch_one(
        cursor,
        "SELECT expire_time FROM api_keys WHERE holder_id = ? ORDER BY expire_time DESC NULLS FIRST LIMIT 1",
        [holder_id],
    )
    return aware_or_none(found["expire_time"]) if found else None


def set_times(
    cursor: Cursor, key_id: str, *, expire_time: datetime | None = None, revoke_time: datetime | None = None
) -> ApiKeyRow:
    """Set when a key expires or was revoked, whichever is given; returns the key after it.

    Raises:
        NotFound: API_KEY_NOT_FOUND.
    """
    given = {"expire_time": expire_time, "revoke_time": revoke_time}
    values: Row = {name: stored_time(moment) for name, moment in given.items() if moment is not None}
    update(cursor, "api_keys", key_id, values)
    return get(cursor, key_id)


def set_last_use(cursor: Cursor, key_id: str, now: datetime) -> None:
    """Store that a key was used. A later use that another server has stored stays."""
    count(
        cursor,
        "UPDATE api_keys SET last_use_time = greatest(last_use_time, ?) WHERE id = ?",
        [stored_time(now), key_id],
    )


def not_found() -> NotFound:
    """The error for an id that no key has."""
    return NotFound("There is no such API key.", reason=Reason.API_KEY_NOT_FOUND, hint="See `vestibule keys list`.")


def _key(row: Row) -> ApiKeyRow:
    return ApiKeyRow(
        id=row["id"],
        holder_id=row["holder_id"],
        secret_hash=row["secret_hash"],
        client_id=row["client_id"],
        scopes=tuple(row["scopes"].split()),
        label=row["label"],
        create_time=aware(row["create_time"]),
        expire_time=aware_or_none(row["expire_time"]),
        revoke_time=aware_or_none(row["revoke_time"]),
        last_use_time=aware_or_none(row["last_use_time"]),
    )
