"""Latency and capacity of streamed speech against WhisperLiveKit, same weights, real clips at their own pace.

    python -m benchmarks.streaming [--data DIR/manifest.jsonl] [--limit N] [--streams 1 4 8 12 16]

A manifest has ``{"audio": path, "text": what was said, "lang": code}`` a line, of which the first English ones of 2 to
12 s are taken; without one, the spoken clips of tests/data are used. Each clip ends with its last speech, which
``_spoken.speech_bounds`` finds by loudness alone, and is followed by three seconds of faint noise, as a microphone
sends them; the end mark comes only then. Chunks of 40 ms, each sent when its last sample has been spoken. The sides
take turns, one server at a time on the same cores. Printed for both:

final       from the last sample of speech to the redacted final (Vestibule; the last one where the clip came in
            several) or to the last change of the committed text (WhisperLiveKit), median and 95th percentile
first       from the first sample of speech to the first text that is shown, median
pieces      finals, or lines of committed text, for a clip, mean; more than one means that sentences are split
streams     the 95th percentile of ``final`` with so many streams at once, their starts staggered; and the largest
            number for which it is under 1.5 s

What was predicted and first measured: docs/evaluation/constants/benchmarks.md,
streaming-latency.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import math
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks._own_client import play as play_ours
from benchmarks._peer_server import peer_server
from benchmarks._running import running
from benchmarks._spoken import SILENCE_S, Spoken, spoken
from benchmarks._streamed import Job, Streamed
from benchmarks.speech import CLIPS, Clip, manifest, own_clips
from server.cli.channel import open_aio_channel

LEAST_S, MOST_S = 2.0, 12.0
OWN_MOST_S = 30.0
CHUNK_S = 0.04
LATE_S = 1.5
ROUNDS = 2
"""Clips for each stream when several run at once."""

Play = Callable[[Sequence[Sequence[Job]]], list[Streamed]]


@dataclass(frozen=True, slots=True)
class Side:
    """The measurements of one side."""

    name: str
    alone: list[Streamed]
    loaded: dict[int, list[Streamed]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--limit", type=int, default=10)
    parser.add_argument("--streams", type=int, nargs="*", default=[4, 8])
    parser.add_argument("--only", choices=["vestibule", "peer"], help="One side alone, while working on it.")
    parser.add_argument("--clips", action="store_true", help="A line for each clip too.")
    arguments = parser.parse_args()
    clips = chosen(arguments.data, arguments.limit)
    sides = {"vestibule": ("Vestibule", ours), "peer": ("WhisperLiveKit", theirs)}
    for key, (name, side) in sides.items():
        if arguments.only in (None, key):
            with side() as play:
                report(measure(name, play, clips, arguments.streams), clips, each=arguments.clips)


def chosen(data: Path | None, limit: int) -> list[Spoken]:
    """The clips of a manifest, or those of the repository; the long one too, because there are few."""
    if data is None:
        own = [clip for clip in own_clips() if clip.audio.name in ("visit.wav", "visit.ogg")]
        voices = [Clip(CLIPS / "voices.ogg", "", "en")]
        return spoken([*own, *voices], 0.0, OWN_MOST_S, limit)
    return spoken([clip for clip in manifest(data, 10_000) if clip.language == "en"], LEAST_S, MOST_S, limit)


def measure(name: str, play: Play, clips: Sequence[Spoken], streams: Sequence[int]) -> Side:
    """One clip to warm up, then each alone, then several at once."""
    play([[Job(clips[0], 0.0)]])
    alone = []
    for number, clip in enumerate(clips, 1):
        say(f"{name}: clip {number} of {len(clips)}")
        alone += play([[Job(clip, 0.0)]])
    loaded = {}
    for count in streams:
        say(f"{name}: {count} streams at once")
        loaded[count] = play(slots(clips, count))
        if math.isinf(percentile([one.final_s for one in loaded[count]])):
            break  # more streams are of no use
    return Side(name, alone, loaded)


def slots(clips: Sequence[Spoken], count: int) -> list[list[Job]]:
    """Different clips for each stream, with starts spread over the length of a clip."""
    spread_s = statistics.mean(clip.ends_s for clip in clips) + SILENCE_S
    return [
        [
            Job(clips[(stream + count * turn) % len(clips)], 0.0 if turn else spread_s * stream / count)
            for turn in range(ROUNDS)
        ]
        for stream in range(count)
    ]


@contextmanager
def ours() -> Iterator[Play]:
    """The real server with default settings, except that it admits every stream."""
    with tempfile.TemporaryDirectory() as home, running(Path(home), "limits.speech_load=1000") as server:

        async def play(jobs: Sequence[Sequence[Job]]) -> list[Streamed]:
            async with open_aio_channel(server.address, credential=server.operator_key) as channel:
                return await play_ours(channel, jobs, CHUNK_S)

        yield lambda jobs: asyncio.run(play(jobs))


@contextmanager
def theirs() -> Iterator[Play]:
    """The peer with its default settings."""
    with tempfile.TemporaryDirectory() as folder, peer_server() as server:

        def play(jobs: Sequence[Sequence[Job]]) -> list[Streamed]:
            asked = [[{"pcm": kept(Path(folder), job.clip), "wait_s": job.wait_s} for job in slot] for slot in jobs]
            answers = server.play(asked, CHUNK_S)
            flat = [job for slot in jobs for job in slot]
            notes = itertools.chain.from_iterable(answers)
            return [Streamed(job.clip, **note) for job, note in zip(flat, notes, strict=True)]

        yield play


def kept(folder: Path, clip: Spoken) -> str:
    path = folder / f"{clip.name}.pcm"
    if not path.exists():
        path.write_bytes(clip.pcm)
    return str(path)


def report(side: Side, clips: Sequence[Spoken], *, each: bool) -> None:
    """Print all figures of one side."""
    finals = [one.final_s for one in side.alone]
    firsts = [one.first_after_s for one in side.alone]
    pieces = statistics.mean(one.pieces for one in side.alone)
    if each:
        for one in side.alone:
            print(f"  {one.clip.name[:40]:40s} {one.final_s:6.2f} {one.first_after_s:6.2f} {one.pieces:2d} {one.text}")
    print(
        f"{side.name:15s} {len(clips):3d} clips  final {np.median(finals):.2f} s, {percentile(finals):.2f} s for 95 %"
        f"  first text {np.median(firsts):5.2f} s  pieces {pieces:.1f}"
    )
    good = [0]
    for count, results in side.loaded.items():
        late = percentile([one.final_s for one in results])
        print(f"{side.name:15s} {count:3d} streams final {late:6.2f} s for 95 %")
        good += [count] if late < LATE_S else []
    if side.loaded:
        print(f"{side.name:15s} {max(good):3d} streams under {LATE_S} s")


def percentile(seconds: Sequence[float]) -> float:
    """The 95th percentile; infinite if too many values are missing."""
    return float(np.percentile(seconds, 95, method="higher"))


def say(line: str) -> None:
    sys.stderr.write(line + "\n")


if __name__ == "__main__":
    main()
