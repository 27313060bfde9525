"""What every request of the console passes before a page is made."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.observability.metrics_endpoint import OWN_NAMES

LARGEST_BODY: Final = 16 * 1024
"""Bytes of a form."""

_SECURITY_HEADERS: Final = {
    # Files of our own only; no script within a page, no frame, nothing from elsewhere.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


class SecurityMiddleware:
    """Refuses requests of other sites, and adds the headers of security. An ASGI middleware.

    A web page can give its own host name the address 127.0.0.1 (DNS rebinding); the browser still names that host.
    A page of another site can send a form here; the browser then names that site as its origin.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_SECURITY_HEADERS)
                if not scope["path"].startswith("/static/"):
                    headers["cache-control"] = "no-store"
            await send(message)

        refusal = _refusal(Headers(scope=scope), scope["method"], scope["path"])
        app: ASGIApp = self._app if refusal is None else PlainTextResponse(refusal[1], refusal[0])
        await app(scope, receive, send_with_headers)


def _refusal(headers: Headers, method: str, path: str) -> tuple[int, str] | None:
    """The status and the text of a refusal; None for a request that may pass."""
    host = headers.get("host", "")
    if _name(host) not in OWN_NAMES:
        return 403, "The console answers to localhost only.\n"
    if path.startswith(("//", "/\\")):  # a link on the page to itself would lead to another site
        return 404, "There is no such page.\n"
    if method in {"GET", "HEAD"}:
        return None
    origin = headers.get("origin")
    if origin is not None and origin.partition("://")[2] != host:
        return 403, "The form belongs to another site.\n"
    if headers.get("sec-fetch-site", "same-origin") != "same-origin":
        return 403, "The form belongs to another site.\n"
    return _too_long(headers)


def _too_long(headers: Headers) -> tuple[int, str] | None:
    length = headers.get("content-length", "0")
    if not length.isdigit() or int(length) > LARGEST_BODY or "transfer-encoding" in headers:
        return 413, f"A form has at most {LARGEST_BODY} bytes, and says its length.\n"
    return None


def _name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
