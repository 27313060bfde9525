"""API keys over a real ledger: made, verified, rotated, revoked, and kept over a restart."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from models.errors import InvalidInput, NotFound, Unauthenticated
from models.reasons import Reason
from server.access.api_keys import LAST_USE_GRAIN, ApiKeys, new_key, written
from server.access.audit import AuditTrail
from server.access.caller import Caller, Scope
from server.access.operator_key import OPERATOR_KEY_FILE, load_or_create_operator_key
from server.access.peer import Peer, parse_peer
from server.ledger import api_keys
from server.ledger import audit as audit_rows
from server.ledger.api_keys import ApiKeyRow
from server.ledger.audit import AuditFilter
from server.ledger.embedded import EmbeddedLedger
from tests.unit.access.clock import HandClock
from tests.unit.ledger.migrated import open_ledger

HOUR = timedelta(hours=1)
PEER, LOCAL_PEER = parse_peer("ipv4:192.0.2.7:5000"), parse_peer("unix:")


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def ledger(tmp_path: Path, clock: HandClock) -> Iterator[EmbeddedLedger]:
    opened = open_ledger(tmp_path / "ledger.duckdb", clock)
    yield opened
    opened.close()


@pytest.fixture
def keys(ledger: EmbeddedLedger, clock: HandClock) -> ApiKeys:
    return ApiKeys(ledger, clock, AuditTrail(bytes(32), bytes(32), clock))


async def made(keys: ApiKeys, lifetime: timedelta | None = None, clock: HandClock | None = None) -> str:
    expire_time = clock() + lifetime if clock and lifetime else None
    row, key = await keys.create(client_id="site-1", scopes=[Scope.APP], label="kiosk", expire_time=expire_time)
    assert key.startswith(f"vst_{row.id}_")
    return key


def key_id(key: str) -> str:
    return key.split("_")[1]


def verify(keys: ApiKeys, key: str, peer: Peer = PEER) -> Caller:
    return keys.verify(key, peer)[0]


def refused(keys: ApiKeys, key: str) -> Unauthenticated:
    with pytest.raises(Unauthenticated) as caught:
        verify(keys, key)
    return caught.value


async def test_a_key_tells_who_calls(keys: ApiKeys) -> None:
    key = await made(keys)
    assert verify(keys, key) == Caller(f"key:{key_id(key)}", "site-1", frozenset({Scope.APP}), PEER)
    await keys.drain()


async def test_the_secret_is_nowhere_in_the_ledger(keys: ApiKeys, ledger: EmbeddedLedger) -> None:
    key = await made(keys)
    secret = key.split("_")[2]
    [row] = await ledger.read(api_keys.list_keys)
    assert row.secret_hash == hashlib.sha256(secret.encode()).hexdigest()
    ledger.close()
    written_bytes = b"".join(file.read_bytes() for file in ledger.path.parent.iterdir())
    assert key_id(key).encode() in written_bytes
    assert secret.encode() not in written_bytes


async def test_a_restart_keeps_keys_and_their_end(keys: ApiKeys, ledger: EmbeddedLedger, clock: HandClock) -> None:
    good, dead = await made(keys), await made(keys)
    await keys.revoke(key_id(dead))
    again = ApiKeys(ledger, clock, AuditTrail(bytes(32), bytes(32), clock))
    await again.load()
    assert verify(again, good).client_id == "site-1"
    assert refused(again, dead).reason is Reason.CREDENTIALS_REVOKED
    await again.drain()


async def test_an_unknown_key_and_a_wrong_secret_are_refused_alike(keys: ApiKeys) -> None:
    key = await made(keys)
    unknown_id, other_secret = new_key()
    wrong, unknown = written(key_id(key), other_secret), written(unknown_id, other_secret)
    errors = [refused(keys, each) for each in (wrong, unknown, "vst_", f"vst_{key_id(key)}", key[:-1], key.upper())]
    assert {(e.reason, e.message, e.hint) for e in errors} == {
        (Reason.CREDENTIALS_INVALID, errors[0].message, errors[0].hint)
    }


async def test_a_wrong_secret_does_not_tell_that_its_key_was_revoked_or_has_expired(
    keys: ApiKeys, clock: HandClock
) -> None:
    revoked, expired = await made(keys), await made(keys, HOUR, clock)
    await keys.revoke(key_id(revoked))
    clock.advance(HOUR)
    _, other_secret = new_key()
    for key, told in ((revoked, Reason.CREDENTIALS_REVOKED), (expired, Reason.CREDENTIALS_EXPIRED)):
        assert refused(keys, key).reason is told
        assert refused(keys, written(key_id(key), other_secret)).reason is Reason.CREDENTIALS_INVALID


async def test_a_key_expires_to_the_second(keys: ApiKeys, clock: HandClock) -> None:
    key = await made(keys, HOUR, clock)
    clock.advance(HOUR - timedelta(seconds=1))
    verify(keys, key)
    keys.check(key_id(key))
    clock.advance(timedelta(seconds=1))
    assert refused(keys, key).reason is Reason.CREDENTIALS_EXPIRED
    with pytest.raises(Unauthenticated):
        keys.check(key_id(key))
    await keys.drain()


async def test_revocation_takes_effect_at_once_and_may_be_repeated(keys: ApiKeys, clock: HandClock) -> None:
    key = await made(keys)
    first = await keys.revoke(key_id(key))
    assert refused(keys, key).reason is Reason.CREDENTIALS_REVOKED
    clock.advance(HOUR)
    assert (await keys.revoke(key_id(key))).revoke_time == first.revoke_time
    with pytest.raises(NotFound) as caught:
        await keys.revoke("0" * 16)
    assert caught.value.reason is Reason.API_KEY_NOT_FOUND


async def test_a_rotated_key_is_the_same_caller_and_the_old_one_lives_for_the_grace(
    keys: ApiKeys, clock: HandClock
) -> None:
    old = await made(keys, 24 * HOUR, clock)
    row, new = await keys.rotate(key_id(old), HOUR)
    assert verify(keys, old) == verify(keys, new)
    assert row.expire_time == clock() + 24 * HOUR
    clock.advance(HOUR)
    assert refused(keys, old).reason is Reason.CREDENTIALS_EXPIRED
    assert verify(keys, new).subject == f"key:{key_id(old)}"
    with pytest.raises(InvalidInput):
        await keys.rotate(key_id(old), HOUR)
    await keys.drain()


async def test_each_change_is_a_row_of_the_audit(keys: ApiKeys, ledger: EmbeddedLedger) -> None:
    old = await made(keys)
    _, new = await keys.rotate(key_id(old), HOUR)
    for _ in range(2):
        await keys.revoke(key_id(new))
    rows, _ = await ledger.read(lambda cursor: audit_rows.list_rows(cursor, AuditFilter(), page_size=9, page_token=""))
    assert [(row.action, row.object_type, row.object_id) for row in reversed(rows)] == [
        ("key_created", "api_key", key_id(old)),
        ("key_rotated", "api_key", key_id(old)),
        ("key_revoked", "api_key", key_id(new)),
    ]


async def test_grace_never_prolongs_a_key(keys: ApiKeys, clock: HandClock) -> None:
    old = await made(keys, HOUR, clock)
    await keys.rotate(key_id(old), 24 * HOUR)
    clock.advance(HOUR)
    assert refused(keys, old).reason is Reason.CREDENTIALS_EXPIRED


@pytest.mark.parametrize("lifetime", [24 * HOUR, None])
async def test_a_key_rotated_again_in_its_grace_keeps_its_own_expiry(
    keys: ApiKeys, clock: HandClock, lifetime: timedelta | None
) -> None:
    ends = None if lifetime is None else clock() + lifetime
    old = await made(keys, lifetime, clock)
    first, _ = await keys.rotate(key_id(old), HOUR)
    second, _ = await keys.rotate(key_id(old), HOUR)
    await keys.revoke(first.id)
    third, _ = await keys.rotate(second.id, timedelta())
    assert {row.expire_time for row in (first, second, third)} == {ends}
    [other] = [row for row in keys.list_keys(include_closed=True) if row.id == key_id(old)]
    assert other.expire_time == clock() + HOUR


async def test_a_rotation_without_grace_ends_the_old_key_now(keys: ApiKeys) -> None:
    old = await made(keys)
    await keys.rotate(key_id(old), timedelta())
    assert refused(keys, old).reason is Reason.CREDENTIALS_EXPIRED


async def test_the_last_use_costs_one_write_in_its_grain(
    keys: ApiKeys, ledger: EmbeddedLedger, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await made(keys)
    writes = []
    write = ledger.write

    async def counting(fn: object) -> object:
        writes.append(fn)
        return await write(fn)  # type: ignore[arg-type]

    monkeypatch.setattr(ledger, "write", counting)
    for _ in range(100):
        verify(keys, key)
    await keys.drain()
    [row] = await ledger.read(api_keys.list_keys)
    assert (len(writes), row.last_use_time) == (1, clock())
    clock.advance(LAST_USE_GRAIN)
    verify(keys, key)
    await keys.drain()
    [row] = await ledger.read(api_keys.list_keys)
    assert (len(writes), row.last_use_time) == (2, clock())


async def test_closed_keys_are_listed_only_if_asked_for(keys: ApiKeys, clock: HandClock) -> None:
    await made(keys, HOUR, clock)
    clock.advance(HOUR)
    dead = await made(keys)
    await keys.revoke(key_id(dead))
    clock.advance(HOUR)
    good = await made(keys)
    assert [row.id for row in keys.list_keys(include_closed=False)] == [key_id(good)]
    assert len(keys.list_keys(include_closed=True)) == 3


@pytest.mark.parametrize(
    ("client_id", "scopes"), [("", [Scope.APP]), ("a", []), ("a", [Scope.OPERATOR]), ("a", [Scope.OPERATOR, Scope.APP])]
)
async def test_a_key_for_every_client_is_no_app_and_each_has_a_scope(
    keys: ApiKeys, client_id: str, scopes: list[Scope]
) -> None:
    with pytest.raises(InvalidInput):
        await keys.create(client_id=client_id, scopes=scopes, label="", expire_time=None)
    assert keys.list_keys(include_closed=True) == []


async def test_the_operator_key_allows_all_but_sealed_values_from_this_machine_only(
    keys: ApiKeys, tmp_path: Path
) -> None:
    key = load_or_create_operator_key(tmp_path / "state")
    assert load_or_create_operator_key(tmp_path / "state") == key
    assert (tmp_path / "state" / OPERATOR_KEY_FILE).stat().st_mode & 0o777 == 0o600
    keys.accept_operator_key(key)
    assert verify(keys, key, LOCAL_PEER) == Caller(
        "key:operator", "", frozenset(Scope) - {Scope.SEALED_RELEASE}, LOCAL_PEER
    )
    assert refused(keys, key).reason is Reason.CREDENTIALS_INVALID
    assert keys.list_keys(include_closed=True) == []
    with pytest.raises(InvalidInput):
        keys.accept_operator_key("something else")


async def test_a_key_that_is_revoked_while_all_are_read_stays_revoked(
    keys: ApiKeys, ledger: EmbeddedLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, read = await made(keys), ledger.read
    revoked: list[ApiKeyRow] = []

    async def slow(function: Callable[[Any], Any]) -> Any:
        found = await read(function)
        if not revoked:
            revoked.append(await keys.revoke(key_id(key)))
        return found

    monkeypatch.setattr(ledger, "read", slow)
    await keys.load()
    assert refused(keys, key).reason == Reason.CREDENTIALS_REVOKED


async def test_reading_all_keys_again_keeps_the_operator_key(keys: ApiKeys) -> None:
    operator = written(*new_key())
    keys.accept_operator_key(operator)
    key = await made(keys)
    await keys.load()
    assert verify(keys, operator, LOCAL_PEER).scopes
    assert verify(keys, key)
    await keys.drain()


async def test_a_key_that_the_ledger_has_no_more_is_refused(keys: ApiKeys, ledger: EmbeddedLedger) -> None:
    key = await made(keys)
    await ledger.write(lambda cursor: cursor.execute("DELETE FROM api_keys") and None)
    await keys.load()
    assert refused(keys, key)
    with pytest.raises(Unauthenticated):
        keys.check(key_id(key))
