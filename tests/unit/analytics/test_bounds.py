"""The bound on time and memory: hostile statements against a real endpoint, with a real ledger written meanwhile."""

from __future__ import annotations

import itertools
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import psutil
import pytest

from models.errors import InvalidInput
from server.analytics import cpu_debt, supervisor
from server.analytics.client import LiveConnection, connect
from server.analytics.endpoint_config import QueryLimits
from server.analytics.process_bounds import NICE
from server.analytics.supervisor import Supervisor
from server.cli.demo.processes import free_ports
from server.ledger import sessions
from server.ledger.embedded import EmbeddedLedger
from tests.unit.analytics.endpoints import endpoint_of
from tests.unit.analytics.hostile import FROM_THE_ATTACK, HOSTILE
from tests.unit.ledger.makers import NOW, session
from tests.unit.ledger.migrated import migrated_file, open_ledger

pytestmark = pytest.mark.slow  # it starts real processes and waits until queries run out of time

TOKEN = "a-token-for-tests-0123"
MIB = 1024 * 1024
LIMITS = QueryLimits(seconds=1.0)
WRITES = 60
"""While many attack. A write that waits for a query takes a second or more, so half of them would show it."""
_NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedLedger]:
    opened = open_ledger(tmp_path_factory.mktemp("bounds") / "ledger.duckdb", lambda: NOW)
    opened.write_now(lambda cursor: sessions.insert_or_get(cursor, session()))
    yield opened
    opened.close()


@dataclass
class Served:
    """An endpoint that several tests use; a killed one is there again.

    Attributes:
        ended: Why its process was started anew, each time.
    """

    endpoint: Supervisor
    port: int
    ended: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def shared(ledger: EmbeddedLedger) -> Iterator[Served]:
    ended: list[str] = []
    with served(ledger, ended.append) as (endpoint, port):
        yield Served(endpoint, port, ended)


@pytest.fixture
def running(shared: Served) -> Served:
    """The shared one, which answers."""
    assert answered_within(shared.port, 60.0)
    shared.ended.clear()
    return shared


@contextmanager
def served(
    ledger: EmbeddedLedger, ended: Callable[[str], None] = lambda reason: None, limits: QueryLimits = LIMITS
) -> Iterator[tuple[Supervisor, int]]:
    port = free_ports(1)[0]
    endpoint = endpoint_of(ledger, port, TOKEN, limits=limits, on_ended=ended)
    endpoint.start()
    try:
        yield endpoint, port
    finally:
        endpoint.stop()


@contextmanager
def most_memory(endpoint: Supervisor) -> Iterator[list[int]]:
    """The largest sum of the resident bytes of the endpoint and all its children that was seen."""
    most, over = [0], threading.Event()

    def look() -> None:
        while not over.wait(0.02):
            most[0] = max(most[0], sum(_resident(process) for process in family(endpoint)))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield most
    finally:
        over.set()
        thread.join()


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def family(endpoint: Supervisor) -> list[psutil.Process]:
    """The endpoint and the processes that it started."""
    try:
        parent = psutil.Process(endpoint.process)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def write(ledger: EmbeddedLedger) -> float:
    """Seconds of one durable write."""
    began_s = time.perf_counter()
    ledger.write_now(lambda cursor: sessions.insert_or_get(cursor, session(at=next(_NUMBERS))))
    return time.perf_counter() - began_s


def answered_within(port: int, limit_s: float) -> bool:
    """Whether an analyst who attaches now gets an answer to a short query in time."""
    end_s = time.monotonic() + limit_s
    while time.monotonic() < end_s:
        try:
            with connect(port, TOKEN) as connection:
                return len(connection.execute("FROM v_funnel").fetchall()) == 4
        except duckdb.Error:
            threading.Event().wait(0.05)  # nobody listens yet
    return False


def attack(connection: LiveConnection, query: str) -> str:
    """The refusal, or DuckDB's error; empty when the query ran."""
    try:
        connection.execute(query).fetchall()
    except InvalidInput as error:
        return error.message
    except duckdb.Error as error:
        return type(error).__name__
    return ""


def test_no_statement_takes_memory_of_the_server_or_more_than_its_own_share(running: Served) -> None:
    assert len(HOSTILE) >= len(FROM_THE_ATTACK) + 30
    endpoint = running.endpoint
    with connect(running.port, TOKEN) as analyst:
        attack(analyst, "FROM v_funnel")
        process, before = endpoint.process, psutil.Process().memory_info().rss
        idle = sum(_resident(each) for each in family(endpoint))
        with most_memory(endpoint) as most:
            said = {query: attack(analyst, query) for query in HOSTILE}
        assert {query for query, answer in said.items() if answer == ""} == set()
        assert psutil.Process().memory_info().rss - before < 50 * MIB
        assert most[0] - idle < LIMITS.query_bytes + 256 * MIB
        assert endpoint.process == process, "no statement reached the endpoint"
        assert answered_within(running.port, 60.0)


