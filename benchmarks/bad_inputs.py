"""Sends every file of a collection of hostile files to a real server, as an upload and as the audio of a stream.

    python -m benchmarks.bad_inputs FOLDER [--sandbox] [--all]

FOLDER has a manifest.jsonl with the fields file, category and expect, and the files. Every file is treated as hostile:
nothing is written out, and nothing is opened by name. Counted for each way:

crashes   processes of the server, of Ray or of the fork server that ended
hangs     calls that took longer than 5 s
wrong     files that must be refused and were accepted, and valid ones that were refused
lost      accepted uploads that a worker could not decode
growth    megabytes by which the largest process grew; a child that decodes is compared with the process it comes from

Ends with 1 unless the first four are 0 and the growth is at most 300 MB. A category counts as it is written in
``_expectations``; what is damaged or odd may be decoded or refused. With --sandbox the files go to the
processes that decode alone, without a server and without Ray, which takes a minute. --all prints each outcome.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks._expectations import BadInput, Expect, read_collection
from benchmarks._gate_callers import Caller, OverTheWire, SandboxAlone
from benchmarks._running import running
from benchmarks._watched_processes import WatchedProcesses
from models.media.formats import HEAD_BYTES, MediaKind, detect
from server.cli.channel import open_aio_channel
from server.observability.metrics import Metrics
from server.sandbox.build import build_sandbox
from server.setting_groups import LimitSettings, MediaSettings
from tests.e2e.harness import App

HANG_S = 5.0
READY_S = 240.0
MOST_GROWTH = 300_000_000
AT_ONCE = 2
MANY = 10**9
ROOMY = tuple(
    f"limits.{name}={value}"
    for name, value in (
        ("client_uploads", 100_000),
        ("client_upload_bytes", MANY),
        ("session_spool_bytes", MANY),
        ("session_jobs", 10_000),
        ("open_jobs", 10_000),
        ("client_calls_per_s", 10_000),
        ("client_calls_burst", 10_000),
        ("typed_per_minute", 10_000),
        ("pace", 1_000_000),
        ("ahead_s", 100_000),
    )
)
"""Quotas that are not the point here."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file. ``reason`` is empty when it was accepted."""

    file: BadInput
    reason: str
    took_s: float

    @property
    def wrong(self) -> bool:
        """Whether the expectation was missed."""
        return self.file.expect is (Expect.REFUSE if not self.reason else Expect.ACCEPT)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sandbox", action="store_true", help="Only the processes that decode, without a server.")
    parser.add_argument("--all", action="store_true", help="Print the outcome of each file.")
    arguments = parser.parse_args()
    files = read_collection(arguments.folder)
    pointers = sum(file.is_pointer for file in files)
    print(f"{len(files)} files, of which {pointers} are pointers to files that are not there")
    with tempfile.TemporaryDirectory() as home:
        way = against_sandbox if arguments.sandbox else against_server
        fine = asyncio.run(way(Path(home), files, arguments.all))
    sys.exit(0 if fine else 1)


async def against_server(home: Path, files: Sequence[BadInput], show_all: bool) -> bool:
    """All files to a real server."""
    with running(home, *ROOMY, ready_s=READY_S) as server:
        async with open_aio_channel(server.address, credential=server.operator_key) as channel:
            return await measure(OverTheWire(App(channel)), server.pid, files, show_all)


async def against_sandbox(_home: Path, files: Sequence[BadInput], show_all: bool) -> bool:
    """All files to the processes that decode, with the settings that a server has by default."""
    sandbox = build_sandbox(MediaSettings(), LimitSettings(), Metrics())
    await sandbox.start()
    try:
        return await measure(SandboxAlone(sandbox), os.getpid(), files, show_all)
    finally:
        await sandbox.close()


async def measure(caller: Caller, root: int, files: Sequence[BadInput], show_all: bool) -> bool:
    """All files as uploads, then as streams, while every process is watched."""
    await caller.upload("warm-up", (DATA / "register.jpg").read_bytes())
    await caller.stream((DATA / "visit.ogg").read_bytes())
    await caller.unread()
    with WatchedProcesses(root) as watched:
        uploads = await each(files, lambda file: caller.upload(file.name, file.content))
        streams = await each([of_stream(file) for file in files], lambda file: caller.stream(file.content))
        unread = await caller.unread()
    ended, largest = watched.ended(), watched.largest()
    fine = report("upload", uploads, show_all) & report("stream", streams, show_all)
    print(f"accepted uploads that no worker could decode: {len(unread)} {unread}")
    print(f"processes that ended: {len(ended)} {ended}")
    print(f"largest growth: {largest.bytes / 1e6:.0f} MB, {largest.name}")
    return fine and not unread and not ended and largest.bytes <= MOST_GROWTH


def of_stream(file: BadInput) -> BadInput:
    """What is expected of a file as the audio of a stream: what is no sound must be refused."""
    found = detect(file.content[:HEAD_BYTES])
    if not file.content or (found and found.kind is MediaKind.RECORDING):
        return replace(file, expect=Expect.REFUSE if file.expect is Expect.REFUSE and found else Expect.EITHER)
    return replace(file, expect=Expect.REFUSE)


DATA = Path(__file__).resolve().parent.parent / "tests" / "data"


async def each(files: Sequence[BadInput], call: Callable[[BadInput], Awaitable[str]]) -> list[Outcome]:
    """Make a call for each file, two at a time, and note what became of it."""
    places, outcomes = asyncio.Semaphore(AT_ONCE), []

    async def one(file: BadInput) -> None:
        async with places:
            began = time.monotonic()
            reason = await call(file)
            outcomes.append(Outcome(file, reason, time.monotonic() - began))

    await asyncio.gather(*(one(file) for file in files))
    return outcomes


def report(way: str, outcomes: Sequence[Outcome], show_all: bool) -> bool:
    """Print the outcomes of one way by category; returns whether none is wrong or slow."""
    print(f"== {way}")
    by_category: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for outcome in outcomes:
        by_category[outcome.file.category][outcome.reason or "accepted"] += 1
        if show_all:
            print(f"{outcome.file.name}: {outcome.reason or 'accepted'}, {outcome.took_s:.1f} s")
    for category, counts in sorted(by_category.items()):
        print(f"{category}: " + ", ".join(f"{name} {count}" for name, count in counts.most_common()))
    wrong = [outcome for outcome in outcomes if outcome.wrong]
    wrongly_accepted = [outcome.file.name for outcome in wrong if not outcome.reason]
    wrongly_refused = [f"{outcome.file.name} {outcome.reason}" for outcome in wrong if outcome.reason]
    slow = [f"{outcome.file.name} {outcome.took_s:.1f} s" for outcome in outcomes if outcome.took_s > HANG_S]
    for name, found in (("wrongly accepted", wrongly_accepted), ("wrongly refused", wrongly_refused), ("hangs", slow)):
        print(f"{name}: {len(found)} {found or ''}")
    return not (wrongly_accepted or wrongly_refused or slow)


if __name__ == "__main__":
    main()
