"""The clients of docs/clients as they stand there: their files, what their pages say to build them, and a terminal."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
FILE = re.compile(r"^\*\*`([^`]+)`\*\*\n\n```\w+\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SET_UP = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
BUILD_TIMEOUT_S = 240.0
LINE_TIMEOUT_S = 90.0
NO_NODE = pytest.mark.skipif(shutil.which("npm") is None, reason="Node.js is not installed; CI runs this test")


def page(name: str) -> str:
    """Text of a page of docs/clients."""
    return (ROOT / "docs" / "clients" / name).read_text(encoding="utf-8")


def files(name: str) -> dict[str, str]:
    """The files of a page, by their paths."""
    return dict(FILE.findall(page(name)))


def lock_of(name: str) -> Path:
    """The exact packages of a page's client."""
    own = HERE / "node" / Path(name).stem / "package-lock.json"
    return own if own.exists() else HERE / "node" / "package-lock.json"


def built(name: str, folder: Path, *replaced: tuple[str, str]) -> Path:
    """The client of a page in a new folder, set up by the first commands of the page.

    Args:
        name: The page.
        folder: Where it goes; beside it lies this repository as ``vestibule``.
        replaced: What of the commands is done otherwise than by a reader.
    """
    folder.mkdir()
    for path, content in files(name).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content, encoding="utf-8")
    (folder / "vestibule").symlink_to(ROOT)
    shutil.copy(lock_of(name), folder)
    tools = folder / "tools"
    tools.mkdir()
    for tool, command in (("protoc", f"{sys.executable} -m grpc_tools.protoc"), ("python", sys.executable)):
        (tools / tool).write_text(f'#!/bin/sh\nexec {command} "$@"\n', encoding="utf-8")
        (tools / tool).chmod(0o755)
    commands = SET_UP.findall(page(name))[0]
    for old, new in replaced:
        assert old in commands
        commands = commands.replace(old, new)
    path = os.pathsep.join([str(tools), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=BUILD_TIMEOUT_S,
        check=False,
        env=os.environ | {"PATH": path},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def built_typescript(folder: Path) -> Path:
    """The client in TypeScript, with the packages of the lock file."""
    return built("typescript.md", folder, ("npm install", "npm ci --silent"))


def built_python(folder: Path) -> Path:
    """The client in Python, with stubs of its own."""
    return built("python.md", folder, ("pip install grpcio grpcio-status grpcio-tools\n", ""))


@dataclass
class Terminal:
    """A program of a client, what was typed into it, and what it printed. A context manager.

    Attributes:
        command: The program and its arguments.
        folder: Where it runs.
        settings: Its environment beside that of the test.
        address: Of the server.
        lines: Everything that it printed so far.
    """

    command: Sequence[str]
    folder: Path
    settings: dict[str, str]
    address: str
    lines: list[str] = field(default_factory=list)
    _process: asyncio.subprocess.Process | None = None

    @property
    def text(self) -> str:
        """Everything that it printed so far."""
        return "\n".join(self.lines)

    def type(self, *lines: str) -> None:
        """Type lines."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write("".join(f"{line}\n" for line in lines).encode())

    async def until(self, *texts: str) -> str:
        """Read on until a line has one of the texts; returns the line."""
        assert self._process is not None
        assert self._process.stdout is not None
        with suppress(TimeoutError):
            async with asyncio.timeout(LINE_TIMEOUT_S):
                while raw := await self._process.stdout.readline():
                    self.lines.append(raw.decode().rstrip("\n"))
                    if any(text in self.lines[-1] for text in texts):
                        return self.lines[-1]
        raise AssertionError(f"None of {texts} came:\n{self.text}")

    async def ended(self) -> int:
        """Read on to the end; returns the exit status."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            rest, _ = await asyncio.wait_for(self._process.communicate(), LINE_TIMEOUT_S)
        except TimeoutError:
            raise AssertionError(f"It does not end:\n{self.text}") from None
        self.lines += rest.decode().splitlines()
        assert self._process.returncode is not None
        return self._process.returncode

    async def __aenter__(self) -> Self:
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            *self.command,
            cwd=self.folder,
            stdin=pipe,
            stdout=pipe,
            stderr=asyncio.subprocess.STDOUT,
            env=os.environ
            | {"PYTHONPATH": "gen", "PYTHONUNBUFFERED": "1", "VESTIBULE_ADDRESS": self.address}
            | self.settings,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
