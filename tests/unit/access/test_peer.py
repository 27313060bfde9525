"""Where a call comes from, as gRPC writes it."""

from __future__ import annotations

import pytest

from server.access.peer import UNKNOWN_PEER, Peer, parse_peer


@pytest.mark.parametrize(
    ("text", "peer"),
    [
        ("ipv4:192.0.2.7:5123", Peer("192.0.2.7", "192.0.2.7", local=False)),
        ("ipv4:127.0.0.1:50000", Peer("127.0.0.1", "127.0.0.1", local=True)),
        ("ipv6:[::1]:50000", Peer("::1", "::/64", local=True)),
        ("ipv6:%5B::1%5D:50000", Peer("::1", "::/64", local=True)),
        ("ipv6:%5B2001:db8:1:2:3::1%5D:5000", Peer("2001:db8:1:2:3::1", "2001:db8:1:2::/64", local=False)),
        ("ipv6:[2001:db8:1:2:ffff::9]:5000", Peer("2001:db8:1:2:ffff::9", "2001:db8:1:2::/64", local=False)),
        ("ipv6:%5Bfe80::1%25eth0%5D:5000", Peer("fe80::1%eth0", "fe80::1/128", local=False)),
        ("ipv6:[fd00:1::7]:5000", Peer("fd00:1::7", "fd00:1::7/128", local=False)),
        ("unix:/run/vestibule.sock", Peer("unix", "unix", local=True)),
        ("unix:", Peer("unix", "unix", local=True)),
    ],
)
def test_a_peer_as_grpc_writes_it(text: str, peer: Peer) -> None:
    assert parse_peer(text) == peer


@pytest.mark.parametrize(("address", "local"), [("127.0.0.1", True), ("192.0.2.7", False)])
def test_an_ipv4_address_on_an_ipv6_socket_counts_as_itself(address: str, local: bool) -> None:
    assert parse_peer(f"ipv6:%5B::ffff:{address}%5D:50") == Peer(f"::ffff:{address}", address, local=local)


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("ipv4:127.0.0.1.evil.example:1", "ipv4"),
        ("ipv4:localhost:1", "ipv4"),
        ("ipv6:", "ipv6"),
        ("vsock:1:2", "vsock"),
        ("other:127.0.0.1:50", "other"),
        ("something else", "something else"),
    ],
)
def test_what_is_no_address_is_neither_kept_nor_local(text: str, network: str) -> None:
    assert parse_peer(text) == Peer("", network, local=False)


def test_an_empty_peer_is_unknown() -> None:
    assert parse_peer("") == UNKNOWN_PEER
