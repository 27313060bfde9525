"""Where a call comes from."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final
from urllib.parse import unquote

from server.validators import is_loopback


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of a connection.

    Attributes:
        host: Its address without the port, for the audit; ``unix`` for a Unix socket, empty if it is not known.
        network: What bounds count together. One machine usually has a whole /64 network of IPv6 addresses for itself.
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
    try:
        address = ip_address(host)
    except ValueError:
        return Peer("", kind, local=False)
    network = str(address)
    if isinstance(address, IPv6Address):
        network = str(address.ipv4_mapped or ip_network((int(address), 64), strict=False))
    return Peer(host, network, local=is_loopback(host))
