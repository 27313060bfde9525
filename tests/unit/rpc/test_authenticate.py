"""Every method of ours, called with every kind of bad credential: the right status, and the handler never runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from prometheus_client import generate_latest

from models.errors import Unauthenticated
from models.reasons import Reason
from server.access.access_log import AccessLog
from server.access.api_keys import ApiKeys, new_key, written
from server.access.audit import AuditTrail
from server.access.authenticator import LONGEST_CREDENTIAL, Authenticator
from server.access.caller import Scope
from server.access.jwks import KeySet, http_source
from server.access.operator_key import load_or_create_operator_key
from server.access.peer import UNKNOWN_PEER
from server.access.scopes import SCOPES
from server.access.tokens import TokenVerifier
from server.ledger import audit
from server.ledger.audit import AuditFilter
from server.observability.metrics import Metrics
from server.rpc.interceptors.authenticate import AccessDecision, Authenticate, observer
from server.rpc.interceptors.refusal_limits import RefusalLimits
from server.setting_groups import LimitSettings
from tests.unit.access import issuer
from tests.unit.access.clock import HandClock
from tests.unit.access.issuer import (
    AS_THEY_ARE,
    NOW,
    KeySetServer,
    confused,
    public_pem,
    settings,
    stranger,
    token,
    unsigned,
)
from tests.unit.ledger.migrated import open_ledger
from tests.unit.rpc.every_method import Metadata, Port, every_method, serving
from tests.unit.rpc.raw_call import raw_call
from tests.unit.rpc.test_interceptors import details

METHODS = every_method()
ALL = "app reviewer analyst operator sealed_release"
NOW_S = int(NOW.timestamp())
UNAUTHENTICATED, DENIED = grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED
REFUSED = {UNAUTHENTICATED, DENIED}
UNBOUNDED = RefusalLimits(LimitSettings(network_refused_burst=1_000_000))
HOUR = timedelta(hours=1)
EVERY = frozenset(Scope)
OF_CLIENTS = EVERY - {Scope.OPERATOR}
"""What a key of a client may have together; a key of an operator belongs to no client."""


@dataclass(slots=True)
class Door:
    """The port with real keys and a real issuer."""

    port: Port
    keys: ApiKeys
    clock: HandClock
    decisions: list[AccessDecision]

    @property
    def refused(self) -> list[AccessDecision]:
        """The decisions against a call."""
        return [decision for decision in self.decisions if decision.denied]

    async def key(self, *scopes: Scope, lifetime: timedelta | None = None) -> str:
        """Make a key; without scopes it has all that a client may have."""
        made = await self.keys.create(
            client_id="" if Scope.OPERATOR in scopes else "site-1",
            scopes=scopes or tuple(OF_CLIENTS),
            label="",
            expire_time=None if lifetime is None else self.clock() + lifetime,
        )
        return made[1]


@pytest.fixture
def key_set() -> Iterator[KeySetServer]:
    with KeySetServer.running() as running:
        yield running


@asynccontextmanager
async def opened(tmp_path: Path, url: str) -> AsyncIterator[Door]:
    clock, seen = HandClock(), list[AccessDecision]()
    with ExitStack() as stack:
        ledger = open_ledger(tmp_path / "ledger.duckdb", clock)
        stack.callback(ledger.close)
        keys = ApiKeys(ledger, clock, AuditTrail(bytes(32), bytes(32), clock))
        verifier = TokenVerifier(settings(jwks_url=url), KeySet(http_source(url)), clock, AS_THEY_ARE)
        authenticate = Authenticate(Authenticator(keys, verifier), seen.append, UNBOUNDED, recheck_s=0.02)
        async with serving(authenticate) as port:
            yield Door(port, keys, clock, seen)
            await keys.drain()


@pytest.fixture
async def door(tmp_path: Path, key_set: KeySetServer) -> AsyncIterator[Door]:
    async with opened(tmp_path, key_set.url) as made:
        yield made


def bearer(credential: str) -> Metadata:
    return (("authorization", f"Bearer {credential}"),)


def good_token() -> str:
    return token(scope=ALL)


BAD_HEADERS: dict[str, tuple[Callable[[], Metadata], Reason]] = {
    "none": (lambda: (), Reason.CREDENTIALS_MISSING),
    "empty": (lambda: (("authorization", ""),), Reason.CREDENTIALS_INVALID),
    "scheme alone": (lambda: (("authorization", "Bearer"),), Reason.CREDENTIALS_INVALID),
    "basic": (lambda: (("authorization", "Basic YTpi"),), Reason.CREDENTIALS_INVALID),
    "token without scheme": (lambda: (("authorization", good_token()),), Reason.CREDENTIALS_INVALID),
    "two spaces": (lambda: (("authorization", f"Bearer  {good_token()}"),), Reason.CREDENTIALS_INVALID),
    "two in one": (lambda: bearer(f"{good_token()} {good_token()}"), Reason.CREDENTIALS_INVALID),
    "two with a comma": (lambda: bearer(f"{good_token()},{good_token()}"), Reason.CREDENTIALS_INVALID),
    "twice the same": (lambda: (*bearer(good_token()), *bearer(good_token())), Reason.CREDENTIALS_INVALID),
    "a good one after a bad one": (lambda: (*bearer("x"), *bearer(good_token())), Reason.CREDENTIALS_INVALID),
    "a bad one after a good one": (lambda: (*bearer(good_token()), *bearer("x")), Reason.CREDENTIALS_INVALID),
    "too long": (lambda: bearer("a" * (LONGEST_CREDENTIAL - 1000)), Reason.CREDENTIALS_INVALID),
    "another key": (lambda: (("x-api-key", good_token()),), Reason.CREDENTIALS_MISSING),
    "malformed": (lambda: bearer("abc.def"), Reason.CREDENTIALS_INVALID),
    "expired": (lambda: bearer(token(scope=ALL, exp=NOW_S - 31)), Reason.CREDENTIALS_EXPIRED),
    "of the future": (lambda: bearer(token(scope=ALL, nbf=NOW_S + 31)), Reason.CREDENTIALS_INVALID),
    "unsigned": (lambda: bearer(unsigned({"alg": "ES256", "kid": "ES256"}, scope=ALL)), Reason.CREDENTIALS_INVALID),
    "wrongly signed": (lambda: bearer(token("RS256", key=stranger(), scope=ALL)), Reason.CREDENTIALS_INVALID),
    "alg none": (lambda: bearer(unsigned({"alg": "none"}, scope=ALL)), Reason.CREDENTIALS_INVALID),
    "key confusion": (lambda: bearer(confused(public_pem())), Reason.CREDENTIALS_INVALID),
    "wrong aud": (lambda: bearer(token(scope=ALL, aud="other")), Reason.CREDENTIALS_INVALID),
    "wrong iss": (lambda: bearer(token(scope=ALL, iss="https://evil.example")), Reason.CREDENTIALS_INVALID),
    "unknown kid": (lambda: bearer(token(scope=ALL, header={"kid": "x"})), Reason.CREDENTIALS_INVALID),
    "unknown key": (lambda: bearer(written(*new_key())), Reason.CREDENTIALS_INVALID),
    "key with a tail": (lambda: bearer(f"{written(*new_key())}0"), Reason.CREDENTIALS_INVALID),
}


async def refuse_all(door: Door, metadata: Metadata, reason: Reason) -> None:
    """Call every method; each must be refused for this reason, and no handler may run."""
    before, code = len(door.port.ran), grpc.StatusCode[reason.status]
    for method in METHODS:
        seen, error = await door.port.outcome(method, metadata)
        assert seen is code, method.name
        info = details(error)["ErrorInfo"]
        assert (info.reason, bool(info.metadata["hint"])) == (reason, True), method.name
    assert len(door.port.ran) == before


@pytest.mark.parametrize(("metadata", "reason"), BAD_HEADERS.values(), ids=BAD_HEADERS)
async def test_every_method_refuses(door: Door, metadata: Callable[[], Metadata], reason: Reason) -> None:
    await refuse_all(door, metadata(), reason)
    assert {(refused.denied, refused.caller.subject) for refused in door.refused} == {(reason, "")}
    assert len(door.refused) == len(METHODS)


async def accept_all(door: Door, credential: str, scopes: frozenset[Scope] = OF_CLIENTS) -> None:
    """Call every method that the scopes open; each must get as far as the rules of its request, or run."""
    for method in METHODS:
        if SCOPES[method.name] & scopes:
            assert await door.port.call(method, bearer(credential)) not in REFUSED, method.name


async def test_every_method_takes_a_good_key_or_token(door: Door) -> None:
    await accept_all(door, await door.key())
    assert {caller.client_id for _, caller in door.port.ran} == {"site-1"}
    await accept_all(door, await door.key(Scope.OPERATOR), frozenset({Scope.OPERATOR}))
    await accept_all(door, good_token(), EVERY)
    assert door.refused == []
    assert len({name for name, _ in door.port.ran}) > 5, "those whose empty request breaks no rule have run"


async def test_every_method_refuses_a_revoked_key_and_its_replay(door: Door) -> None:
    key = await door.key()
    await accept_all(door, key)
    await door.keys.revoke(key.split("_")[1])
    for _ in range(2):
        await refuse_all(door, bearer(key), Reason.CREDENTIALS_REVOKED)


async def test_every_method_refuses_an_expired_key(door: Door) -> None:
    key = await door.key(lifetime=HOUR)
    door.clock.advance(HOUR)
    await refuse_all(door, bearer(key), Reason.CREDENTIALS_EXPIRED)


async def test_every_method_refuses_a_rotated_key_after_the_grace(door: Door) -> None:
    old = await door.key()
    _, new = await door.keys.rotate(old.split("_")[1], HOUR)
    await accept_all(door, old)
    door.clock.advance(HOUR)
    await refuse_all(door, bearer(old), Reason.CREDENTIALS_EXPIRED)
    await accept_all(door, new)


async def test_every_method_refuses_a_token_that_was_good_before_it_expired(door: Door) -> None:
    signed = good_token()
    await accept_all(door, signed, EVERY)
    door.clock.advance(timedelta(seconds=3630))
    await refuse_all(door, bearer(signed), Reason.CREDENTIALS_EXPIRED)


@pytest.mark.parametrize("scope", Scope)
async def test_every_method_asks_for_its_scopes(door: Door, scope: Scope) -> None:
    for credential in (await door.key(scope), token(scope=scope)):
        for method in METHODS:
            code, error = await door.port.outcome(method, bearer(credential))
            needed = SCOPES[method.name]
            if scope in needed:
                assert code not in REFUSED, method.name
                continue
            assert code is DENIED, method.name
            assert details(error)["ErrorInfo"].reason == Reason.SCOPE_MISSING
            for name in Scope:
                assert (name in error.details().removeprefix("This method needs the scope ")) is (name in needed)
    assert all(scope in SCOPES[name] for name, _ in door.port.ran)
    assert all(refused.caller.subject for refused in door.refused)


async def test_a_token_without_a_scope_of_ours_may_call_nothing(door: Door) -> None:
    await refuse_all(door, bearer(token(scope="openid")), Reason.SCOPE_MISSING)


def test_the_table_names_every_method_and_no_other() -> None:
    assert set(SCOPES) == {method.name for method in METHODS}
    assert all(SCOPES.values())


async def test_a_method_that_is_not_in_the_table_is_closed(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = METHODS[0]
    monkeypatch.delitem(SCOPES, missing.name)
    code, error = await door.port.outcome(missing, bearer(await door.key()))
    assert (code, details(error)["ErrorInfo"].reason) == (DENIED, Reason.METHOD_CLOSED)
    assert door.port.ran == []


async def test_health_needs_no_credential_and_reflection_any(door: Door) -> None:
    health = health_pb2_grpc.HealthStub(door.port.channel)
    assert (await health.Check(health_pb2.HealthCheckRequest())).status
    stub = reflection_pb2_grpc.ServerReflectionStub(door.port.channel)
    asked = [reflection_pb2.ServerReflectionRequest(list_services="")]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        _ = [answer async for answer in stub.ServerReflectionInfo(iter(asked))]
    assert caught.value.code() is UNAUTHENTICATED
    known = stub.ServerReflectionInfo(iter(asked), metadata=bearer(token(scope="openid")))
    [answer] = [answer async for answer in known]
    assert "vestibule.v1.AccessService" in {s.name for s in answer.list_services_response.service}


@pytest.mark.parametrize(
    "value",
    [
        "Bearer {key}\x00",
        "Bearer {key}\n",
        "Bearer {key}\r\nx-other: 1",
        "\tBearer {key}",
        "Bearer {key}\xff",
        "Bearer {key}" + "a" * 100_000,
    ],
    ids=("NUL", "newline", "another header", "tab", "Latin-1", "huge"),
)
async def test_a_header_that_no_client_could_send_opens_nothing(door: Door, value: str) -> None:
    key = await door.key(Scope.OPERATOR)
    for method in ("vestibule.v1.AdminService/GetStatus", "vestibule.v1.AccessService/ListApiKeys"):
        outcome = await raw_call(door.port.address, method, [("authorization", value.format(key=key))])
        assert outcome != "0"
    assert door.port.ran == []
    assert await raw_call(door.port.address, method, [("authorization", f"Bearer {key}")]) == "0", "the server lives"


async def test_the_name_of_the_header_in_capitals_opens_nothing(door: Door) -> None:
    """HTTP/2 has header names in small letters only."""
    outcome = await raw_call(
        door.port.address,
        "vestibule.v1.AdminService/GetStatus",
        [("Authorization", f"Bearer {await door.key(Scope.OPERATOR)}")],
    )
    assert outcome != "0"
    assert door.port.ran == []


async def test_the_operator_key_is_taken_from_this_machine(door: Door, tmp_path: Path) -> None:
    key = load_or_create_operator_key(tmp_path)
    door.keys.accept_operator_key(key)
    await accept_all(door, key, EVERY - {Scope.SEALED_RELEASE})
    assert {(caller.subject, caller.client_id) for _, caller in door.port.ran} == {("key:operator", "")}


async def test_a_credential_that_is_too_long_is_not_read() -> None:
    class Unread:
        """Fails when anybody asks."""

        def verify(self, *_arguments: object, **_more: object) -> NoReturn:
            raise AssertionError("read")

    unread: Any = Unread()
    authenticator = Authenticator(unread, unread)
    for start in ("", "vst_"):
        credential = start + "a" * (LONGEST_CREDENTIAL - len("Bearer ") - len(start))
        with pytest.raises(AssertionError, match="read"):
            await authenticator.authenticate([f"Bearer {credential}"], UNKNOWN_PEER)
        with pytest.raises(Unauthenticated):
            await authenticator.authenticate([f"Bearer {credential}a"], UNKNOWN_PEER)


async def test_decisions_are_counted_and_go_to_the_audit(tmp_path: Path) -> None:
    clock, metrics = HandClock(), Metrics()
    ledger = open_ledger(tmp_path / "ledger.duckdb", clock)
    trail = AuditTrail(bytes(32), bytes(32), clock)
    access, keys = AccessLog(ledger, trail, clock, window_s=60), ApiKeys(ledger, clock, trail)
    _, key = await keys.create(client_id="site-1", scopes=[Scope.ANALYST], label="", expire_time=None)
    method = next(method for method in METHODS if method.name.endswith("GetReport"))
    other = next(method for method in METHODS if method.name.endswith("GetStatus"))
    async with serving(Authenticate(Authenticator(keys), observer(metrics, access), UNBOUNDED)) as port:
        for _ in range(3):
            await port.call(method)
        await port.call(method, bearer(key))
        await port.call(other, bearer(key))
    await access.flush()
    await keys.drain()
    rows, _ = await ledger.read(
        lambda cursor: audit.list_rows(cursor, AuditFilter(action="access"), page_size=9, page_token="")
    )
    ledger.close()
    subject = f"key:{key.split('_')[1]}"
    assert {(row.subject, row.object_id, row.outcome, row.reason, row.count) for row in rows} == {
        ("", method.name, "denied", "CREDENTIALS_MISSING", 3),
        (subject, method.name, "allowed", "", 1),
        (subject, other.name, "denied", "SCOPE_MISSING", 1),
    }
    counted = {
        reason: metrics.registry.get_sample_value("vestibule_refused_calls_total", {"reason": reason})
        for reason in ("CREDENTIALS_MISSING", "SCOPE_MISSING", "CREDENTIALS_INVALID")
    }
    assert counted == {"CREDENTIALS_MISSING": 3, "SCOPE_MISSING": 1, "CREDENTIALS_INVALID": 0}


def content_of(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


async def test_the_name_in_a_token_is_kept_nowhere(
    tmp_path: Path, key_set: KeySetServer, capfd: pytest.CaptureFixture[str]
) -> None:
    clock, metrics = HandClock(), Metrics()
    signed = token(sub="hieronymus_blatherwick", client_id="ottilie-blatherwick", scope="app")
    ledger = open_ledger(tmp_path / "ledger.duckdb", clock)
    trail = AuditTrail(bytes(32), bytes(32), clock)
    access, keys = AccessLog(ledger, trail, clock, window_s=60), ApiKeys(ledger, clock, trail)
    verifier = TokenVerifier(settings(jwks_url=key_set.url), KeySet(http_source(key_set.url)), clock, trail)
    async with serving(Authenticate(Authenticator(keys, verifier), observer(metrics, access), UNBOUNDED)) as port:
        for method in METHODS:
            await port.call(method, bearer(signed))
    await access.flush()
    rows, _ = await ledger.read(lambda cursor: audit.list_rows(cursor, AuditFilter(), page_size=99))
    ledger.close()
    assert {row.subject for row in rows} == {trail.stored_subject("jwt:hieronymus_blatherwick")}
    assert {row.outcome for row in rows} == {"allowed", "denied"}
    told = capfd.readouterr()
    assert b"blatherwick" not in content_of(tmp_path)
    assert "blatherwick" not in told.out + told.err + generate_latest(metrics.registry).decode()


async def test_without_a_first_key_set_a_token_is_told_to_wait(tmp_path: Path, unused_tcp_port: int) -> None:
    async with opened(tmp_path, f"http://127.0.0.1:{unused_tcp_port}/") as door:
        _, error = await door.port.outcome(METHODS[0], bearer(good_token()))
        assert details(error)["ErrorInfo"].reason == Reason.ISSUER_UNAVAILABLE
        assert details(error)["RetryInfo"].retry_delay.seconds > 0
        await accept_all(door, await door.key())
    assert issuer.URL
