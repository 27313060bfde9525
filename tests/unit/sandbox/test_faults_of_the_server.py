"""What is no fault of a file: a busy machine, a slow disk, a fork server that ended or cannot fork."""

from __future__ import annotations

import errno
import os
import socket
import time

import pytest

from models.errors import Overloaded, Unavailable
from models.media.audio_decoder import StreamDecoder
from server.sandbox import client
from server.sandbox.client import FileInChild
from server.sandbox.fork_messages import START
from server.sandbox.fork_server import ForkServer
from server.sandbox.frames import Kind, receive
from server.sandbox.sandbox import MediaSandbox
from server.uploads.refusals import caused_by_server
from tests.unit.media.made_files import long_m4a
from tests.unit.sandbox.sandboxes import OPTIONS, cleaned, fork_server
from tests.unit.vision.pictures import DATA, corners, encoded

PICTURE = encoded(corners(), "PNG")


def test_a_file_that_gets_no_cpu_in_time_may_come_again(sandbox: MediaSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "WALL_FACTOR", 0.0001)
    with pytest.raises(Overloaded) as caught:
        cleaned(sandbox, PICTURE)
    assert (caught.value.reason, caught.value.retry_after_s) == ("DECODERS_BUSY", 10.0)
    assert caused_by_server(caught.value)


def test_the_time_in_which_the_server_writes_does_not_count(
    sandbox: MediaSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monotonic, late_s, pieces = time.monotonic, [0.0], list[int]()

    def slow(piece: memoryview) -> None:
        pieces.append(len(piece))
        late_s[0] += 1_000.0

    with monkeypatch.context() as patched:
        patched.setattr(time, "monotonic", lambda: monotonic() + late_s[0])
        file = FileInChild(sandbox._process, OPTIONS.media, OPTIONS.child)
        assert file.run(long_m4a(200), slow).audio_s > 199
    assert len(pieces) == 4


def test_a_fork_server_that_ends_is_no_fault_of_the_stream(own_sandbox: MediaSandbox) -> None:
    data = (DATA / "visit.ogg").read_bytes()
    with StreamDecoder(open_container=own_sandbox.open_stream) as stream:
        stream.feed(data[:8_000])
        [child] = fork_server(own_sandbox).children()
        fork_server(own_sandbox).kill()
        child.wait(60)
        with pytest.raises(Unavailable) as caught:
            stream.feed(data[8_000:])
    assert caught.value.reason == "DECODER_UNAVAILABLE"
    assert caused_by_server(caught.value)
    assert cleaned(own_sandbox, PICTURE)[0].pages == 1


def test_a_fork_that_fails_ends_its_job_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_fork() -> int:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    control, of_server = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours, theirs = socket.socketpair()
    with control, of_server, ours:
        server = ForkServer(control, 0, filtered=False)
        with theirs:
            socket.send_fds(of_server, [START + b" 7"], [theirs.fileno()])
        with monkeypatch.context() as patched:
            patched.setattr(os, "fork", no_fork)
            assert server._take(), "it goes on"
        assert of_server.recv(64) == b"died 7 %d" % -errno.EAGAIN
        assert receive(ours) == (Kind.NOT_STARTED, b"")
        assert ours.recv(1) == b"", "its descriptor is closed"
