"""Server time of the console's pages of sessions, with many running sessions, and of a live update.

Each page is asked for within the process, so that the figure is the server's alone. A live update is the time from a
stored turn to its event at a browser, over a socket; the server gathers changes for 20 ms of it. CPU is that of the
whole process, the browser of a live update included.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from html import unescape
from pathlib import Path

import httpx2

from server.access.caller import Scope
from server.console.http import ConsoleServer
from server.console.live import MEDIA_TYPE
from server.ledger import sessions, turns
from server.ledger.columns import Cursor
from server.setting_groups import ConsoleSettings
from tests.unit.console.harness import Harness
from tests.unit.console.lively import Lively
from tests.unit.ledger.makers import after, new_id, session, turn

ROUNDS = 30
Took = tuple[float, float]
"""Seconds by the clock, and of CPU."""
TURNS = 100
"""Of the long conversation."""


async def main(running: int) -> None:
    """Print a line for each page."""
    folder = Path(tempfile.mkdtemp())
    harness = Harness(folder, conversation=object())
    short, long = Lively(harness.pictures), Lively(harness.pictures)
    await harness.ledger.write(partial(_fill, running=running))
    await harness.ledger.write(partial(short.store, decided_after=timedelta(hours=3)))
    await harness.ledger.write(partial(_long, lively=long))
    reviewer, app = await harness.key(Scope.REVIEWER), await harness.key(Scope.APP, client_id="app")
    for name, key, path in (
        (f"list of {running:,} running sessions", reviewer, "/live"),
        (f"conversation of {TURNS} turns", reviewer, f"/live/{long.id}"),
        ("session with a timeline", reviewer, f"/sessions/{short.id}"),
        (f"session of {TURNS} turns with a timeline", reviewer, f"/sessions/{long.id}"),
        ("try it", app, f"/try/{short.id}"),
    ):
        async with harness.browser(key) as browser:
            _tell(name, await _took(harness, partial(browser.get, path)))
    _tell("live update", await _updates(harness, folder, reviewer, long))
    harness.close()


def _fill(cursor: Cursor, *, running: int) -> None:
    for number in range(running):
        sessions.insert_or_get(cursor, session(at=-number))


def _long(cursor: Cursor, *, lively: Lively) -> None:
    lively.store(cursor)
    for number in range(2, TURNS):
        turns.insert_turn(cursor, replace(turn(lively.id, number, lively.id), create_time=after(30 + number)))


async def _took(harness: Harness, ask: Callable[[], Awaitable[httpx2.Response]]) -> list[Took]:
    took = []
    for _ in range(ROUNDS):
        began = _now()
        answer = await ask()
        harness.now += 1  # the clock of the bounds on calls
        took.append(_since(began))
        assert answer.status_code == 200, answer.text
    return took


async def _updates(harness: Harness, folder: Path, key: str, lively: Lively) -> list[Took]:
    """Seconds from a stored turn to its event."""
    server = ConsoleServer(harness.app, ConsoleSettings(port=0), folder, on_stop=harness.live.close)
    await server.start()
    took = []
    async with httpx2.AsyncClient(base_url=server.address, trust_env=False) as browser:
        await browser.post("/login", data={"key": key})
        page = (await browser.get(f"/live/{lively.id}")).text
        stream = unescape(re.findall(r'sse-connect="([^"]*)"', page)[0])
        async with browser.stream("GET", stream, headers={"accept": MEDIA_TYPE}) as answer:
            lines = answer.aiter_lines()
            await anext(lines)
            await asyncio.sleep(1)  # until it listens
            for number in range(ROUNDS):
                stored = turn(lively.id, TURNS + number, new_id())
                await harness.ledger.write(partial(turns.insert_turn, row=stored))
                began = _now()
                harness.pubsub.publish(stored, lively.id)
                while stored.id not in await anext(lines):
                    pass
                took.append(_since(began))
                harness.now += 1
                await asyncio.sleep(0.3)
    await server.stop()
    return took


def _now() -> Took:
    return time.perf_counter(), time.process_time()


def _since(began: Took) -> Took:
    return time.perf_counter() - began[0], time.process_time() - began[1]


def _tell(name: str, took: list[Took]) -> None:
    walls, cpus = [1000 * wall for wall, _ in took], [1000 * cpu for _, cpu in took]
    shown = f"median {statistics.median(walls):6.1f} ms   longest {max(walls):6.1f} ms"
    print(f"{name:45} {shown}   CPU {statistics.median(cpus):6.1f} ms")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--running", type=int, default=10_000, help="Running sessions beside those that are shown.")
    asyncio.run(main(parser.parse_args().running))
