"""Tries queries out, each in a process of its own that may die of it.

    python -m server.analytics.trial_process NUMBER_OF_A_SOCKET

This process has the snapshot open and no second thread, so it can fork. The child has the open snapshot at once, runs
one query within hard limits, and is gone. Whatever a query does to it harms nobody else.
"""

from __future__ import annotations

import json
import os
import resource
import selectors
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import psutil

from server.analytics.catalogue import attach, detach, fence, open_catalogue, show_views
from server.analytics.process_bounds import CPU_OVER, TIME_OVER, bound_memory, end_after, lower_priority, run_when_idle
from server.ledger.columns import DuckDb
from server.runtime.own_process import die_with_parent, limit

MEMORY, ERROR, OK = "memory", "error", "ok"
TIME, LATE, DIED = "time", "late", "died"
_DEATHS: dict[int, str] = {CPU_OVER: TIME, TIME_OVER: LATE}


@dataclass(frozen=True, slots=True)
class _Trial:
    number: int
    process: int
    before_bytes: int
    began_s: float


class TrialProcess:
    """Answers ``attach`` and ``try`` messages until the other end of the socket is closed."""

    def __init__(self, end: socket.socket, connection: DuckDb) -> None:
        self._end = end
        self._connection = connection
        self._waiting = selectors.DefaultSelector()
        self._received = b""

    def serve(self) -> None:
        """Answer until the endpoint's process is gone."""
        self._waiting.register(self._end, selectors.EVENT_READ)
        while True:
            for key, _ in self._waiting.select():
                if key.data is not None:
                    self._finish(key.fd, key.data)
                elif not self._receive():
                    return

    def _receive(self) -> bool:
        piece = self._end.recv(65536)
        self._received += piece
        *lines, self._received = self._received.split(b"\n")
        for line in lines:
            message = json.loads(line)
            if "attach" in message:
                self._attach(message)
            else:
                self._begin(message)
        return bool(piece)

    def _attach(self, message: dict[str, Any]) -> None:
        error = ""
        try:
            if message["attach"]:
                attach(self._connection, Path(message["attach"]))
            else:
                detach(self._connection)
        except duckdb.Error as failure:
            error = type(failure).__name__
        self._answer({"id": message["id"], "error": error})

    def _begin(self, message: dict[str, Any]) -> None:
        reading, writing = os.pipe()
        before = psutil.Process().memory_info().rss
        began_s = time.monotonic()
        process = os.fork()
        if process == 0:
            _run_and_exit(self._connection, message, writing)
        os.close(writing)
        self._waiting.register(reading, selectors.EVENT_READ, _Trial(message["id"], process, before, began_s))

    def _finish(self, pipe: int, trial: _Trial) -> None:
        """The pipe has the outcome, or is closed because the process died."""
        said = os.read(pipe, 4096)
        self._waiting.unregister(pipe)
        os.close(pipe)
        _, status, used = os.wait4(trial.process, 0)
        outcome: dict[str, Any] = json.loads(said) if said else {"outcome": _death(status)}
        grown = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024) - trial.before_bytes
        times = {"seconds": time.monotonic() - trial.began_s, "cpu_s": used.ru_utime + used.ru_stime}
        self._answer({"id": trial.number, "bytes": max(0, grown), "error": ""} | times | outcome)

    def _answer(self, message: dict[str, Any]) -> None:
        self._end.sendall(json.dumps(message).encode() + b"\n")


def _death(status: int) -> str:
    return _DEATHS.get(os.WTERMSIG(status), DIED) if os.WIFSIGNALED(status) else DIED


def _run_and_exit(connection: DuckDb, message: dict[str, Any], pipe: int) -> None:
    """Run the query in this process, which ends with it. Never returns."""
    end_after(message["cpu_s"], message["seconds"])
    if message["idle"]:
        run_when_idle()
    die_with_parent()
    said = {"outcome": DIED}
    try:
        bound_memory(message["bytes"])
        limit(resource.RLIMIT_FSIZE, 0)
        said = _run(connection, message["try"])
    finally:
        os.write(pipe, json.dumps(said).encode())
        os._exit(0)


def _run(connection: DuckDb, query: str) -> dict[str, str]:
    try:
        connection.execute("BEGIN TRANSACTION READ ONLY")
        connection.execute(f"EXPLAIN ANALYZE {query}")
    except (duckdb.OutOfMemoryException, MemoryError):
        return {"outcome": MEMORY}
    except duckdb.Error as error:
        return {"outcome": ERROR, "error": type(error).__name__}
    return {"outcome": OK}


def _first_line(end: socket.socket) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        # What follows the line is left for ``TrialProcess``.
        piece = end.recv(65536, socket.MSG_PEEK)
        if not piece:
            sys.exit(0)
        line += end.recv(piece.find(b"\n") + 1 or len(piece))
    return line


def main() -> None:
    """Serve the socket whose number is the only argument. The first message is that of ``Trials``."""
    end = socket.socket(fileno=int(sys.argv[1]))
    first = json.loads(_first_line(end))
    connection = open_catalogue(threads=1, memory_bytes=first["bytes"])
    show_views(connection, first["shown"], Path(first["ledger"]) if first["ledger"] else None)
    fence(connection, first["folder"])
    lower_priority()
    TrialProcess(end, connection).serve()


if __name__ == "__main__":
    main()