def test_many_at_once_slow_nobody_down(ledger: EmbeddedLedger, running: Served) -> None:
    over = threading.Event()
    port = running.port

    def keep_attacking(connection: LiveConnection, first: int) -> None:
        number = first
        while not over.is_set():
            attack(connection, HOSTILE[number % len(HOSTILE)])
            number += 7

    with ExitStack() as attached, most_memory(running.endpoint) as most:
        # All attach before the first attacks: one that attaches meanwhile may be told that too many queries run.
        connections = [attached.enter_context(connect(port, TOKEN)) for _ in range(8)]
        threads = [threading.Thread(target=keep_attacking, args=(each, i)) for i, each in enumerate(connections)]
        for thread in threads:
            thread.start()
        for _ in range(6000):
            if len(family(running.endpoint)) >= 5:  # three of them are being tried out
                break
            over.wait(0.01)
        else:
            raise AssertionError("Three queries were never tried out at the same time.")
        meanwhile = statistics.median(write(ledger) for _ in range(WRITES))
        over.set()
        for thread in threads:
            thread.join()
        assert answered_within(port, 60.0)
        assert most[0] < LIMITS.total_bytes + 6 * LIMITS.query_bytes
    assert meanwhile < 0.25, "no write waits for a query; benchmarks/analysts.py measures how much slower it is"
    assert running.ended == [], "other analysts kept their connections"


def test_stopping_does_not_wait_for_queries_and_leaves_no_process(ledger: EmbeddedLedger) -> None:
    with served(ledger, limits=QueryLimits(seconds=120.0)) as (endpoint, port):  # longer than the stop may take
        slow = [threading.Thread(target=lambda: _ask_once(port, FROM_THE_ATTACK[-1])) for _ in range(3)]
        for thread in slow:
            thread.start()
        while len(running := family(endpoint)) < 4:  # the endpoint, the trial process and two trials
            assert endpoint.alive
        began_s = time.monotonic()
        endpoint.stop()
        assert time.monotonic() - began_s < 20.0
        _, left = psutil.wait_procs(running, timeout=20.0)
        assert left == []
        for thread in slow:
            thread.join()


def _ask_once(port: int, query: str) -> None:
    try:
        with connect(port, TOKEN) as connection:
            attack(connection, query)
    except duckdb.Error:
        return  # the endpoint was stopped before


def test_a_killed_endpoint_is_there_again_and_the_same_connection_goes_on(running: Served) -> None:
    with connect(running.port, TOKEN) as analyst:
        assert attack(analyst, "FROM v_funnel") == ""
        for _ in range(2):
            assert running.endpoint.process is not None
            os.kill(running.endpoint.process, signal.SIGKILL)
            assert attack(analyst, "FROM v_funnel") == "", "it waited and attached again by itself"
        assert running.ended == ["ended"] * 2


def test_without_the_process_for_trials_the_endpoint_starts_anew(running: Served) -> None:
    _, trials = family(running.endpoint)
    trials.kill()
    psutil.wait_procs([trials])
    assert answered_within(running.port, 60.0)


