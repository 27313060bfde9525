"""API keys: ``vst_<id>_<secret>``, in memory for the calls and in the ledger for good."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from models.errors import FieldViolation, InvalidInput, Unauthenticated, VestibuleError
from models.reasons import Reason
from server.access.audit import AuditAction, AuditTrail
from server.access.caller import Caller, Scope
from server.access.peer import Peer
from server.ledger import api_keys
from server.ledger.api_keys import ApiKeyRow
from server.ledger.columns import Cursor
from server.ledger.locks import lock_row
from server.ledger.transactional import Ledger
from server.ledger.types import Clock
from server.observability.log import describe, get_logger

log = get_logger("api_keys")

PREFIX: Final = "vst_"
LAST_USE_GRAIN: Final = timedelta(minutes=10)
"""How exact the time of the last use is: it costs one write of the ledger in this time for each key in use."""

MOST_LISTED: Final = 10_000
"""Keys in one list; as a message they have about 2 MB."""

_KEY = re.compile(r"vst_([0-9a-f]{16})_([0-9a-f]{64})")
_ANOTHER_KEY: Final = "Ask whoever runs the server for another key: `vestibule keys create`."
_NO_HASH: Final = "0" * 64
"""Compared with the hash of a secret whose id is unknown, so that this takes as long as a wrong secret."""


def new_key() -> tuple[str, str]:
    """The id and the secret of a new key, hexadecimal; the secret has 256 random bits."""
    return secrets.token_hex(8), secrets.token_hex(32)


def written(key_id: str, secret: str) -> str:
    """A key as its holder gets it."""
    return f"{PREFIX}{key_id}_{secret}"


def hash_of(secret: str) -> str:
    """What is stored of a secret. It is random and long, so a fast hash cannot be searched through."""
    return hashlib.sha256(secret.encode("ascii")).hexdigest()


class ApiKeys:
    """All keys of a ledger. What is in memory is what holds.

    Call ``load`` before the first use, and again when another server may have changed keys. Each change is a row of the
    audit, in the same transaction.

    Attributes:
        on_change: Called after a key was made, rotated or revoked.
    """

    def __init__(self, ledger: Ledger, clock: Clock, audit: AuditTrail) -> None:
        self._ledger = ledger
        self._clock = clock
        self._audit = audit
        self._rows: dict[str, ApiKeyRow] = {}
        self._operator_key_id = ""
        self._writes: set[asyncio.Task[None]] = set()
        self._changes = 0
        self.on_change: Callable[[], None] = lambda: None

    async def load(self) -> None:
        """Read all keys from the ledger."""
        changes = -1
        while changes != self._changes:  # a key that was revoked here meanwhile must not come back
            changes = self._changes
            rows = await self._ledger.read(api_keys.list_keys)
        known = self._rows
        self._rows = {row.id: _used_last(row, known.get(row.id)) for row in rows}
        if self._operator_key_id:
            self._rows[self._operator_key_id] = known[self._operator_key_id]

    def accept_operator_key(self, key: str) -> None:
        """Accept the generated key of the state folder, from this machine only.

        It allows everything but to get sealed values: these are for one other system, not for who runs the server.

        Raises:
            InvalidInput: AUTH_SETTINGS_INVALID, the file holds no key.
        """
        found = _KEY.fullmatch(key)
        if found is None:
            raise InvalidInput(
                "The file operator.key in the state folder holds no key.",
                reason=Reason.AUTH_SETTINGS_INVALID,
                hint="Delete it; the next start makes another one.",
            )
        key_id, secret = found.groups()
        scopes = tuple(scope for scope in Scope if scope is not Scope.SEALED_RELEASE)
        row = ApiKeyRow(key_id, "operator", hash_of(secret), "", scopes, "operator", self._clock())
        self._rows[key_id] = row
        self._operator_key_id = key_id

    def verify(self, key: str, peer: Peer) -> tuple[Caller, str]:
        """Who holds a key, and its id.

        Args:
            key: As the caller sent it.
            peer: Where the call comes from. The operator key is accepted from this machine only.

        Raises:
            Unauthenticated: The key is malformed, unknown, wrong, expired or revoked. Only to somebody who has the
                secret, the last two are told.
        """
        found = _KEY.fullmatch(key)
        if found is None:
            raise Unauthenticated("The credential is not valid.")
        key_id, secret = found.groups()
        row = self._rows.get(key_id)
        same = hmac.compare_digest(hash_of(secret), row.secret_hash if row else _NO_HASH)
        if row is None or not same or (key_id == self._operator_key_id and not peer.local):
            raise Unauthenticated("The credential is not valid.")
        self._check(row)
        self._note_use(row)
        scopes = frozenset(Scope(name) for name in row.scopes)
        return Caller(f"key:{row.holder_id}", row.client_id, scopes, peer), key_id

    def knows(self, key: str) -> bool:
        """Whether there is a key with this id. Its secret may be wrong."""
        found = _KEY.fullmatch(key)
        return found is not None and found[1] in self._rows

    def check(self, key_id: str) -> None:
        """Make sure that a key that was verified before is still valid.

        Raises:
            Unauthenticated: CREDENTIALS_EXPIRED or CREDENTIALS_REVOKED; or the ledger has it no more.
        """
        row = self._rows.get(key_id)
        if row is None:  # the ledger is another one, such as a restored backup
            raise Unauthenticated("The credential is not valid.")
        self._check(row)

    async def create(
        self, *, client_id: str, scopes: Collection[Scope], label: str, expire_time: datetime | None
    ) -> tuple[ApiKeyRow, str]:
        """Make a key; returns its row, and the key itself, which cannot be had again.

        Raises:
            InvalidInput: It names no scope, the scope app without a client, or the scope operator with one.
        """
        _check_new(client_id, scopes)
        key_id, secret = new_key()
        row = ApiKeyRow(
            id=key_id,
            holder_id=key_id,
            secret_hash=hash_of(secret),
            client_id=client_id,
            scopes=tuple(scope for scope in Scope if scope in scopes),
            label=label,
            create_time=self._clock(),
            expire_time=expire_time,
        )
        entry = self._audit.entry(AuditAction.KEY_CREATED, ("api_key", key_id))

        def write(cursor: Cursor) -> None:
            api_keys.insert_key(cursor, row)
            self._audit.append(cursor, entry)

        await self._ledger.write(write)
        self._changed(row)
        return row, written(key_id, secret)

    def list_keys(self, *, include_closed: bool) -> list[ApiKeyRow]:
        """The newest keys of the ledger, newest first; those that expired or were revoked only if asked for."""
        rows = [row for row in self._rows.values() if row.id != self._operator_key_id]
        shown = [row for row in rows if include_closed or not self._closed(row)]
        return sorted(shown, key=lambda row: (row.create_time, row.id), reverse=True)[:MOST_LISTED]

    async def revoke(self, key_id: str) -> ApiKeyRow:
        """Refuse a key from now on. Repeating it changes nothing.

        Raises:
            NotFound: API_KEY_NOT_FOUND.
        """
        now = self._clock()
        entry = self._audit.entry(AuditAction.KEY_REVOKED, ("api_key", key_id))

        def write(cursor: Cursor) -> ApiKeyRow:
            lock_row(cursor, "api_keys", key_id)
            row = api_keys.get(cursor, key_id)
            if row.revoke_time is not None:
                return row
            self._audit.append(cursor, entry)
            return api_keys.set_times(cursor, key_id, revoke_time=now)

        row = await self._ledger.write(write)
        self._changed(row)
        return row

    async def rotate(self, key_id: str, grace: timedelta) -> tuple[ApiKeyRow, str]:
        """Make another key for the holder of this one, which then lives on for ``grace`` at most.

        Returns:
            The row of the new key, and the key itself. It has the client, the scopes and the label of the old one,
            and the expiry that its holder's first key was given.

        Raises:
            NotFound: API_KEY_NOT_FOUND.
            InvalidInput: The key has expired or was revoked.
        """
        now = self._clock()
        new_id, secret = new_key()
        entry = self._audit.entry(AuditAction.KEY_ROTATED, ("api_key", key_id))

        def write(cursor: Cursor) -> tuple[ApiKeyRow, ApiKeyRow]:
            lock_row(cursor, "api_keys", key_id)
            old = api_keys.get(cursor, key_id)
            if self._closed(old):
                raise InvalidInput(
                    "The key has expired or was revoked.", hint="Make a new one with `vestibule keys create`."
                )
            new = replace(
                old,
                id=new_id,
                secret_hash=hash_of(secret),
                create_time=now,
                expire_time=api_keys.expiry_of_holder(cursor, old.holder_id),
                revoke_time=None,
                last_use_time=None,
            )
            api_keys.insert_key(cursor, new)
            self._audit.append(cursor, entry)
            ends = min(old.expire_time or now + grace, now + grace)
            return api_keys.set_times(cursor, key_id, expire_time=ends), new

        old, new = await self._ledger.write(write)
        self._changed(old, new)
        return new, written(new_id, secret)

    async def drain(self) -> None:
        """Wait until the times of the last use are stored."""
        while self._writes:
            await asyncio.wait(self._writes)

    def _changed(self, *rows: ApiKeyRow) -> None:
        self._rows |= {row.id: _used_last(row, self._rows.get(row.id)) for row in rows}
        self._changes += 1
        self.on_change()

    def _closed(self, row: ApiKeyRow) -> bool:
        return row.revoke_time is not None or (row.expire_time is not None and row.expire_time <= self._clock())

    def _check(self, row: ApiKeyRow) -> None:
        if row.revoke_time is not None:
            raise Unauthenticated("The API key was revoked.", reason=Reason.CREDENTIALS_REVOKED, hint=_ANOTHER_KEY)
        if self._closed(row):
            raise Unauthenticated("The API key has expired.", reason=Reason.CREDENTIALS_EXPIRED, hint=_ANOTHER_KEY)

    def _note_use(self, row: ApiKeyRow) -> None:
        now = self._clock()
        if row.id == self._operator_key_id or (row.last_use_time and now - row.last_use_time < LAST_USE_GRAIN):
            return
        self._rows[row.id] = replace(row, last_use_time=now)
        write = asyncio.create_task(self._store_use(row.id, now))
        self._writes.add(write)
        write.add_done_callback(self._writes.discard)

    async def _store_use(self, key_id: str, now: datetime) -> None:
        try:
            await self._ledger.write(lambda cursor: api_keys.set_last_use(cursor, key_id, now))
        except VestibuleError as error:
            log.warning("last_use_not_stored", key=key_id, **describe(error))


def _used_last(row: ApiKeyRow, known: ApiKeyRow | None) -> ApiKeyRow:
    """The row with the later one of two times of its last use: the ledger may not have this server's yet."""
    used = [each.last_use_time for each in (row, known) if each and each.last_use_time]
    return replace(row, last_use_time=max(used, default=None))


def _check_new(client_id: str, scopes: Collection[Scope]) -> None:
    if not scopes:
        raise InvalidInput(
            "A key needs a scope.",
            reason=Reason.INVALID_ARGUMENT,
            violations=(FieldViolation("scopes", "at least one"),),
        )
    if Scope.APP in scopes and not client_id:
        raise InvalidInput(
            "A key with the scope app needs a client.",
            reason=Reason.INVALID_ARGUMENT,
            hint="Name the app or site that the key is for.",
            violations=(FieldViolation("client_id", "needed with the scope app"),),
        )
    if Scope.OPERATOR in scopes and client_id:
        raise InvalidInput(
            "A key with the scope operator belongs to no client.",
            reason=Reason.INVALID_ARGUMENT,
            hint="Leave the client out: an operator makes keys for every client.",
            violations=(FieldViolation("client_id", "empty with the scope operator"),),
        )
