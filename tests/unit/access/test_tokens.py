"""Tokens: what is accepted, and the reason for which everything else is refused."""

from __future__ import annotations

import base64
import json
import re
from datetime import timedelta
from typing import Any

import pytest
from joserfc.jwk import ECKey, OctKey
from pydantic import SecretStr, ValidationError

from models.errors import Unauthenticated
from models.reasons import Reason
from server.access.audit import AuditTrail
from server.access.caller import Caller, Scope
from server.access.jwks import KeySet
from server.access.peer import parse_peer
from server.access.tokens import MOST_REMEMBERED, SharedSecret, TokenVerifier, VerifiedToken
from server.setting_groups import AuthSettings
from tests.unit.access import issuer
from tests.unit.access.clock import HandClock
from tests.unit.access.issuer import AS_THEY_ARE, NOW, confused, keys, public_pem, settings, stranger, token, unsigned

PEER = parse_peer("ipv4:192.0.2.7:5000")
NOW_S = int(NOW.timestamp())
SECRET = "a secret of development, 32 bytes long"


async def read() -> bytes:
    return issuer.key_set()


def verifier(clock: HandClock | None = None, **changed: Any) -> TokenVerifier:
    return TokenVerifier(settings(**changed), KeySet(read), clock or HandClock(), AS_THEY_ARE)


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "Ed25519"])
async def test_a_valid_token_tells_who_calls(algorithm: str) -> None:
    verified = await verifier().verify(token(algorithm))
    assert verified.caller(PEER) == Caller("jwt:user-7", "site-1", frozenset({Scope.APP}), PEER)
    assert verified.expires_s == NOW_S + 3600 + 30


async def test_the_older_name_of_eddsa_is_taken_too() -> None:
    signed = token("Ed25519", header={"alg": "Ed25519"})
    assert (await verifier(algorithms="EdDSA").verify(signed)).client_id == "site-1"
    with pytest.raises(Unauthenticated):
        await verifier(algorithms="ES256").verify(signed)


