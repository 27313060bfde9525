"""Serves the console over HTTP on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import psutil
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from models.errors import Unavailable
from models.private_files import write_atomically
from models.reasons import Reason
from server.observability.log import get_logger
from server.observability.metrics_endpoint import LOOPBACK

MOST_AT_ONCE: Final = 64
"""Connections at a time; a further one gets the status 503."""
STOP_S: Final = 1
SILENT_S: Final = 10.0
"""How long a request may take to arrive; then its connection is closed."""
ADDRESS_FILE: Final = "console.json"
"""In the state folder: where the console of the running server listens. `vestibule console` sends a key there alone."""

log = get_logger("console")


class ConsoleServer:
    """The HTTP server of the console.

    Args:
        app: The pages.
        port: On loopback; 0 picks one.
        state_dir: Gets the address, for commands of the same user.

    Attributes:
        address: Where it listens; empty before the start.
    """

    def __init__(self, app: ASGIApp, port: int, state_dir: Path) -> None:
        self._port = port
        self._file = state_dir / ADDRESS_FILE
        self._server = _Uvicorn(
            uvicorn.Config(
                app,
                http=_Protocol,
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
            listener.listen()
        except OSError as exc:
            listener.close()
            raise Unavailable(
                f"The port {self._port} of the console is in use.",
                reason=Reason.ADDRESS_IN_USE,
                hint="End the other process, or set VESTIBULE_CONSOLE__PORT. VESTIBULE_CONSOLE__ENABLED=false turns "
                "the console off.",
            ) from exc
        self.address = f"http://{LOOPBACK}:{listener.getsockname()[1]}"
        started = psutil.Process().create_time()
        content = json.dumps({"address": self.address, "pid": os.getpid(), "started": started})
        await asyncio.to_thread(write_atomically, self._file, content.encode())
        self._running = asyncio.create_task(self._server.serve([listener]))
        self._running.add_done_callback(_report)

    async def stop(self) -> None:
        """Answer what is being answered, for a second at most, and stop listening."""
        self._file.unlink(missing_ok=True)
        self._server.should_exit = True
        if self._running is not None:
            await asyncio.wait({self._running})


def address_of_running_console(state_dir: Path) -> str:
    """Where the console of the server with this state folder listens; empty if no such server runs.

    The process is compared, too: after a crash, another user's program may listen where the file says.
    """
    try:
        found = json.loads((state_dir / ADDRESS_FILE).read_text(encoding="utf-8"))
        if psutil.Process(found["pid"]).create_time() == found["started"]:
            return str(found["address"])
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        pass
    return ""


def _report(running: asyncio.Task[None]) -> None:
    if not running.cancelled() and (defect := running.exception()) is not None:
        log.error("console_ended", error=type(defect).__name__)


class _Uvicorn(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the server around this one."""
        yield


class _Protocol(H11Protocol):
    """Closes a connection whose next request does not arrive in time. uvicorn itself waits for ever."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """A browser connected."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """A part of a request came."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed."""
        self._unwatch()
        super().connection_lost(exc)

    def _watch(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._unwatch()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(SILENT_S, self.transport.close)

    def _unwatch(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
