"""Messages between the server and a child: one byte for the kind, four for the length, then the content.

The content is JSON or plain bytes, never pickled: a child that was taken over must not be able to run anything here.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from enum import IntEnum
from typing import Any, Final

from models.media.clean import CLEAN_BYTES

_HEADER_BYTES: Final = 5
MAX_FRAME_BYTES: Final = CLEAN_BYTES
"""A child cannot make the server allocate more."""

_CHUNK_BYTES: Final = 1024 * 1024


class Kind(IntEnum):
    """What a message is."""

    REQUEST = 1  # to the child: what to do, JSON
    DATA = 2  # bytes of the file; samples; the clean form
    END = 3  # to the child: no more bytes come
    WANTS_MORE = 4  # from the child: everything so far is decoded; the content is the new samples
    RESULT = 5  # from the child: it is done, JSON
    ERROR = 6  # from the child: the file is refused, JSON
    PART = 7  # from the child: samples of a stream, and more come without being asked for


def send(connection: socket.socket, kind: Kind, content: bytes | memoryview = b"") -> None:
    """Send one message."""
    connection.sendall(bytes([kind]) + len(content).to_bytes(4, "big"))
    if len(content):
        connection.sendall(content)


def send_json(connection: socket.socket, kind: Kind, content: Mapping[str, Any]) -> None:
    """Send one message whose content is JSON."""
    send(connection, kind, json.dumps(content).encode())


def receive(connection: socket.socket, most_bytes: int = MAX_FRAME_BYTES) -> tuple[Kind, bytes]:
    """Receive one message.

    Raises:
        EOFError: The other side is gone.
        ValueError: It is no message of this protocol.
        TimeoutError: The timeout of the socket has passed.
    """
    header = _exactly(connection, _HEADER_BYTES)
    size = int.from_bytes(header[1:], "big")
    if size > most_bytes:
        raise ValueError("A message is longer than it may be.")
    return Kind(header[0]), bytes(_exactly(connection, size))


def _exactly(connection: socket.socket, size: int) -> bytearray:
    buffer = bytearray(size)
    view, at = memoryview(buffer), 0
    while at < size:
        got = connection.recv_into(view[at:], min(_CHUNK_BYTES, size - at))
        if not got:
            raise EOFError
        at += got
    return buffer
