"""``python -m tests.cluster``: several servers on one PostgreSQL, whose parts are killed while clients work.

Three servers share PostgreSQL, a folder and a Ray cluster of two nodes. Clients speak clips, type and send pictures;
each call goes to the next server. Meanwhile servers, PostgreSQL and a node of Ray are killed, one after the other. At
the end everything that was acknowledged is looked for in PostgreSQL and in the mirrors. Exits with 1 if anything was
lost, done twice or leaked.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

from server.observability.log import configure
from tests.chaos.clients import PERSONAL, Clients, GaveUp
from tests.chaos.seen import Seen
from tests.chaos.verdict import Kept, judge, leaks, read_ledger, read_rows
from tests.cluster.stage import OPTIONS, SERVERS, ClusterStage
from tests.e2e.harness import visit_pcm

CLIP_S = 9.0
BYTES_A_SECOND = 32_000
SPEAKERS, TYPISTS, PHOTOGRAPHERS = 4, 2, 6
MIRRORED_S = 5.0
"""After so long each mirror shows everything."""
QUIET_S = 900.0
"""How long work that waits for its next attempt may take after the last fault."""


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.cluster", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=int(time.time()), help="Repeats the faults of another run.")
    parser.add_argument("--streams", type=int, default=200, help="Clips that are spoken, each on a stream of its own.")
    parser.add_argument("--uploads", type=int, default=2000, help="Pictures and recordings that are sent.")
    parser.add_argument("--typed", type=int, default=100, help="Talks that are typed, with a record each.")
    parser.add_argument("--every", type=float, default=40.0, help="Seconds between two faults.")
    parser.add_argument("--keep", type=Path, help="Folder for logs and mirrors; by default they are deleted.")
    arguments = parser.parse_args()
    configure("critical", "json")
    signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGINT))  # ends the servers too
    with tempfile.TemporaryDirectory() as folder:
        home = arguments.keep or Path(folder) / "cluster"
        problems = asyncio.run(run(home, arguments))
    for problem in problems:
        say(f"PROBLEM: {problem}")
    say("nothing was lost, done twice or leaked" if not problems else f"{len(problems)} problems")
    sys.exit(1 if problems else 0)


async def run(home: Path, arguments: argparse.Namespace) -> list[str]:
    """One run; returns what is wrong."""
    say(f"seed {arguments.seed}, {SERVERS} servers")
    seen, clip, began = Seen(), visit_pcm()[: int(CLIP_S * BYTES_A_SECOND)], time.monotonic()
    async with ClusterStage(home, random.Random(f"{arguments.seed}/targets")) as stage:
        clients = Clients(stage.address, stage.credential, seen, asyncio.Event(), OPTIONS)
        reference = await _without_faults(stage, clip)
        work: list[tuple[int, Iterator[int], Callable[[int], Awaitable[None]]]] = [
            (SPEAKERS, iter(range(arguments.streams)), lambda _: clients.speak(clip)),
            (TYPISTS, iter(range(arguments.typed)), clients.type),
            (PHOTOGRAPHERS, iter(range(arguments.uploads)), clients.send_one),
        ]
        working = [asyncio.create_task(_work(seen, numbers, one)) for count, numbers, one in work for _ in range(count)]
        done = await _break(stage, random.Random(arguments.seed), arguments.every, working)
        await asyncio.gather(*working)
        waiting = await _until_quiet(stage)
        kept = await asyncio.to_thread(read_rows, stage.rows)
        resumed = stage.rows("SELECT count(*) FROM events WHERE name = 'stream_resumed'")[0][0]
        await stage.until_serving()
        await asyncio.sleep(MIRRORED_S)
        await stage.stop_servers()
        problems = judge(seen, kept, reference, PERSONAL)
        problems += [f"after {QUIET_S:.0f} s work still waits: {waiting}"] * bool(waiting)
        problems += await asyncio.to_thread(_not_mirrored, stage, kept)
        problems += await asyncio.to_thread(leaks, [*stage.logs, stage.received], PERSONAL)
    for line in (
        f"accepted: {len(seen.uploads)} uploads, {len(seen.spoken)} spoken clips with"
        f" {sum(map(len, seen.spoken.values()))} turns, {len(seen.typed)} typed turns, {len(seen.proposals)} records,"
        f" {len(seen.approved)} approvals",
        f"faults: {dict(done)}; servers were started {stage.starts} times; streams were resumed {resumed} times",
        f"errors that clients saw: {dict(seen.errors.most_common())}",
        f"it took {time.monotonic() - began:.0f} s",
    ):
        say(line)
    return problems


async def _work(seen: Seen, numbers: Iterator[int], one: Callable[[int], Awaitable[None]]) -> None:
    """Do what is left of a kind of work, beside others who do so, too."""
    for number in numbers:
        try:
            await one(number)
        except GaveUp as why:
            seen.gave_up.append(str(why))


async def _without_faults(stage: ClusterStage, clip: bytes) -> list[tuple[int, str]]:
    """The finals of the clip while nothing is broken."""
    seen = Seen()
    await Clients(stage.address, stage.credential, seen, asyncio.Event(), OPTIONS).speak(clip)
    [finals] = seen.spoken.values()
    return [(number, text) for _, number, text in finals]


async def _break(
    stage: ClusterStage, chance: random.Random, every_s: float, working: list[asyncio.Task[None]]
) -> Counter[str]:
    """Do one fault after the other, in turn, until all work is done; returns how often each was done."""
    done = Counter[str]()
    names = sorted(stage.faults)
    chance.shuffle(names)
    for name in itertools.cycle(names):
        _, pending = await asyncio.wait(working, timeout=every_s)
        if not pending:
            return done
        say(f"  {name}", quiet=True)
        await stage.faults[name]()
        done[name] += 1
    return done


async def _until_quiet(stage: ClusterStage) -> dict[str, int]:
    """Wait until no job waits or runs; returns those that still do after ``QUIET_S``."""
    sql = "SELECT kind, count(*) FROM jobs WHERE state IN ('QUEUED', 'RUNNING') GROUP BY kind"
    end = time.monotonic() + QUIET_S
    while True:
        waiting = dict(await asyncio.to_thread(stage.rows, sql))
        if not waiting or time.monotonic() > end:
            return waiting
        await asyncio.sleep(1.0)


def _not_mirrored(stage: ClusterStage, kept: Kept) -> list[str]:
    """The mirrors that do not show what PostgreSQL holds."""
    shown = [replace(read_ledger(stage.mirror(number)), letters=kept.letters) for number in range(SERVERS)]
    return [f"the mirror of server {n} is not what PostgreSQL holds" for n, one in enumerate(shown) if one != kept]


def say(line: str, *, quiet: bool = False) -> None:
    """Print a line; progress goes to standard error."""
    stream = sys.stderr if quiet else sys.stdout
    stream.write(f"{line}\n")
    stream.flush()


if __name__ == "__main__":
    main()
