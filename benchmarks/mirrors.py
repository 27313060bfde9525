"""What the mirrors and the notices of several servers cost PostgreSQL and each server.

    python -m benchmarks.mirrors [--mirrors 1,2,4,8] [--rates 0,100,1000] [--seconds 6] [--runs 3] [--events 100000]

Each server on PostgreSQL has a mirror of all rows, and hears what all others tell. So many mirrors read beside one
process that writes conversations, each in a process of its own as in a server. Everything is processor time, of the
processes and of those that serve their connections in PostgreSQL, so a busy machine changes little. Medians. Printed:

made anew       CPU for a row while so many mirrors begin with an empty file
round           CPU a second of each mirror at so many written rows a second
row             CPU of each mirror for one more written row, and a second where it always has something to read
notice          CPU for a notice that so many listeners hear: of each listener, and of the sender
NOTIFY          transactions a second that tell something, of 1 and of 8 senders: each waits for the one before
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any, Final

import psycopg

from benchmarks._postgres_load import (
    ROWS_OF_AN_EXCHANGE,
    Conversation,
    at_pace,
    cpu_of_connections_s,
    cpu_of_postgres_s,
    cpu_s,
    named,
)
from server.ledger import mirrored
from server.ledger.notices import Notice
from server.ledger.opened import opened_mirror
from server.ledger.postgres.increments import IncrementReader
from server.ledger.postgres.ledger import PostgresLedger, Use
from server.ledger.postgres.notices import PostgresNotices
from server.mirror import ROUND_S, Mirror
from tests.postgres_server import ADMIN_DATABASE, postgres_process

MIRROR: Final = "mirror"
LISTENER: Final = "listener"
SENDER: Final = "sender"
CONVERSATIONS: Final = 400
TICK_S: Final = 0.1
NOTICES_A_SECOND: Final = 100
SENDERS: Final = (1, 8)
READY_S: Final = 300.0
SETTLED_S: Final = 2 * ROUND_S
"""Until the sessions of a writer are read."""
FILL: Final = """INSERT INTO events (id, session_id, client_id, name, server_time, sequence, variant, properties,
    properties_meta, event_time, clock) SELECT gen_random_uuid()::VARCHAR, 'other', 'app', 'camera_opened',
    now()::TIMESTAMP, 0, '', '{}', '{}', now()::TIMESTAMP, 'server' FROM generate_series(1, %s)"""
_AGAIN: Final = "'id', gen_random_uuid(), 'changed_in', pg_current_xact_id()::VARCHAR"
MORE: Final = (
    f"""INSERT INTO turns SELECT (jsonb_populate_record(turns, jsonb_build_object({_AGAIN}, 'utterance',
    (2 + 1e9 * random())::INTEGER))).* FROM turns WHERE utterance = 1 ORDER BY random() LIMIT %s""",
    """UPDATE turns SET reply_cut = '' WHERE id IN
    (SELECT id FROM turns WHERE changed_in = pg_current_xact_id() LIMIT %s)""",
    """UPDATE sessions SET turn_count = turn_count + 1 WHERE id IN
    (SELECT session_id FROM turns WHERE changed_in = pg_current_xact_id() LIMIT %s)""",
    *(
        f"""INSERT INTO events SELECT (jsonb_populate_record(events, jsonb_build_object({_AGAIN}))).*
        FROM events WHERE session_id IN (SELECT session_id FROM turns WHERE utterance = 1) AND name = '{name}'
        LIMIT %s"""
        for name in ("turn_finished", "replied")
    ),
)
"""Exchanges like those of ``Conversation``, so many. The rows of each kind are as many as there."""

_PROCESSES: Final = multiprocessing.get_context("spawn")


def keep_mirror(url: str, ready: Any, stop: Event) -> None:
    """A process: makes a mirror, and does rounds as a server does."""

    async def rounds(mirror: Mirror) -> None:
        began = time.process_time()
        await mirror.round()
        ready.put(time.process_time() - began)
        while not stop.is_set():
            await asyncio.sleep(ROUND_S)
            await mirror.round()

    with (
        tempfile.TemporaryDirectory() as folder,
        closing(opened_mirror(Path(folder) / "mirror.duckdb")) as file,
        closing(IncrementReader(url, file.write_now(mirrored.columns_of))) as reader,
    ):
        asyncio.run(rounds(Mirror(reader, file, Path(folder))))


def listen(url: str, ready: Any, stop: Event) -> None:
    """A process: hears notices on its event loop, as a server does."""

    async def hear() -> None:
        loop, notices = asyncio.get_running_loop(), PostgresNotices(url)
        connected = asyncio.Event()

        def on_loop(call: Callable[..., object], *arguments: object) -> None:
            loop.call_soon_threadsafe(call, *arguments)

        notices.start(
            partial(on_loop, len),
            partial(on_loop, connected.set),
        )
        await connected.wait()
        ready.put(0.0)
        await asyncio.to_thread(stop.wait)
        notices.close()

    asyncio.run(hear())


def converse(url: str, rate: float, told: Any, stop: Event) -> None:
    """A process: writes conversations, at a number of rows a second.

    Some are written as a server does. Then many more turns like theirs are written in few transactions: that costs
    little, and a mirror reads the same rows.
    """

    async def begin(ledger: PostgresLedger) -> None:
        for conversation in [Conversation() for _ in range(CONVERSATIONS)]:
            await ledger.write(conversation.begin)
            await conversation.exchange(ledger)

    with closing(PostgresLedger.open(url, use=Use.TOGETHER)) as ledger:
        asyncio.run(begin(ledger))
    told.put(0.0)
    with psycopg.connect(url) as connection:
        began, exchanged = time.monotonic(), 0
        while not stop.wait(TICK_S):
            due = min(CONVERSATIONS, round(rate / ROWS_OF_AN_EXCHANGE * (time.monotonic() - began)) - exchanged)
            for statement in MORE:
                connection.execute(statement.encode(), [due])
            connection.commit()
            exchanged += due
    told.put(ROWS_OF_AN_EXCHANGE * exchanged / (time.monotonic() - began))


def notify(url: str, seconds: float, done: Any) -> None:
    """A process: tells as often as PostgreSQL lets it, each time in a transaction."""
    with psycopg.connect(url, autocommit=True) as connection:
        done.put(0)
        told, end = 0, time.monotonic() + seconds
        while time.monotonic() < end:
            connection.execute("SELECT pg_notify('elsewhere', %s)", [str(told)])
            told += 1
        done.put(told)


class Load:
    """PostgreSQL, and the processes that use it."""

    def __init__(self, url: str, postmaster: int, seconds: float, runs: int) -> None:
        self._url, self._postmaster, self._seconds, self._runs = url, postmaster, seconds, runs

    @contextmanager
    def running(self, number: int, work: Callable[..., None], name: str) -> Iterator[tuple[list[int], list[float]]]:
        """Run so many processes; yields their ids, and what each says when it is ready."""
        ready, stop = _PROCESSES.Queue(), _PROCESSES.Event()
        url = named(self._url, name)
        started = [_PROCESSES.Process(target=work, args=(url, ready, stop), daemon=True) for _ in range(number)]
        try:
            for each in started:
                each.start()
            yield [each.pid or 0 for each in started], [ready.get(timeout=READY_S) for _ in started]
        finally:
            stop.set()
            for each in started:
                each.join()

    def mirrors(self, number: int, rates: Sequence[float], rows: int) -> Iterator[str]:
        """What each of so many mirrors costs."""
        with self.running(number, keep_mirror, MIRROR) as (pids, began):
            theirs = cpu_of_connections_s(self._url, MIRROR) / number
            anew = statistics.median(began)
            yield f"{number} mirrors made anew: {1e6 * anew / rows:.1f} us a row, PostgreSQL {1e6 * theirs / rows:.1f}"
            found: list[tuple[float, float, float]] = []
            for rate in rates:
                with self._written(rate) as reached:
                    runs = [[spent / number for spent in self._spent(pids, MIRROR)] for _ in range(self._runs)]
                own, theirs = (statistics.median(column) for column in zip(*runs, strict=True))
                yield (
                    f"{number} mirrors, {sum(reached):.0f} rows a second: each {1e3 * own:.2f} ms a second"
                    f" ({shown([1e3 * run[0] for run in runs])}), PostgreSQL {1e3 * theirs:.2f} ms"
                    f" ({shown([1e3 * run[1] for run in runs])})"
                )
                found.append((sum(reached), own, theirs))
        (less, *before), (more, *after) = found[-2:]
        for part, low, high in zip(("process", "PostgreSQL"), before, after, strict=True):
            a_row = (high - low) / (more - less)
            yield (
                f"{number} mirrors, each, {part}: {1e6 * a_row:.1f} us a row"
                f" and {1e3 * (low - less * a_row):.2f} ms a second"
            )

    @contextmanager
    def _written(self, rate: float) -> Iterator[list[float]]:
        """Have rows written meanwhile; at the end the list has how many a second."""
        reached: list[float] = []
        if not rate:
            yield reached
            return
        told, stop = _PROCESSES.Queue(), _PROCESSES.Event()
        writer = _PROCESSES.Process(target=converse, args=(self._url, rate, told, stop), daemon=True)
        writer.start()
        told.get(timeout=READY_S)
        time.sleep(SETTLED_S)
        yield reached
        stop.set()
        reached.append(told.get(timeout=READY_S))
        writer.join()

    def _spent(self, pids: list[int], name: str) -> tuple[float, float]:
        """CPU a second of these processes and of the connections with a name."""
        own, theirs, began = sum(map(cpu_s, pids)), cpu_of_connections_s(self._url, name), time.monotonic()
        time.sleep(self._seconds)
        took = time.monotonic() - began
        return (sum(map(cpu_s, pids)) - own) / took, (cpu_of_connections_s(self._url, name) - theirs) / took

    def notices(self, number: int) -> Iterator[str]:
        """What a notice costs each of so many listeners, and the sender."""
        with self.running(number, listen, LISTENER) as (pids, _):
            quiet, busy = ([self._heard(pids, rate) for _ in range(self._runs)] for rate in (0, NOTICES_A_SECOND))
        for part, before, after in zip(
            ("a listener", "its connection", "the sender's connection"),
            zip(*quiet, strict=True),
            zip(*busy, strict=True),
            strict=True,
        ):
            each = [1e6 * (run - statistics.median(before)) / NOTICES_A_SECOND for run in after]
            idle = 1e3 * statistics.median(before)
            yield (
                f"{number} listeners, {part}: {statistics.median(each):.1f} us a notice ({shown(each)}),"
                f" {idle:.2f} ms a second without"
            )

    def _heard(self, pids: list[int], rate: float) -> tuple[float, float, float]:
        """CPU a second of one listener, of its connection and of the sender's connection."""

        async def tell(notices: PostgresNotices, stop: Event) -> None:
            async def one(_: int) -> None:
                notices.tell(Notice("turn", str(uuid.uuid4()), (str(uuid.uuid4()),)))

            await at_pace(rate, stop.is_set, one, pause_s=0.5 / NOTICES_A_SECOND)

        stop = _PROCESSES.Event()
        with closing(PostgresNotices(named(self._url, SENDER))) as notices, ThreadPoolExecutor(1) as pool:
            notices.start(lambda heard: None, lambda: None)
            telling = pool.submit(lambda: asyncio.run(tell(notices, stop)))
            time.sleep(SETTLED_S)
            before = cpu_of_connections_s(self._url, SENDER)
            own, theirs = self._spent(pids, LISTENER)
            sent = (cpu_of_connections_s(self._url, SENDER) - before) / self._seconds
            stop.set()
            telling.result()
        return own / len(pids), theirs / len(pids), sent

    def most_notices(self, number: int) -> str:
        """How many transactions a second can tell something."""
        done = _PROCESSES.Queue()
        given = (self._url, self._seconds, done)
        started = [_PROCESSES.Process(target=notify, args=given, daemon=True) for _ in range(number)]
        before = cpu_of_postgres_s(self._postmaster)
        for each in started:
            each.start()
        told = sum(done.get(timeout=READY_S) for _ in range(2 * number))
        for each in started:
            each.join()
        used = cpu_of_postgres_s(self._postmaster) - before
        return (
            f"{number} senders: {told / self._seconds:,.0f} transactions with NOTIFY a second,"
            f" {1e3 * used / told:.2f} ms of CPU of PostgreSQL each"
        )


