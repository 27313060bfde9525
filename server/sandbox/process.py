"""Starts the fork server, hands it jobs, and starts it again when it ended."""

from __future__ import annotations

import itertools
import socket
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from models.child_python import child_python, import_path
from server.observability.log import get_logger
from server.sandbox.empty_folder import EmptyFolder
from server.sandbox.errors import decoder_unavailable
from server.sandbox.fork_messages import KILL, MESSAGE_BYTES, READY, READY_UNFILTERED, START

log = get_logger("sandbox")

START_TIMEOUT_S: Final = 60.0
_ENVIRONMENT: Final = {
    # One thread: a process with threads must not fork. One arena: the limit on addresses counts whole arenas.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
    # Large pages: a child touches each page of a picture once, and taking them one by one costs 35 ms a picture. For
    # blocks of a megabyte and more, so that a file and its clean form get them too.
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=1048576",
    "PILLOW_BLOCK_SIZE": "64m",  # and few of them: 3 ms of a picture of 12 million pixels
    "PYTHONDONTWRITEBYTECODE": "1",
}

FILTERED: Final = "A filter of system calls (seccomp) keeps a decoder from files, connections and other processes."
UNFILTERED: Final = (
    "The system does not filter the calls of the decoders (seccomp). One that is taken over could end processes of the "
    "server's user, and in a container without user namespaces delete its files. Use Linux on x86-64 or ARM64, and let "
    "the container use seccomp."
)

OnDeath = Callable[[int], None]
"""Called with the signal that ended a child, 0 or less for a code; from another thread."""


@dataclass(frozen=True, slots=True)
class Job:
    """One child, from the server's side.

    Attributes:
        number: Of the job, for ``ForkServerProcess.kill``.
        connection: The server's end; blocking.
        control: Of the fork server that has the child.
    """

    number: int
    connection: socket.socket
    control: socket.socket


class ForkServerProcess:
    """The fork server as the server sees it. Safe to use from several threads.

    Args:
        on_death: Told about each child that did not end by itself.

    Attributes:
        filtered: Whether the system calls of children are filtered, see ``seccomp``; None before a start.
    """

    def __init__(self, on_death: OnDeath) -> None:
        self._on_death = on_death
        self.filtered: bool | None = None
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._empty: EmptyFolder | None = None

    @property
    def pid(self) -> int | None:
        """Of the running fork server."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start it, unless it runs.

        Raises:
            Unavailable: DECODER_UNAVAILABLE.
        """
        with self._lock:
            self._running()

    def start_job(self) -> Job:
        """Fork a child.

        Raises:
            Unavailable: DECODER_UNAVAILABLE, the fork server does not start.
        """
        ours, theirs = socket.socketpair()
        try:
            with theirs, self._lock:
                number = next(self._numbers)
                control = self._hand_over(START + b" %d" % number, theirs)
        except BaseException:
            ours.close()
            raise
        return Job(number, ours, control)

    def _hand_over(self, message: bytes, end: socket.socket) -> socket.socket:
        try:
            return _sent(self._running(), message, end)
        except OSError:
            self._stop()  # it ended since the last job
        try:
            return _sent(self._running(), message, end)
        except OSError as exc:
            raise decoder_unavailable() from exc

    def kill(self, job: Job) -> bool:
        """Kill the child of a job, if it still runs.

        Returns:
            False if its fork server is gone, and so the child ended through no fault of its file.
        """
        with self._lock:
            if self._control is not job.control:
                return False
            try:
                job.control.send(KILL + b" %d" % job.number)
            except OSError:
                self._stop()
                return False
            return True

    def close(self) -> None:
        """End the fork server and all its children."""
        with self._lock:
            self._stop()

    def _running(self) -> socket.socket:
        if self._process is not None and self._process.poll() is not None:
            self._stop()
        if self._control is None:
            self._control = self._spawn()
        return self._control

    def _spawn(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._empty = EmptyFolder()
        with theirs:
            self._process = subprocess.Popen(
                child_python("-m", "server.sandbox.fork_server", str(theirs.fileno()), str(self._empty.path)),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=_ENVIRONMENT | import_path(),
                cwd="/",
            )
        ours.settimeout(START_TIMEOUT_S)
        try:
            answer = ours.recv(MESSAGE_BYTES)
        except TimeoutError:
            answer = b""
        if answer not in (READY, READY_UNFILTERED):
            ours.close()
            self._stop()
            log.error("sandbox_not_started")
            raise decoder_unavailable()
        ours.settimeout(None)
        self._note(answer == READY)
        threading.Thread(target=self._watch, args=(ours, self._process), name="sandbox-watch", daemon=True).start()
        return ours

    def _note(self, filtered: bool) -> None:
        if not filtered and self.filtered is not False:
            log.warning("sandbox_incomplete", hint=UNFILTERED)
        self.filtered = filtered

    def _watch(self, control: socket.socket, process: subprocess.Popen[bytes]) -> None:
        """Read how children ended, until the fork server ends."""
        try:
            while message := control.recv(MESSAGE_BYTES):
                self._on_death(int(message.rpartition(b" ")[2]))
        except OSError:
            pass  # closed by us
        process.wait()  # so that no zombie is left until the next job

    def _stop(self) -> None:
        control, self._control = self._control, None
        process, self._process = self._process, None
        if control is not None:
            control.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads from it
            control.close()
        if process is not None:
            process.kill()
            process.wait()
        if self._empty is not None:
            self._empty.delete()
            self._empty = None


def _sent(control: socket.socket, message: bytes, end: socket.socket) -> socket.socket:
    socket.send_fds(control, [message], [end.fileno()])
    return control
