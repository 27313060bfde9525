"""Kills a process that writes to a ledger, again and again, and looks at what is in the file then.

Each write is one transaction of the server's own functions: a batch of events and a job, both with the number of the
write. So a write that is stored in part shows. DuckDB checkpoints after every 64 KiB to 4 MiB of the WAL, so that kills
also hit checkpoints.

The processes are forked from one that never opened a ledger, because a start of Python takes longer than the rest.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import select
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast

from models.text import RedactedText
from server.ledger import app_events, jobs, sessions
from server.ledger.columns import Cursor
from server.ledger.embedded import EmbeddedLedger
from server.ledger.types import EventRow, SessionRow, SessionState, utc_now

TASKS: Final = 8
LONGEST_S: Final = 0.5
"""Latest moment of a kill, after the first acknowledgement or from the start."""
WAL_KIB: Final = (64, 256, 4096)
BATCHES: Final = (1, 3, 40)
SESSION: Final = "session"


@dataclass(slots=True)
class Kills:
    """What all rounds showed.

    Attributes:
        acknowledged: Writes that were acknowledged before their process was killed.
        unacknowledged: Whole writes that were found although nobody was told.
        missing: Numbers of acknowledged writes that were not found. Must be empty.
        torn: Numbers of writes that were found in part. Must be empty.
        open_s: How long each start took.
    """

    rounds: int = 0
    acknowledged: int = 0
    unacknowledged: int = 0
    missing: list[int] = field(default_factory=list)
    torn: list[int] = field(default_factory=list)
    open_s: list[float] = field(default_factory=list)


def kill_often(path: Path, rounds: int, seed: int) -> Kills:
    """Write, kill and look, this many times, on one growing ledger."""
    chance = random.Random(seed)
    kills = Kills()
    known: set[int] = set()
    acknowledged: set[int] = set()
    for number in range(rounds):
        first = number * 1_000_000
        size, wal_kib = chance.choice(BATCHES), chance.choice(WAL_KIB)
        acknowledged |= _write_and_kill(path, first, size, wal_kib, chance)
        open_s, stored = _looked_at(path)
        kills.rounds += 1
        kills.open_s.append(open_s)
        kills.torn += [n for n, whole in stored.items() if not whole and n not in known]
        known = set(stored)
    kills.acknowledged = len(acknowledged)
    kills.missing = sorted(acknowledged - known)
    kills.unacknowledged = len(known - acknowledged)
    return kills


def _write_and_kill(path: Path, first: int, size: int, wal_kib: int, chance: random.Random) -> set[int]:
    """The numbers of the writes that were acknowledged before the kill."""
    after_start = chance.random() < 0.25  # else after the first acknowledgement
    wait_s = chance.uniform(0.0, LONGEST_S)
    pid, reading = _fork(lambda pipe: asyncio.run(_write(path, first, size, wal_kib, pipe)))
    if not after_start:
        select.select([reading], [], [], 60.0)
    time.sleep(wait_s)
    os.kill(pid, signal.SIGKILL)
    lines = _all(reading).split(b"\n")[:-1]  # the kill may tear the last one
    _, status = os.waitpid(pid, 0)
    if os.WIFEXITED(status):
        raise RuntimeError("The writer ended by itself.")
    return {int(line) for line in lines}


def _looked_at(path: Path) -> tuple[float, dict[int, bool]]:
    """How long a start takes, and for each write that is there whether all of it is."""
    pid, reading = _fork(lambda pipe: _look(path, pipe))
    found = _all(reading)
    os.waitpid(pid, 0)
    open_s, stored = cast("tuple[float, dict[str, bool]]", json.loads(found))
    return open_s, {int(number): whole for number, whole in stored.items()}


def _fork(work: Callable[[int], object]) -> tuple[int, int]:
    """Run a function in a process of its own, with the end of a pipe; returns its id and the other end."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reading)
            work(writing)
        except BaseException:  # noqa: BLE001 - a forked process must not run the code of its parent
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    os.close(writing)
    return pid, reading


def _all(reading: int) -> bytes:
    with os.fdopen(reading, "rb") as pipe:
        return pipe.read()


async def _write(path: Path, first: int, size: int, wal_kib: int, pipe: int) -> None:
    ledger = EmbeddedLedger.open(path)
    now = utc_now()
    session = SessionRow(SESSION, "app", "request", SessionState.STARTED, now, now)
    await ledger.write(lambda cursor: sessions.insert_or_get(cursor, session))
    await ledger.write(lambda cursor: _checkpoint_every(cursor, wal_kib))

    async def task(offset: int) -> None:
        for number in range(first + offset, first + 1_000_000, TASKS):
            await ledger.write(_one(number, size))
            os.write(pipe, b"%d\n" % number)

    await asyncio.gather(*[task(offset) for offset in range(TASKS)])


def _checkpoint_every(cursor: Cursor, wal_kib: int) -> None:
    cursor.execute(f"SET GLOBAL wal_autocheckpoint = '{wal_kib}KiB'")


def _one(number: int, size: int) -> Callable[[Cursor], None]:
    now = utc_now()
    text = {"note": RedactedText.literal("asked again after the flash " * 10)}
    rows = [
        EventRow(f"{number}-{part}", SESSION, "app", "camera_opened", now, sequence=number, properties=text)
        for part in range(size)
    ]
    job = jobs.new_job(
        "scripted", f"key-{number}", SESSION, {"number": str(number), "events": str(size)}, "network", now
    )

    def write(cursor: Cursor) -> None:
        app_events.AppendEvents(rows)(cursor)
        jobs.enqueue(cursor, job)

    return write


def _look(path: Path, pipe: int) -> None:
    began = time.perf_counter()
    ledger = EmbeddedLedger.open(path)
    open_s = time.perf_counter() - began
    stored = asyncio.run(ledger.read(_stored))
    ledger.close()
    with os.fdopen(pipe, "w") as file:
        json.dump((open_s, stored), file)


def _stored(cursor: Cursor) -> dict[int, bool]:
    """Every write of which anything is there, and whether its job and all its events are."""
    rows: list[tuple[int, bool]] = cursor.execute(
        """SELECT coalesce(j.number, e.number), j.wanted IS NOT DISTINCT FROM e.found
        FROM (SELECT (payload ->> 'number')::BIGINT AS number, (payload ->> 'events')::BIGINT AS wanted FROM jobs) j
        FULL JOIN (SELECT sequence AS number, count(*) AS found FROM events
            WHERE name = 'camera_opened' GROUP BY ALL) e USING (number)"""
    ).fetchall()
    return dict(rows)
