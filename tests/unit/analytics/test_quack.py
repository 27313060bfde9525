"""The live endpoint, asked by a real client in another process while this one writes."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from models.errors import InternalError, InvalidInput, Unavailable
from server.access.doors import Door
from server.analytics import quack
from server.analytics.client import LiveConnection, connect
from server.analytics.endpoint_config import QueryLimits
from server.analytics.quack import attach_statement
from server.analytics.refusals import Cause
from server.analytics.sql_policy import LONGEST_QUERY
from server.cli.demo.processes import free_ports
from server.ledger import sessions
from server.ledger.columns import Cursor
from server.ledger.embedded import EmbeddedLedger
from server.ledger.types import SessionState
from tests.unit.analytics.endpoints import endpoint_of
from tests.unit.analytics.queries import BAD, GOOD
from tests.unit.ledger.makers import NOW, after, session
from tests.unit.ledger.migrated import open_ledger
from tests.unit.ledger.stored import read_now

pytestmark = pytest.mark.slow  # it asks a real endpoint from a process of its own

TOKEN = "a-token-for-tests-0123"

# Runs each query in the server, then as DuckDB's own ATTACH would; prints what came of it.
CLIENT = """
import json, sys, duckdb
from models.errors import InvalidInput
from server.ledger.columns import Cursor
from server.analytics.client import connect
port, token = int(sys.argv[1]), sys.argv[2]
live = connect(port, token)
for query in json.load(sys.stdin):
    try:
        answer = {"rows": len(live.execute(query).fetchall())}
    except InvalidInput as error:
        answer = {"refused": error.message}
    except duckdb.Error as error:
        answer = {"error": str(error)}
    print(json.dumps(answer), flush=True)
