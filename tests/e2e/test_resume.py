"""However a stream is cut, its transcript is that of a stream that never broke, and each final comes once.

The short form of ``benchmarks.resume``, with every kind of cut.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from benchmarks._cut import KillableServer
from benchmarks._interrupted import Clip, Cut, Kind, stream
from benchmarks.resume import LEDGER, Report, kept_turns
from tests.e2e.harness import visit_pcm

pytestmark = pytest.mark.e2e

CUTS = (
    # In the middle of a sentence, of a pause, and while what came last is still recognised.
    [Cut(4.3, Kind.CONNECTION), Cut(20.5, Kind.CONNECTION)],
    [Cut(8.0, Kind.REPLICA)],
    [Cut(14.0, Kind.SERVER)],
    [Cut(11.5, Kind.CONNECTION)],
)
AT_ONCE = 2


async def test_interrupted_streams_give_the_finals_of_an_uninterrupted_one(home: Path) -> None:
    clip = Clip("visit.wav", visit_pcm())
    async with KillableServer(home) as server:
        unbroken = await stream(server, clip)
        slots = asyncio.Semaphore(AT_ONCE)

        async def one(cuts: list[Cut]) -> None:
            async with slots:
                streams.append(await stream(server, clip, cuts))

        streams = [unbroken]
        await asyncio.gather(*(one(cuts) for cuts in CUTS))
    report = Report.of({clip.name: unbroken}, streams[1:], kept_turns(home / LEDGER))
    assert len(unbroken.turns) == 5
    assert all(one.cuts for one in streams[1:]), "each was cut while it ran"
    assert set(report.cuts) == set(Kind)
    assert report.clean, report.text(0.0)
