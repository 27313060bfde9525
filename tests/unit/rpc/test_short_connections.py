"""Connections that live shorter than a look of the flood guard count, with what they brought."""

from __future__ import annotations

from server.rpc.flood_debts import CONNECTION_COST_BYTES
from tests.unit.rpc.flood_world import ALLOWED, MEBIBYTE, STRANGER, STRANGERS, World


def test_connections_that_come_and_go_between_two_looks_count() -> None:
    world = World()
    for port in range(ALLOWED // CONNECTION_COST_BYTES):
        world.came_and_went(f"ipv4:192.0.2.1:{port}", 0)
    world.look(0.0)
    assert world.connections.refused == []
    world.came_and_went(STRANGER, 0)  # the number of the port was used before
    world.look(0.0)
    assert world.connections.refused == [STRANGERS]
    assert not world.guard._connections


def test_connections_that_all_come_from_one_port_count_each() -> None:
    world = World()
    for _ in range(ALLOWED // CONNECTION_COST_BYTES + 1):
        world.came_and_went(STRANGER, 0)
    world.look(0.0)
    assert world.connections.refused == [STRANGERS]


def test_what_a_short_connection_brought_counts_unless_its_call_accounts_for_it() -> None:
    world = World()
    for port in range(20):
        peer = f"ipv4:192.0.2.1:{port}"
        upload = world.guard.call(peer)
        upload.known("caller", 100)
        upload.message(MEBIBYTE)
        upload.end(world.clock.now_s, refused=False, left=False)
        world.came_and_went(peer, MEBIBYTE)
        world.look()
    assert world.connections.refused == []
    assert not world.guard._accounts
    for port in range(5):
        world.came_and_went(f"ipv4:192.0.2.1:{port}", MEBIBYTE)
    world.look()
    assert world.connections.refused == [STRANGERS]


def test_what_a_connection_without_a_call_brings_after_the_last_look_counts() -> None:
    world = World()
    for port in range(5):
        world.bring(f"ipv4:192.0.2.1:{port}", 0)
    world.look(0.0)
    world.connections.open.clear()
    for port in range(5):
        world.came_and_went(f"ipv4:192.0.2.1:{port}", MEBIBYTE)
    world.look(0.0)
    assert world.connections.refused == [STRANGERS]


def test_a_connection_that_was_seen_is_not_counted_again_when_it_ends() -> None:
    world = World()
    for port in range(1500):
        world.bring(f"ipv4:192.0.2.1:{port}", 0)
    world.look(0.0)
    world.connections.open.clear()
    for port in range(1500):
        world.came_and_went(f"ipv4:192.0.2.1:{port}", 0)
    world.look(0.0)
    assert world.connections.refused == []
