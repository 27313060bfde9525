"""The metrics over HTTP, on loopback and with a token, for Prometheus and curl."""

from __future__ import annotations

import hmac
import secrets
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from models.errors import InvalidInput, Unavailable
from models.private_files import read_or_create
from models.reasons import Reason

LOOPBACK = "127.0.0.1"
OWN_NAMES = frozenset({"localhost", LOOPBACK, "::1"})
TOKEN_FILE = "metrics.token"  # noqa: S105 - the name of a file, not a token
SHORTEST_TOKEN = 16
MOST_AT_ONCE = 16
"""Requests at the same time; the connection of one more is closed."""
HOST_FOREIGN = "host_foreign"
"""Reason of a refusal: the request names another host than this one."""
SILENT_S = 5.0
"""How long a client may be silent within a request."""


def metrics_token(given: str, state_dir: Path) -> str:
    """The token: the setting, or one that is made once and kept in ``metrics.token`` of the state folder.

    Raises:
        InvalidInput: METRICS_TOKEN_SHORT, also for one that is not ASCII.
    """
    path = state_dir / TOKEN_FILE
    made = f"{secrets.token_urlsafe(32)}\n".encode()
    token = given or read_or_create(path, made).decode("utf-8", "replace").strip()
    if len(token) < SHORTEST_TOKEN or not token.isascii():
        raise InvalidInput(
            f"The token of the metrics needs {SHORTEST_TOKEN} ASCII characters.",
            reason=Reason.METRICS_TOKEN_SHORT,
            hint=f"Set a longer VESTIBULE_METRICS_TOKEN, or leave it empty. A changed {TOKEN_FILE} can be removed.",
        )
    if given:
        path.unlink(missing_ok=True)  # or whoever reads the file would use an old one
    return token


Refusals = Callable[[str, str], None]
"""Called with the network address of a client that was refused, and the reason."""


def serve_metrics(
    registry: CollectorRegistry, port: int, token: str, on_refused: Refusals = lambda host, reason: None
) -> Callable[[], None]:
    """Serve the metrics in a thread; returns what ends that. Refusals are reported in threads of this endpoint.

    Raises:
        Unavailable: ADDRESS_IN_USE.
    """
    app = guarded(make_wsgi_app(registry), token, on_refused)
    try:
        server = make_server(LOOPBACK, port, app, _Server, _Handler)
    except OSError as exc:
        raise Unavailable(
            f"The port {port} of the metrics is in use.",
            reason=Reason.ADDRESS_IN_USE,
            hint="End the other process, or set VESTIBULE_METRICS_PORT: 0 turns the metrics off.",
        ) from exc
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()

    def stop() -> None:
        server.shutdown()
        server.server_close()

    return stop


def guarded(app: WSGIApplication, token: str, on_refused: Refusals) -> WSGIApplication:
    """The application behind a check of the host and of the bearer token; a refusal has no content.

    A web page can give its own host name the address 127.0.0.1 (DNS rebinding). The browser still names that host.
    """
    expected = f"bearer {token}".encode()

    def check(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        authorization = environ.get("HTTP_AUTHORIZATION", "")
        scheme, _, given = authorization.partition(" ")
        if _host(environ.get("HTTP_HOST", "")) not in OWN_NAMES:
            on_refused(environ["REMOTE_ADDR"], HOST_FOREIGN)
            return _refuse(start_response, "403 Forbidden")
        if not hmac.compare_digest(f"{scheme.lower()} {given.strip()}".encode(), expected):
            reason = Reason.CREDENTIALS_INVALID if authorization else Reason.CREDENTIALS_MISSING
            on_refused(environ["REMOTE_ADDR"], reason)
            return _refuse(start_response, "401 Unauthorized", ("WWW-Authenticate", "Bearer"))
        return app(environ, start_response)

    return check


def _host(header: str) -> str:
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""


def _refuse(start_response: StartResponse, status: str, *headers: tuple[str, str]) -> list[bytes]:
    start_response(status, [("Content-Length", "0"), *headers])
    return []


class _Handler(WSGIRequestHandler):
    timeout = SILENT_S

    def log_message(self, format: str, *args: object) -> None:
        """Log no requests."""


class _Server(ThreadingWSGIServer):
    _places = threading.BoundedSemaphore(MOST_AT_ONCE)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a thread for a request, or close its connection."""
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer a request in its thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print no trace of a connection that broke."""
