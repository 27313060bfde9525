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
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

from server.access.peer import Network
from server.rpc.endpoints import Endpoint, endpoint_of

SUPPORTED: Final = sys.platform == "linux"
MOST_NETWORKS: Final = 256
"""Networks of one filter. The kernel takes 4,096 instructions, and 9 are needed for an address of IPv6."""

_SO_ATTACH_FILTER, _SO_DETACH_FILTER = 26, 27
_TCP_INFO_BYTES_RECEIVED: Final = 128
"""Where ``tcpi_bytes_received`` is in the kernel's ``struct tcp_info``."""
_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_NOWHERE: Final = struct.pack("=H14x", socket.AF_UNSPEC)
"""A ``struct sockaddr``; connecting to it resets a TCP connection."""


class PortSockets:
    """The connections and the listening sockets of one port of this process."""

    def __init__(self, port: int) -> None:
        self._port = port

    def received(self) -> dict[Endpoint, int]:
        """Bytes that each open connection has brought, read or not.

        Raises:
            OSError: No descriptor is free to list the others.
        """
        found = {}
        for sock, peer in self._connections():
            with suppress(OSError, struct.error):  # the connection has ended
                info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES_RECEIVED + 8)
                if _peer(sock) == peer:  # the descriptor was not closed and used again meanwhile
                    (found[peer],) = struct.unpack_from("=Q", info, _TCP_INFO_BYTES_RECEIVED)
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
        program = _program(list(networks)[-MOST_NETWORKS:])
        code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in program))
        option = struct.pack("@HP", len(program), ctypes.addressof(code))
        for sock in self._sockets():
            if not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                continue
            if networks:
                sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, option)
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


_NETWORK_HEADER: Final = 0xFFF00000
"""Where the IP header begins, for a filter of the kernel (``SKF_NET_OFF``)."""
_LOAD_WORD, _LOAD_BYTE, _SHIFT_RIGHT, _EQUAL, _JUMP, _RETURN = 0x20, 0x30, 0x74, 0x15, 0x05, 0x06
_DROP, _KEEP = (_RETURN, 0, 0, 0), (_RETURN, 0, 0, 0xFFFFFFFF)

_Line = tuple[int, int, int, int]


def _program(networks: list[Network]) -> list[_Line]:
    """A filter in classic BPF that drops the packets of these networks: (code, jump if true, jump if false, value)."""
    old = [(_LOAD_WORD, 0, 0, _NETWORK_HEADER + 12)]
    new: list[_Line] = []
    for network in networks:
        if isinstance(network, IPv4Address):
            old += [(_EQUAL, 0, 1, int(network)), _DROP]
        else:
            words = struct.unpack("!4I", network.network_address.packed)[: network.prefixlen // 32]
            for at, word in enumerate(words):
                to_next = 2 * (len(words) - at) - 1
                new += [(_LOAD_WORD, 0, 0, _NETWORK_HEADER + 8 + 4 * at), (_EQUAL, 0, to_next, word)]
            new.append(_DROP)
    version = [(_LOAD_BYTE, 0, 0, _NETWORK_HEADER), (_SHIFT_RIGHT, 0, 0, 4), (_EQUAL, 1, 0, 4)]
    return [*version, (_JUMP, 0, 0, len(old) + 1), *old, _KEEP, *new, _KEEP]
