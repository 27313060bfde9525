"""A client that sends what no gRPC client sends: HTTP/2 over a plain socket, in whole frames or in parts of them."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, Event, ResponseReceived, StreamReset, TrailersReceived
from h2.exceptions import ProtocolError
from hpack import HeaderTuple

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 8, 9
END_STREAM, END_HEADERS, ACK = 1, 4, 1

Pairs = Sequence[tuple[str | bytes, str | bytes]]


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One HTTP/2 frame."""
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def grpc_message(body: bytes, *, claimed: int | None = None, compressed: int = 0) -> bytes:
    """A gRPC message with its prefix; ``claimed`` is a length that is not the true one."""
    return struct.pack(">BI", compressed, len(body) if claimed is None else claimed) + body


def headers_of(path: str, authority: str, more: Pairs = ()) -> list[HeaderTuple]:
    """The headers of a gRPC call."""
    pairs: list[tuple[str | bytes, str | bytes]] = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", authority),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        *more,
    ]
    return [HeaderTuple(name, value) for name, value in pairs]


@dataclass(slots=True)
class Answer:
    """What the server sent on one stream."""

    headers: dict[str, str] = field(default_factory=dict)
    data: bytes = b""
    reset: bool = False
    gone: bool = False

    @property
    def status(self) -> int | None:
        """The gRPC status, if there is one."""
        return int(self.headers["grpc-status"]) if "grpc-status" in self.headers else None


class RawClient:
    """One connection. ``sock`` may be written to directly.

    Args:
        address: Host and port.
        greet: Whether to send the preface and the settings.
        source: Address of this machine that the connection comes from; empty takes any.
    """

    def __init__(self, address: str, *, greet: bool = True, source: str = "", timeout_s: float = 10.0) -> None:
        host, _, port = address.rpartition(":")
        self.address = address
        self.sock = socket.create_connection((host, int(port)), timeout_s, (source, 0) if source else None)
        self.http2 = H2Connection(
            H2Configuration(
                client_side=True,
                header_encoding=None,  # an answer may have bytes of what was sent
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
                validate_inbound_headers=False,
            )
        )
        if greet:
            self.http2.initiate_connection()
            self.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.sock.close()

    def flush(self) -> None:
        """Send what h2 has prepared."""
        self.sock.sendall(self.http2.data_to_send())

    def open(self, path: str, body: bytes = b"", *, end: bool = False, more: Pairs = ()) -> int:
        """Begin a call and send bytes of its body; returns the number of its stream."""
        stream = self.http2.get_next_available_stream_id()
        self.http2.send_headers(stream, headers_of(path, self.address, more))
        if body or end:
            self.http2.send_data(stream, body, end_stream=end)
        self.flush()
        return stream

    def answer(self, stream: int, timeout_s: float = 10.0) -> Answer:
        """Read until the stream or the connection ends.

        Raises:
            TimeoutError: It did not end in time.
        """
        answer, deadline = Answer(), time.monotonic() + timeout_s
        while True:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise TimeoutError
            self.sock.settimeout(left_s)
            try:
                received = self.sock.recv(65536)
                events = self.http2.receive_data(received) if received else []
                self.flush()
            except (ConnectionError, ProtocolError):
                received, events = b"", []
            for event in events:
                _note(answer, event, stream)
            if not received:
                answer.gone = True
            if answer.gone or answer.reset or answer.status is not None:
                return answer

    def closed_within(self, timeout_s: float) -> bool:
        """Whether the server closes the connection in that time. What it sends before is thrown away."""
        deadline = time.monotonic() + timeout_s
        while (left_s := deadline - time.monotonic()) > 0:
            self.sock.settimeout(left_s)
            try:
                if not self.sock.recv(65536):
                    return True
            except TimeoutError:
                return False
            except ConnectionError:
                return True
        return False


def _note(answer: Answer, event: Event, stream: int) -> None:
    if isinstance(event, ConnectionTerminated):
        answer.gone = True
    if getattr(event, "stream_id", None) != stream:
        return
    if isinstance(event, ResponseReceived | TrailersReceived):
        answer.headers.update((_text(name), _text(value)) for name, value in event.headers or ())
    elif isinstance(event, DataReceived):
        answer.data += event.data or b""
    elif isinstance(event, StreamReset):
        answer.reset = True


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
