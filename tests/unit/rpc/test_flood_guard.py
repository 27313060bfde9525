"""What belongs to no call is counted for each network address, and too much of it is refused."""

from __future__ import annotations

import threading
from collections.abc import Collection

import pytest
import structlog

from server.access.peer import Network
from server.rpc import call_accounts, flood_guard
from server.rpc.endpoints import Endpoint, endpoint_of_peer
from tests.unit.rpc.flood_world import (
    ALLOWED,
    MEBIBYTE,
    OTHER,
    PER_S,
    REFUSED_S,
    ROOM,
    SECOND,
    STRANGER,
    STRANGERS,
    TRICKLE,
    World,
)


def test_an_address_that_sends_too_much_without_a_call_may_not_connect_for_a_while() -> None:
    world = World()
    world.bring(STRANGER, ROOM // 4)
    world.bring(OTHER, ROOM // 4 - 1)
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
    for port in range(3):
        world.bring(f"ipv4:192.0.2.1:{port}", ALLOWED)
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
    call.known("caller", 0)
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
    for _ in range(ROOM // call_accounts.WASTED_CALL_BYTES):
        world.call(refused=refused, left=not refused)
    world.look(0.0)
    assert world.connections.refused == []
    world.call(refused=refused, left=not refused)
    world.look(0.0)
    assert world.connections.refused == [STRANGERS]


def test_calls_of_a_good_credential_that_are_answered_or_left_later_do_not_count() -> None:
    world = World()
    world.bring(STRANGER, 0)
    for _ in range(ROOM // call_accounts.STRANGERS_CALL_BYTES):
        world.call(known=True)
        world.call(after_s=1.0, left=True, known=True)
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


def test_the_audit_is_told_the_address_once() -> None:
    world = World()
    for _ in range(3):
        world.bring(STRANGER, ALLOWED)
        world.look(1.0)
    assert world.observed == ["192.0.2.1"]


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


def test_the_guard_goes_on_after_an_error_and_says_so_once(monkeypatch: pytest.MonkeyPatch) -> None:
    world, looks, recovered = World(), iter(range(20)), threading.Event()

    def received() -> dict[Endpoint, int]:
        if next(looks, None) is None:
            recovered.set()
            return {}
        raise ValueError("not for the log")

    monkeypatch.setattr(world.connections, "received", received)
    monkeypatch.setattr(flood_guard, "EVERY_S", 0.001)
    with structlog.testing.capture_logs() as lines:
        world.guard.start(world.connections)
        assert recovered.wait(60)
        world.guard.stop()
    assert [line["event"] for line in lines] == ["flood_look_failed"]
    assert lines[0]["error_type"] == "ValueError"
    assert "not for the log" not in str(lines)


def test_several_callers_on_one_connection_are_taken_for_a_proxy_and_several_connections_are_not() -> None:
    world = World()
    with structlog.testing.capture_logs() as lines:
        for number in range(10):
            world.call(f"ipv4:192.0.2.1:{number}", known=True, caller=f"key:{number}")
        for number in (1, 2):
            world.call(known=True, caller=f"key:{number}")
        world.look()
        assert lines == []
        for number in range(1000):
            world.call(known=True, caller=f"key:{number}")
        world.look()
        world.look()
    assert [line["event"] for line in lines] == ["proxy_seen"]


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
