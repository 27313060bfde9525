"""Messages between the server and a child: one byte for the kind, four for the length, then the content.

The content is JSON or plain bytes, never pickled: a child that was taken over must not be able to run anything here.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Mapping
from enum import IntEnum
from typing import Any, Final

from models.media.clean import CLEAN_BYTES

_HEADER_BYTES: Final = 5
MAX_FRAME_BYTES: Final = CLEAN_BYTES
"""A child cannot make the server allocate more."""

JSON_BYTES: Final = 4 * 1024
"""Longest content of a result or an error."""

MAX_TEXT_CHARS: Final = 300
"""Longest message and hint of an error."""

PIECE_BYTES: Final = 1024 * 1024
"""Of a clean form, which travels in pieces."""


class Kind(IntEnum):
    """What a message is."""

    REQUEST = 1  # to the child: what to do, JSON
    DATA = 2  # bytes of the file; samples; a piece of the clean form
    END = 3  # no more bytes come
    WANTS_MORE = 4  # from the child: everything so far is decoded; the content is the new samples
    RESULT = 5  # from the child: it is done, JSON
    ERROR = 6  # from the child: the file is refused, JSON
    PART = 7  # from the child: samples of a stream, and more come without being asked for
    NOT_STARTED = 8  # from the fork server, in place of a child that it could not start


_JSON: Final = frozenset({Kind.RESULT, Kind.ERROR})


def send(connection: socket.socket, kind: Kind, content: bytes | memoryview = b"") -> None:
    """Send one message."""
    connection.sendall(bytes([kind]) + len(content).to_bytes(4, "big"))
    if len(content):
        connection.sendall(content)


def send_json(connection: socket.socket, kind: Kind, content: Mapping[str, Any]) -> None:
    """Send one message whose content is JSON."""
    send(connection, kind, json.dumps(content).encode())


def receive(
    connection: socket.socket, most_bytes: int = MAX_FRAME_BYTES, *, deadline_s: float | None = None
) -> tuple[Kind, bytes]:
    """Receive one message.

    Args:
        connection: Of the server to a child, or the other end.
        most_bytes: Longest content.
        deadline_s: When it must have arrived, on the monotonic clock; None for no bound.

    Raises:
        EOFError: The other side is gone.
        ValueError: It is no message of this protocol.
        TimeoutError: The deadline has passed.
    """
    kind, size = _header(connection, most_bytes, deadline_s)
    if deadline_s is None:
        return kind, _all(connection, size)
    content = bytearray(size)
    _fill(connection, memoryview(content), deadline_s)
    return kind, bytes(content)


def receive_into(connection: socket.socket, buffer: memoryview, *, deadline_s: float) -> tuple[Kind, memoryview]:
    """The same into a buffer; the content is the part of it that was filled."""
    kind, size = _header(connection, len(buffer), deadline_s)
    _fill(connection, buffer[:size], deadline_s)
    return kind, buffer[:size]


def _header(connection: socket.socket, most_bytes: int, deadline_s: float | None) -> tuple[Kind, int]:
    header = bytearray(_HEADER_BYTES)
    _fill(connection, memoryview(header), deadline_s)
    size = int.from_bytes(header[1:], "big")
    kind = Kind(header[0])
    if size > (min(most_bytes, JSON_BYTES) if kind in _JSON else most_bytes):
        raise ValueError("A message is longer than it may be.")
    return kind, size


def _all(connection: socket.socket, size: int) -> bytes:
    """So many bytes, of a large file with one call and without a copy."""
    pieces = []
    while size:
        piece = connection.recv(size, socket.MSG_WAITALL)
        if not piece:
            raise EOFError
        pieces.append(piece)
        size -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _fill(connection: socket.socket, view: memoryview, deadline_s: float | None) -> None:
    at = 0
    while at < len(view):
        if deadline_s is not None:
            connection.settimeout(left_s(deadline_s))
        got = connection.recv_into(view[at:])
        if not got:
            raise EOFError
        at += got


def left_s(deadline_s: float) -> float:
    """Seconds until a deadline, for the timeout of a socket.

    Raises:
        TimeoutError: It has passed.
    """
    left = deadline_s - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
