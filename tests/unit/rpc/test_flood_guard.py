"""What belongs to no call is counted for each network address, and too much of it is refused."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import IPv4Address, IPv6Network

import pytest

from server.observability.metrics import Metrics
from server.rpc import flood_guard
from server.rpc.endpoints import Endpoint, Network, endpoint_of_peer
from server.rpc.flood_guard import FloodGuard, OpenCall
from server.setting_groups import LimitSettings
from tests.clocks import HandSeconds

MEBIBYTE = 1024 * 1024
ALLOWED, PER_S, REFUSED_S = 16 * MEBIBYTE, 256 * 1024, 30.0
STRANGER, SECOND, OTHER = "ipv4:192.0.2.1:50", "ipv4:192.0.2.1:51", "ipv4:192.0.2.2:50"
STRANGERS = IPv4Address("192.0.2.1")
TRICKLE = 4096


class Connections:
    """Connections that bring what a test says, and end when they are cut."""

    def __init__(self) -> None:
        self.open: dict[Endpoint, int] = {}
        self.cuts: list[Endpoint] = []
        self.refused: list[Network] = []

    def received(self) -> dict[Endpoint, int]:
        return dict(self.open)

    def cut(self, peers: Collection[Endpoint]) -> None:
        self.cuts += peers
        for peer in peers:
            del self.open[peer]

    def refuse(self, networks: Collection[Network]) -> None:
        self.refused = list(networks)


class World:
    """A guard that looks when it is told to."""

    def __init__(self) -> None:
        self.clock, self.connections, self.metrics = HandSeconds(), Connections(), Metrics()
        self.tidied: list[float] = []
        limits = LimitSettings(flood_bytes=ALLOWED, flood_bytes_per_s=PER_S, flood_refused_s=REFUSED_S)
        self.guard = FloodGuard(limits, self.metrics, self.clock, lambda: self.tidied.append(self.clock.now_s))
        self.guard.watch(self.connections)

    def bring(self, peer: str, size_bytes: int) -> None:
        address = endpoint_of_peer(peer)
        assert address is not None
        self.connections.open[address] = self.connections.open.get(address, 0) + size_bytes

    def look(self, after_s: float = 0.1) -> None:
        self.clock.now_s += after_s
        self.guard.look()

    def call(self, peer: str = STRANGER, *, after_s: float = 0.0, refused: bool = False, left: bool = False) -> None:
        call = self.guard.call(peer)
        self.clock.now_s += after_s
        call.end(self.clock.now_s, refused=refused, left=left)

    def begun(self, peer: str = STRANGER) -> OpenCall:
        """An open call whose first message has come."""
        call = self.guard.call(peer)
        self.message(call, TRICKLE, peer)
        return call

    def message(self, call: OpenCall, size_bytes: int, peer: str = STRANGER) -> None:
        self.bring(peer, size_bytes)
        call.message(size_bytes)

    @property
    def floods(self) -> float | None:
        return self.metrics.registry.get_sample_value("vestibule_floods_total")


def test_an_address_that_sends_too_much_without_a_call_may_not_connect_for_a_while() -> None:
    world = World()
    world.bring(STRANGER, ALLOWED // 4)
    world.bring(OTHER, ALLOWED // 4 - 1)
    world.look(0.0)
    assert world.connections.refused == []
    world.bring(STRANGER, TRICKLE)
    world.look(0.0)
    assert world.connections.refused == [STRANGERS]
    assert world.connections.cuts == [endpoint_of_peer(STRANGER)]
    assert world.floods == 1
    world.look(REFUSED_S - 1)
    assert world.connections.refused == [STRANGERS]
    world.look(1.0)
    assert world.connections.refused == []


def test_who_goes_on_is_refused_for_longer_and_counted_once() -> None:
    world = World()
    for _ in range(3):
        world.bring(STRANGER, ALLOWED)
        world.look(REFUSED_S - 1)
    assert world.connections.refused == [STRANGERS]
    assert world.floods == 1


def test_the_debt_decays() -> None:
    world = World()
    for _ in range(100):
        world.bring(STRANGER, PER_S // 4)
        world.look(1.0)
    assert world.connections.refused == []


def test_messages_are_no_debt_however_many_there_are() -> None:
    world = World()
    call = world.begun()
    for _ in range(100):
        for _ in range(16):
            world.message(call, 256 * 1024)
        world.look()
    call.end(world.clock.now_s, refused=False, left=False)
    world.look()
    world.bring(STRANGER, ALLOWED)  # nothing was saved up either
    world.look(0.0)
    assert world.connections.refused == []
    world.bring(STRANGER, TRICKLE)
    world.look(0.0)
    assert world.connections.refused == [STRANGERS]


def test_what_is_on_its_way_to_an_open_call_is_no_flood() -> None:
    world = World()
    calls = [world.begun() for _ in range(8)]
    world.look()
    for _ in calls:
        world.bring(STRANGER, 5 * MEBIBYTE)
    world.look()
    assert world.connections.refused == []
    for call in calls:
        call.message(5 * MEBIBYTE)
        call.end(world.clock.now_s, refused=False, left=False)
    world.look()
    assert world.connections.refused == []


def test_a_large_first_message_may_take_its_time() -> None:
    world = World()
    call = world.guard.call(STRANGER)
    for _ in range(20):
        world.bring(STRANGER, MEBIBYTE)
        world.look(1.0)
    assert world.connections.refused == []
    call.message(20 * MEBIBYTE)
    call.end(world.clock.now_s, refused=False, left=False)


@pytest.mark.parametrize("refused", [True, False])
def test_calls_that_are_refused_or_left_at_once_count(refused: bool) -> None:
    world = World()
    world.bring(STRANGER, 0)
    for _ in range(ALLOWED // flood_guard.WASTED_CALL_BYTES):
        world.call(refused=refused, left=not refused)
    world.look(0.0)
    assert world.connections.refused == []
    world.call(refused=refused, left=not refused)
    world.look(0.0)
    assert world.connections.refused == [STRANGERS]


def test_calls_that_are_answered_or_left_later_do_not_count() -> None:
    world = World()
    world.bring(STRANGER, 0)
    for _ in range(2000):
        world.call()
        world.call(after_s=1.0, left=True)
    world.look(0.0)
    assert world.connections.refused == []


def test_other_connections_of_the_address_go_on() -> None:
    world = World()
    call = world.begun(SECOND)
    world.look()
    world.bring(SECOND, 4 * MEBIBYTE)  # on its way to the open call
    world.bring(STRANGER, 10 * MEBIBYTE)
    world.look()
    assert world.connections.cuts == [endpoint_of_peer(STRANGER)]
    for _ in range(50):
        world.message(call, MEBIBYTE, SECOND)
        world.look()
    assert world.connections.cuts == [endpoint_of_peer(STRANGER)]


def test_many_connections_that_send_a_little_each_are_one_address() -> None:
    world = World()
    for port in range(300):
        world.bring(f"ipv4:192.0.2.1:{port}", 15_000)
    world.look(0.0)
    assert world.connections.refused == [STRANGERS]
    assert world.connections.cuts == []
    for port in range(300):
        world.bring(f"ipv4:192.0.2.1:{port}", 15_000)
    world.look(0.0)
    assert len(world.connections.cuts) == 300


def test_a_64_network_of_ipv6_is_one_address() -> None:
    world = World()
    for host in range(1, 5):
        world.bring(f"ipv6:%5B2001:db8::{host}%5D:50", ALLOWED // 16)
    world.look(0.0)
    world.bring("ipv6:%5B2001:db8::9%5D:50", TRICKLE)
    world.look(0.0)
    assert world.connections.refused == [IPv6Network("2001:db8::/64")]


def test_what_came_before_the_first_call_counts_once() -> None:
    world = World()
    for port in range(60):
        world.bring(f"ipv4:192.0.2.1:{port}", 64 * 1024)
    world.look(0.0)
    for port in range(60):
        world.begun(f"ipv4:192.0.2.1:{port}").end(world.clock.now_s, refused=False, left=False)
    world.look(0.0)
    for port in range(60):
        world.bring(f"ipv4:192.0.2.1:{port}", 150 * 1024)
    world.look(0.0)
    assert world.connections.refused == []


def test_ended_connections_are_forgotten_but_their_debt_is_not() -> None:
    world = World()
    world.bring(STRANGER, ALLOWED // 4)
    world.call()
    world.look(0.0)
    world.connections.open.clear()
    world.look(0.0)
    assert not world.guard._connections and not world.guard._accounts
    for _ in range(10):
        world.bring(SECOND, ALLOWED // 4)
        world.look(0.0)
        world.connections.open.clear()
    assert world.connections.refused == [STRANGERS]


def test_the_memory_of_a_flood_is_returned_once_it_is_over() -> None:
    world = World()
    world.bring(STRANGER, ALLOWED)
    world.look(0.0)
    world.look(flood_guard.TIDY_AFTER_S - 0.1)
    assert world.tidied == []
    for _ in range(3):
        world.look()
    assert len(world.tidied) == 1


def test_a_system_without_filters_still_ends_the_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()

    def unable(networks: Collection[Network]) -> None:
        raise PermissionError

    monkeypatch.setattr(world.connections, "refuse", unable)
    world.bring(STRANGER, ALLOWED)
    world.look()
    assert world.connections.cuts == [endpoint_of_peer(STRANGER)]


def test_unix_sockets_have_no_account() -> None:
    world = World()
    world.call("unix:", refused=True)
    assert not world.guard._accounts
