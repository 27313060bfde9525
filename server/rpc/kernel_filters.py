"""Filters of the kernel that decide which packets reach a socket, in classic BPF. For Linux."""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Sequence
from ipaddress import IPv4Address
from typing import Final

from server.access.peer import Network

MOST_NETWORKS: Final = 256
"""Networks of one filter. The kernel takes 4,096 instructions, and 9 are needed for an address of IPv6."""

Line = tuple[int, int, int, int]
"""One instruction: its code, lines to skip if true, lines to skip if false, value."""

_SO_ATTACH_FILTER: Final = 26
_NETWORK_HEADER: Final = 0xFFF00000
"""Where the IP header begins, for a filter of the kernel (``SKF_NET_OFF``)."""
_LOAD_WORD, _LOAD_HALF, _LOAD_BYTE, _SHIFT_RIGHT, _EQUAL, _JUMP, _RETURN = 0x20, 0x28, 0x30, 0x74, 0x15, 0x05, 0x06
_DROP, _KEEP = (_RETURN, 0, 0, 0), (_RETURN, 0, 0, 0xFFFFFFFF)


def attach(sock: socket.socket, program: Sequence[Line]) -> None:
    """Let the socket have only those packets that the filter keeps, instead of those of the filter before.

    Raises:
        OSError: The system does not do it.
    """
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in program))
    option = struct.pack("@HP", len(program), ctypes.addressof(code))
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, option)


def keeping(at: int, value: int) -> list[Line]:
    """A filter that keeps messages with this 16-bit value at this byte."""
    return [(_LOAD_HALF, 0, 0, at), (_EQUAL, 1, 0, value), _DROP, _KEEP]


def without(networks: Sequence[Network]) -> list[Line]:
    """A filter that drops the packets of these networks; of the last ones, if there are too many."""
    old = [(_LOAD_WORD, 0, 0, _NETWORK_HEADER + 12)]
    new: list[Line] = []
    for network in networks[-MOST_NETWORKS:]:
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
