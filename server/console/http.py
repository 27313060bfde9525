"""Serves the console over HTTP on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from models.errors import Unavailable
from models.reasons import Reason

LOOPBACK = "127.0.0.1"
MOST_AT_ONCE = 64
"""Connections at a time; a further one gets the status 503."""
STOP_S = 1


class ConsoleServer:
    """The HTTP server of the console.

    Args:
        app: The pages.
        port: On loopback; 0 picks one.
    """

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._port = port
        self._server = _Uvicorn(
            uvicorn.Config(
                app,
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=MOST_AT_ONCE,
                timeout_graceful_shutdown=STOP_S,
            )
        )
        self._running: asyncio.Task[None] | None = None
        self.address = ""

    async def start(self) -> None:
        """Listen; ``address`` is known then.

        Raises:
            Unavailable: ADDRESS_IN_USE.
        """
        listener = socket.socket()
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((LOOPBACK, self._port))
        except OSError as exc:
            listener.close()
            raise Unavailable(
                f"The port {self._port} of the console is in use.",
                reason=Reason.ADDRESS_IN_USE,
                hint="End the other process, or set VESTIBULE_CONSOLE__PORT. VESTIBULE_CONSOLE__ENABLED=false turns "
                "the console off.",
            ) from exc
        self.address = f"http://{LOOPBACK}:{listener.getsockname()[1]}"
        self._running = asyncio.create_task(self._server.serve([listener]))

    async def stop(self) -> None:
        """Answer what is being answered, for a second at most, and stop listening."""
        self._server.should_exit = True
        if self._running is not None:
            await self._running


class _Uvicorn(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the server around this one."""
        yield
