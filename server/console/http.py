"""Serves the console over HTTP, with TLS or on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from models.errors import Unavailable
from models.reasons import Reason
from server.console.connections import SILENT_S, BoundedProtocol
from server.console.running import ADDRESS_FILE, RunningConsole, write_running_console
from server.observability.log import get_logger
from server.observability.metrics_endpoint import LOOPBACK
from server.rpc.flood_guard import FloodGuard
from server.rpc.port_sockets import PortSockets
from server.setting_groups import ConsoleSettings
from server.tls.reload import READ_EVERY_S, ConsoleCertificate

MOST_AT_ONCE: Final = 256
"""Connections at a time; a further one gets the status 503."""
LONGEST_HEAD: Final = 32 * 1024
"""Bytes of a request without its body."""
STOP_S: Final = 1
log = get_logger("console")


class ConsoleServer:
    """The HTTP server of the console.

    Args:
        app: The pages.
        settings: Of the console.
        state_dir: Gets the address, for commands of the same user.
        certificate: For TLS; None serves plain text.
        guard: Watches the connections of a port for floods; None watches none.
        on_stop: Called first when the server stops; it ends what browsers follow.

    Attributes:
        address: Where people find it; empty before the start.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: ConsoleSettings,
        state_dir: Path,
        certificate: ConsoleCertificate | None = None,
        guard: FloodGuard | None = None,
        on_stop: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_stop = on_stop
        self._settings = settings
        self._state_dir = state_dir
        self._certificate = certificate
        self._guard = guard
        self._server = _Uvicorn(
            uvicorn.Config(
                app,
                http=BoundedProtocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=MOST_AT_ONCE,
                timeout_graceful_shutdown=STOP_S,
                h11_max_incomplete_event_size=LONGEST_HEAD,
            ),
            certificate,
        )
        self._running: list[asyncio.Task[None]] = []
        self.address = ""

    async def start(self) -> None:
        """Listen; ``address`` is known then.

        Raises:
            Unavailable: ADDRESS_IN_USE.
        """
        listener = await asyncio.to_thread(self._listen)
        port = listener.getsockname()[1]
        scheme = "http" if self._certificate is None else "https"
        own = f"{scheme}://{_to_connect_to(self._settings.host)}:{port}"
        self.address = self._settings.url.rstrip("/") or own
        await self._tell(own)
        self._running = [asyncio.create_task(self._server.serve([listener]))]
        if self._certificate is not None:
            self._running.append(asyncio.create_task(self._renew(self._certificate, own)))
        for task in self._running:
            task.add_done_callback(_report)
        if self._guard is not None:
            self._guard.start(PortSockets(port))

    async def stop(self) -> None:
        """Answer what is being answered, for a second at most, and stop listening."""
        (self._state_dir / ADDRESS_FILE).unlink(missing_ok=True)
        self._on_stop()
        self._server.should_exit = True
        for task in self._running[1:]:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running)
        if self._guard is not None:
            self._guard.stop()

    def _listen(self) -> socket.socket:
        """A socket that listens. It may look a name up."""
        host, port = self._settings.host, self._settings.port
        try:
            family, kind, number, _name, address = socket.getaddrinfo(
                host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            listener = socket.socket(family, kind, number)
        except OSError as exc:
            raise self._cannot_listen() from exc
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen()
        except OSError as exc:
            listener.close()
            raise self._cannot_listen() from exc
        return listener

    def _cannot_listen(self) -> Unavailable:
        return Unavailable(
            f"The port {self._settings.port} of the console is in use.",
            reason=Reason.ADDRESS_IN_USE,
            hint="End the other process, or set VESTIBULE_CONSOLE__PORT. VESTIBULE_CONSOLE__ENABLED=false turns "
            "the console off.",
        )

    async def _renew(self, certificate: ConsoleCertificate, own: str) -> None:
        """Read the certificate again until cancelled."""
        told = certificate.fingerprint
        while True:
            await asyncio.sleep(READ_EVERY_S)
            await asyncio.to_thread(certificate.refresh)
            if (shown := certificate.fingerprint) == told:
                continue
            try:
                await self._tell(own)
                told = shown
            except OSError as error:  # tried again with the next reading; `vestibule console` logs nobody in until then
                log.warning("console_address_not_written", error=type(error).__name__)

    async def _tell(self, own: str) -> None:
        """Write where the console is, for commands of the same user."""
        fingerprint = "" if self._certificate is None else self._certificate.fingerprint
        running = RunningConsole(own, self.address, fingerprint)
        await asyncio.to_thread(write_running_console, self._state_dir, running)


def _to_connect_to(host: str) -> str:
    """What a command on this machine connects to, as it stands in an address."""
    reached = {"0.0.0.0": LOOPBACK, "::": "::1"}.get(host, host)  # noqa: S104 - compared, not listened on
    return f"[{reached}]" if ":" in reached else reached


def _report(running: asyncio.Task[None]) -> None:
    if not running.cancelled() and (defect := running.exception()) is not None:
        log.error("console_ended", error=type(defect).__name__)


class _Uvicorn(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, certificate: ConsoleCertificate | None) -> None:
        super().__init__(config)
        self._certificate = certificate

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen with TLS, or without. uvicorn itself gives a client a minute to set TLS up."""
        if self._certificate is None:
            await super().startup(sockets)
            return
        loop = asyncio.get_running_loop()
        self.servers = [
            await loop.create_server(
                lambda: BoundedProtocol(self.config, self.server_state, {}),
                sock=listener,
                ssl=self._certificate.context,
                ssl_handshake_timeout=SILENT_S,
                ssl_shutdown_timeout=STOP_S,
            )
            for listener in sockets or ()
        ]
        self.started = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the server around this one."""
        yield
