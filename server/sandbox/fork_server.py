"""The fork server: a process with all decoders loaded that forks a child for each job. Run as a module.

It is started with an empty environment; its arguments are the descriptor of a socket and an empty folder. A message on
the socket is ``start`` or ``kill`` and the number of a job; with ``start`` comes the child's end of another socket. It
tells which children died. It has no threads, since a process with threads must not fork.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import sys
from contextlib import suppress
from typing import Final

from server.runtime.own_process import die_with_parent
from server.sandbox import jobs
from server.sandbox.confine import Confinement, address_space_bytes, confine, leave_system
from server.sandbox.fork_messages import DIED, KILL, MESSAGE_BYTES, READY, READY_UNFILTERED, START
from server.sandbox.frames import Kind, send
from server.sandbox.seccomp import filter_calls
from server.sandbox.warm_up import warm_up

_KILLED: Final = b""
"""In the place of the number of a job whose child the server wanted to end."""


def main() -> None:
    """Serve until the server closes its end."""
    control = socket.socket(fileno=int(sys.argv[1]))
    die_with_parent()
    warm_up()
    woken, waker = os.pipe()
    os.set_blocking(waker, False)
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda _signal, _frame: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the server ends us
    gc.collect()
    size = address_space_bytes()
    leave_system(sys.argv[2])
    filtered = can_filter()
    gc.freeze()  # the collector would write to pages that the children share
    control.send(READY if filtered else READY_UNFILTERED)
    ForkServer(control, size, filtered).serve(woken)


def can_filter() -> bool:
    """Whether this system lets a process filter its system calls: a child tries it."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            filter_calls(threads=False)
            code = 0
        except OSError:
            pass
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    return status == 0


class ForkServer:
    """Starts, kills and buries the children.

    Args:
        control: A SOCK_SEQPACKET socket to the server.
        size: Addresses that this process uses; a child may use more by the memory of its job.
        filtered: Whether the children filter their system calls.
    """

    def __init__(self, control: socket.socket, size: int, filtered: bool) -> None:
        self._control = control
        self._size = size
        self._filtered = filtered
        self._children: dict[int, bytes] = {}

    def serve(self, woken: int) -> None:
        """Serve until the server closes its end, or ends."""
        while True:
            control = self._control.fileno()
            ready, _, _ = select.select([control, woken], [], [])
            if woken in ready:
                os.read(woken, 4096)
                self._bury()
            if control in ready and not self._take():
                break
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)

    def _take(self) -> bool:
        message, descriptors, _, _ = socket.recv_fds(self._control, MESSAGE_BYTES, 1)
        word, _, job = message.partition(b" ")
        if word == START and descriptors:
            self._start(job, descriptors[0])
        elif word == KILL:
            for pid, number in self._children.items():
                if number == job:
                    os.kill(pid, signal.SIGKILL)
                    self._children[pid] = _KILLED
        return bool(message)

    def _start(self, job: bytes, descriptor: int) -> None:
        try:
            pid = os.fork()
        except OSError as error:  # too many processes, or no memory; the next job may succeed
            self._not_started(job, descriptor, error.errno or 0)
            return
        if pid == 0:
            _child(descriptor, self._size, self._filtered)
        os.close(descriptor)
        self._children[pid] = job

    def _not_started(self, job: bytes, descriptor: int, number: int) -> None:
        """Tell it on both sockets: on that of the child for its job, and on ours for the log."""
        with socket.socket(fileno=descriptor) as connection, suppress(OSError):  # the server may have closed its end
            send(connection, Kind.NOT_STARTED)
        self._control.send(DIED + b" " + job + b" %d" % -number)

    def _bury(self) -> None:
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            job = self._children.pop(pid)
            code = os.waitstatus_to_exitcode(status)
            if code and job != _KILLED:
                self._control.send(DIED + b" " + job + b" %d" % -code)


def _child(descriptor: int, size: int, filtered: bool) -> None:
    """Do one job and end, whatever happens."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        die_with_parent()
        with socket.socket(fileno=descriptor) as connection:
            request = jobs.read_request(connection)
            limits = Confinement(size + request["memory_bytes"], request["cpu_s"], request["threads"])
            confine(limits, descriptor)
            if filtered:
                filter_calls(threads=request["threads"])
            jobs.run(connection, request)
        code = 0
    except (ConnectionError, EOFError):
        code = 0  # the server does not want the answer any more
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
