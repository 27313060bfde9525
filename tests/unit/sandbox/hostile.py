"""A fork server whose children are in other hands: they say what a test wants."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from server.sandbox.process import ForkServerProcess, Job

Child = Callable[[socket.socket], None]
"""Gets the child's end; the request and the file lie in it."""


class HostileProcess(ForkServerProcess):
    """Starts a thread with the child's end of a real socket.

    Args:
        child: What the thread does.
    """

    def __init__(self, child: Child) -> None:
        super().__init__(lambda _signal: None)
        self._child = child

    def start_job(self) -> Job:
        ours, theirs = socket.socketpair()
        threading.Thread(target=self._run, args=(theirs,), daemon=True).start()
        return Job(1, ours, ours)

    def kill(self, job: Job) -> bool:
        job.connection.shutdown(socket.SHUT_RDWR)
        return True

    def _run(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            self._child(connection)