BAD = {
    "no token": "abc",
    "two parts": "a.b",
    "empty parts": "..",
    "not base64": "§.§.§",
    "header is a list": f"{base64.urlsafe_b64encode(json.dumps(['alg']).encode()).decode()}.e30.AAAA",
    "header is text": f"{base64.urlsafe_b64encode(json.dumps('alg').encode()).decode()}.e30.AAAA",
    "header is nested deeply": base64.urlsafe_b64encode(b"[" * 300).decode() + ".e30.AAAA",
    "alg none": unsigned({"alg": "none"}),
    "alg None": unsigned({"alg": "None", "kid": "RS256"}),
    "alg is a list": unsigned({"alg": ["RS256"], "kid": "RS256"}, "AAAA"),
    "alg is missing": unsigned({"kid": "RS256"}, "AAAA"),
    "unsigned": unsigned({"alg": "RS256", "kid": "RS256"}),
    "signature of zeros": unsigned({"alg": "ES256", "kid": "ES256"}, "A" * 86),
    "public key as a secret, PEM": confused(public_pem()),
    "public key as a secret, JWK": confused(json.dumps(keys()["RS256"].as_dict(private=False)).encode()),
    "wrongly signed": token("RS256", key=stranger()),
    "unknown kid": token("RS256", key=stranger(), header={"kid": "other"}),
    "kid of another algorithm": token("ES256", header={"kid": "RS256"}),
    "kid is a number": unsigned({"alg": "ES256", "kid": 7}, "AAAA"),
    "kid is a path": unsigned({"alg": "HS256", "kid": "../../../dev/null"}, "AAAA"),
    "jwk in the header": token("RS256", key=stranger(), header={"kid": "x", "jwk": stranger().as_dict(private=False)}),
    "jku in the header": token("RS256", key=stranger(), header={"kid": "x", "jku": "https://evil.example/jwks"}),
    "crit": unsigned({"alg": "ES256", "kid": "ES256", "crit": ["exp"], "exp": 1}, "AAAA"),
    "wrong aud": token(aud="other"),
    "no aud": token(aud=None),
    "aud is a number": token(aud=7),
    "aud is a list without us": token(aud=["other", "third"]),
    "wrong iss": token(iss="https://evil.example"),
    "iss with a slash": token(iss=f"{issuer.URL}/"),
    "no iss": token(iss=None),
    "no sub": token(sub=None),
    "sub is a list": token(sub=["a"]),
    "sub has a newline": token(sub="a\nb"),
    "sub is long": token(sub="a" * 129),
    "no exp": token(exp=None),
    "exp is text": token(exp=str(NOW_S + 60)),
    "exp is true": token(exp=True),
    "no client": token(client_id=None),
    "client is a list": token(client_id=["site-1"]),
    "client is empty": token(client_id=""),
    "client has a slash": token(client_id="a/b"),
    "no client and a reviewer": token(client_id=None, scope="reviewer"),
    "every client and an app": token(client_id="*", scope="app"),
    "every client, an app and a reviewer": token(client_id="*", scope="app reviewer"),
    "every client and no scope": token(client_id="*", scope="openid"),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
async def test_everything_else_is_refused_alike(bad: str) -> None:
    with pytest.raises(Unauthenticated) as caught:
        await verifier().verify(bad)
    error = caught.value
    assert (error.reason, error.message) == (Reason.CREDENTIALS_INVALID, "The credential is not valid.")
    assert error.__cause__ is None


async def test_a_token_that_was_changed_is_refused() -> None:
    good = token()
    head, body, signature = good.split(".")
    other = base64.urlsafe_b64encode(json.dumps(issuer.claims(scope="operator")).encode()).rstrip(b"=").decode()
    checks = verifier()
    await checks.verify(good)
    for changed in (f"{head}.{other}.{signature}", f"{head}.{body}.{signature[:-4]}AAAA"):
        with pytest.raises(Unauthenticated):
            await checks.verify(changed)


async def test_times_are_checked_with_the_leeway() -> None:
    times: list[tuple[dict[str, Any], Reason | None]] = [
        ({"exp": NOW_S - 30}, Reason.CREDENTIALS_EXPIRED),
        ({"exp": NOW_S - 29}, None),
        ({"nbf": NOW_S + 31}, Reason.CREDENTIALS_INVALID),
        ({"nbf": NOW_S + 30}, None),
        ({"iat": NOW_S + 31}, Reason.CREDENTIALS_INVALID),
        ({"exp": 10**400}, None),
    ]
    for changed, reason in times:
        if reason is None:
            await verifier().verify(token(**changed))
            continue
        with pytest.raises(Unauthenticated) as caught:
            await verifier().verify(token(**changed))
        assert caught.value.reason is reason


async def test_a_token_of_the_future_hints_at_the_clocks_only_if_its_signature_is_right() -> None:
    with pytest.raises(Unauthenticated) as caught:
        await verifier().verify(token(nbf=NOW_S + 900))
    assert "clocks" in caught.value.hint
    with pytest.raises(Unauthenticated) as caught:
        await verifier().verify(token("RS256", key=stranger(), nbf=NOW_S + 900))
    assert "clocks" not in caught.value.hint


async def test_a_remembered_token_expires_too() -> None:
    clock = HandClock()
    checks, signed = verifier(clock), token()
    await checks.verify(signed)
    clock.advance(timedelta(seconds=3600 + 29))
    await checks.verify(signed)
    clock.advance(timedelta(seconds=1))
    with pytest.raises(Unauthenticated) as caught:
        await checks.verify(signed)
    assert caught.value.reason is Reason.CREDENTIALS_EXPIRED


async def test_a_remembered_token_is_verified_again_when_the_keys_change() -> None:
    keys = KeySet(read)
    checks, signed = TokenVerifier(settings(), keys, HandClock(), AS_THEY_ARE), token()
    await checks.verify(signed)
    keys._keys = {("RS256", "RS256"): stranger()}
    keys.generation += 1
    keys._tried_at = keys._clock()
    with pytest.raises(Unauthenticated):
        await checks.verify(signed)


async def test_no_more_tokens_are_remembered_than_bounded() -> None:
    checks = verifier()
    checks._verified.update(
        (number.to_bytes(4), VerifiedToken("s", "c", frozenset(), 0.0, 0)) for number in range(MOST_REMEMBERED)
    )
    await checks.verify(token())
    assert len(checks._verified) == MOST_REMEMBERED
    assert (0).to_bytes(4) not in checks._verified


@pytest.mark.parametrize(
    ("claim", "prefix", "scopes"),
    [
        ("app", "", {Scope.APP}),
        ("openid reviewer analyst", "", {Scope.REVIEWER, Scope.ANALYST}),
        (["app", "analyst"], "", {Scope.APP, Scope.ANALYST}),
        ("vestibule:app app:reviewer operator", "vestibule:", {Scope.APP}),
        ("APP apps", "", set()),
        (7, "", set()),
        (None, "", set()),
        ([["app"], {"app": 1}], "", set()),
    ],
)
async def test_scopes_come_from_the_claim(claim: object, prefix: str, scopes: set[Scope]) -> None:
    verified = await verifier(scope_prefix=prefix).verify(token(scope=claim))
    assert verified.scopes == scopes


async def test_claims_of_other_names() -> None:
    checks = verifier(client_claim="azp", scope_claim="scp")
    verified = await checks.verify(token(client_id=None, azp="site-2", scope=None, scp=["app"]))
    assert (verified.client_id, verified.scopes) == ("site-2", frozenset({Scope.APP}))


@pytest.mark.parametrize("client", ["maria-lopez", "maria", "4155550132", "my-app", "operator"])
async def test_a_client_that_no_setting_names_is_a_keyed_hash(client: str) -> None:
    async def known_as(key: bytes, clients: str = "") -> str:
        trail = AuditTrail(bytes(32), key, HandClock())
        checks = TokenVerifier(settings(clients=clients), KeySet(read), HandClock(), trail)
        return (await checks.verify(token(client_id=client))).caller(PEER).client_id

    hashed = await known_as(bytes(32))
    assert re.fullmatch("hash-[0-9a-f]{32}", hashed)
    assert await known_as(bytes(32)) == hashed
    assert await known_as(b"x" * 32) != hashed
    assert await known_as(bytes(32), f"other {client}") == client
    assert await known_as(bytes(32), f"{client}s") == hashed


async def test_a_random_uuid_is_the_client_as_it_is() -> None:
    client = "3f0f6f0e-2f55-4c9e-9d0a-0f6f2b8c1d11"
    checks = TokenVerifier(settings(), KeySet(read), HandClock(), AuditTrail(bytes(32), bytes(32), HandClock()))
    assert (await checks.verify(token(client_id=client))).client_id == client


async def test_an_operator_is_bound_to_no_client() -> None:
    for client in (None, "console"):
        assert (await verifier().verify(token(client_id=client, scope="operator"))).client_id == ""


async def test_a_token_without_kid_takes_the_only_fitting_key() -> None:
    assert (await verifier().verify(token(header={"kid": ""}))).subject == "user-7"

    async def two() -> bytes:
        return issuer.key_set(second=ECKey.generate_key("P-256", private=True))

    with pytest.raises(Unauthenticated):
        await TokenVerifier(settings(), KeySet(two), HandClock(), AS_THEY_ARE).verify(token(header={"kid": ""}))


async def test_the_secret_of_development_takes_hs256_only() -> None:
    chosen = settings(jwks_url="", hs256_key=SecretStr(SECRET))
    checks = TokenVerifier(chosen, SharedSecret(SECRET), HandClock(), AS_THEY_ARE)
    key, other = OctKey.import_key(SECRET.encode()), OctKey.import_key(b"another secret that is long enough")
    assert (await checks.verify(token("HS256", key=key))).client_id == "site-1"
    for bad in (token("HS256", key=other), token("ES256"), unsigned({"alg": "none"})):
        with pytest.raises(Unauthenticated):
            await checks.verify(bad)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"jwks_url": "https://a.example/jwks"}, "issuer"),
        ({"audience": "a"}, "issuer"),
        ({"issuer": "i", "jwks_url": "https://a.example/jwks"}, "audience"),
        ({"issuer": "i", "audience": "a"}, "one source"),
        ({"issuer": "i", "audience": "a", "jwks_url": "https://a.example", "jwks_file": "/x"}, "one source"),
        ({"issuer": "i", "audience": "a", "jwks_url": "http://a.example/jwks"}, "https"),
        ({"issuer": "i", "audience": "a", "hs256_key": "short"}, "32 bytes"),
        ({"algorithms": "none"}, "pattern"),
        ({"algorithms": "HS256"}, "pattern"),
        ({"clients": "my app,other"}, "pattern"),
    ],
)
def test_settings_that_leave_a_gap_are_refused(given: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        AuthSettings(**given)


@pytest.mark.parametrize("scope", ["reviewer", "analyst", "reviewer analyst", "operator", "app operator"])
async def test_a_token_may_name_every_client(scope: str) -> None:
    assert (await verifier().verify(token(client_id="*", scope=scope))).client_id == ""


async def test_what_the_issuer_signed_is_read_whatever_it_claims() -> None:
    signed = await verifier().signed(token(aud="another", exp=1))
    assert signed.claims["aud"] == "another"
    with pytest.raises(Unauthenticated):
        await verifier().signed(token(key=stranger(), header={"alg": "RS256", "kid": "RS256"}))
