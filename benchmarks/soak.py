"""Runs streams for an hour at 80 % of the capacity, and checks that memory and the delay of finals do not grow.

    python -m benchmarks.soak [--minutes 60] [--warm-up 5] [--streams N]

Starts a server of its own and lets so many streams talk to it at the pace of speech, one conversation of two minutes
after the other, over the spoken clips of tests/data. Without --streams, two streams talk for a minute first, and the
server's own metrics (vestibule_speech_real_time_factor) say how many it would admit; 80 % of them are taken. Printed:

capacity  streams that the server would admit, by the real-time factor that it measured
memory    of the server and everything that it started, shared pages counted once (PSS): median of the minute after the
          warm-up and of the last minute, by kind of process too; the end may be 5 % above the beginning
delay     from the end of an utterance, its tail of 0.25 s included, to its final, over the network: median and 95th
          percentile in the first part after the warm-up and in the last one; a part is a tenth, at least two minutes
          or half of what there is. The last median may be 0.1 s above the first
breaks    calls that ended early, by reason; none may

Exits with 1 unless all hold. --minutes counts from the first stream, the warm-up included. Short runs prove that the
script works and nothing else: memory needs some minutes to settle.

What was predicted: docs/evaluation/constants/benchmarks.md, soak.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks._interrupted import Clip
from benchmarks._running import Running, running
from benchmarks._soaking import Final, Memory, Record, metric, soak
from benchmarks.resume import clips
from server.cli.demo.processes import free_ports
from server.observability.metrics_endpoint import TOKEN_FILE
from server.setting_groups import LimitSettings, SpeechSettings

SHARE = 0.8
MEASURED_WITH, MEASURED_S = 2, 60.0
MORE_MEMORY = 1.05
LATER_S = 0.1
MINUTE_S = 60.0
MOST_STREAMS = 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0, help="How long the streams talk; 60 for the claim.")
    parser.add_argument("--warm-up", type=float, default=5.0, help="Minutes before anything is compared.")
    parser.add_argument("--streams", type=int, help="How many at once. Default: 80 %% of what the server would admit.")
    arguments = parser.parse_args()
    if not 0 <= arguments.warm_up < arguments.minutes:
        parser.error("--warm-up must be shorter than --minutes")
    [port] = free_ports(1)
    record = Record()
    with tempfile.TemporaryDirectory() as home, running(Path(home), f"metrics_port={port}") as server:
        token = Path(home) / "state" / TOKEN_FILE
        streams = arguments.streams or asyncio.run(_eighty_percent(server, port, token))
        say(f"{streams} streams for {arguments.minutes:g} minutes")
        asyncio.run(soak(server, spoken_clips(), streams, arguments.minutes * MINUTE_S, record))
        factor = metric(port, token, "vestibule_speech_real_time_factor")
    report = Report.of(record, arguments.warm_up * MINUTE_S)
    print(f"streams    {streams}, {record.conversations} conversations, real-time factor at the end {factor:.3f}")
    print(report.text())
    sys.exit(0 if report.good else 1)


def spoken_clips() -> list[Clip]:
    """The clips with natural pauses."""
    return [clip for clip in clips() if "without pauses" not in clip.name]


async def _eighty_percent(server: Running, port: int, token: Path) -> int:
    say(f"{MEASURED_WITH} streams for a minute, to know the capacity")
    await soak(server, spoken_clips(), MEASURED_WITH, MEASURED_S, Record())
    factor = metric(port, token, "vestibule_speech_real_time_factor")
    capacity = capacity_of(factor)
    print(f"capacity   {capacity} streams, at a real-time factor of {factor:.3f}")
    return max(1, math.floor(SHARE * capacity))


def capacity_of(factor: float) -> int:
    """Streams that a server with default settings admits."""
    limits = LimitSettings()
    by_load = math.floor(limits.speech_load * SpeechSettings().places / factor)
    return min(MOST_STREAMS, limits.client_streams, limits.streams, max(limits.speech_floor, by_load))


@dataclass(frozen=True, slots=True)
class Report:
    """Figures of the beginning and of the end."""

    memory: tuple[Memory, Memory]
    first: list[float]
    last: list[float]
    breaks: dict[str, int]

    @classmethod
    def of(cls, record: Record, warm_up_s: float) -> Report:
        """Compare the beginning and the end of the time after the warm-up."""
        end_s = max(final.at_s for final in record.finals)
        part_s = min((end_s - warm_up_s) / 2, max(2 * MINUTE_S, (end_s - warm_up_s) / 10))
        first = _middle(record.memory, warm_up_s, warm_up_s + min(MINUTE_S, part_s))
        last = _middle(record.memory, end_s - min(MINUTE_S, part_s), math.inf)
        return cls(
            (first, last),
            _delays(record.finals, warm_up_s, warm_up_s + part_s),
            _delays(record.finals, end_s - part_s, math.inf),
            dict(record.breaks),
        )

    @property
    def good(self) -> bool:
        """Whether the claim holds."""
        first, last = self.memory
        later_s = statistics.median(self.last) - statistics.median(self.first)
        return last.total <= MORE_MEMORY * first.total and later_s <= LATER_S and not self.breaks

    def text(self) -> str:
        """For people."""
        first, last = self.memory
        lines = [
            f"memory     {first.total:.0f} MiB, {last.total:.0f} MiB at the end: {last.total / first.total - 1:+.1%}"
        ]
        for kind, size in sorted(first.by_kind.items()):
            lines.append(f"  {kind:10s} {size:6.0f} MiB, {last.by_kind.get(kind, 0.0):6.0f} MiB")
        for name, delays in (("first", self.first), ("last", self.last)):
            late = float(np.percentile(delays, 95))
            lines.append(
                f"delay      {statistics.median(delays):.2f} s, {late:.2f} s for 95 %, {name} {len(delays)} finals"
            )
        lines.append(f"breaks     {self.breaks or 'none'}")
        return "\n".join(lines)


def _middle(samples: Sequence[Memory], from_s: float, to_s: float) -> Memory:
    """The sample in the middle by size; of a stretch without any, the one before its end."""
    inside = [one for one in samples if from_s <= one.at_s <= to_s] or [one for one in samples if one.at_s <= to_s][-1:]
    return sorted(inside, key=lambda one: one.total)[len(inside) // 2]


def _delays(finals: Sequence[Final], from_s: float, to_s: float) -> list[float]:
    return [final.delay_s for final in finals if from_s <= final.at_s <= to_s]


def say(line: str) -> None:
    sys.stderr.write(line + "\n")


if __name__ == "__main__":
    main()
