"""Interrupts streams at random points, resumes them, and compares them with the same clips streamed without a break.

    python -m benchmarks.resume [--streams 100] [--at-once 4] [--seed 1] [--clips]

The spoken clips of tests/data, and a stretch of them without any pause, so that utterances are cut at their longest.
Each is streamed once without a break. Then the streams run, each over the reference client, which knows nothing of
this, and a relay of its own; each is cut once or twice at points drawn from the seed, also after the end of its audio,
while the server still recognises. Three kinds of cut:

connection   the TCP connection is broken without a FIN
replica      the Serve replica that recognises speech gets SIGKILL; it interrupts all running streams
server       the server and its Ray get SIGKILL, and a new one is started on the same folder; likewise

Audio is sent eight times as fast as it is spoken, in pieces of 100 ms. Counted afterwards:

equal        streams whose finals are those of the unbroken one: number, text and length, in the same order
lost         turns of the ledger that no final came for
twice        finals that came again
ledger       turns that one of the ledger's streams has and the unbroken one lacks, or the other way round

Ends with 1 unless all are equal and the three others are 0.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
import wave
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks._cut import KillableServer
from benchmarks._interrupted import Clip, Cut, Kind, Stream, Turn, stream
from models.media.audio_decoder import decode
from models.media.samples import SAMPLE_RATE_HZ, Samples
from server.analytics.client import open_file
from server.cli.talk.client import BYTES_A_SECOND

DATA = Path(__file__).resolve().parent.parent / "tests" / "data"
LEDGER = Path("data", "ledger.duckdb")
"""Name of the folder inside the home of ``KillableServer``."""

VOICES_PARTS = 4
BREATHLESS_S = 40.0
QUIET = 0.03
"""Share of full scale. Stretches of 20 ms that are quieter are left out of the clip without pauses."""

SERVER_EVERY, REPLICA_EVERY, TWICE_EVERY = 10, 5, 3
AFTER_THE_END = 0.25
"""Cuts may fall after the end of the audio, up to this share of its length."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=100)
    parser.add_argument("--at-once", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clips", action="store_true", help="What was heard, for each stream that differs.")
    arguments = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        plans = planned(clips(), arguments.streams, arguments.seed)
        unbroken, cut = asyncio.run(run(home, plans, arguments.at_once))
        report = Report.of(unbroken, cut, kept_turns(home / LEDGER))
    if arguments.clips:
        show_differences(unbroken, cut)
    print(report.text(time.monotonic() - began))
    sys.exit(0 if report.clean else 1)


@dataclass(frozen=True, slots=True)
class Plan:
    """A clip and where its stream is cut."""

    clip: Clip
    cuts: list[Cut]


def clips() -> list[Clip]:
    """The spoken clips of the repository, parts of one, and a stretch without a pause."""
    with wave.open(str(DATA / "visit.wav")) as file:
        visit = file.readframes(file.getnframes())
    voices = decode((DATA / "voices.ogg").read_bytes())
    parts = np.array_split(voices, VOICES_PARTS)
    named = [Clip(f"voices.ogg, part {n + 1}", _pcm(part)) for n, part in enumerate(parts)]
    return [Clip("visit.wav", visit), *named, Clip("voices.ogg without pauses", _pcm(_without_pauses(voices)))]


def planned(clips: Sequence[Clip], streams: int, seed: int) -> list[Plan]:
    """The interruptions of each stream; the same seed gives the same plan."""
    plans = []
    for n in range(streams):
        chance = random.Random(f"{seed}/{n}")
        clip = clips[n % len(clips)]
        length_s = len(clip.pcm) / BYTES_A_SECOND
        kinds = [Kind.CONNECTION]
        if n % SERVER_EVERY == SERVER_EVERY // 2:
            kinds = [Kind.SERVER]
        elif n % REPLICA_EVERY == REPLICA_EVERY // 2:
            kinds = [Kind.REPLICA]
        if n % TWICE_EVERY == 0:
            kinds.append(Kind.CONNECTION)
        cuts = [Cut(chance.uniform(0, length_s * (1 + AFTER_THE_END * (i > 0))), k) for i, k in enumerate(kinds)]
        plans.append(Plan(clip, cuts))
    return plans


async def run(home: Path, plans: Sequence[Plan], at_once: int) -> tuple[dict[str, Stream], list[Stream]]:
    """Stream every clip without a break (returned by clip name), then all streams as planned."""
    slots = asyncio.Semaphore(at_once)
    async with KillableServer(home) as server:

        async def one(plan: Plan) -> Stream:
            async with slots:
                return await stream(server, plan.clip, plan.cuts)

        unbroken = {
            clip.name: await stream(server, clip) for clip in {plan.clip.name: plan.clip for plan in plans}.values()
        }
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(plan)) for plan in plans]
    return unbroken, [task.result() for task in tasks]


