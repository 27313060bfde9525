"""The tables about those who call: their keys, what they did, what they may still upload, and who was erased.

A part of ``schema``, under the same rule: a released table never changes here.
"""

from __future__ import annotations

from server.ledger.table_schema import TableSchema

API_KEYS = TableSchema(
    "api_keys",
    "One row for an API key.",
    (
        ("id", "VARCHAR PRIMARY KEY", "Public part of the key, 16 hexadecimal digits."),
        ("holder_id", "VARCHAR NOT NULL", "Id of the first key of the holder; a rotated key keeps it."),
        ("secret_hash", "VARCHAR NOT NULL", "SHA-256 of the secret part, hexadecimal."),
        ("client_id", "VARCHAR NOT NULL", "App or site that the key belongs to; empty means every one."),
        ("scopes", "VARCHAR NOT NULL", "What the key allows: names with a space between them."),
        ("label", "VARCHAR NOT NULL", "A word by which operators know the key."),
        ("create_time", "TIMESTAMP NOT NULL", "When it was made, UTC."),
        ("expire_time", "TIMESTAMP", "From when on it is refused, UTC; null when it does not expire."),
        ("revoke_time", "TIMESTAMP", "When it was revoked, UTC; null when it was not."),
        ("last_use_time", "TIMESTAMP", "When it was last used, UTC, to within some minutes; null when it never was."),
    ),
)

PARTICIPANTS = TableSchema(
    "participants",
    "One row for a credential that opened a session, spoke in it or uploaded to it.",
    (
        ("session_id", "VARCHAR NOT NULL", "UUID of the session."),
        ("subject_sha256", "VARCHAR NOT NULL", "SHA-256 of the subject of the credential, hexadecimal."),
    ),
    ("session_id",),
)

UPLOAD_ATTEMPTS = TableSchema(
    "upload_attempts",
    "One row for an attempt to upload that a quota still counts, whether it was accepted or refused.",
    (
        ("id", "VARCHAR PRIMARY KEY", "UUID of the attempt."),
        ("client_id", "VARCHAR NOT NULL", "App or site that the quota belongs to."),
        ("start_time", "TIMESTAMP NOT NULL", "When it began, UTC."),
        ("size_bytes", "BIGINT NOT NULL", "Declared size, or the bytes that came if they were fewer."),
    ),
    ("client_id",),
)

AUDIT = TableSchema(
    "audit",
    "One row for a decision about access, or for something that a person or the server did. Rows are only added.",
    (
        ("number", "BIGINT PRIMARY KEY", "Position in the chain, from 1 without gaps."),
        ("time", "TIMESTAMP NOT NULL", "When, UTC; of several calls in one row, the first."),
        ("subject", "VARCHAR NOT NULL", "Who: id of the credential, or server; empty when nobody was known."),
        ("client_id", "VARCHAR NOT NULL", "App or site of the credential; empty for one of every client."),
        ("peer", "VARCHAR NOT NULL", "Network address of the caller; empty for the server or when it is not kept."),
        ("action", "VARCHAR NOT NULL", "What, a machine word such as approve."),
        ("object_type", "VARCHAR NOT NULL", "Kind of thing that it was done to; empty when there is none."),
        ("object_id", "VARCHAR NOT NULL", "Its id."),
        ("outcome", "VARCHAR NOT NULL", "done, allowed, denied or failed."),
        ("reason", "VARCHAR NOT NULL", "Stable reason or machine word; empty when there is none."),
        ("count", "BIGINT NOT NULL", "How many equal calls this row stands for."),
        ("hash", "VARCHAR NOT NULL", "HMAC-SHA-256 of this row and the hash before, hexadecimal."),
    ),
)

ERASURES = TableSchema(
    "erasures",
    "One row for an erasure. It names nobody: the target is a hash.",
    (
        ("id", "VARCHAR PRIMARY KEY", "UUID of the erasure."),
        ("scope", "VARCHAR NOT NULL", "What was named: session, client or subject."),
        ("target_sha256", "VARCHAR NOT NULL", "SHA-256 of scope, colon and the given value, hexadecimal."),
        ("sessions", "INTEGER NOT NULL", "Sessions that were erased."),
        ("request_time", "TIMESTAMP NOT NULL", "When their rows were deleted, UTC."),
        ("complete_time", "TIMESTAMP", "When the last byte of them was gone from all files, UTC; null before."),
    ),
)
