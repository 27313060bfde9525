"""Starts ``clamd`` with a signature file of our own. Without it the tests are skipped, but in CI they fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from server.uploads.malware_scan import EICAR

START_S = 30.0
MISSING = "clamd is not installed; on Debian: apt-get install clamav-daemon"


@contextmanager
def clamd(folder: Path, *settings: str) -> Iterator[str]:
    """Run the daemon with one signature, which finds the EICAR test file anywhere in a file; yields its address."""
    program = shutil.which("clamd") or shutil.which("clamd", path="/usr/sbin")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    signatures, socket = folder / "signatures", folder / "s"
    signatures.mkdir()
    (signatures / "test.ndb").write_text(f"Vestibule.Test.Eicar:0:*:{EICAR.hex()}\n")
    configuration = folder / "clamd.conf"
    configuration.write_text(
        "\n".join(
            [
                f"LocalSocket {socket}",
                f"DatabaseDirectory {signatures}",
                f"TemporaryDirectory {folder}",
                "Foreground yes",
                *settings,
                "",
            ]
        )
    )
    with (folder / "clamd.log").open("wb") as log:
        process = subprocess.Popen([program, "--config-file", configuration], stdout=log, stderr=log)
    try:
        end = time.monotonic() + START_S
        while not socket.exists():
            if process.poll() is not None or time.monotonic() > end:
                pytest.fail(f"clamd did not start: {(folder / 'clamd.log').read_text()}")
            time.sleep(0.05)
        yield f"unix:{socket}"
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a daemon that may be required."""
    with clamd(tmp_path_factory.mktemp("sound"), "AlertExceedsMax yes", "StreamMaxLength 12M") as address:
        yield address


@pytest.fixture(scope="session")
def lenient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a daemon with the settings that Debian ships: it calls clean what it did not read to the end."""
    with clamd(tmp_path_factory.mktemp("lenient"), "AlertExceedsMax no") as address:
        yield address
