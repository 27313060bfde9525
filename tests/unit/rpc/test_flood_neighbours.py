"""Honest clients are no flood: not with long credentials, wrong files, nor beside one whose key has expired."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Network

import pytest

from server.rpc import call_accounts
from server.rpc.endpoints import endpoint_of_peer
from tests.unit.rpc.flood_world import (
    ALLOWED,
    MEBIBYTE,
    REFUSED_S,
    ROOM,
    SECOND,
    STRANGER,
    STRANGERS,
    TRICKLE,
    World,
)


def test_phones_with_an_expired_key_do_not_lock_out_their_neighbours() -> None:
    world = World()
    for _ in range(600):
        for port in range(40):
            world.bring(f"ipv4:192.0.2.1:{port}", 1500)
            world.call(f"ipv4:192.0.2.1:{port}", refused=True)
        world.look(1.0)
    assert world.connections.refused == []


def test_one_phone_that_retries_without_a_pause_does_not_lock_out_its_neighbours() -> None:
    world = World()
    for _ in range(40 * 600):
        world.bring(STRANGER, 500)
        world.call(refused=True)
        world.look(1 / 40)
    assert world.connections.refused == []


def test_calls_of_a_good_credential_that_a_bound_refuses_do_not_count() -> None:
    world = World()
    world.bring(STRANGER, 0)
    for _ in range(2 * ALLOWED // call_accounts.STRANGERS_CALL_BYTES):
        world.call(refused=True, known=True)
    world.look(0.0)
    world.bring(STRANGER, ROOM)  # nor do they pay for other bytes
    world.look(0.0)
    assert world.connections.refused == []
    world.bring(STRANGER, TRICKLE)
    world.look(0.0)
    assert world.connections.refused == [STRANGERS]


def test_long_credentials_are_no_flood() -> None:
    world = World()
    for _ in range(100):
        for _ in range(100):
            world.bring(STRANGER, 16 * 1024)
            world.call(known=True, metadata_bytes=16 * 1024 - 100)
        world.look(1.0)
    assert world.connections.refused == []


@pytest.mark.parametrize("open_s", [0.0, 2.0])
def test_calls_that_need_no_credential_pay_for_their_messages_and_cost_something(open_s: float) -> None:
    world = World()
    checks = [world.guard.call(STRANGER) for _ in range(1000)]
    cost = 0
    for check in checks:
        world.message(check, 100)
    if not open_s:
        cost = len(checks) * call_accounts.STRANGERS_CALL_BYTES
        for check in checks:
            check.end(world.clock.now_s, refused=False, left=False)
    world.bring(STRANGER, ROOM - cost)
    world.clock.now_s += open_s
    world.guard._looked_at = world.clock.now_s  # no time for the debt to decay
    world.look(0.0)
    assert world.connections.refused == []
    world.bring(STRANGER, TRICKLE)
    world.look(0.0)
    assert world.connections.refused == [STRANGERS]


@pytest.mark.parametrize(("checks_per_s", "refused"), [(200, []), (2000, [STRANGERS])])
def test_load_balancers_check_the_health_and_a_flood_of_checks_is_refused(
    checks_per_s: int, refused: list[IPv4Address]
) -> None:
    world = World()
    for _ in range(60):
        for _ in range(checks_per_s):
            world.bring(STRANGER, 57)
            world.call()
        if not world.connections.refused:
            world.look(1.0)
    assert world.connections.refused == refused


def test_long_messages_without_a_credential_are_a_flood() -> None:
    world = World()
    for _ in range(3):
        world.message(world.guard.call(STRANGER), 8 * MEBIBYTE)
        world.look(0.0)
    assert world.connections.refused == [STRANGERS]


@pytest.mark.parametrize("ended", [True, False])
def test_no_debt_makes_a_refusal_longer_or_outlives_it(ended: bool) -> None:
    world = World()
    for port in range(1000):
        world.bring(f"ipv4:192.0.2.1:{port}", 15_000)
    world.look(0.0)
    if ended:
        world.connections.open.clear()
    for _ in range(round(REFUSED_S) - 1):
        world.look(1.0)
    assert world.connections.refused == [STRANGERS]
    world.look(1.0)
    assert world.connections.refused == []
    world.bring(SECOND, ROOM // 4 - 1)
    world.look(0.0)
    assert world.connections.refused == []


def test_a_new_connection_from_the_same_port_is_told_from_the_old_one() -> None:
    world = World()
    address = endpoint_of_peer(STRANGER)
    assert address is not None
    for size_bytes in (ALLOWED // 8 + 1, ALLOWED // 8):
        world.connections.open[address] = size_bytes
        world.look(0.0)
    assert world.connections.refused == [STRANGERS]


@pytest.mark.parametrize("prefix", ["fe80:", "fd12:3456:789a:1"])
def test_the_machines_of_a_local_network_are_told_apart(prefix: str) -> None:
    world = World()
    for host in range(1, 5):
        world.bring(f"ipv6:%5B{prefix}:1:2:3:{host}%25eth0%5D:50", ALLOWED // 8)
    world.look(0.0)
    assert world.connections.refused == []


def test_a_64_network_of_ipv6_is_one_address() -> None:
    world = World()
    for host in range(1, 5):
        world.bring(f"ipv6:%5B2001:db8::{host}%5D:50", ALLOWED // 16)
    world.look(0.0)
    world.bring("ipv6:%5B2001:db8::9%5D:50", TRICKLE)
    world.look(0.0)
    assert world.connections.refused == [IPv6Network("2001:db8::/64")]


@pytest.mark.parametrize("refused", [True, False])
def test_what_comes_after_the_server_has_refused_a_file_is_no_flood(refused: bool) -> None:
    world = World()
    for _ in range(50):
        upload = world.guard.call(STRANGER, streams=True)
        upload.known("caller", 100)
        world.bring(STRANGER, 5 * MEBIBYTE)
        upload.message(TRICKLE)
        world.look()
        upload.end(world.clock.now_s, refused=refused, left=False)
        world.look()
    assert world.connections.refused == []


def test_uploads_that_are_refused_before_their_first_message_cut_nobody_for_minutes_and_then_do() -> None:
    world = World()
    began = world.clock.now_s
    while not world.connections.refused:
        for _ in range(44):
            upload = world.guard.call(STRANGER, streams=True)
            upload.known("caller", 100)
            world.bring(STRANGER, MEBIBYTE)
            upload.end(world.clock.now_s, refused=True, left=False)
        world.look(1.0)
        assert world.clock.now_s - began < 600
    assert world.clock.now_s - began > 120
    assert world.connections.cuts == [endpoint_of_peer(STRANGER)]


def test_thirty_refused_uploads_a_second_are_no_flood() -> None:
    world = World()
    for _ in range(1000):
        for _ in range(30):
            upload = world.guard.call(STRANGER, streams=True)
            upload.known("caller", 100)
            world.bring(STRANGER, MEBIBYTE)
            upload.end(world.clock.now_s, refused=True, left=False)
        world.look(1.0)
    assert world.connections.refused == []


def test_a_call_pays_for_no_flood_on_another_connection() -> None:
    world = World()
    for _ in range(5):
        upload = world.guard.call(SECOND, streams=True)
        upload.known("caller", 100)
        upload.message(TRICKLE)
        upload.end(world.clock.now_s, refused=False, left=False)
        world.bring(SECOND, TRICKLE)
        world.bring(STRANGER, MEBIBYTE)
        world.look()
    assert world.connections.refused == [STRANGERS]


def test_an_upload_without_a_message_pays_for_nothing() -> None:
    world = World()
    for port in range(20):
        upload = world.guard.call(f"ipv4:192.0.2.1:{port}", streams=True)
        upload.known("caller", 100)
        world.came_and_went(f"ipv4:192.0.2.1:{port}", MEBIBYTE)
        upload.end(world.clock.now_s, refused=False, left=False)
        world.look()
    assert world.connections.refused == [STRANGERS]


def test_an_office_that_connects_again_at_once_is_no_flood() -> None:
    world = World()
    for minute in range(5):
        for port in range(100):
            world.came_and_went(f"ipv4:192.0.2.1:{1000 * minute + port}", 2000)
            world.bring(f"ipv4:192.0.2.1:{1000 * minute + 500 + port}", 6000)
        world.look()
        world.connections.open.clear()
        world.look(60.0)
    assert world.connections.refused == []


@pytest.mark.parametrize(("known", "left"), [(False, False), (True, True)])
def test_a_stranger_and_a_client_that_leaves_at_once_get_nothing_for_it(known: bool, left: bool) -> None:
    world = World()
    for _ in range(50):
        upload = world.guard.call(STRANGER, streams=True)
        if known:
            upload.known("caller", 100)
        upload.message(TRICKLE)
        upload.end(world.clock.now_s, refused=not left, left=left)
    world.bring(STRANGER, 5 * ALLOWED)
    world.look(0.0)
    assert world.connections.refused == [STRANGERS]
