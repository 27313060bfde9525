"""What a confined process can no longer do. Each probe runs in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CHILD = """
import os, socket
from server.sandbox.confine import Confinement, address_space_bytes, confine, leave_system
ours, theirs = socket.socketpair()
if os.fork() == 0:
    size = address_space_bytes()
    leave_system({empty!r})
    confine(Confinement(size + 64 * 1024 * 1024, 1), theirs.fileno())
    try:
        {probe}
    except BaseException as error:
        theirs.send(type(error).__name__.encode())
    else:
        theirs.send(b"done")
    os._exit(0)
theirs.close()
print(ours.recv(100).decode())
"""


def outcome(probe: str, empty: Path) -> str:
    """What became of the probe: ``done``, the name of an error, or nothing when the process was ended."""
    program = CHILD.format(probe=probe, empty=str(empty))
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return ran.stdout.strip()


@pytest.mark.parametrize(
    ("probe", "expected"),
    [
        ("pass", "done"),
        ("bytearray(32 * 1024 * 1024)", "done"),
        ("bytearray(128 * 1024 * 1024)", "MemoryError"),
        ("open('/etc/passwd')", "OSError"),
        ("open('/dev/null', 'w')", "OSError"),
        ("socket.socket()", "OSError"),
        ("os.pipe()", "OSError"),
        ("os.unlink('/etc/hostname')", "FileNotFoundError"),
        ("os.listdir('/')", "OSError"),
        ("os.read(0, 1)", "OSError"),
        ("os.write(2, b'x')", "OSError"),
        ("exec('while True: pass')", ""),  # the kernel ends it after a second of CPU
    ],
)
def test_a_confined_process_has_memory_time_and_one_socket(probe: str, expected: str, tmp_path: Path) -> None:
    assert outcome(probe, tmp_path) == expected


ESCAPE = """
for _ in range(20):
    os.mkdir("x")
    os.chroot("x")
    os.chdir("..")
os.chroot(".")
os.unlink({victim!r})
"""

REGAIN = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
if libc.unshare(0x10000000):
    raise OSError(ctypes.get_errno(), "no new user namespace")
"""


def test_a_confined_process_cannot_leave_its_root(tmp_path: Path) -> None:
    empty, victim = tmp_path / "empty", tmp_path / "ledger"
    empty.mkdir()
    victim.write_text("records")
    assert outcome(f"exec({ESCAPE.format(victim=str(victim))!r})", empty) == "PermissionError"
    assert victim.read_text() == "records"


def test_a_confined_process_gets_no_capabilities_back(tmp_path: Path) -> None:
    assert outcome(f"exec({REGAIN!r})", tmp_path) == "PermissionError"
