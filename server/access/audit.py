"""The audit: who did what, to what, when, from where, and how it ended. One chain of rows in the ledger.

Each row carries an HMAC-SHA-256 of itself and of the hash before it, under a key in the state folder. So somebody who
has the ledger file alone can neither change, remove, reorder nor add a row unnoticed. Somebody who reads the state
folder too has the key and can write another chain. Against that, note what ``vestibule audit verify`` prints elsewhere.

An entry names the caller of the RPC, also in a transaction of the ledger, which runs with the context of whoever
submitted it. It is appended in the transaction of what it records::

    entry = audit.entry(AuditAction.APPROVE, ("recommendation", row.id))
    await ledger.write(lambda cursor: (recommendations.decide(cursor, ...), audit.append(cursor, entry)))
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

from models.errors import InvalidInput
from models.private_files import read_or_create
from models.reasons import Reason
from server.access.caller import Caller, current_caller
from server.ledger import audit as rows
from server.ledger.audit import AuditPosition, AuditRow
from server.ledger.columns import Cursor
from server.ledger.dialects import hold
from server.ledger.types import Clock

KEY_FILE: Final = "audit.key"
"""In the state folder: the key of the chain, 32 bytes, hexadecimal."""
SUBJECTS_KEY_FILE: Final = "subjects.key"
"""Beside it: the key of the pseudonyms, so that they stay the same when the key of the chain is lost."""

_PLAIN_SUBJECT = re.compile(r"[A-Za-z0-9._:|/+=-]{0,160}\Z")
_RANDOM_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[47][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\Z")
"""The ``sub`` of a token that names nobody. Other UUIDs and digests may be made of an email address."""


class AuditAction(StrEnum):
    """What is recorded."""

    ACCESS = "access"
    KEY_CREATED = "key_created"
    KEY_REVOKED = "key_revoked"
    KEY_ROTATED = "key_rotated"
    APPROVE = "approve"
    REJECT = "reject"
    REVIEW_CLAIMED = "review_claimed"
    REVIEW_RELEASED = "review_released"
    REVIEW_ASSIGNED = "review_assigned"
    REVIEW_COMMENTED = "review_commented"
    FIELDS_DECIDED = "fields_decided"
    REDRIVE = "redrive"
    DISCARD = "discard"
    BREAKER_RESET = "breaker_reset"
    BREAKER_TRIPPED = "breaker_tripped"
    SPEECH_MODEL_USED = "speech_model_used"
    SPEECH_MODEL_SHADOWED = "speech_model_shadowed"
    SPEECH_CANDIDATE_DISCARDED = "speech_candidate_discarded"
    BACKUP = "backup"
    RESTORE = "restore"
    ERASE = "erase"
    EVENTS_DECLARED = "events_declared"
    SEALED_RELEASED = "sealed_released"
    SEALED_SUPERSEDED = "sealed_superseded"
    SPOOL_KEY_ROTATED = "spool_key_rotated"
    AUDIT_BROKEN = "audit_broken"
    SERVER_STARTED = "server_started"
    SERVER_STOPPED = "server_stopped"


class Outcome(StrEnum):
    """How it ended. ``allowed`` and ``denied`` are decisions about access."""

    DONE = "done"
    ALLOWED = "allowed"
    DENIED = "denied"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """What is to be recorded, before it has a place in the chain.

    Attributes:
        subject: Who, as ``AuditTrail.stored_subject`` gives it.
        host: Network address of the caller, without the port.
        target: Kind and id of the thing; ids only, never content.
        reason: A stable reason or another machine word.
        count: How many equal calls it stands for.
    """

    subject: str
    client_id: str
    host: str
    action: AuditAction
    time: datetime
    target: tuple[str, str] = ("", "")
    outcome: Outcome = Outcome.DONE
    reason: str = ""
    count: int = 1


class AuditTrail:
    """Appends to the chain.

    Args:
        key: Of the hashes; 32 bytes.
        subjects_key: Of the pseudonyms; 32 bytes.
        keep_peers: Whether network addresses are kept.
    """

    def __init__(self, key: bytes, subjects_key: bytes, clock: Clock, *, keep_peers: bool = True) -> None:
        self._key = key
        self._subjects_key = subjects_key
        self._clock = clock
        self._keep_peers = keep_peers
        self.appended = False
        """Whether something was appended since the head was last kept; see ``server.access.audit_head``."""

    def entry(
        self,
        action: AuditAction,
        target: tuple[str, str] = ("", ""),
        *,
        outcome: Outcome = Outcome.DONE,
        reason: str = "",
        caller: Caller | None = None,
    ) -> AuditEntry:
        """An entry about a caller, by default the current one, now."""
        who = caller or current_caller()
        subject = self.stored_subject(who.subject)
        return AuditEntry(subject, who.client_id, who.peer.host, action, self._clock(), target, outcome, reason)

    def append(self, cursor: Cursor, *entries: AuditEntry) -> AuditPosition:
        """Add entries to the chain, within a transaction of the ledger's writer; returns where the chain then ends."""
        hold(cursor, "audit", "")
        end = rows.last(cursor)
        chained = []
        for entry in entries:
            row = self._row(entry, end.number + 1)
            end = AuditPosition(row.number, chained_hash(self._key, row, end.hash))
            chained.append(replace(row, hash=end.hash))
        rows.insert_rows(cursor, chained)
        self.appended = True
        return end

    def _row(self, entry: AuditEntry, number: int) -> AuditRow:
        object_type, object_id = entry.target
        return AuditRow(
            number=number,
            time=entry.time,
            subject=entry.subject,
            client_id=entry.client_id,
            peer=entry.host if self._keep_peers else "",
            action=entry.action,
            object_type=object_type,
            object_id=object_id,
            outcome=entry.outcome,
            reason=entry.reason,
            count=entry.count,
        )

    def pseudonym(self, sub: str) -> str:
        """What the server calls the holder of a token: ``sub`` as it is if it is a random UUID, else a keyed hash."""
        return sub if _RANDOM_UUID.match(sub) else self._hashed(f"jwt:{sub}")

    def client_pseudonym(self, client_id: str) -> str:
        """What the server calls the client of a token: as it is if it is a random UUID, else a keyed hash."""
        if _RANDOM_UUID.match(client_id):
            return client_id
        return self._hashed(f"client:{client_id}").replace(":", "-")  # a client id has no colon

    def stored_subject(self, subject: str) -> str:
        """The subject as rows have it: nothing in which a name could stand, such as an email address."""
        kind, _, name = subject.partition(":")
        if kind == "jwt" and not name.startswith("hash:"):
            return f"jwt:{self.pseudonym(name)}"
        if _PLAIN_SUBJECT.match(subject):
            return subject
        return f"{kind if kind in ('jwt', 'key') else 'other'}:{self._hashed(subject)}"

    def known_as(self, subjects: Iterable[str]) -> tuple[str, ...]:
        """All forms in which rows may have these subjects: rows of earlier servers have some of them as they were."""
        given = tuple(subjects)
        return tuple(dict.fromkeys((*given, *map(self.stored_subject, given))))

    def _hashed(self, subject: str) -> str:
        return f"hash:{hmac.new(self._subjects_key, subject.encode(), hashlib.sha256).hexdigest()[:32]}"


