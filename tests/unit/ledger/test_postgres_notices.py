"""Notices between servers over PostgreSQL: who hears them, and who learns that some were lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

psycopg = pytest.importorskip("psycopg")

from server.ledger.notices import MOST_BYTES, Notice, read, written  # noqa: E402
from server.ledger.postgres import notices as module  # noqa: E402
from server.ledger.postgres.notices import PostgresNotices  # noqa: E402

END_OTHERS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> ALL"
LONG_S = 60.0


class Server:
    """Keeps what it hears."""

    def __init__(self, url: str, alive_s: float = LONG_S, silent_s: float = LONG_S) -> None:
        self.notices = PostgresNotices(url, alive_s=alive_s, silent_s=silent_s)
        self.heard: list[Notice] = []
        self.missed = 0
        self._changed = threading.Condition()

    def start(self) -> None:
        self.notices.start(self._hear, self._miss)
        self.until(lambda: self.missed == 1)  # it listens

    def until(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, LONG_S / 3), (
                "an answer that waits for the next sign of life is late"
            )

    def has_heard(self, *notices: Notice) -> bool:
        return self.heard == list(notices)

    def _hear(self, notices: Sequence[Notice]) -> None:
        with self._changed:
            self.heard += notices
            self._changed.notify_all()

    def _miss(self) -> None:
        with self._changed:
            self.missed += 1
            self._changed.notify_all()


@contextmanager
def started(*servers: Server) -> Iterator[None]:
    with ExitStack() as stack:
        for server in servers:
            stack.callback(server.notices.close)
        for server in servers:
            server.start()
        yield


@given(st.text(), st.text(), st.text(), st.lists(st.text()))
def test_a_notice_is_read_as_it_was_written(sender: str, kind: str, row_id: str, topics: list[str]) -> None:
    notice = Notice(kind, row_id, tuple(topics))
    assert read(written(sender, notice)) == (sender, notice)


@given(st.text() | st.sampled_from(["[]", "{}", '["a","b"]', '["a","b",1]', "1", "[[],[],[]]"]))
def test_what_others_send_is_no_notice(payload: str) -> None:
    assert read(payload) is None


def test_each_server_hears_the_others_and_not_itself(postgres_url: str) -> None:
    servers = [Server(postgres_url) for _ in range(3)]
    with started(*servers):
        servers[0].notices.tell(Notice("jobs"))
        for server in servers[1:]:
            server.until(partial(server.has_heard, Notice("jobs")))
        servers[1].notices.tell(Notice("turn", "t1", ("s1", "s2")))
        servers[0].until(lambda: servers[0].heard == [Notice("turn", "t1", ("s1", "s2"))])
    assert [server.missed for server in servers] == [1, 1, 1]


def test_many_notices_arrive_in_order_in_both_directions(postgres_url: str) -> None:
    one, other = Server(postgres_url), Server(postgres_url)
    told = [Notice("upload", str(number)) for number in range(800)]
    with started(one, other):
        for notice in told:
            one.notices.tell(notice)
            other.notices.tell(notice)
        one.until(lambda: len(one.heard) == len(told))
        other.until(lambda: len(other.heard) == len(told))
    assert one.heard == other.heard == told


def test_servers_of_another_schema_hear_nothing(postgres_url: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA elsewhere")
    one, same = Server(postgres_url), Server(postgres_url)
    other = Server(f"{postgres_url}&options=-csearch_path%3Delsewhere")
    with started(one, same, other):
        one.notices.tell(Notice("jobs"))
        same.until(lambda: bool(same.heard))
        other.notices.tell(Notice("flows"))
        one.notices.tell(Notice("jobs", "last"))
        same.until(lambda: len(same.heard) == 2)
    assert not other.heard
    assert not one.heard


def test_a_lost_connection_is_made_again_and_both_learn_of_it(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RECONNECT_S", 0.01)
    one, other = Server(postgres_url), Server(postgres_url)
    with started(one, other):
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(f"{END_OTHERS} (ARRAY[pg_backend_pid()])".encode())
        one.until(lambda: one.missed == 2)
        other.until(lambda: other.missed == 2)
        one.notices.tell(Notice("jobs"))
        other.until(lambda: other.heard == [Notice("jobs")])


def test_notices_that_cannot_be_sent_are_told_as_missed(postgres_url: str) -> None:
    one, other = Server(postgres_url), Server(postgres_url)
    for number in range(module.MOST_WAITING + 1):
        one.notices.tell(Notice("upload", str(number)))
    one.notices.tell(Notice("jobs"))
    with started(other, one):
        other.until(lambda: other.missed == 2 and other.heard == [Notice("jobs")])
        one.notices.tell(Notice("turn", "x" * MOST_BYTES))
        other.until(lambda: other.missed == 3)
        one.notices.tell(Notice("jobs"))
        other.until(lambda: len(other.heard) == 2)


def test_equal_notices_that_wait_are_told_once(postgres_url: str) -> None:
    one, other = Server(postgres_url), Server(postgres_url)
    for _ in range(module.MOST_WAITING + 1):
        one.notices.tell(Notice("jobs"))
    with started(other, one):
        other.until(lambda: bool(other.heard))
        one.notices.tell(Notice("flows"))
        other.until(lambda: other.heard == [Notice("jobs"), Notice("flows")])
        assert other.missed == 1


def test_a_server_that_falls_silent_may_have_died_before_it_told(postgres_url: str) -> None:
    """One that ends tells so, and what it still had to tell."""
    watching = Server(postgres_url, alive_s=0.02, silent_s=0.3)
    dead, ended, later = (Server(postgres_url) for _ in range(3))
    with started(watching):
        with started(ended):
            ended.notices.tell(Notice("jobs"))
        watching.until(lambda: watching.has_heard(Notice("jobs")))
        with started(dead):
            watching.until(lambda: watching.missed == 2)  # its only sign of life is long ago
        with started(later):
            later.notices.tell(Notice("flows"))
        watching.until(lambda: watching.has_heard(Notice("jobs"), Notice("flows")))
    assert watching.missed == 2, "for the one that died alone"


def test_closing_does_not_wait_for_a_database_that_is_away() -> None:
    away = PostgresNotices("postgresql://nobody@192.0.2.1/none?connect_timeout=30")
    away.start(lambda notices: None, lambda: None)
    began = time.monotonic()
    away.close()
    assert time.monotonic() - began < module.CLOSE_S + 1.0
    PostgresNotices("postgresql:///none").close()
