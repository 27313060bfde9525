"""A folder that stands for a new machine, and the commands that run in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

PHONE: Final = "415-555-0132"
SPELLINGS: Final = tuple(PHONE.replace("-", mark).encode() for mark in ("-", " ", ".", ""))
"""No command may show it."""
STEP_S: Final = 1800.0
"""Longest time of one command: a slow network may need long for the packages."""
NOT_CLEAN: Final = (
    "VESTIBULE_",
    "XDG_",
    "PYTHON",
    "VIRTUAL_ENV",
    "RAY_",
    "HF_",
    "PIP_CACHE",
    "UV_CACHE",
    "MAKE",
    "MFLAGS",
)
"""Variables of this shell that begin so are not those of a new machine."""


class StepFailed(Exception):
    """What went wrong, in words for a person."""


@dataclass
class Machine:
    """An empty folder that stands for a new machine.

    Attributes:
        folder: Holds the clone, the home, and what the server keeps.
        port: Of the server.
    """

    folder: Path
    port: int

    @property
    def checkout(self) -> Path:
        """The clone."""
        return self.folder / "vestibule"

    @property
    def data(self) -> Path:
        """The ledger and the pictures."""
        return self.folder / "data"

    @property
    def state(self) -> Path:
        """Keys, spool, and what Ray writes: the path is short enough for Ray's sockets."""
        return self.folder / "state"

    @property
    def log(self) -> Path:
        """What the server prints."""
        return self.folder / "serve.log"

    @property
    def tls(self) -> Path:
        """The certificate of the server."""
        return self.state / "tls"

    def environment(self) -> dict[str, str]:
        """Of every command."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(NOT_CLEAN)}
        return kept | {
            "HOME": str(self.folder / "home"),
            "VESTIBULE_DATA_DIR": str(self.data),
            "VESTIBULE_STATE_DIR": str(self.state),
            "VESTIBULE_ADDRESS": f"localhost:{self.port}",
            "VESTIBULE_TLS__CERTIFICATE": str(self.tls / "certificate.pem"),
            "VESTIBULE_TLS__KEY": str(self.tls / "key.pem"),
            "VESTIBULE_CONSOLE__PORT": "0",
            "VESTIBULE_QUACK__PORT": "0",
            "VESTIBULE_RAY__DASHBOARD": "false",
        }

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Say how long a step took."""
        began = time.monotonic()
        yield
        say_time(name, time.monotonic() - began)

    def run(
        self, *command: str | Path, stdin: str = "", fine: tuple[int, ...] = (0,)
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the clone.

        Args:
            fine: Exit codes that are no failure.
        """
        words = [str(word) for word in command]
        done = subprocess.run(
            words,
            cwd=self.checkout,
            env=self.environment(),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=STEP_S,
        )
        if done.returncode not in fine:
            raise StepFailed(f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done

    def vestibule(self, *arguments: str | Path, stdin: str = "", fine: tuple[int, ...] = (0,)) -> str:
        """Run ``vestibule`` of the clone; returns what it printed on both streams."""
        done = self.run(self.checkout / ".venv" / "bin" / "vestibule", *arguments, stdin=stdin, fine=fine)
        if any(spelling.decode() in done.stdout + done.stderr for spelling in SPELLINGS):
            raise StepFailed(f"vestibule {' '.join(map(str, arguments))} showed the telephone number.")
        return done.stdout

    def read(self, *arguments: str | Path) -> Any:
        """What a command says with ``--json``."""
        return json.loads(self.vestibule(*arguments, "--json"))


def say_time(name: str, seconds: float) -> None:
    """Print a line of the table."""
    say(f"{name:<52} {seconds:6.1f} s")


def say(line: str) -> None:
    """Print at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
