"""How ``make cluster`` counts the streams that go on at another server."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import pytest

psycopg = pytest.importorskip("psycopg")

from server.ledger import sessions, streams  # noqa: E402
from server.ledger.columns import Cursor  # noqa: E402
from server.ledger.postgres.ledger import PostgresLedger  # noqa: E402
from tests.cluster.handovers import HELD, HOLDING, WATCH, Handovers, handovers  # noqa: E402
from tests.unit.ledger.makers import NOW, session, stream  # noqa: E402

OPENED = ("stream", "first", "server-0.1")
LEFT = ("stream", "", "server-0.1")


@pytest.mark.parametrize(
    ("then", "counted"),
    [
        ([], Handovers(elsewhere=0, back=0, cut=1, cut_elsewhere=0)),
        ([LEFT], Handovers(elsewhere=0, back=0, cut=0, cut_elsewhere=0)),
        ([("stream", "second", "server-1.1"), ("stream", "", "server-1.1")], Handovers(1, 0, cut=1, cut_elsewhere=1)),
        ([("stream", "second", "server-0.2"), ("stream", "", "server-0.2")], Handovers(0, 1, cut=1, cut_elsewhere=0)),
        ([LEFT, ("stream", "second", "server-2.4")], Handovers(1, 0, cut=0, cut_elsewhere=0)),
        ([LEFT, ("other", "second", "server-2.4")], Handovers(0, 0, cut=0, cut_elsewhere=0)),
    ],
)
def test_a_stream_goes_on_elsewhere_when_another_server_had_it_before(
    then: list[tuple[str, str, str]], counted: Handovers
) -> None:
    assert handovers([OPENED, *then], {"server-0.1"}) == counted


def test_a_server_that_was_not_killed_cuts_nothing() -> None:
    assert handovers([OPENED, ("stream", "second", "server-1.1")], set()) == Handovers(1, 0, cut=0, cut_elsewhere=0)


def test_postgresql_notes_which_server_takes_and_leaves_a_stream(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        connection.execute(WATCH)
    of = session()
    row = replace(stream(of.id), holder="first")

    def open_stream(cursor: Cursor) -> None:
        sessions.insert_or_get(cursor, of)
        streams.insert_stream(cursor, row)

    with closing(PostgresLedger.open(f"{postgres_url}&application_name=server-0.1")) as one:
        one.write_now(open_stream)
    with closing(PostgresLedger.open(f"{postgres_url}&application_name=server-1.1")) as two:
        two.write_now(lambda cursor: streams.hold(cursor, row.id, "second", None))
        with psycopg.connect(postgres_url) as connection:
            assert connection.execute(HOLDING).fetchall() == [("server-1.1",)]
        two.write_now(lambda cursor: streams.leave(cursor, row.id, "second", NOW))
    with psycopg.connect(postgres_url) as connection:
        held = connection.execute(HELD).fetchall()
        assert connection.execute(HOLDING).fetchall() == []
    assert held == [(row.id, "first", "server-0.1"), (row.id, "second", "server-1.1"), (row.id, "", "server-1.1")]
