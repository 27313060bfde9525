"""Messages between the server and the processes that run analysts' queries: one line of JSON each, over a socket."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from models.child_python import child_python, import_path

Message = dict[str, Any]


class Channel:
    """One end. Several threads may send; one receives."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._lines = end.makefile("rb")
        self._sending = threading.Lock()

    def send(self, message: Message) -> bool:
        """Send a message; returns False when the other end is gone."""
        try:
            with self._sending:
                self._end.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            return False
        return True

    def receive(self) -> Message | None:
        """Wait for a message; None when the other end is gone."""
        try:
            line = self._lines.readline()
        except (OSError, ValueError):  # the latter after ``close``
            return None
        return json.loads(line) if line.endswith(b"\n") else None

    def close(self) -> None:
        """Close this end, which wakes a thread that receives."""
        with suppress(OSError):  # the other end may have gone first
            self._end.shutdown(socket.SHUT_RDWR)
        self._lines.close()
        self._end.close()


def spawn(module: str) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start a module of ours as a process of its own, with one end of a socket as its only open file.

    It gets no argument but the socket's number, and of the environment only what Python needs to find its modules. It
    is in a session of its own, so a Ctrl-C at the server's terminal does not reach it.

    Returns:
        The process and our end of the socket. The process must end when its end is closed.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            child_python("-m", module, str(theirs.fileno())),
            pass_fds=(theirs.fileno(),),
            env={**import_path(), "HOME": str(Path.home())},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            umask=0o077,
        )
    return process, ours
