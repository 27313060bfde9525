"""The file that says where the console of a running server is."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import psutil

from models.private_files import write_atomically

ADDRESS_FILE: Final = "console.json"
"""In the state folder: where the console of the running server listens. `vestibule console` sends a key there alone."""


@dataclass(frozen=True, slots=True)
class RunningConsole:
    """Where the console of a running server is, for commands of the same user.

    Attributes:
        address: Where it listens, on this machine: what a command connects to.
        url: What people open.
        fingerprint: SHA-256 of the certificate at ``address``, as hexadecimal digits; empty without TLS.
    """

    address: str
    url: str
    fingerprint: str


def write_running_console(state_dir: Path, console: RunningConsole) -> None:
    """Say where the console of this process is."""
    process = {"pid": os.getpid(), "started": psutil.Process().create_time()}
    write_atomically(state_dir / ADDRESS_FILE, json.dumps(asdict(console) | process).encode())


def running_console(state_dir: Path) -> RunningConsole | None:
    """The console of the server with this state folder; None if no such server runs.

    The process is compared, too: after a crash, another user's program may listen where the file says.
    """
    try:
        found = json.loads((state_dir / ADDRESS_FILE).read_text(encoding="utf-8"))
        if psutil.Process(found["pid"]).create_time() == found["started"]:
            return RunningConsole(str(found["address"]), str(found["url"]), str(found["fingerprint"]))
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        pass
    return None
