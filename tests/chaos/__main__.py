"""``python -m tests.chaos``: break everything while clients work; exits with 1 if anything was lost, doubled or leaked.

Real clients stream speech, type, send pictures and recordings, and have records proposed, which they approve.
Meanwhile a seeded schedule kills, stops, fails and fills. At the end the server is ended in order, and its ledger is
compared with what the clients were promised. A full run takes about an hour; ``--minutes`` ends the faults earlier.
Only the full disk needs root; without it that fault is left out, and the report says so.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import duckdb

from models.errors import VestibuleError
from server.analytics.client import connect
from server.observability.log import configure
from tests.chaos.clients import PERSONAL, Clients
from tests.chaos.plan import WORKERS, Act, Fault, planned
from tests.chaos.recovery import Prober, Recoveries, task_name
from tests.chaos.seen import Seen
from tests.chaos.stage import Stage
from tests.chaos.verdict import judge, leaks, read_ledger
from tests.e2e.harness import visit_pcm

TYPISTS, PHOTOGRAPHERS = 3, 2
QUIET_S = 900.0
"""How long work that waits for its next attempt may take after the last fault."""


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=int(time.time()), help="Repeats the schedule of another run.")
    parser.add_argument("--share", type=float, default=1.0, help="Part of the faults of a full run.")
    parser.add_argument("--minutes", type=float, help="Begin no fault after this time.")
    names = [fault.name.lower() for fault in Fault]
    parser.add_argument("--only", nargs="+", choices=names, default=names, help="These kinds of faults.")
    parser.add_argument("--jobs", type=int, default=2000, help="Go on until so much work was accepted.")
    parser.add_argument("--keep", type=Path, help="Folder for logs and ledger; by default they are deleted.")
    arguments = parser.parse_args()
    configure("critical", "json")
    signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGINT))  # ends the server too
    acts = [act for act in planned(arguments.seed, arguments.share) if act.fault.name.lower() in arguments.only]
    say(f"seed {arguments.seed}, {len(acts)} faults at most")
    with tempfile.TemporaryDirectory() as folder:
        home = arguments.keep or Path(folder) / "chaos"
        problems = asyncio.run(run(home, arguments.seed, acts, 60 * (arguments.minutes or 1e9), arguments.jobs))
    for problem in problems:
        say(f"PROBLEM: {problem}")
    say("nothing was lost, done twice or leaked" if not problems else f"{len(problems)} problems")
    sys.exit(1 if problems else 0)


async def run(home: Path, seed: int, acts: list[Act], seconds: float, jobs: int) -> list[str]:
    """One run; returns what is wrong."""
    seen, over, recoveries = Seen(), asyncio.Event(), Recoveries()
    async with Stage(home, random.Random(f"{seed}/targets")) as stage:
        clients = Clients(stage.address, stage.credential, seen, over)
        reference = await _without_faults(stage)
        prober = Prober(clients, seen, visit_pcm())
        async with asyncio.TaskGroup() as group:
            for worker in WORKERS:
                group.create_task(clients.work(partial(prober.once, worker)), name=task_name(worker))
            group.create_task(clients.work(lambda _: clients.speak(visit_pcm())))
            for _ in range(TYPISTS):
                group.create_task(clients.work(clients.type))
            for _ in range(PHOTOGRAPHERS):
                group.create_task(clients.work(clients.photograph))
            done = await _break(stage, acts, seconds, prober, recoveries)
            while seen.accepted < jobs and not seen.gave_up:  # noqa: ASYNC110 - clients set no event
                await asyncio.sleep(1.0)
            over.set()
        waiting = await _until_quiet(stage)
        await stage.stop_server()
        kept = read_ledger(stage.ledger)
        problems = judge(seen, kept, reference, PERSONAL)
        problems += recoveries.stuck + [f"after {QUIET_S:.0f} s work still waits: {waiting}"] * bool(waiting)
        problems += await asyncio.to_thread(leaks, [*stage.logs, stage.received], PERSONAL)
    report = [
        f"accepted: {len(seen.uploads)} uploads, {len(seen.typed)} typed turns, {len(seen.proposals)} records,"
        f" {len(seen.approved)} approvals, {sum(map(len, seen.spoken.values()))} spoken turns",
        f"the server was started {stage.starts} times; {len(kept.letters)} dead letters were left",
        "median round: " + ", ".join(f"{worker} {seconds:.1f} s" for worker, seconds in prober.usual_s.items()),
        *recoveries.lines(),
        f"errors that clients saw: {dict(seen.errors.most_common())}",
    ]
    for line in report:
        say(line)
    if done < len(acts):
        say(f"{len(acts) - done} faults were left out, because the time was over")
    wanted = {act.fault for act in acts[:done]} - ({Fault.DISK} if not stage.mounted else set())
    return problems + [f"'{fault}' never happened" for fault in sorted(wanted) if not recoveries.done[fault]]


async def _without_faults(stage: Stage) -> list[tuple[int, str]]:
    """The finals of the clip while nothing is broken."""
    seen = Seen()
    await Clients(stage.address, stage.credential, seen, asyncio.Event()).speak(visit_pcm())
    [finals] = seen.spoken.values()
    return [(number, text) for _, number, text in finals]


async def _break(stage: Stage, acts: list[Act], seconds: float, prober: Prober, recoveries: Recoveries) -> int:
    """Returns how many faults were tried."""
    end = time.monotonic() + seconds
    for number, act in enumerate(acts, 1):
        if time.monotonic() > end:
            return number - 1
        say(f"  {number}/{len(acts)} {act.fault} {act.target}", quiet=True)
        at = time.monotonic()
        if not await stage.do(act):
            recoveries.missed[act.name] += 1
            continue
        recoveries.happened(act)
        if act.fault in (Fault.STOPPED, Fault.DISK, Fault.UPSTREAM):  # it is over now
            at = time.monotonic()
        if not act.at_once:
            recoveries.note(act, await prober.wait(at, act.workers), prober.doing(act.workers))
        await asyncio.sleep(act.pause_s)
    return len(acts)


async def _until_quiet(stage: Stage) -> dict[str, int]:
    """Wait until no job waits or runs; returns those that still do after ``QUIET_S``."""
    end = time.monotonic() + QUIET_S
    while True:
        waiting = await asyncio.to_thread(_waiting, stage)
        if waiting == {} or time.monotonic() > end:
            return {"unknown": 1} if waiting is None else waiting
        await asyncio.sleep(1.0)


def _waiting(stage: Stage) -> dict[str, int] | None:
    """Jobs that wait or run, by kind; None when nobody answers."""
    sql = "SELECT kind, count(*) FROM v_jobs WHERE state IN ('QUEUED', 'RUNNING') GROUP BY kind"
    try:
        with connect(stage.quack_port, stage.quack_token) as analyst:
            return dict(analyst.execute(sql).fetchall())
    except (duckdb.Error, VestibuleError, OSError):
        return None


def say(line: str, *, quiet: bool = False) -> None:
    """Print a line; progress goes to standard error."""
    stream = sys.stderr if quiet else sys.stdout
    stream.write(f"{line}\n")
    stream.flush()


if __name__ == "__main__":
    main()
