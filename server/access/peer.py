"""Where a call comes from."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import unquote

from server.validators import is_loopback

Network = IPv4Address | IPv6Network
_LOCAL_NETWORKS: Final = (IPv6Network("fe80::/10"), IPv6Network("fc00::/7"))


def network_of(address: IPv4Address | IPv6Address) -> Network:
    """What bounds count together: an IPv4 address, or a /64 network of IPv6, which a provider gives to one customer.

    The machines of a local network share one of its /64 networks, so there each address counts for itself.
    """
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped:
        return address.ipv4_mapped
    plain = IPv6Address(int(address))  # without the interface
    return IPv6Network((plain, 128 if any(plain in local for local in _LOCAL_NETWORKS) else 64), strict=False)


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of a connection.

    Attributes:
        host: Its address without the port, for the audit; ``unix`` for a Unix socket, empty if it is not known.
        network: What bounds count together, see ``network_of``.
        local: Whether it is on this machine.
    """

    host: str
    network: str
    local: bool


UNKNOWN_PEER: Final = Peer("", "", local=False)


def parse_peer(text: str) -> Peer:
    """Read a peer as gRPC writes it: ``ipv4:192.0.2.1:50``, ``ipv6:%5B2001:db8::1%5D:50`` or ``unix:/run/a.sock``."""
    kind, _, rest = unquote(text).partition(":")
    if kind == "unix":
        return Peer(kind, kind, local=True)
    host = rest.rpartition(":")[0].strip("[]") if kind in {"ipv4", "ipv6"} else ""
    return peer_at(host) or Peer("", kind, local=False)


def peer_at(host: str) -> Peer | None:
    """The peer with an IP address; None if it is not one."""
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return Peer(host, str(network_of(address)), local=is_loopback(host))
