"""A flood guard whose connections and clock are a test's."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from ipaddress import IPv4Address

from server.access.peer import Network
from server.observability.metrics import Metrics
from server.rpc.call_accounts import OpenCall
from server.rpc.endpoints import Endpoint, endpoint_of_peer
from server.rpc.flood_debts import CONNECTION_COST_BYTES
from server.rpc.flood_guard import FloodGuard
from server.setting_groups import LimitSettings
from tests.clocks import HandSeconds

MEBIBYTE = 1024 * 1024
ALLOWED, PER_S, REFUSED_S = 16 * MEBIBYTE, 256 * 1024, 30.0
STRANGER, SECOND, OTHER = "ipv4:192.0.2.1:50", "ipv4:192.0.2.1:51", "ipv4:192.0.2.2:50"
STRANGERS = IPv4Address("192.0.2.1")
TRICKLE = 4096
ROOM = ALLOWED - CONNECTION_COST_BYTES
"""What an address with one connection may owe besides it."""


class Connections:
    """Connections that bring what a test says, and end when they are cut."""

    def __init__(self) -> None:
        self.open: dict[Endpoint, int] = {}
        self.short: list[tuple[Endpoint, int]] = []
        self.cuts: list[Endpoint] = []
        self.refused: list[Network] = []

    def ended(self) -> Sequence[tuple[Endpoint, int]]:
        ended, self.short = self.short, []
        return ended

    def received(self) -> dict[Endpoint, int]:
        return dict(self.open)

    def cut(self, peers: Collection[Endpoint]) -> None:
        self.cuts += peers
        for peer in peers:
            del self.open[peer]

    def refuse(self, networks: Collection[Network]) -> None:
        self.refused = list(networks)

    def close(self) -> None:
        """Nothing is open."""


class World:
    """A guard that looks when it is told to."""

    def __init__(self) -> None:
        self.clock, self.connections, self.metrics = HandSeconds(), Connections(), Metrics()
        self.tidied: list[float] = []
        self.observed: list[str] = []
        limits = LimitSettings(flood_bytes=ALLOWED, flood_bytes_per_s=PER_S, flood_refused_s=REFUSED_S)
        self.guard = FloodGuard(
            limits, self.metrics, self.clock, lambda: self.tidied.append(self.clock.now_s), self.observed.append
        )
        self.guard.watch(self.connections)

    def bring(self, peer: str, size_bytes: int) -> None:
        address = endpoint_of_peer(peer)
        assert address is not None
        self.connections.open[address] = self.connections.open.get(address, 0) + size_bytes

    def came_and_went(self, peer: str, size_bytes: int) -> None:
        """A connection that lived shorter than a look."""
        address = endpoint_of_peer(peer)
        assert address is not None
        self.connections.short.append((address, size_bytes))

    def look(self, after_s: float = 0.1) -> None:
        self.clock.now_s += after_s
        self.guard.look()

    def call(
        self,
        peer: str = STRANGER,
        *,
        after_s: float = 0.0,
        refused: bool = False,
        left: bool = False,
        known: bool = False,
        caller: str = "caller",
        metadata_bytes: int = 0,
    ) -> None:
        call = self.guard.call(peer)
        if known:
            call.known(caller, metadata_bytes)
        self.clock.now_s += after_s
        call.end(self.clock.now_s, refused=refused, left=left)

    def begun(self, peer: str = STRANGER) -> OpenCall:
        """An open call with a good credential, whose first message has come."""
        call = self.guard.call(peer)
        call.known("caller", 0)
        self.message(call, TRICKLE, peer)
        return call

    def message(self, call: OpenCall, size_bytes: int, peer: str = STRANGER) -> None:
        self.bring(peer, size_bytes)
        call.message(size_bytes)

    @property
    def floods(self) -> float | None:
        return self.metrics.registry.get_sample_value("vestibule_floods_total")
