"""The other end of a TCP connection, so that what gRPC says of one and what the kernel says can be matched."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

from server.access.peer import Network, network_of, parse_peer


class Endpoint(NamedTuple):
    """An address without the interface that IPv6 may name, and a port."""

    host: IPv4Address | IPv6Address
    port: int

    @property
    def network(self) -> Network:
        """What its bytes count for."""
        return network_of(self.host)


def endpoint_of(host: str, port: int) -> Endpoint:
    """From a host as a socket or gRPC writes it. An IPv4 address that is mapped into IPv6 becomes an IPv4 address.

    Raises:
        ValueError: The host is no address.
    """
    address = ip_address(host.partition("%")[0])
    return Endpoint((isinstance(address, IPv6Address) and address.ipv4_mapped) or address, port)


@lru_cache(4096)
def endpoint_of_peer(peer: str) -> Endpoint | None:
    """From a peer as gRPC writes it; None for a Unix socket."""
    try:
        return endpoint_of(parse_peer(peer).host, int(peer.rpartition(":")[2]))
    except ValueError:
        return None
