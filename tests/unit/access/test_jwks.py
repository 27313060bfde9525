"""The key set of the issuer, over real HTTP and from a file."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import OctKey, RSAKey

from models.errors import Unavailable
from models.reasons import Reason
from server.access.jwks import LEAST_PAUSE_S, MOST_BYTES, KeySet, file_source, http_source, parse
from tests.clocks import HandSeconds
from tests.eventually import eventually
from tests.unit.access import issuer
from tests.unit.access.issuer import KeySetServer, keys, public, stranger


@pytest.fixture
def server() -> Iterator[KeySetServer]:
    with KeySetServer.running() as running:
        yield running


async def test_the_set_is_fetched_once_and_kept(server: KeySetServer) -> None:
    cache = KeySet(http_source(server.url), HandSeconds())
    for algorithm in keys():
        assert await cache.key(algorithm, algorithm) is not None
    assert server.asked == 1
    assert cache.generation == 1


async def test_an_unknown_kid_fetches_again_but_not_often(server: KeySetServer) -> None:
    clock = HandSeconds()
    cache = KeySet(http_source(server.url), clock)
    await cache.key("ES256", "ES256")
    server.answer = (200, issuer.key_set(new=stranger()))
    assert await cache.key("new", "RS256") is None, "fetched a moment ago"
    for number in range(50):
        assert await cache.key(f"made-up-{number}", "RS256") is None
    assert server.asked == 1
    clock.now_s += LEAST_PAUSE_S
    assert await cache.key("new", "RS256") is not None
    assert (server.asked, cache.generation) == (2, 2)


async def test_callers_share_one_fetch_and_the_loop_goes_on(server: KeySetServer) -> None:
    server.free.clear()
    cache = KeySet(http_source(server.url), HandSeconds())
    waiting = [asyncio.create_task(cache.key("ES256", "ES256")) for _ in range(20)]
    ticks = 0
    while server.asked == 0:
        await asyncio.sleep(0)
        ticks += 1
    assert ticks > 0
    assert not any(task.done() for task in waiting)
    server.free.set()
    assert all(await asyncio.gather(*waiting))
    assert server.asked == 1


async def test_the_last_good_set_stays_while_the_issuer_is_down_or_answers_nonsense(server: KeySetServer) -> None:
    clock = HandSeconds()
    cache = KeySet(http_source(server.url), clock)
    await cache.key("ES256", "ES256")
    bad = [(500, b""), (302, b""), (200, b"<html>"), (200, b'{"keys": []}'), (200, b"x" * (MOST_BYTES + 1))]
    for answer in bad:
        server.answer = answer
        clock.now_s += LEAST_PAUSE_S
        assert await cache.key("unknown", "ES256") is None
        assert await cache.key("ES256", "ES256") is not None
    assert server.asked == 1 + len(bad)
    assert cache.generation == 1


async def test_without_a_first_set_tokens_cannot_be_checked(unused_tcp_port: int) -> None:
    cache = KeySet(http_source(f"http://127.0.0.1:{unused_tcp_port}/"), HandSeconds())
    with pytest.raises(Unavailable) as caught:
        await cache.key("ES256", "ES256")
    assert caught.value.reason is Reason.ISSUER_UNAVAILABLE
    assert caught.value.retry_after_s == LEAST_PAUSE_S


async def test_a_key_that_the_issuer_took_out_is_gone(server: KeySetServer) -> None:
    clock = HandSeconds()
    cache = KeySet(http_source(server.url), clock)
    await cache.key("ES256", "ES256")
    server.answer = (200, json.dumps({"keys": [public("RS256", keys()["RS256"])]}).encode())
    clock.now_s += LEAST_PAUSE_S
    await cache.key("unknown", "RS256")
    assert await cache.key("ES256", "ES256") is None


async def test_a_file_is_read_again(tmp_path: Path) -> None:
    file, clock = tmp_path / "jwks.json", HandSeconds()
    cache = KeySet(file_source(file), clock)
    with pytest.raises(Unavailable):
        await cache.key("ES256", "ES256")
    file.write_bytes(issuer.key_set())
    clock.now_s += LEAST_PAUSE_S
    assert await cache.key("ES256", "ES256") is not None
    file.write_bytes(b" " * (MOST_BYTES + 1))
    clock.now_s += LEAST_PAUSE_S
    assert await cache.key("unknown", "ES256") is None


async def test_it_is_fetched_before_anybody_asks(server: KeySetServer) -> None:
    cache = KeySet(http_source(server.url), HandSeconds())
    running = asyncio.create_task(cache.run())
    await eventually(lambda: cache.generation)
    running.cancel()
    await cache.key("ES256", "ES256")
    assert server.asked == 1


async def test_a_defect_is_logged_and_the_set_is_read_again(capsys: pytest.CaptureFixture[str]) -> None:
    clock, answers = HandSeconds(), iter([ZeroDivisionError("maria@example.org"), None])

    async def read() -> bytes:
        if (defect := next(answers)) is not None:
            raise defect
        return json.dumps({"keys": [public("good", keys()["ES256"])]}).encode()

    cache = KeySet(read, clock)
    with pytest.raises(Unavailable):
        await cache.key("good", "ES256")
    logged = capsys.readouterr()
    assert "jwks_defect" in logged.out + logged.err
    assert "maria" not in logged.out + logged.err
    clock.now_s += LEAST_PAUSE_S
    assert await cache.key("good", "ES256") is not None


def entry(**changed: Any) -> dict[str, Any]:
    return public("k", keys()["RS256"]) | changed


@pytest.mark.parametrize(
    "unusable",
    [
        entry(use="enc"),
        entry(alg="RS512"),
        entry(alg="ES256"),
        entry(kty="oct"),
        entry(n="AQAB"),
        entry(n="AAAA" * 100 + "AQAB"),
        entry(n="_" * 4096),
        entry(n=7),
        {"kty": "RSA"},
        {"kty": "EC", "crv": "P-384", "x": "AA", "y": "AA"},
        {"kty": "OKP", "crv": "X25519", "x": "AA"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {**OctKey.generate_key(256).as_dict(), "alg": "HS256"},
        {**OctKey.generate_key(256).as_dict(), "kid": "k"},
    ],
    ids=itertools.count(),
)
def test_keys_that_sign_no_token_are_left_out(unusable: dict[str, Any]) -> None:
    found = parse(json.dumps({"keys": [unusable, public("good", keys()["ES256"]), "nonsense", None]}).encode())
    assert set(found) == {("good", "ES256")}
    with pytest.raises(Unavailable):
        parse(json.dumps({"keys": [unusable]}).encode())


@pytest.mark.filterwarnings("ignore:Key size")
def test_a_short_rsa_key_is_left_out() -> None:
    with pytest.raises(Unavailable):
        parse(json.dumps({"keys": [public("short", RSAKey.generate_key(1024, private=True))]}).encode())


def test_a_private_key_in_the_set_is_used_as_a_public_one() -> None:
    private = {**keys()["ES256"].as_dict(private=True), "kid": "k"}
    [key] = parse(json.dumps({"keys": [private]}).encode()).values()
    assert not key.is_private


@pytest.mark.parametrize("text", [b"", b"[]", b"7", b'{"keys": 7}', b'{"keys": {"kty": "RSA"}}', b"[" * 100_000])
def test_what_is_no_set_is_refused(text: bytes) -> None:
    with pytest.raises(Unavailable):
        parse(text)
