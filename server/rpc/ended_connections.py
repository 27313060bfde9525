"""Connections of a port that have ended, as the kernel reports them: also those that lived shorter than a look.

For Linux. Any process may ask the kernel to report each TCP socket of its network namespace that ends (sock_diag(7),
``SKNLGRP_INET_TCP_DESTROY``). A filter in the kernel leaves only those of the port.
"""

from __future__ import annotations

import socket
import struct
from typing import Final

from server.rpc.endpoints import Endpoint, endpoint_of
from server.rpc.kernel_filters import attach, keeping

TCP_INFO_BYTES_RECEIVED: Final = 128
"""Where ``tcpi_bytes_received`` is in the kernel's ``struct tcp_info``."""

_NETLINK_SOCK_DIAG, _SOL_NETLINK, _NETLINK_NO_ENOBUFS = 4, 270, 5
_GROUPS: Final = 1 << 0 | 1 << 2  # SKNLGRP_INET_TCP_DESTROY, SKNLGRP_INET6_TCP_DESTROY
_BUFFER_BYTES: Final = 1024 * 1024
_LARGEST_REPORT_BYTES: Final = 4096
MOST_REPORTS: Final = 10_000
"""Of one look. They may come faster than they are read."""

# Where the parts of a report are: a nlmsghdr, an inet_diag_msg (family, ports, own address, the other's), attributes.
_FAMILY, _PORTS, _OTHER, _ATTRIBUTES = 16, 20, 40, 88
_INET_DIAG_INFO: Final = 2


class EndedConnections:
    """Reports of one port since this was made.

    Raises:
        OSError: The system does not report them.
    """

    def __init__(self, port: int) -> None:
        self._sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, _NETLINK_SOCK_DIAG)
        try:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
            self._sock.setsockopt(_SOL_NETLINK, _NETLINK_NO_ENOBUFS, 1)  # what has no room is lost without an error
            attach(self._sock, keeping(_PORTS, port))
            self._sock.bind((0, _GROUPS))
        except OSError:
            self._sock.close()
            raise

    def take(self) -> list[tuple[Endpoint, int]]:
        """Those that have ended since the last time, each with the bytes that it brought."""
        found = []
        for _ in range(MOST_REPORTS):
            try:
                report = self._sock.recv(_LARGEST_REPORT_BYTES)
            except BlockingIOError:
                break
            peer, received = _parsed(report)
            if peer.port:  # else it is a socket that listened
                found.append((peer, received))
        return found

    def close(self) -> None:
        """Ask for no more reports."""
        self._sock.close()


def _parsed(report: bytes) -> tuple[Endpoint, int]:
    _, port = struct.unpack_from("!HH", report, _PORTS)
    family = report[_FAMILY]
    packed = report[_OTHER : _OTHER + (4 if family == socket.AF_INET else 16)]
    return endpoint_of(socket.inet_ntop(family, packed), port), _received(report)


def _received(report: bytes) -> int:
    at = _ATTRIBUTES
    while at + 4 <= len(report):
        length, kind = struct.unpack_from("=HH", report, at)
        if kind == _INET_DIAG_INFO and length >= 4 + TCP_INFO_BYTES_RECEIVED + 8:  # an old kernel says less
            return int(struct.unpack_from("=Q", report, at + 4 + TCP_INFO_BYTES_RECEIVED)[0])
        at += max(4, (length + 3) & ~3)
    return 0
