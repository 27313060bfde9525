"""The gRPC port: services, health, reflection, limits and shutdown."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from models.errors import Unavailable
from models.reasons import Reason
from models.tracing.spans import NO_TRACER, Tracer
from server.breakers.worker_health import WORKER_SERVICES
from server.observability.metrics import Metrics
from server.rpc.flood_guard import FloodGuard
from server.rpc.interceptors import interceptors
from server.rpc.interceptors.base import CallHook
from server.rpc.interceptors.call_limits import LARGEST_METADATA_BYTES
from server.rpc.lasting_server import lasting_server
from server.rpc.port_sockets import SUPPORTED, PortSockets
from server.runtime.disk_room import DiskRoom
from server.runtime.lifecycle import Lifecycle
from server.services import SERVICE_NAMES, Services
from server.setting_groups import LimitSettings

# The largest message is a chunk of an upload (256 KiB), or a batch of 500 events with 20 properties each.
LARGEST_MESSAGE_BYTES: Final = 8 * 1024 * 1024
# Longest delay with which health reports that the workers are gone.
HEALTH_EVERY_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Keepalive:
    """How the server notices a connection whose other end vanished, such as a phone without a network.

    Attributes:
        every_s: Silence after which the server sends a ping.
        answer_s: Time for the answer. After it the connection is closed, and its streams can be resumed.
    """

    every_s: float = 20.0
    answer_s: float = 10.0

    @property
    def options(self) -> tuple[tuple[str, int], ...]:
        """Options of gRPC."""
        every_ms, answer_ms = round(1000 * self.every_s), round(1000 * self.answer_s)
        return (
            ("grpc.keepalive_time_ms", every_ms),
            ("grpc.keepalive_timeout_ms", answer_ms),
            # gRPC also sends a ping to measure the bandwidth, and no other ping until it is answered, by default for a
            # minute. Without this a phone that vanishes while it sends would be noticed only after that minute.
            ("grpc.http2.ping_timeout_ms", answer_ms),
            ("grpc.keepalive_permit_without_calls", 1),
        )


KEEPALIVE: Final = Keepalive()
GUARDED: Final = (("grpc.http2.max_ping_strikes", 0),)
"""Options of a port with a flood guard. Pings are answered however many there are, and the guard bounds them. To bound
them itself, gRPC closes the connection once its answers are written, and until then takes longer for each further ping.
"""
WAITING_CALLS: Final = 20_000
"""Calls that wait for Python. With more, gRPC cancels new ones at random, whoever makes them. One address can make as
many as gRPC allows by default, 1,000, before the flood guard ends it."""
SETTINGS_ANSWER_MS: Final = 5000
"""Time in which a client must answer the settings of HTTP/2, a round trip over a slow network included."""


def connection_options(limits: LimitSettings) -> tuple[tuple[str, int], ...]:
    """Options of gRPC that bound connections. It has none for the connections of one address."""
    handshake_ms = round(1000 * limits.handshake_s)
    return (
        ("grpc.max_allowed_incoming_connections", limits.connections),
        ("grpc.max_concurrent_streams", limits.connection_calls),
        ("grpc.server.max_pending_requests", WAITING_CALLS),
        ("grpc.server.max_pending_requests_hard_limit", 2 * WAITING_CALLS),
        ("grpc.max_connection_idle_ms", round(1000 * limits.connection_idle_s)),
        ("grpc.server_handshake_timeout_ms", handshake_ms),
        # gRPC bounds metadata and calls of a connection only once the client has answered its settings. Until then it
        # takes 16 MiB of headers.
        ("grpc.http2.settings_timeout", min(handshake_ms, SETTINGS_ANSWER_MS)),
    )


_OPTIONS: Final = (
    ("grpc.max_receive_message_length", LARGEST_MESSAGE_BYTES),
    ("grpc.max_send_message_length", LARGEST_MESSAGE_BYTES),
    ("grpc.max_metadata_size", LARGEST_METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", LARGEST_METADATA_BYTES),
    # A compressed message may unpack to a thousand times its size, and a health check, which needs no credential, may
    # carry one. gRPC answers it with UNIMPLEMENTED (1 is the bit of "not compressed") and does not unpack it.
    ("grpc.compression_enabled_algorithms_bitset", 1),
    # Two servers on one port would each answer half of the calls.
    ("grpc.so_reuseport", 0),
)


class GrpcServer:
    """A grpc.aio server with everything on it.

    Args:
        authenticate: The hook that gives each call its caller.
        keepalive: When a connection counts as dead.
        credentials: TLS of the port; None serves plain text.
        limits: Bounds on connections and calls.
        room: Refuses calls that bring new work while a disk lacks room; None refuses none.
        on_flood: Called with each network address that is refused because of a flood.
        tracer: Begins the span of each call.

    Attributes:
        address: Host and port that it listens on; known after ``start``.
    """

    def __init__(
        self,
        address: str,
        services: Services,
        lifecycle: Lifecycle,
        metrics: Metrics,
        authenticate: CallHook,
        keepalive: Keepalive = KEEPALIVE,
        credentials: grpc.ServerCredentials | None = None,
        limits: LimitSettings = LimitSettings(),  # noqa: B008 - nothing changes it
        room: DiskRoom | None = None,
        on_flood: Callable[[str], None] = lambda network: None,
        tracer: Tracer = NO_TRACER,
    ) -> None:
        self.address = address
        self._credentials = credentials
        self._lifecycle = lifecycle
        self._guard: FloodGuard | None = None
        if SUPPORTED and limits.flood_refused_s:
            self._guard = FloodGuard(limits, metrics, observe=on_flood)
        self._health = health.aio.HealthServicer()  # type: ignore[attr-defined]  # re-exported without __all__
        self._server = lasting_server(
            interceptors(lifecycle, metrics, authenticate, limits, self._guard, room, tracer),
            (*_OPTIONS, *keepalive.options, *connection_options(limits), *(GUARDED if self._guard else ())),
        )
        services.add_to(self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection(
            (*SERVICE_NAMES, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server
        )

    async def start(self) -> None:
        """Listen. Until ``serving`` is called, health is NOT_SERVING. Calls are taken; what needs the workers waits.

        Raises:
            Unavailable: ADDRESS_IN_USE.
        """
        await self._set(_status(False))
        for name in WORKER_SERVICES.values():
            await self._health.set(name, _status(False))
        try:
            if self._credentials is None:
                port = self._server.add_insecure_port(self.address)
            else:
                port = self._server.add_secure_port(self.address, self._credentials)
        except RuntimeError as exc:
            raise Unavailable(
                f"The address {self.address} is in use.",
                reason=Reason.ADDRESS_IN_USE,
                hint="Set VESTIBULE_ADDRESS.",
            ) from exc
        self.address = f"{self.address.rpartition(':')[0]}:{port}"
        await self._server.start()
        if self._guard is not None:
            self._guard.start(PortSockets(port))

    async def serving(self) -> None:
        """Report SERVING."""
        await self._set(_status(True))

    async def report_health(
        self,
        ready: Callable[[], bool],
        workers: Callable[[], Mapping[str, bool]] = dict,
        every_s: float = HEALTH_EVERY_S,
    ) -> None:
        """Report health until cancelled, so that a load balancer can send calls elsewhere.

        Args:
            ready: Whether the server takes calls: what the services say, and the server as a whole.
            workers: Whether each kind of worker works, by its name in health.
            every_s: Longest delay.
        """
        while True:
            await self._set(_status(ready()))
            for name, works in workers().items():
                await self._health.set(name, _status(works))
            await asyncio.sleep(every_s)

    async def stop(self, grace_s: float) -> None:
        """Refuse new calls, let open ones continue for ``grace_s`` seconds, then cancel them."""
        await self._health.enter_graceful_shutdown()
        self._lifecycle.begin_drain()
        await self._server.stop(grace_s)
        if self._guard is not None:
            self._guard.stop()

    async def _set(self, status: health_pb2.HealthCheckResponse.ServingStatus) -> None:
        for name in ("", *SERVICE_NAMES):
            await self._health.set(name, status)


def _status(serving: bool) -> health_pb2.HealthCheckResponse.ServingStatus:
    return health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