def kept_turns(ledger: Path) -> dict[str, list[tuple[str, Turn]]]:
    """Turns with their ids, by session, of a server that is down."""
    kept: dict[str, list[tuple[str, Turn]]] = {}
    with_file = open_file(ledger)
    try:
        rows = with_file.execute(
            "SELECT session_id, turn_id, utterance, text, spoken_s FROM v_turns ORDER BY utterance"
        )
        for session_id, turn_id, utterance, text, spoken_s in rows.fetchall():
            kept.setdefault(session_id, []).append((turn_id, Turn(utterance, text, round(spoken_s, 4))))
    finally:
        with_file.close()
    return kept


@dataclass(frozen=True, slots=True)
class Report:
    """The counts of all streams; see above."""

    streams: int
    finals: int
    cuts: Counter[Kind]
    connections: int
    equal: int
    lost: int
    twice: int
    ledger: int

    @classmethod
    def of(
        cls, unbroken: Mapping[str, Stream], cut: Sequence[Stream], kept: Mapping[str, list[tuple[str, Turn]]]
    ) -> Report:
        """Compare."""
        lost = twice = ledger = 0
        for one in cut:
            ids = Counter(turn_id for turn_id, _ in one.given)
            stored = kept.get(one.session_id, [])
            lost += len({turn_id for turn_id, _ in stored} - set(ids))
            twice += ids.total() - len(ids)
            whole = kept.get(unbroken[one.clip.name].session_id, [])
            ledger += _differing([turn for _, turn in stored], [turn for _, turn in whole])
        return cls(
            streams=len(cut),
            finals=sum(len(one.given) for one in cut),
            cuts=sum((one.cuts for one in cut), Counter()),
            connections=sum(one.connections for one in cut),
            equal=sum(one.turns == unbroken[one.clip.name].turns for one in cut),
            lost=lost,
            twice=twice,
            ledger=ledger,
        )

    @property
    def clean(self) -> bool:
        """Whether no interruption had an effect."""
        return self.equal == self.streams and not (self.lost or self.twice or self.ledger)

    def text(self, took_s: float) -> str:
        """For people."""
        lines = [
            ("streams", self.streams),
            ("finals", self.finals),
            *((str(kind), self.cuts[kind]) for kind in Kind),
            ("connections", self.connections),
            ("transcripts equal to the unbroken one", self.equal),
            ("finals lost", self.lost),
            ("finals that came twice", self.twice),
            ("turns in the ledger that differ", self.ledger),
            ("seconds", round(took_s)),
        ]
        return "\n".join(f"{what:40s} {count:6d}" for what, count in lines)


def show_differences(unbroken: Mapping[str, Stream], cut: Sequence[Stream]) -> None:
    """Each stream that differs beside the unbroken one."""
    for n, one in enumerate(cut):
        whole = unbroken[one.clip.name]
        if one.turns != whole.turns:
            print(f"stream {n}, {one.clip.name}, {dict(one.cuts)}")
            for turn in whole.turns:
                print(f"  {' ' if turn in one.turns else '-'} {turn}")
            for turn in one.turns:
                if turn not in whole.turns:
                    print(f"  + {turn}")


def _differing(some: Sequence[Turn], others: Sequence[Turn]) -> int:
    left, right = Counter(some), Counter(others)
    return max((left - right).total(), (right - left).total())


def _without_pauses(samples: Samples) -> Samples:
    frame = SAMPLE_RATE_HZ // 50
    frames = samples[: len(samples) - len(samples) % frame].reshape(-1, frame)
    loud: Samples = frames[np.abs(frames).max(axis=1) >= QUIET].reshape(-1)
    return loud[: int(BREATHLESS_S * SAMPLE_RATE_HZ)]


def _pcm(samples: Samples) -> bytes:
    return (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()


if __name__ == "__main__":
    main()
