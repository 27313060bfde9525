"""Ports that are free, that another program has, that the server itself has, and that it should have."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.doctor.ledger_user import LedgerUser
from server.doctor.ports import ListeningSocket, check_ports
from server.preflight import ListenAddress
from tests.unit.doctor.situations import bad, lines, only, situation

OURS = LedgerUser(os.getpid(), "python", is_server=True)


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield int(listening.getsockname()[1])


@pytest.fixture
def free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_free_ports_are_fine_with_and_without_a_number(tmp_path: Path, free: int) -> None:
    found = list(check_ports(situation(tmp_path, metrics_port=free)))
    assert lines(found) == [
        ("ok", "port (gRPC)"),
        ("ok", f"port {free} (metrics)"),
        ("ok", "port (analysts)"),
        ("ok", "port (console)"),
        ("ok", "port (Ray dashboard)"),
    ]


def test_a_port_of_another_program_is_a_problem_that_names_it(tmp_path: Path, taken: int) -> None:
    found = only(check_ports, situation(tmp_path, console={"port": taken}), f"port {taken} (console)")
    assert (found.level, found.reason) == ("problem", "ADDRESS_IN_USE")
    assert f"process {os.getpid()} (" in found.found
    assert "VESTIBULE_CONSOLE__PORT" in found.hint


def test_two_parts_with_one_port_are_a_problem(tmp_path: Path, free: int) -> None:
    found = bad(check_ports(situation(tmp_path, metrics_port=free, quack={"port": free})))
    assert [(each.subject, each.reason) for each in found] == [(f"port {free} (analysts)", "ADDRESS_IN_USE")]


def test_an_address_of_another_machine_is_a_problem(tmp_path: Path) -> None:
    found = bad(check_ports(situation(tmp_path, address="192.0.2.1:50051", allow_plaintext=True)))
    assert [(each.subject, each.reason) for each in found] == [("port 50051 (gRPC)", "ADDRESS_INVALID")]


def test_beside_the_server_its_own_ports_are_fine(tmp_path: Path, taken: int) -> None:
    found = only(check_ports, situation(tmp_path, user=OURS, metrics_port=taken), f"port {taken} (metrics)")
    assert found.level == "ok"
    assert f"process {os.getpid()}" in found.found


def test_beside_the_server_a_port_on_which_it_does_not_listen_is_a_warning(tmp_path: Path, free: int) -> None:
    found = only(check_ports, situation(tmp_path, user=OURS, metrics_port=free), f"port {free} (metrics)")
    assert found.level == "warning"


def test_beside_the_server_a_port_of_another_program_is_a_problem(tmp_path: Path, taken: int) -> None:
    looked_at = situation(tmp_path, user=LedgerUser(4_000_000, "python", is_server=True), metrics_port=taken)
    found = only(check_ports, looked_at, f"port {taken} (metrics)")
    assert found.level == "problem"
    assert f"process {os.getpid()} (" in found.found


@pytest.mark.parametrize(
    ("ip", "port", "host", "takes"),
    [
        ("127.0.0.1", 1, "127.0.0.1", True),
        ("0.0.0.0", 1, "127.0.0.1", True),
        ("::ffff:127.0.0.1", 1, "127.0.0.1", True),
        ("::", 1, "127.0.0.1", True),
        ("127.0.0.1", 1, "0.0.0.0", True),
        ("192.0.2.1", 1, "127.0.0.1", False),
        ("127.0.0.1", 2, "127.0.0.1", False),
    ],
)
def test_which_listener_stands_in_the_way(ip: str, port: int, host: str, takes: bool) -> None:
    assert ListeningSocket(ip, port, None).takes(ListenAddress("x", host, 1, "", "")) is takes


def test_a_port_of_a_process_that_cannot_be_seen_is_no_problem_beside_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.doctor.ports.listening_sockets", lambda: [ListeningSocket("127.0.0.1", 9464, None)])
    found = only(check_ports, situation(tmp_path, user=OURS, metrics_port=9464), "port 9464 (metrics)")
    assert found.level == "warning"
    assert "user of the server" in found.hint
