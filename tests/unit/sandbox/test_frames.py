"""Messages between the server and a child that may be in other hands."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from server.sandbox.frames import Kind, receive, receive_into, send


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_a_message_arrives_as_it_was_sent(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    send(theirs, Kind.DATA, b"content")
    send(theirs, Kind.END)
    assert receive(ours) == (Kind.DATA, b"content")
    assert receive(ours) == (Kind.END, b"")


def test_a_message_into_a_buffer_is_no_longer_than_the_buffer(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    buffer = memoryview(bytearray(7))
    send(theirs, Kind.DATA, b"content")
    kind, content = receive_into(ours, buffer, deadline_s=time.monotonic() + 5)
    assert (kind, bytes(content)) == (Kind.DATA, b"content")
    send(theirs, Kind.DATA, b"contents")
    with pytest.raises(ValueError, match="longer"):
        receive_into(ours, buffer, deadline_s=time.monotonic() + 5)


def test_a_message_must_be_complete_in_time_however_it_trickles(
    ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = ends
    theirs.sendall(bytes([Kind.DATA]) + (100).to_bytes(4, "big") + b"a part")
    now = iter([0.0, 9.0, 18.0, 27.0])
    monkeypatch.setattr("server.sandbox.frames.time.monotonic", lambda: next(now))
    with pytest.raises(TimeoutError):
        receive(ours, deadline_s=10.0)
    assert next(now) == 27.0, "header, then the part of the content, then no more"
