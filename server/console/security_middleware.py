"""What every request of the console passes before a page is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.console.place import Place, name_in
from server.console.problem_page import of_http
from server.observability.metrics_endpoint import OWN_NAMES

LARGEST_BODY: Final = 16 * 1024
"""Bytes of a form."""

_SECURITY_HEADERS: Final = {
    # Files of our own only; no script within a page, no frame, nothing from elsewhere.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "media-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_WITHOUT_BODY: Final = frozenset({"GET", "HEAD"})
_NO_DEVICES: Final = "camera=(), microphone=(), geolocation=()"
"""Where the page itself asks for none."""

_ONLY_TLS: Final = "max-age=31536000"
"""A year in which a browser speaks TLS only to this host. It is about every port of the host, so never about loopback,
where developers have servers without TLS."""


class SecurityMiddleware:
    """Refuses requests of other sites, and adds the headers of security. An ASGI middleware.

    A page of another site can send a form here; the browser then names that site as its origin.

    Args:
        place: Whose host names may be asked for.
        largest: Bytes of the body that an address takes.
    """

    def __init__(self, app: ASGIApp, place: Place, largest: Callable[[str], int] = lambda path: LARGEST_BODY) -> None:
        self._app = app
        self._place = place
        self._largest = largest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return

        asked = Headers(scope=scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                if self._place.secure:
                    message["headers"] = [_secure(name, value) for name, value in message["headers"]]
                headers = MutableHeaders(scope=message)
                headers.update(_SECURITY_HEADERS)
                headers.setdefault("permissions-policy", _NO_DEVICES)
                if not scope["path"].startswith("/static/"):
                    headers["cache-control"] = "no-store"
                if self._place.secure and name_in(f"//{asked.get('host', '')}") not in OWN_NAMES:
                    headers["strict-transport-security"] = _ONLY_TLS
            await send(message)

        refusal = self._refusal(asked, scope["method"], scope["path"])
        app: ASGIApp = self._app if refusal is None else PlainTextResponse(refusal[1], refusal[0])
        if refusal is None and scope["method"] not in _WITHOUT_BODY and _too_long(asked, self._largest(scope["path"])):
            app = await of_http(Request(scope), HTTPException(413))
        await app(scope, receive, send_with_headers)

    def _refusal(self, headers: Headers, method: str, path: str) -> tuple[int, str] | None:
        """The status and the text of a refusal; None for a request that may pass."""
        host = headers.get("host", "")
        if not self._place.answers_to(host):
            return 403, "The console does not answer to this host name. VESTIBULE_CONSOLE__URL and _NAMES set them.\n"
        if path.startswith(("//", "/\\")):  # a link on the page to itself would lead to another site
            return 404, "There is no such page.\n"
        if method in _WITHOUT_BODY:
            return None
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2] != host:
            return 403, "The form belongs to another site.\n"
        if headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return 403, "The form belongs to another site.\n"
        return None


def _secure(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    """A header of an answer; a cookie is for connections with TLS only."""
    return name, value + b"; Secure" if name == b"set-cookie" else value


def _too_long(headers: Headers, most: int) -> bool:
    """Whether a body has more bytes, or does not say how many."""
    length = headers.get("content-length", "0")
    return not length.isdigit() or int(length) > most or "transfer-encoding" in headers
