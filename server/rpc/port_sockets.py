"""The sockets of the gRPC port as the kernel sees them: gRPC lets Python neither count bytes nor end a connection.

For Linux. The descriptors are gRPC's own. They are used as they are and never closed here, nor duplicated: gRPC may
close one at any time, and its number may then be that of the ledger's file. Closing a duplicate of that file would
release the lock of DuckDB on it, for POSIX releases all locks of a process with the first descriptor that it closes.
No call that is made here does anything to a file. And looking needs one free descriptor only, that of the list.
"""

from __future__ import annotations

import ctypes
import socket
import struct
import sys
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from server.access.peer import Network
from server.observability.log import get_logger
from server.rpc.ended_connections import TCP_INFO_BYTES_RECEIVED, EndedConnections
from server.rpc.endpoints import Endpoint, endpoint_of
from server.rpc.kernel_filters import attach, without

SUPPORTED: Final = sys.platform == "linux"
log = get_logger("floods")

_SO_DETACH_FILTER: Final = 27
_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_NOWHERE: Final = struct.pack("=H14x", socket.AF_UNSPEC)
"""A ``struct sockaddr``; connecting to it resets a TCP connection."""


class PortSockets:
    """The connections and the listening sockets of one port of this process."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._ended: EndedConnections | None = None
        try:
            self._ended = EndedConnections(port)
        except OSError:
            log.warning("short_connections_unseen")

    def close(self) -> None:
        """Ask the kernel for nothing more. Nothing of gRPC's is closed."""
        if self._ended is not None:
            self._ended.close()

    def ended(self) -> list[tuple[Endpoint, int]]:
        """Connections that have ended since the last time, each with the bytes that it brought."""
        return [] if self._ended is None else self._ended.take()

    def received(self) -> dict[Endpoint, int]:
        """Bytes that each open connection has brought, read or not.

        Raises:
            OSError: No descriptor is free to list the others.
        """
        found = {}
        for sock, peer in self._connections():
            with suppress(OSError, struct.error):  # the connection has ended
                info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_BYTES_RECEIVED + 8)
                if _peer(sock) == peer:  # the descriptor was not closed and used again meanwhile
                    (found[peer],) = struct.unpack_from("=Q", info, TCP_INFO_BYTES_RECEIVED)
        return found

    def cut(self, peers: Collection[Endpoint]) -> None:
        """Reset these connections. What gRPC has not read yet is lost, which an orderly end would leave to it.

        Another connection is reset instead if it takes the number within the microseconds between two calls of the
        kernel. Its client connects again; the ledger's lock would not come back.
        """
        for sock, peer in self._connections():
            if peer in peers:
                _LIBC.connect(sock.fileno(), _NOWHERE, len(_NOWHERE))

    def refuse(self, networks: Collection[Network]) -> None:
        """Let the kernel drop what these networks send to open a connection, instead of those that were named before.

        Raises:
            OSError: The system does not do it.
        """
        program = without(list(networks))
        for sock in self._sockets():
            if not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                continue
            if networks:
                attach(sock, program)
            else:
                with suppress(FileNotFoundError):  # there is none
                    sock.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)

    def _connections(self) -> Iterator[tuple[socket.socket, Endpoint]]:
        for sock in self._sockets():
            with suppress(OSError):  # it listens, or has ended
                yield sock, _peer(sock)

    def _sockets(self) -> Iterator[socket.socket]:
        for path in list(Path("/proc/self/fd").iterdir()):
            with suppress(OSError):  # it is no socket, or was closed
                sock = socket.socket(fileno=int(path.name))
                try:
                    if sock.family in (socket.AF_INET, socket.AF_INET6) and sock.getsockname()[1] == self._port:
                        yield sock
                finally:
                    sock.detach()


def _peer(sock: socket.socket) -> Endpoint:
    return endpoint_of(*sock.getpeername()[:2])