def load_or_create_key(state_dir: Path) -> bytes:
    """The key of the chain; a missing one is made, readable by its owner alone.

    Raises:
        InvalidInput: AUDIT_KEY_INVALID.
    """
    return _load_or_create(state_dir / KEY_FILE, "rows from before then count as changed")


def load_or_create_subjects_key(state_dir: Path) -> bytes:
    """The key of the pseudonyms; a missing one is made, readable by its owner alone.

    Raises:
        InvalidInput: AUDIT_KEY_INVALID.
    """
    lost = "people whose names are hashed then count as others, who did not take part in their sessions"
    return _load_or_create(state_dir / SUBJECTS_KEY_FILE, lost)


def _load_or_create(file: Path, lost: str) -> bytes:
    stored = read_or_create(file, f"{secrets.token_hex(32)}\n".encode()).strip()
    if not re.fullmatch(rb"[0-9a-f]{64}", stored):
        raise InvalidInput(
            "A key of the audit cannot be read.",
            reason=Reason.AUDIT_KEY_INVALID,
            hint=f"Restore {file.name} in the state folder from a backup. If it is lost, delete it: {lost}.",
        )
    return bytes.fromhex(stored.decode("ascii"))


def chained_hash(key: bytes, row: AuditRow, before: str) -> str:
    """The hash of a row that follows one with the hash ``before``; 64 hexadecimal digits."""
    return hmac.new(key, f"{before}\n{_canonical(row)}".encode(), hashlib.sha256).hexdigest()


def head_seal(key: bytes, position: AuditPosition) -> str:
    """The keyed hash that goes with a kept head, so that nobody without the key writes an older one."""
    return hmac.new(key, f"head\n{position.number}\n{position.hash}".encode(), hashlib.sha256).hexdigest()


def _canonical(row: AuditRow) -> str:
    """All columns but the hash, as one JSON list: what is hashed."""
    time = row.time.astimezone(UTC).isoformat(timespec="microseconds")
    who = (row.subject, row.client_id, row.peer)
    what = (row.action, row.object_type, row.object_id, row.outcome, row.reason, row.count)
    return json.dumps([row.number, time, *who, *what], ensure_ascii=False, separators=(",", ":"))
