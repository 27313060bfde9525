"""A small real issuer over HTTP: OpenID Connect with the authorization code flow, PKCE, refresh tokens and log-out."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import secrets
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import Key
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.unit.access.issuer import AUDIENCE, REGISTRY, key_set, keys

CLIENT = "vestibule-console"
SECRET = "s3cret+/="
PASSWORD = "maria-knows"


@dataclass
class Code:
    """What a code is good for."""

    challenge: str
    redirect_uri: str
    nonce: str
    used: bool = False


@dataclass
class TestIssuer:
    """The issuer. A test changes it to see what the console does.

    Attributes:
        scope: Of the access tokens.
        secret: Of the client; empty for a public one.
        lifetime_s: Of the access tokens.
        id_claims: Put in place of those of the id token; None leaves one out.
        access_claims: The same of the access token.
        key: Signs id tokens instead of the real key.
        down: Whether it answers everything with 503.
        names_itself: Whether it sends ``iss`` back with the code; a text is sent in its place.
        metadata: Put in place of what the document says.
        asked: Requests to the token endpoint: their forms.
        logged_out: Hints that came to the log-out.
        gave: Codes and tokens that it issued.
        free: While it is not set, the token endpoint does not answer.
    """

    clock: Callable[[], datetime]
    redirect_uri: str
    url: str = ""
    scope: str = "openid analyst"
    secret: str = SECRET
    lifetime_s: int = 300
    algorithm: str = "ES256"
    id_claims: dict[str, Any] = field(default_factory=dict)
    access_claims: dict[str, Any] = field(default_factory=dict)
    key: Key | None = None
    down: bool = False
    names_itself: bool | str = True
    metadata: dict[str, Any] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)
    logged_out: list[str] = field(default_factory=list)
    gave: list[str] = field(default_factory=list)
    free: asyncio.Event = field(default_factory=asyncio.Event)
    _codes: dict[str, Code] = field(default_factory=dict)
    _refresh: set[str] = field(default_factory=set)
    __test__ = False

    @property
    def app(self) -> Starlette:
        """Its pages and endpoints."""
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._document),
                Route("/jwks", self._jwks),
                Route("/authorize", self._form, methods=["GET"]),
                Route("/authorize", self._approve, methods=["POST"]),
                Route("/token", self._token, methods=["POST"]),
                Route("/logout", self._log_out),
            ]
        )

    async def _document(self, request: Request) -> Response:
        if self.down:
            return PlainTextResponse("down", 503)
        return JSONResponse(
            {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize?tenant=1",
                "token_endpoint": f"{self.url}/token",
                "end_session_endpoint": f"{self.url}/logout",
                "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
                "authorization_response_iss_parameter_supported": self.names_itself is True,
            }
            | self.metadata
        )

    async def _jwks(self, request: Request) -> Response:
        return Response(key_set(), media_type="application/json")

    async def _form(self, request: Request) -> Response:
        asked = request.query_params
        wrong = (
            asked.get("response_type") != "code"
            or asked.get("client_id") != CLIENT
            or asked.get("redirect_uri") != self.redirect_uri
            or asked.get("code_challenge_method") != "S256"
            or "openid" not in asked.get("scope", "").split()
        )
        if wrong:
            return PlainTextResponse("wrong request", 400)
        action = f"/authorize?{request.url.query}".replace("&", "&amp;")
        return HTMLResponse(
            f'<title>Issuer</title><link rel="icon" href="data:,"><form method="post" action="{action}">'
            '<label>Password <input name="password" type="password"></label><button>Sign in</button></form>'
        )

    async def _approve(self, request: Request) -> Response:
        asked = request.query_params
        back: dict[str, str] = {"state": asked["state"]}
        if parse_qs((await request.body()).decode()).get("password") != [PASSWORD]:
            back |= {"error": "access_denied", "error_description": "<script>alert(1)</script>"}
        else:
            code = secrets.token_urlsafe(16)
            self._codes[code] = Code(asked["code_challenge"], asked["redirect_uri"], asked["nonce"])
            self.gave.append(code)
            back["code"] = code
        if self.names_itself:
            back["iss"] = self.url if self.names_itself is True else self.names_itself
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(back)}", 303)

    async def _token(self, request: Request) -> Response:
        if self.down:
            return PlainTextResponse("down", 503)
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        self.asked.append(form)
        await self.free.wait()
        if form.get("client_id") != CLIENT or form.get("client_secret", "") != self.secret:
            return JSONResponse({"error": "invalid_client"}, 401)
        if form["grant_type"] == "refresh_token":
            if form["refresh_token"] not in self._refresh:
                return JSONResponse({"error": "invalid_grant"}, 400)
            self._refresh.discard(form["refresh_token"])
            return self._tokens(None)
        code = self._codes.get(form.get("code", ""))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=")
        if (
            code is None
            or code.used
            or code.challenge != challenge.decode()
            or code.redirect_uri != form["redirect_uri"]
        ):
            return JSONResponse({"error": "invalid_grant"}, 400)
        code.used = True
        return self._tokens(code.nonce)

    def _tokens(self, nonce: str | None) -> Response:
        now = int(self.clock().timestamp())
        common = {"iss": self.url, "sub": "user-7", "iat": now, "exp": now + self.lifetime_s}
        access = self._signed(
            common | {"aud": AUDIENCE, "scope": self.scope, "client_id": "*", "jti": secrets.token_hex(8)},
            self.access_claims,
        )
        half = hashlib.sha256(access.encode()).digest()[:16]
        id_claims = common | {
            "aud": CLIENT,
            "nonce": nonce,
            "at_hash": base64.urlsafe_b64encode(half).rstrip(b"=").decode(),
        }
        id_token = self._signed(id_claims, self.id_claims, self.key)
        refresh = secrets.token_urlsafe(24)
        self._refresh.add(refresh)
        self.gave += [access, id_token, refresh]
        answer = {"access_token": access, "token_type": "Bearer", "refresh_token": refresh, "id_token": id_token}
        return JSONResponse(answer, headers={"cache-control": "no-store"})

    def _signed(self, claims: dict[str, Any], changes: dict[str, Any], key: Key | None = None) -> str:
        whole = {name: value for name, value in (claims | changes).items() if value is not None}
        header = {"alg": self.algorithm, "kid": self.algorithm}
        return jwt.encode(header, whole, key or keys()[self.algorithm], registry=REGISTRY)

    async def _log_out(self, request: Request) -> Response:
        self.logged_out.append(request.query_params["id_token_hint"])
        return RedirectResponse(request.query_params["post_logout_redirect_uri"], 303)

    def end_sessions(self) -> None:
        """Refuse each refresh token from now on."""
        self._refresh.clear()

    @contextlib.asynccontextmanager
    async def running(self, files: tuple[Path, Path] | None = None) -> AsyncIterator[TestIssuer]:
        """Serve it on a free port of loopback, with TLS if a certificate and its key are given."""
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        scheme, port = ("https" if files else "http"), listener.getsockname()[1]
        self.url = f"{scheme}://127.0.0.1:{port}"
        self.free.set()
        config = uvicorn.Config(self.app, log_config=None, lifespan="off", ws="none")
        if files:
            config.load()
            config.ssl = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            config.ssl.load_cert_chain(*files)
        server = _Server(config)
        task = asyncio.create_task(server.serve([listener]))
        try:
            async with asyncio.timeout(60):
                while not server.started:  # noqa: ASYNC110 - uvicorn sets no event
                    await asyncio.sleep(0.01)
            yield self
        finally:
            server.should_exit = True
            await task


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the test."""
        yield