def test_an_endpoint_that_grows_too_large_is_killed(ledger: EmbeddedLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    killed = threading.Event()
    reasons: list[str] = []

    def ended(reason: str) -> None:
        reasons.append(reason)
        monkeypatch.undo()
        killed.set()

    monkeypatch.setattr(supervisor, "MORE_BYTES", -LIMITS.total_bytes - MIB)
    with served(ledger, ended) as (_, port):
        assert killed.wait(60.0)
        assert reasons == ["memory_exceeded"]
        assert answered_within(port, 60.0)


# It does nothing in every second millisecond, so it may be short when it is tried out and long when it runs.
COIN = """SELECT count(*) FROM range(1000000) a, range(1000000) b
    WHERE epoch_ms(get_current_timestamp()) % 2 = 0 AND a.range * b.range % 7 = 1"""


def test_a_query_that_was_short_when_it_was_tried_out_and_runs_on_is_killed(
    running: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(running.port, TOKEN) as analyst:
        assert attack(analyst, "FROM v_funnel") == ""
        # From now on. Else the process could be killed for what it takes to let the analyst attach.
        monkeypatch.setattr(cpu_debt, "FREE_SHARE", 0.0)
        monkeypatch.setattr(cpu_debt, "QUERIES", 0.5)
        attempts = itertools.count()
        while not running.ended:
            attack(analyst, COIN)
            assert next(attempts) < 60, "one in four was expected to run on"
        monkeypatch.undo()
    assert set(running.ended) == {"cpu_exceeded"}  # the next query may begin before the end of the first is told


SERVER = """
import sys
from pathlib import Path
from tests.unit.analytics.endpoints import endpoint_of
from tests.unit.ledger.migrated import open_ledger
ledger = open_ledger(Path(sys.argv[1]))
endpoint = endpoint_of(ledger, int(sys.argv[2]), sys.argv[3])
endpoint.start()
print(endpoint.process, flush=True)
sys.stdin.read()
"""


def test_the_processes_end_with_a_killed_server(tmp_path: Path) -> None:
    port = free_ports(1)[0]
    migrated_file(tmp_path / "ledger.duckdb")
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, str(tmp_path / "ledger.duckdb"), str(port), TOKEN],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        endpoint = psutil.Process(int(server.stdout.readline()))
        started = [endpoint, *endpoint.children(recursive=True)]
        assert len(started) == 2
        slow = threading.Thread(target=lambda: _ask_once(port, FROM_THE_ATTACK[-1]))
        slow.start()
        while len(started) < 3:
            started = [endpoint, *endpoint.children(recursive=True)]
        server.kill()
        _, left = psutil.wait_procs(started, timeout=20.0)
        assert left == []
        slow.join()


def test_the_processes_yield_and_hold_no_secret(running: Served) -> None:
    processes = family(running.endpoint)
    assert len(processes) == 2
    for process in processes:
        assert TOKEN not in " ".join(process.cmdline())
        assert set(process.environ()) <= {"PYTHONPATH", "HOME", "LC_CTYPE"}
        assert {os.getpriority(os.PRIO_PROCESS, thread.id) for thread in process.threads()} == {NICE}
        assert Path(f"/proc/{process.pid}/oom_score_adj").read_text() == "1000\n"


def test_a_query_that_takes_long_gets_only_what_is_left_of_the_cpu(running: Served) -> None:
    slow = threading.Thread(target=lambda: _ask_once(running.port, FROM_THE_ATTACK[-1]))
    slow.start()
    seen: set[int] = set()
    while slow.is_alive():
        for process in family(running.endpoint)[2:]:
            with suppress(ProcessLookupError):
                seen.add(os.sched_getscheduler(process.pid))
        slow.join(0.01)
    assert seen == {os.SCHED_OTHER, os.SCHED_IDLE}, "first it was tried like a short one"


def test_the_server_keeps_its_lock_on_the_ledger(ledger: EmbeddedLedger, running: Served) -> None:
    write(ledger)
    assert answered_within(running.port, 60.0)
    tried = subprocess.run(
        [sys.executable, "-c", "import sys, duckdb; duckdb.connect(sys.argv[1])", str(ledger.path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Could not set lock" in tried.stderr


def test_what_is_committed_is_read_soon_after(ledger: EmbeddedLedger, running: Served) -> None:
    with connect(running.port, TOKEN) as analyst:
        analyst.execute("FROM v_funnel").fetchall()
        for _ in range(3):
            write(ledger)
            written = ledger.write_now(lambda c: c.execute("SELECT count(*) FROM sessions").fetchone())
            committed_s = time.monotonic()
            while (seen := analyst.execute("SELECT count(*) FROM v_sessions").fetchone()) != written:
                assert time.monotonic() - committed_s < 10.0, seen


def test_only_views_and_their_comments_can_be_seen(running: Served) -> None:
    with connect(running.port, TOKEN) as analyst:
        assert analyst.execute("SELECT DISTINCT database_name FROM duckdb_views() WHERE NOT internal").fetchall() == [
            ("memory",)
        ]
        assert analyst.execute("SELECT count(*) FROM duckdb_tables()").fetchall() == [(0,)]
        commented = analyst.execute(
            "SELECT count(*), count(comment) FROM duckdb_columns() WHERE table_name = 'v_funnel'"
        ).fetchone()
        assert commented == (8, 8)
        views = analyst.execute("SELECT count(*), count(comment) FROM duckdb_views() WHERE NOT internal").fetchone()
        assert views is not None
        assert views[0] == views[1] >= 8
        for hidden in ("snapshot.main.streams", "snapshot.sessions", "snapshot.main.v_funnel"):
            assert attack(analyst, f"FROM {hidden}") == "Only the documented views may be read."
