"""An issuer of tokens: its keys, its tokens, and its key set over real HTTP."""

from __future__ import annotations

import base64
import hmac
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jws, jwt
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from server.setting_groups import AuthSettings

NOW = datetime(2026, 11, 27, 9, tzinfo=UTC)
URL = "https://issuer.example"
AUDIENCE = "vestibule"
REGISTRY = jws.JWSRegistry(strict_check_header=False, algorithms=["RS256", "ES256", "Ed25519", "HS256"])


@cache
def keys() -> dict[str, Key]:
    """One private key for each algorithm, made once; the name is the key id too."""
    return {
        "RS256": RSAKey.generate_key(2048, private=True),
        "ES256": ECKey.generate_key("P-256", private=True),
        "Ed25519": OKPKey.generate_key("Ed25519", private=True),
    }


def public_pem() -> bytes:
    """The public key of RS256 as everybody can get it."""
    key = keys()["RS256"]
    assert isinstance(key, RSAKey)
    return key.as_pem(private=False)


@cache
def stranger() -> Key:
    """A key of somebody else."""
    return RSAKey.generate_key(2048, private=True)


def public(kid: str, key: Key) -> dict[str, Any]:
    """An entry of a key set."""
    return {**key.as_dict(private=False), "kid": kid, "use": "sig"}


def key_set(**more: Key) -> bytes:
    """The key set of the issuer."""
    entries = [public(kid, key) for kid, key in (keys() | more).items()]
    return json.dumps({"keys": entries}).encode()


class AsTheyAre:
    """Names nobody by another name, so that a test sees what a token said."""

    def pseudonym(self, sub: str) -> str:
        """The same."""
        return sub

    def client_pseudonym(self, client_id: str) -> str:
        """The same."""
        return client_id


AS_THEY_ARE = AsTheyAre()


def claims(**changed: Any) -> dict[str, Any]:
    """Valid claims, changed as wanted; None leaves one out."""
    now = int(NOW.timestamp())
    whole = {
        "iss": URL,
        "aud": AUDIENCE,
        "sub": "user-7",
        "iat": now - 60,
        "nbf": now - 60,
        "exp": now + 3600,
        "client_id": "site-1",
        "scope": "openid app",
    } | changed
    return {name: value for name, value in whole.items() if value is not None}


def token(
    algorithm: str = "ES256", *, key: Key | None = None, header: Mapping[str, Any] | None = None, **changed: Any
) -> str:
    """A signed token."""
    head = {"alg": algorithm, "kid": algorithm, **(header or {})}
    return jwt.encode(head, claims(**changed), key or keys()[algorithm], registry=REGISTRY)


def unsigned(header: Mapping[str, Any], signature: str = "", **changed: Any) -> str:
    """A token with any header, and with any signature or none."""
    parts = (json.dumps(part).encode() for part in (header, claims(**changed)))
    return ".".join([*(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts), signature])


def confused(secret: bytes) -> str:
    """A token that a public key signed, as if it were the secret of HS256."""
    content = unsigned({"alg": "HS256", "kid": "RS256"}).rstrip(".")
    signature = hmac.digest(secret, content.encode(), "sha256")
    return f"{content}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def settings(**changed: Any) -> AuthSettings:
    """Settings with this issuer."""
    return AuthSettings(**({"issuer": URL, "audience": AUDIENCE, "jwks_url": "https://issuer.example/jwks"} | changed))


class KeySetServer:
    """Serves a key set over HTTP.

    Attributes:
        answer: Status and body of the next answers.
        asked: How many requests came.
        free: Cleared, requests wait for it.
    """

    def __init__(self) -> None:
        self.answer = (200, key_set())
        self.asked = 0
        self.free = threading.Event()
        self.free.set()
        self.url = ""

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[KeySetServer]:
        """Run one on a free port of loopback."""
        state = cls()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                state.asked += 1
                state.free.wait(60)
                status, body = state.answer
                self.send_response(status)
                self.send_header("location", "https://elsewhere.example/")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        state.url = f"http://127.0.0.1:{server.server_address[1]}/jwks"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield state
        finally:
            state.free.set()
            server.shutdown()
            server.server_close()
            thread.join()