def shown(runs: Sequence[float]) -> str:
    """The least and the most of some runs."""
    return f"{min(runs):.2f} to {max(runs):.2f}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mirrors", default="1,2,4,8", help="numbers of mirrors, and of listeners, that are tried")
    parser.add_argument(
        "--rates", default="0,100,1000", help="rows a second that are written; the last two give the line"
    )
    parser.add_argument("--seconds", type=float, default=6.0, help="length of each measurement")
    parser.add_argument("--runs", type=int, default=3, help="of each measurement; medians are printed")
    parser.add_argument("--events", type=int, default=100_000, help="events that are there from the start")
    given = parser.parse_args()
    with postgres_process(durable=True) as postgres:
        url = postgres.url.format("ledger")
        with psycopg.connect(postgres.url.format(ADMIN_DATABASE), autocommit=True) as admin:
            admin.execute(b"CREATE DATABASE ledger")
        PostgresLedger.open(url, use=Use.TOGETHER).close()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(FILL.encode(), [given.events])
            connection.execute(b"VACUUM ANALYZE")
        postmaster = int((postgres.folder / "data" / "postmaster.pid").read_text().split()[0])
        load = Load(url, postmaster, given.seconds, given.runs)
        numbers = [int(number) for number in given.mirrors.split(",")]
        rates = [float(rate) for rate in given.rates.split(",")]
        for number in numbers:
            for line in load.mirrors(number, rates, given.events):
                print(line, flush=True)
        for number in numbers:
            for line in load.notices(number):
                print(line, flush=True)
        for number in SENDERS:
            print(load.most_notices(number), flush=True)


if __name__ == "__main__":
    main()