"""


def _forty_sessions(cursor: Cursor) -> None:
    for number in range(40):
        row, _ = sessions.insert_or_get(cursor, session(at=number))
        if number % 2:
            sessions.transition(cursor, row.id, SessionState.IN_PROGRESS, after(60))


def _is_told(refused: list[str], what: str) -> bool:
    """Whether the endpoint says so; its message may come after its answer to the analyst."""
    until_s = time.monotonic() + 10.0
    while refused[-1:] != [what] and time.monotonic() < until_s:
        threading.Event().wait(0.01)
    return refused[-1:] == [what]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EmbeddedLedger, int, list[str]]]:
    ledger = open_ledger(tmp_path_factory.mktemp("quack") / "ledger.duckdb", lambda: NOW)
    ledger.write_now(_forty_sessions)
    refused: list[str] = []
    [port] = free_ports(1)

    def decided(door: Door, denied: str) -> None:
        if denied:
            refused.append(f"{door} {denied}")

    endpoint = endpoint_of(ledger, port, TOKEN, on_decision=decided, limits=QueryLimits(seconds=6.0))
    endpoint.start()
    yield ledger, port, refused
    endpoint.stop()
    endpoint.stop()
    ledger.close()


@pytest.fixture(scope="module")
def live(served: tuple[EmbeddedLedger, int, list[str]]) -> Iterator[LiveConnection]:
    """One connection for all: to make one takes a third of a second of CPU time."""
    with connect(served[1], TOKEN) as connection:
        yield connection


def _ask(port: int, queries: tuple[str, ...]) -> list[dict[str, Any]]:
    child = subprocess.run(
        [sys.executable, "-c", CLIENT, str(port), TOKEN],
        input=json.dumps(queries),
        capture_output=True,
        text=True,
        check=True,
        timeout=300,  # a hang; the endpoint has the lowest priority on a machine that may be busy
    )
    lines = child.stdout.splitlines()
    assert [line for line in lines if not line.startswith("{")] == []
    return [json.loads(line) for line in lines]


def test_analysts_ask_while_the_server_writes(served: tuple[EmbeddedLedger, int, list[str]]) -> None:
    ledger, port, _ = served
    ended = threading.Event()
    written: list[bool] = []

    def write() -> None:
        while not ended.wait(0.1):  # as fast as it can, it would have more to read with every query
            written.append(ledger.write_now(lambda c: sessions.insert_or_get(c, session(at=len(written)))[1]))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        answers = _ask(port, GOOD)
    finally:
        ended.set()
        writer.join()
    assert [(q, a) for q, a in zip(GOOD, answers, strict=True) if "rows" not in a] == []
    assert answers[0] == {"rows": 4}
    assert len(written) > 10


def test_forbidden_queries_are_refused_and_change_nothing(served: tuple[EmbeddedLedger, int, list[str]]) -> None:
    ledger, port, refused = served
    before = read_now(ledger, _everything)
    answers = _ask(port, BAD)
    assert [q for q, a in zip(BAD, answers, strict=True) if "rows" in a] == []
    assert sum("refused" in a for a in answers) > 100
    assert read_now(ledger, _everything) == before
    assert refused
    assert set(refused) <= {f"sql {cause}" for cause in Cause}, "a word of ours, nothing of the query"


def _everything(cursor: Any) -> list[Any]:
    tables = cursor.execute("SELECT table_name, estimated_size FROM duckdb_tables() ORDER BY 1").fetchall()
    return [tables, cursor.execute("SELECT view_name, sql FROM duckdb_views() ORDER BY 1").fetchall()]


# These go through the client's own catalogue and its messages for appending, not through ``query``.
ATTACHED_BAD = (
    "INSERT INTO live.breakers VALUES ('x', 'open', 1, NULL)",
    "CREATE TABLE live.mine (a INTEGER)",
    "CREATE TABLE live.mine AS SELECT 1 AS a",
    "CREATE VIEW live.mine AS SELECT 1 AS a",
    "DROP TABLE live.events",
    "DROP VIEW live.v_funnel",
    "DELETE FROM live.events",
    "UPDATE live.events SET name = 'x'",
    "ALTER TABLE live.events ADD COLUMN x INTEGER",
    "SELECT token_hash FROM live.streams",
    "SELECT count(*) FROM live.jobs",
    "COPY live.jobs TO '/dev/null'",
    "FROM quack_query_by_name('live', 'SELECT * FROM streams')",
)


# Tables are not even known there; the views are.
REFUSALS = r"Authorization failed|not supported|Not implemented|Cannot|Can only|does not exist"


@pytest.mark.parametrize("query", ATTACHED_BAD)
def test_the_attached_catalogue_is_read_only(
    served: tuple[EmbeddedLedger, int, list[str]], live: LiveConnection, query: str
) -> None:
    before = read_now(served[0], _everything)
    with pytest.raises(Exception, match=REFUSALS):
        live.local.execute(query).fetchall()
    assert read_now(served[0], _everything) == before


def test_views_can_be_read_by_name_in_the_attached_catalogue(live: LiveConnection) -> None:
    rows = live.local.execute("SELECT stage FROM live.v_funnel WHERE sessions > 0 ORDER BY position").fetchall()
    assert rows[0] == ("STARTED",)
    live.local.execute("USE live")
    try:
        assert live.local.execute("SELECT count(*) FROM v_funnel").fetchall() == [(4,)]
    finally:
        live.local.execute("USE memory")


def test_a_query_that_does_not_end_is_refused_and_the_server_goes_on(
    served: tuple[EmbeddedLedger, int, list[str]], live: LiveConnection
) -> None:
    with pytest.raises(InvalidInput) as caught:
        live.execute("SELECT sum(a.range * b.range % 7) FROM range(1000000) a, range(1000000) b")
    assert caught.value.message == "The query needs more than 6 s of CPU time."
    assert caught.value.hint == Cause.TIME.hint
    assert _is_told(served[2], f"sql {Cause.TIME}")
    assert served[0].write_now(lambda c: sessions.insert_or_get(c, session()))[1]
    assert len(live.execute("FROM v_funnel;").fetchall()) == 4


def test_a_wrong_token_is_refused(served: tuple[EmbeddedLedger, int, list[str]]) -> None:
    with pytest.raises(Exception, match=r"(?i)auth|token"):
        connect(served[1], "another-token-0123")
    assert _is_told(served[2], "quack CREDENTIALS_INVALID")


def test_it_listens_on_loopback_only(served: tuple[EmbeddedLedger, int, list[str]]) -> None:
    import psutil

    listening = [
        c.laddr.ip for c in psutil.net_connections() if c.status == "LISTEN" and c.laddr and c.laddr.port == served[1]
    ]
    assert set(listening) <= {"127.0.0.1", "::1"}
    assert listening


def test_a_catalogue_that_cannot_be_made_is_told_and_no_process_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> tuple[str, ...]:
        raise duckdb.OutOfMemoryException("no room")

    monkeypatch.setattr("server.analytics.supervisor.sql_of_newest", refuse)
    ledger = open_ledger(tmp_path / "ledger.duckdb")
    endpoint = endpoint_of(ledger, free_ports(1)[0], TOKEN)
    try:
        with pytest.raises(Unavailable) as caught:
            endpoint.start()
    finally:
        endpoint.stop()
        ledger.close()
    assert caught.value.reason == "QUACK_UNAVAILABLE"
    assert endpoint.process is None


def test_a_taken_port_or_a_short_token_is_refused(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        ledger = open_ledger(tmp_path / "l.duckdb", lambda: NOW)
        with pytest.raises(Unavailable) as caught:
            endpoint_of(ledger, holder.getsockname()[1], TOKEN).start()
        assert caught.value.reason == "QUACK_UNAVAILABLE"
        with pytest.raises(InternalError) as short:
            endpoint_of(ledger, free_ports(1)[0], "short").start()
        assert short.value.reason == "QUACK_TOKEN_SHORT"
        ledger.close()


def test_the_attach_statement_works_offline(served: tuple[EmbeddedLedger, int, list[str]]) -> None:
    shown = attach_statement(served[1]).replace("'...'", f"'{TOKEN}'")
    assert f"ATTACH 'quack:localhost:{served[1]}' AS live" in shown
    with duckdb.connect(":memory:", config={"extension_directory": "/nowhere"}) as another:
        for line in shown.splitlines():
            if not line.startswith("--"):
                another.execute(line).fetchall()


def test_without_a_wheel_duckdb_fetches_the_extensions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quack, "_installed", lambda name: None)
    first = attach_statement(1).splitlines()[0]
    assert first == "INSTALL httpfs; LOAD httpfs; INSTALL quack; LOAD quack;"


@pytest.mark.parametrize(
    ("query", "says", "hint"),
    [
        ("SELEC 1", 'no valid SQL: syntax error at or near "SELEC" (character 1).', Cause.NO_SQL.hint),
        ("SELECT 'a\x00b'", "no NUL character", "Remove that character."),
        ("DELETE FROM events", "Only SELECT statements may be run.", Cause.NOT_SELECT.hint),
        ("SELECT 1; SELECT 2", "Exactly one statement", Cause.STATEMENTS.hint),
        ("SELECT 1" + " + 1" * 4_900, "nested too deeply", Cause.TOO_DEEP.hint),
        ("SELECT " + "1," * LONGEST_QUERY + "1", "at most 20000 characters", Cause.TOO_LONG.hint),
        (
            "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) FROM r",
            "A recursive cte node may not be used.",
            Cause.KIND.hint,
        ),
        ("WITH streams AS (SELECT 1) FROM streams", "needs a plain name", Cause.CTE_NAME.hint),
        ("SHOW DATABASES", "Only tables can be shown.", Cause.SHOW.hint),
        (
            "SELECT nonsense FROM v_sessions",
            '"nonsense" not found in FROM clause! Candidate bindings:',
            Cause.PLAN.hint,
        ),
        ("FROM v_sesions", "Only the documented views may be read.", "Read one of v_answers, v_audit, "),
        ("SELECT medain(took_s) FROM v_uploads", "The function medain may not be used.", "Did you mean median"),
        ("SELECT getenv('HOME')", "The function getenv may not be used.", Cause.FUNCTION.hint),
        ("SELECT sum('a') FROM v_sessions", "cannot be planned. Binder Error: No function matches", Cause.PLAN.hint),
        ("SELECT length(repeat('x', 2000000000))", "The query needs more memory than 512 MiB.", Cause.MEMORY.hint),
    ],
)
def test_a_refusal_gives_its_cause_and_says_what_to_do(live: LiveConnection, query: str, says: str, hint: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        live.execute(query)
    assert says in caught.value.message
    assert "EXPLAIN" not in caught.value.message
    assert caught.value.hint.startswith(hint)


def test_no_two_causes_have_the_same_hint_and_all_are_documented() -> None:
    assert len({cause.hint for cause in Cause}) == len(Cause)
    page = (Path(__file__).parents[3] / "docs/operating/ledger-and-sql.md").read_text(encoding="utf-8")
    assert [cause for cause in Cause if f"`{cause}`" not in page] == []
