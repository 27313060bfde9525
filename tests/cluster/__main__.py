"""``python -m tests.cluster``: several servers on one PostgreSQL, whose parts are killed while clients work.

Three servers share PostgreSQL, a folder and a Ray cluster of two nodes; a mirror of its own runs beside them. Clients
speak clips, type and send pictures; each call goes to the next server. Meanwhile servers, the mirror, PostgreSQL and a
node of Ray are killed, one after the other. At the end everything that was acknowledged is looked for in PostgreSQL,
and each mirror must show what PostgreSQL holds. Exits with 1 if anything was lost, done twice or leaked, and where the
run was too short to show it: without one fault of each kind, or a stream that went on at another server.
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
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path

from server.observability.log import configure
from tests.chaos.clients import PERSONAL, Clients, GaveUp
from tests.chaos.seen import Seen
from tests.chaos.verdict import judge, leaks, read_rows
from tests.cluster.stage import MIRROR, OPTIONS, SERVERS, ClusterStage
from tests.cluster.tables import differing, mirror_tables, personal_rows, postgres_tables
from tests.e2e.harness import visit_pcm

CLIP_S = 9.0
BYTES_A_SECOND = 32_000
PIECE_BYTES = 64
SPEAKERS, TYPISTS, PHOTOGRAPHERS = 4, 2, 6
MOST_LETTERS = 0
"""No fault here makes an item fail for good: each item is tried again when what it needs is back."""
SOONER_S = 12.0
"""Most seconds between two faults until there was one of each kind, so that a short run has them all."""
MEDIA = (b"\x89PNG\r\n\x1a\n", b"OggS\0\2")
"""How the files begin that clients send. In the spool all is encrypted."""
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
    parser.add_argument(
        "--mounts",
        type=Path,
        nargs="+",
        help="Mounts of one network file system, which the servers take one after the other. It needs root.",
    )
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
    say(f"seed {arguments.seed}, {len(SERVERS)} servers")
    seen, clip, began = Seen(), visit_pcm()[: int(CLIP_S * BYTES_A_SECOND)], time.monotonic()
    async with ClusterStage(home, random.Random(f"{arguments.seed}/targets"), arguments.mounts) as stage:
        clients = Clients(stage.address, stage.credential, seen, asyncio.Event(), OPTIONS)
        reference = await _without_faults(stage, clip)
        work: list[tuple[int, Iterator[int], Callable[[int], Awaitable[None]]]] = [
            (SPEAKERS, iter(range(arguments.streams)), lambda _: clients.speak(clip)),
            (TYPISTS, iter(range(arguments.typed)), clients.type),
            (PHOTOGRAPHERS, iter(range(arguments.uploads)), clients.send_one),
        ]
        working = [asyncio.create_task(_work(seen, numbers, one)) for count, numbers, one in work for _ in range(count)]
        faults = Faults(stage, random.Random(arguments.seed), arguments.every, (*PERSONAL, *MEDIA, *_pieces(clip)))
        await faults.go_on(working)
        await asyncio.gather(*working)
        waiting = await _until_quiet(stage)
        await stage.until_ready()
        await asyncio.sleep(MIRRORED_S)
        kept = await asyncio.to_thread(read_rows, stage.rows)
        streams = await asyncio.to_thread(stage.handovers)
        differences = await _ended(stage)
        files = stage.files
        leaked = await asyncio.to_thread(leaks, files, PERSONAL)
        rows, leaked_rows = await asyncio.to_thread(personal_rows, stage.url, PERSONAL)
        problems = judge(seen, kept, reference, PERSONAL, MOST_LETTERS)
        problems += [f"after {QUIET_S:.0f} s work still waits: {waiting}"] * bool(waiting)
        problems += differences + leaked + leaked_rows + faults.problems
    if not streams.cut_elsewhere:
        problems.append(f"of {streams.cut} streams that a killed server had, none went on at another server")
    for line in (
        f"accepted: {len(seen.uploads)} uploads, {len(seen.spoken)} spoken clips with"
        f" {sum(map(len, seen.spoken.values()))} turns, {len(seen.typed)} typed turns, {len(seen.proposals)} records,"
        f" {len(seen.approved)} approvals",
        f"faults: {dict(faults.done)}; starts: {dict(stage.starts)}",
        f"streams went on {streams.elsewhere} times at another server, and {streams.back} times at the same one;"
        f" killed servers had {streams.cut}, of which {streams.cut_elsewhere} went on at another server",
        f"dead letters: {len(kept.letters)}, and {MOST_LETTERS} may be",
        f"searched for personal values: {rows} rows and {len(files)} files, and the spool {faults.searched} times",
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


class Faults:
    """Does one fault after the other, in turn.

    Args:
        every_s: Seconds between two faults, once there was one of each kind.
        hidden: What may not be in the spool, which is searched after each fault.
    """

    def __init__(
        self, stage: ClusterStage, chance: random.Random, every_s: float, hidden: Sequence[str | bytes]
    ) -> None:
        self._stage = stage
        self._names = sorted(stage.faults)
        chance.shuffle(self._names)
        self._every_s = every_s
        self._hidden = hidden
        self._leaked: set[str] = set()
        self.done = Counter[str]()
        self.searched = 0

    async def go_on(self, working: list[asyncio.Task[None]]) -> None:
        """Until all work is done."""
        for name in itertools.cycle(self._names):
            pause_s = self._every_s if self.done.total() >= len(self._names) else min(self._every_s, SOONER_S)
            _, pending = await asyncio.wait(working, timeout=pause_s)
            if not pending:
                return
            say(f"  {name}", quiet=True)
            await self._stage.faults[name]()
            self.done[name] += 1
            self._leaked |= set(await asyncio.to_thread(leaks, self._stage.spooled, self._hidden))
            self.searched += 1

    @property
    def problems(self) -> list[str]:
        """What was found in the spool, and which kinds of faults there were none of."""
        missed = [f"'{name}' never happened: the run was too short" for name in self._names if not self.done[name]]
        return sorted(self._leaked) + missed


def _pieces(clip: bytes) -> list[bytes]:
    """A piece of each second in which somebody speaks, as it would be in a file that is not encrypted."""
    pieces = [clip[at : at + PIECE_BYTES] for at in range(0, len(clip), BYTES_A_SECOND)]
    return [piece for piece in pieces if len(set(piece)) > PIECE_BYTES // 4]


async def _until_quiet(stage: ClusterStage) -> dict[str, int]:
    """Wait until no job waits or runs; returns those that still do after ``QUIET_S``."""
    sql = "SELECT kind, count(*) FROM jobs WHERE state IN ('QUEUED', 'RUNNING') GROUP BY kind"
    end = time.monotonic() + QUIET_S
    while True:
        waiting = dict(await asyncio.to_thread(stage.rows, sql))
        if not waiting or time.monotonic() > end:
            return waiting
        await asyncio.sleep(1.0)


async def _ended(stage: ClusterStage) -> list[str]:
    """End all in order, the mirror of its own last; returns which mirrors do not show what PostgreSQL holds."""
    before = await asyncio.to_thread(postgres_tables, stage.url)
    await stage.stop(*SERVERS)
    await asyncio.sleep(MIRRORED_S)
    await stage.stop(MIRROR)
    after = await asyncio.to_thread(postgres_tables, stage.url)
    return [
        f"in the mirror of {name} the table {table} is not what PostgreSQL holds"
        for name, path in stage.mirrors.items()
        for table in differing(before, after, await asyncio.to_thread(mirror_tables, path))
    ]


def say(line: str, *, quiet: bool = False) -> None:
    """Print a line; progress goes to standard error."""
    stream = sys.stderr if quiet else sys.stdout
    stream.write(f"{line}\n")
    stream.flush()


if __name__ == "__main__":
    main()
