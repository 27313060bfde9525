"""Standard error never raises and never makes its writer wait."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from server.observability.metrics import Metrics
from server.observability.standard_error import LONGEST_WRITE, QueuedStream, lost_lines

PATIENCE_S = 30.0


class Recovered:
    """Keeps what is told when writing works again."""

    def __init__(self) -> None:
        self.lines: list[int] = []
        self.told = threading.Event()

    def __call__(self, lines: int) -> None:
        self.lines.append(lines)
        self.told.set()


def test_what_is_written_arrives_in_order() -> None:
    reading, writing = os.pipe()
    stream = QueuedStream(writing, Recovered())
    for number in range(100):
        assert stream.write(f"{number}\n") == len(f"{number}\n")
    assert stream.drain(PATIENCE_S)
    assert os.read(reading, 65536).decode().split() == [str(number) for number in range(100)]
    assert stream.lost_lines == 0


def test_a_pipe_that_nobody_reads_makes_nobody_wait_and_the_lost_lines_are_told_once() -> None:
    reading, writing = os.pipe()
    filled = _fill(writing)
    recovered = Recovered()
    stream = QueuedStream(writing, recovered, most_waiting=50)
    written, line = 500, "x" * 99 + "\n"
    for _ in range(written):
        stream.write(line)
    assert not stream.drain(0.05)
    lost = stream.lost_lines
    assert written - 51 <= lost <= written - 50
    assert not recovered.lines
    received = b""
    while len(received) < filled + (written - lost) * len(line):
        received += os.read(reading, 65536)
    assert recovered.told.wait(PATIENCE_S)
    assert recovered.lines == [lost]
    assert received[filled:].decode() == line * (written - lost)


def _fill(pipe: int) -> int:
    """Fill a pipe; returns its bytes."""
    os.set_blocking(pipe, False)
    filled = 0
    try:
        while True:
            filled += os.write(pipe, bytes(1024))
    except BlockingIOError:
        os.set_blocking(pipe, True)
    return filled


def test_a_full_disk_loses_lines_and_raises_nothing() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    recovered = Recovered()
    stream = QueuedStream(full, recovered)
    stream.write("one\n")
    stream.write("two\nthree\n")
    assert stream.drain(PATIENCE_S)
    assert stream.lost_lines == 3
    reading, writing = os.pipe()
    os.dup2(writing, full)  # room again
    stream.write("four\n")
    assert recovered.told.wait(PATIENCE_S)
    assert recovered.lines == [3]
    assert os.read(reading, 100) == b"four\n"


def test_a_line_after_a_torn_one_begins_on_a_line_of_its_own(tmp_path: Path) -> None:
    program = """
import resource, signal, sys
from server.observability.standard_error import QueuedStream
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
file = open(sys.argv[1], "wb", buffering=0)
stream = QueuedStream(file.fileno(), lambda lines: None)
resource.setrlimit(resource.RLIMIT_FSIZE, (7, resource.RLIM_INFINITY))
stream.write("whole\\n"); stream.write("torn\\n"); stream.write("lost\\n")
stream.drain(30)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
stream.write("next\\n")
stream.drain(30)
print(stream.lost_lines)
"""
    child = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "log")], capture_output=True, text=True, check=True, timeout=60
    )
    assert child.stdout == "2\n"
    assert (tmp_path / "log").read_text() == "whole\nt\nnext\n"


@pytest.mark.parametrize("closed", [True, False])
def test_a_closed_or_broken_descriptor_loses_lines(closed: bool) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    if closed:
        os.close(writing)
        writing = 1_000_000  # a number that nothing has
    stream = QueuedStream(writing, Recovered())
    stream.write("line\n")
    assert stream.drain(PATIENCE_S)
    assert stream.lost_lines == 1


def test_a_descriptor_that_does_not_wait_gets_every_line() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    stream = QueuedStream(writing, Recovered())
    for _ in range(200):
        stream.write("x" * 999 + "\n")
    received = b""
    while len(received) < 200_000:
        received += os.read(reading, 65536)
    assert stream.drain(PATIENCE_S)
    assert stream.lost_lines == 0


def test_a_very_long_write_is_cut_and_odd_characters_are_escaped() -> None:
    reading, writing = os.pipe()
    stream = QueuedStream(writing, Recovered())
    stream.write("y" * (LONGEST_WRITE + 5))
    stream.write("\ud800\n")
    assert stream.drain(PATIENCE_S)
    assert os.read(reading, 65536) == b"y" * LONGEST_WRITE + b"\n\\ud800\n"


def test_bytes_are_refused_as_by_any_stream_for_text() -> None:
    stream = QueuedStream(os.open(os.devnull, os.O_WRONLY), Recovered())
    with pytest.raises(TypeError):
        stream.write(b"bytes")  # type: ignore[arg-type]
    assert stream.writable()
    assert not stream.isatty()


# The log of a whole process, as the server sets it up.
LOGGING = """
import logging, sys, time, warnings
from server.observability.log import configure, get_logger, report_lost_lines
from server.observability.standard_error import queue_standard_error, say
from server.observability.metrics import Metrics
queue_standard_error(report_lost_lines)
configure("info", "json")
log = get_logger("test")
began = time.monotonic()
for number in range(20_000):
    log.info(f"event{number % 400}", number=number, filler="x" * 150)
warnings.warn("of a library")
logging.getLogger("ray").propagate = False
logging.getLogger("ray").addHandler(logging.StreamHandler())
logging.getLogger("ray").error("of Ray")
print("unharmed", file=sys.stderr, flush=True)
assert Metrics().registry.get_sample_value("vestibule_lost_log_lines") is not None
say(f"{time.monotonic() - began:.1f}")
"""


@pytest.mark.parametrize("stderr", ["full", "closed", "unread"])
def test_a_process_whose_log_cannot_be_written_goes_on_and_ends(stderr: str) -> None:
    reading, writing = os.pipe()
    redirect = {"full": "2>/dev/full", "closed": "2>&-", "unread": ""}[stderr]
    child = subprocess.run(
        ["/bin/sh", "-c", f'exec "$0" -c "$1" {redirect}', sys.executable, LOGGING],
        stdout=subprocess.PIPE,
        stderr=writing,
        text=True,
        timeout=60,
        check=True,
    )
    os.close(writing)
    os.close(reading)
    assert float(child.stdout) < PATIENCE_S


def test_what_was_logged_last_is_written_before_the_process_ends() -> None:
    fewer = LOGGING.replace("20_000", "8_000")  # than may wait, so that none is lost on a busy machine
    child = subprocess.run([sys.executable, "-c", fewer], capture_output=True, text=True, timeout=60, check=True)
    lines = child.stderr.splitlines()
    assert lines[-2:] == ["of Ray", "unharmed"]
    assert len(lines) > 6_000


def test_nothing_is_lost_in_an_ordinary_process() -> None:
    assert lost_lines() == 0
    assert Metrics().registry.get_sample_value("vestibule_lost_log_lines") == 0.0
