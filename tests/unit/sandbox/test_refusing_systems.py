"""Systems that refuse something: user namespaces, or the filter of system calls. Each test makes one in a process."""

from __future__ import annotations

import subprocess
import sys

import pytest

from server.records.status import Component
from server.sandbox import seccomp
from server.sandbox.process import FILTERED, UNFILTERED
from server.sandbox.sandbox import MediaSandbox

CANNOT_BE_TRIED = 3

NO_NAMESPACES = """
import ctypes, os, sys

user = os.getuid()
if ctypes.CDLL(None).unshare(0x10000000):
    sys.exit(3)
try:
    open("/proc/self/uid_map", "w").write(f"0 {user} 1")
    open("/proc/sys/user/max_user_namespaces", "w").write("0")
except OSError:
    sys.exit(3)
"""

NO_FILTER = """
import ctypes, os, struct, sys
from server.sandbox import seccomp

ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)
prctl = {"x86_64": 157, "aarch64": 167}.get(os.uname().machine)
if not prctl:
    sys.exit(3)
refuse_filters = [
    (0x20, 0, 0, 0), (0x15, 0, 3, prctl), (0x20, 0, 0, 16), (0x15, 0, 1, 22), (6, 0, 0, seccomp.REFUSE),
    (6, 0, 0, seccomp.ALLOW),
]
program = b"".join(struct.pack("HBBI", *instruction) for instruction in refuse_filters)
seccomp.filter_program = lambda *_, **__: program
seccomp.filter_calls(threads=False)
"""

START = """
import asyncio, io
from PIL import Image
from models.media.clean import MediaLimits  # loads libraries that start threads, and unshare wants none
from server.sandbox.client import ChildLimits
from server.sandbox.places import PlaceLimits
from server.sandbox.sandbox import MediaSandbox, SandboxOptions

async def main():
    place = PlaceLimits(1, 1, 60.0)
    sandbox = MediaSandbox(SandboxOptions(place, place, ChildLimits(288 << 20, 64 << 20, 10, 60), MediaLimits()))
    await sandbox.start()
    await sandbox.start()
    picture = io.BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "PNG")
    made = await sandbox.clean(picture.getvalue(), lambda piece: None, "app")
    print(sandbox.confinement.component.healthy, made.pages, f"<{sandbox.confinement.component.detail}>")
    await sandbox.close()

asyncio.run(main())
"""


def started_where(refusal: str) -> str:
    """The output of a process that starts a sandbox after it took something from itself."""
    ran = subprocess.run([sys.executable, "-c", refusal + START], capture_output=True, text=True, check=False)
    if ran.returncode == CANNOT_BE_TRIED:
        pytest.skip("this system does not let a test refuse it")
    assert ran.returncode == 0, ran.stderr
    return ran.stdout + ran.stderr


@pytest.mark.skipif(seccomp.machine() is None, reason="there is no filter for this machine")
def test_a_system_that_refuses_nothing_filters_calls(sandbox: MediaSandbox) -> None:
    assert sandbox.confinement.component == Component("sandbox", True, FILTERED)
    assert sandbox.component.detail.startswith("Up to ")


def test_a_system_without_namespaces_needs_none() -> None:
    output = started_where(NO_NAMESPACES)
    assert f"True 1 <{FILTERED}>" in output
    assert "sandbox_incomplete" not in output


def test_a_system_without_the_filter_is_told_in_the_log_and_in_the_status() -> None:
    output = started_where(NO_FILTER)
    assert f"True 1 <{UNFILTERED}>" in output
    assert output.count("sandbox_incomplete") == 1
