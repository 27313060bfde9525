"""What the settings make of access, with the files of a state folder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import OctKey

from models.errors import InvalidInput, Unauthenticated
from server.access.audit import AuditTrail
from server.access.authenticator import Access, build_access
from server.access.caller import INTERNAL, Caller, Scope, acting_as, current_caller
from server.access.operator_key import OPERATOR_KEY_FILE
from server.access.peer import Peer, parse_peer
from server.ledger.columns import Cursor
from server.ledger.embedded import EmbeddedLedger
from server.settings import Settings
from tests.unit.access import issuer
from tests.unit.access.clock import HandClock
from tests.unit.access.issuer import token

LOCAL, REMOTE = parse_peer("ipv4:127.0.0.1:5000"), parse_peer("ipv4:192.0.2.7:5000")
SECRET = "a secret of development, 32 bytes long"


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as made:
        yield made


async def built(ledger: EmbeddedLedger, folder: Path, stack: AsyncExitStack, **auth: Any) -> Access:
    clock = HandClock()
    return await build_access(
        Settings(state_dir=folder, auth=auth), ledger, clock, AuditTrail(bytes(32), bytes(32), clock), stack
    )


async def caller(access: Access, credential: str, peer: Peer = LOCAL) -> Caller:
    return (await access.authenticator.authenticate([f"Bearer {credential}"], peer)).caller


async def test_the_first_start_makes_an_operator_key(
    ledger: EmbeddedLedger, tmp_path: Path, stack: AsyncExitStack
) -> None:
    access = await built(ledger, tmp_path, stack)
    key = (tmp_path / OPERATOR_KEY_FILE).read_text().strip()
    assert (await caller(access, key)).scopes == frozenset(Scope) - {Scope.SEALED_RELEASE}
    with pytest.raises(Unauthenticated):
        await caller(access, key, REMOTE)
    assert (await caller(await built(ledger, tmp_path, stack), key)).subject == "key:operator"


async def test_the_operator_key_can_be_turned_off(
    ledger: EmbeddedLedger, tmp_path: Path, stack: AsyncExitStack
) -> None:
    await built(ledger, tmp_path, stack)
    access = await built(ledger, tmp_path, stack, operator_key=False)
    with pytest.raises(Unauthenticated):
        await caller(access, (tmp_path / OPERATOR_KEY_FILE).read_text().strip())


async def test_a_start_makes_no_operator_key_that_is_turned_off(
    ledger: EmbeddedLedger, tmp_path: Path, stack: AsyncExitStack
) -> None:
    await built(ledger, tmp_path, stack, operator_key=False)
    assert not (tmp_path / OPERATOR_KEY_FILE).exists()


async def test_a_damaged_operator_key_ends_the_start(
    ledger: EmbeddedLedger, tmp_path: Path, stack: AsyncExitStack
) -> None:
    (tmp_path / OPERATOR_KEY_FILE).write_text("vst_half")
    with pytest.raises(InvalidInput) as caught:
        await built(ledger, tmp_path, stack)
    assert "vst_half" not in f"{caught.value.message}{caught.value.hint}"


async def test_tokens_need_their_settings(ledger: EmbeddedLedger, tmp_path: Path, stack: AsyncExitStack) -> None:
    with pytest.raises(Unauthenticated):
        await caller(await built(ledger, tmp_path, stack), token())
    file = tmp_path / "jwks.json"
    file.write_bytes(issuer.key_set())
    access = await built(
        ledger, tmp_path, stack, issuer=issuer.URL, audience=issuer.AUDIENCE, jwks_file=file, clients="site-1"
    )
    assert (await caller(access, token(), REMOTE)).client_id == "site-1"


async def test_the_shared_key_of_development(ledger: EmbeddedLedger, tmp_path: Path, stack: AsyncExitStack) -> None:
    access = await built(ledger, tmp_path, stack, issuer=issuer.URL, audience=issuer.AUDIENCE, hs256_key=SECRET)
    signed = token("HS256", key=OctKey.import_key(SECRET.encode()))
    subject = (await caller(access, signed)).subject
    assert subject == AuditTrail(bytes(32), bytes(32), HandClock()).stored_subject("jwt:user-7")
    assert "user-7" not in subject
    with pytest.raises(Unauthenticated):
        await caller(access, token("ES256"))


async def test_functions_in_the_threads_of_the_ledger_see_the_caller(ledger: EmbeddedLedger) -> None:
    app = Caller("key:1", "site-1", frozenset({Scope.APP}))

    def who(_cursor: Cursor) -> Caller:
        return current_caller()

    with acting_as(app):
        assert await ledger.write(who) is app
        assert await ledger.read(who) is app
    assert await ledger.write(who) is INTERNAL
    assert await ledger.read(who) is INTERNAL
