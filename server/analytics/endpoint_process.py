"""Serves analysts over Quack, on a snapshot of the ledger.

    python -m server.analytics.endpoint_process NUMBER_OF_A_SOCKET

The server starts this process, says over the socket when the ledger is between two commits, and kills it when it grows
too large. It ends when the socket is closed, so also when the server was killed.
"""

from __future__ import annotations

import os
import queue
import signal
import socket
import sys
import threading
from functools import partial
from pathlib import Path

import duckdb

from models.errors import Unavailable, VestibuleError
from models.reasons import Reason
from server.access.doors import Door
from server.analytics.catalogue import attach, detach, fence, open_catalogue, show_views
from server.analytics.channel import Channel, Message
from server.analytics.endpoint_config import EndpointConfig
from server.analytics.live_snapshot import LiveSnapshot
from server.analytics.process_bounds import bound_memory, lower_priority, stack_bytes
from server.analytics.quack import load_extensions, serve
from server.analytics.query_guard import REFUSAL_FUNCTION, QueryGuard
from server.analytics.refusals import Cause, Refused
from server.analytics.shown_sql import sql_of_file
from server.analytics.snapshot import LedgerMark, SnapshotFolder
from server.analytics.trials import Trials
from server.ledger.columns import DuckDb

THREADS = 1
"""A query runs in the thread of its client. With more, a thread that waits for the guard would use a whole CPU."""

SERVING_THREADS = 128
"""That the extension makes to answer. Their stacks count as memory, though few of their pages are ever used."""

MARK_TIMEOUT_S = 30.0
"""The server answers within 4 s, also when its ledger is busy."""
LOOK_S = 10.0
"""How often the process looks whether its snapshot is idle."""


class _Marks:
    """Asks the server for marks of the ledger, one at a time."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._answers: queue.Queue[Message] = queue.Queue()

    def ask(self) -> LedgerMark:
        self._channel.send({"ask": "mark"})
        try:
            mark: dict[str, int] | None = self._answers.get(timeout=MARK_TIMEOUT_S)["mark"]
        except queue.Empty:
            os._exit(1)  # a late answer would be taken for that of the next question
        if mark is None:
            raise Unavailable("The ledger is busy or closed.", reason=Reason.LEDGER_BUSY)
        return LedgerMark(**mark)

    def answer(self, message: Message) -> None:
        self._answers.put(message)


class _Here:
    """The catalogue of this process, as a reader of snapshots."""

    def __init__(self, connection: DuckDb) -> None:
        self._connection = connection

    def attach(self, snapshot: Path) -> None:
        with self._connection.cursor() as cursor:
            attach(cursor, snapshot)

    def detach(self) -> None:
        with self._connection.cursor() as cursor:
            detach(cursor)


class _Endpoint:
    """The endpoint's parts: the catalogue, the guard and the snapshot."""

    def __init__(self, config: EndpointConfig, channel: Channel) -> None:
        live = bool(config.folder)
        self._config = config
        self._channel = channel
        self.marks = _Marks(channel)
        ledger = None if live else Path(config.ledger)
        shown = config.shown if ledger is None else sql_of_file(ledger)
        trials = Trials(config.limits.query_bytes, config.folder, ledger, shown, on_lost=lambda: os._exit(1))
        self._connection = open_catalogue(THREADS, config.limits.total_bytes)
        show_views(self._connection, shown, ledger)
        self._snapshot: LiveSnapshot | None = None
        if live:
            folder = SnapshotFolder(
                Path(config.ledger), Path(config.folder), self.marks.ask, least_free_bytes=config.least_free_bytes
            )
            self._snapshot = LiveSnapshot(folder, (trials, _Here(self._connection)))
        self._guard = QueryGuard(
            self._parse,
            trials,
            config.limits,
            admitted=self._admitted,
            on_refused=partial(self._decided, Door.SQL),
        )

    def start(self) -> None:
        """Serve, once the bounds are set."""
        config, connection = self._config, self._connection
        load_extensions(connection)
        fence(connection, config.folder)
        connection.create_function(REFUSAL_FUNCTION, self._guard.refusal_of, ["VARCHAR"], "VARCHAR", side_effects=True)
        lower_priority()  # before the threads that serve are made, and after what delays a restart
        serve(connection, config.port, config.token, self._attached, self._allows)
        # The threads come when they like, so their stacks may not be there yet.
        bound_memory(2 * self._config.limits.total_bytes + SERVING_THREADS * stack_bytes())

    def look(self) -> None:
        """Delete an idle snapshot."""
        if self._snapshot is not None:
            self._snapshot.drop_if_idle()

    def _admitted(self, cpu_s: float) -> None:
        self._channel.send({"admitted": cpu_s})
        self._decided(Door.SQL, "")

    def _attached(self, denied: str) -> None:
        """A client that attaches sees all that was committed before, such as what its user has just done."""
        if self._snapshot is not None and not denied:
            self._snapshot.expire()
        self._decided(Door.QUACK, denied)

    def _decided(self, door: Door, denied: str) -> None:
        self._channel.send({"decided": [door, denied]})

    def _allows(self, _connection_id: str, query: str) -> bool:
        try:
            if self._snapshot is not None:
                self._snapshot.ensure_fresh()
        except (VestibuleError, OSError, duckdb.Error) as error:
            said = error.message if isinstance(error, VestibuleError) else f"({type(error).__name__})"
            why = f"No snapshot can be made. {said}"
            self._guard.refuse(query, Refused(Cause.SNAPSHOT, why))
            return False
        return self._guard.allows(query)

    def _parse(self, query: str) -> str:
        with self._connection.cursor() as cursor:
            row = cursor.execute("SELECT json_serialize_sql(?::VARCHAR)", [query]).fetchone()
        return str(row[0]) if row else "{}"


def main() -> None:
    """Serve until the socket whose number is the only argument is closed."""
    signal.signal(signal.SIGIO, signal.SIG_IGN)  # comes when another process opens a copy while its lease is asked for
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    first = channel.receive()
    if first is None:
        return
    try:
        endpoint = _Endpoint(EndpointConfig.of_message(first), channel)
        endpoint.start()
    except (duckdb.Error, VestibuleError, OSError) as error:
        channel.send({"failed": type(error).__name__})
        os._exit(1)
    channel.send({"ready": True})
    threading.Thread(target=_look_now_and_then, args=(endpoint,), daemon=True).start()
    while (message := channel.receive()) is not None:
        endpoint.marks.answer(message)
    os._exit(0)


def _look_now_and_then(endpoint: _Endpoint) -> None:
    never = threading.Event()
    while not never.wait(LOOK_S):
        endpoint.look()


if __name__ == "__main__":
    main()
