"""Tells the other servers on a database of PostgreSQL what changed, and hears them: LISTEN and NOTIFY."""

from __future__ import annotations

import selectors
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from typing import Any, Final

import psycopg
from psycopg import sql

from server.ledger.notices import MOST_BYTES, Notice, read, written
from server.ledger.postgres.cursor import connect
from server.ledger.postgres.errors import translate
from server.observability.log import describe, get_logger

log = get_logger("notices")

MOST_WAITING: Final = 1_000
"""Notices that may wait to be sent. If there are more, the other servers are told that they missed some."""
AT_ONCE: Final = 100
"""Notices of one transaction."""
RECONNECT_S: Final = 1.0
ALIVE_S: Final = 5.0
"""How often a server says that it is there."""
SILENT_S: Final = 15.0
"""A server that said nothing for so long has died, perhaps after it had stored something and before it told."""
CLOSE_S: Final = 2.0
"""Longest wait for the last notices. The thread may be stuck in a connection to a host that is gone."""

_ALIVE: Final = Notice("alive")
_ENDED: Final = Notice("ended")
_MISSED: Final = Notice("missed")
_CHANNEL: Final = b"SELECT 'vestibule_' || md5(coalesce(current_schema(), ''))"
_SEND: Final = b"SELECT pg_notify($1, notice) FROM unnest($2::VARCHAR[]) AS notice"


class PostgresNotices:
    """Has one connection and one thread. A lost connection is made again for ever.

    Notices between servers are lost with the connection of either, and where a server dies. ``missed`` is called then,
    also after the first connection.

    Args:
        url: As libpq takes it. LISTEN needs a session of its own, so it must not lead through a pooler of transactions.
        alive_s: Seconds between two signs of life.
        silent_s: Seconds of silence after which another server counts as dead.
    """

    def __init__(self, url: str, *, alive_s: float = ALIVE_S, silent_s: float = SILENT_S) -> None:
        self._url = url
        self._alive_s = alive_s
        self._silent_s = silent_s
        self._name = uuid.uuid4().hex
        self._waiting: dict[Notice, None] = {}  # in the order of their arrival
        self._dropped = False
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._woken, self._wake = socket.socketpair()
        self._woken.setblocking(False)
        self._wake.setblocking(False)
        self._heard: Callable[[Sequence[Notice]], None] = lambda notices: None
        self._missed: Callable[[], None] = lambda: None
        self._last_of: dict[str, float] = {}
        self._told_away = False
        self._thread = threading.Thread(target=self._run, name="ledger-notices", daemon=True)

    def start(self, heard: Callable[[Sequence[Notice]], None], missed: Callable[[], None]) -> None:
        """Connect in the background, and begin to listen.

        Args:
            heard: Is given what other servers told, on the thread.
            missed: Is called on the thread whenever notices of others may have been lost.
        """
        self._heard, self._missed = heard, missed
        self._thread.start()

    def tell(self, notice: Notice) -> None:
        """See ``Notices``. Any thread may call it."""
        with self._lock:
            if self._closing.is_set():
                return
            if len(written(self._name, notice).encode()) > MOST_BYTES:
                self._dropped = True
            elif notice not in self._waiting and len(self._waiting) >= MOST_WAITING:
                self._dropped = True
                self._waiting.clear()
            else:
                self._waiting[notice] = None
        self._wake_thread()

    def close(self) -> None:
        """Tell what still waits, if that is quick, and end the connection. Blocking; safe to repeat."""
        self._closing.set()
        self._wake_thread()
        if self._thread.ident is None:
            self._woken.close()
            self._wake.close()
        else:
            self._thread.join(CLOSE_S)

    def _wake_thread(self) -> None:
        with suppress(OSError):  # it is full, so the thread will wake; or the thread has ended
            self._wake.send(b"\0")

    def _run(self) -> None:
        with self._woken, self._wake:
            while not self._closing.is_set():
                try:
                    with closing(connect(self._url)) as connection:
                        connection.autocommit = True
                        self._use(connection)
                except psycopg.Error as error:
                    if not self._told_away:  # a database may be away for hours
                        log.warning("notices_away", **describe(translate(error)))
                    self._told_away = True
                    self._closing.wait(RECONNECT_S)

    def _use(self, connection: psycopg.Connection[Any]) -> None:
        """Listen and send until closed.

        Raises:
            psycopg.Error: The connection is lost.
        """
        row = connection.execute(_CHANNEL).fetchone()
        assert row is not None
        channel: str = row[0]
        connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
        self._last_of.clear()
        self._missed()  # what was told before
        if self._told_away:
            log.warning("notices_back")
            self._told_away = False
        due = time.monotonic()
        with selectors.DefaultSelector() as ready, psycopg.RawCursor(connection) as cursor:
            ready.register(connection.fileno(), selectors.EVENT_READ)
            ready.register(self._woken, selectors.EVENT_READ)
            while not self._closing.is_set():
                self._send(cursor, channel)
                if time.monotonic() >= due:
                    self._execute(cursor, channel, [_ALIVE])
                    due = time.monotonic() + self._alive_s
                self._hear(connection)
                ready.select(max(0.0, due - time.monotonic()))
                with suppress(BlockingIOError):
                    self._woken.recv(4096)
            self._send(cursor, channel)
            self._execute(cursor, channel, [_ENDED])

    def _send(self, cursor: psycopg.RawCursor[Any], channel: str) -> None:
        while True:
            with self._lock:
                notices, self._dropped = ([_MISSED] if self._dropped else []), False
                notices += list(self._waiting)[:AT_ONCE]
                for notice in notices:
                    self._waiting.pop(notice, None)
            if not notices:
                return
            self._execute(cursor, channel, notices)

    def _execute(self, cursor: psycopg.RawCursor[Any], channel: str, notices: list[Notice]) -> None:
        try:
            cursor.execute(_SEND, [channel, [written(self._name, notice) for notice in notices]])
        except psycopg.Error:
            with self._lock:
                self._dropped = True
            raise

    def _hear(self, connection: psycopg.Connection[Any]) -> None:
        """Hand on what has arrived, and find out who has fallen silent."""
        now, notices, lost = time.monotonic(), [], False
        for payload in _arrived(connection):
            found = read(payload)
            if found is None or found[0] == self._name:
                continue
            sender, notice = found
            if notice == _ENDED:
                self._last_of.pop(sender, None)
                continue
            self._last_of[sender] = now
            if notice == _MISSED:
                lost = True
            elif notice != _ALIVE:
                notices.append(notice)
        for sender in [sender for sender, last in self._last_of.items() if now - last > self._silent_s]:
            del self._last_of[sender]
            lost = True
        if notices:
            self._heard(notices)
        if lost:
            self._missed()


def _arrived(connection: psycopg.Connection[Any]) -> Iterator[str]:
    yield from (each.payload for each in connection.notifies(timeout=0))
    while (told := connection.pgconn.notifies()) is not None:  # came with the answer to a statement
        yield told.extra.decode()
