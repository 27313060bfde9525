"""Compute and errors of recognition against faster-whisper, same weights, int8, greedy, clip by clip in turns.

    python -m benchmarks.speech [--data DIR/manifest.jsonl ...] [--limit N] [--noise MINUTES]

A manifest has ``{"audio": path, "text": what was said, "lang": code}`` a line; without one, the spoken clips of
tests/data are used. Each clip goes to all sides, one after the other, so that a machine that slows down slows them all;
the peer is run with one thread and with two, and its faster one counts. Printed for each manifest: median and sum of
the compute seconds, the ratio, words wrong (and letters, for languages and spellings where words say little).

``--noise`` gives both sides minutes of silence, hiss, hum and clicks, the peer with its voice detector: words that
nobody said.

What was predicted and first measured: docs/evaluation/constants/benchmarks.md, speech-recognition.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import unicodedata
import wave
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks._environments import as_it_comes, environment
from models.weights.store import place
from server.settings import Settings

HERE = Path(__file__).resolve().parent
CLIPS = HERE.parent / "tests" / "data"
RATE_HZ = 16_000
NOISE_CLIP_S = 30


@dataclass(frozen=True, slots=True)
class Clip:
    """A recording and what is said in it."""

    audio: Path
    text: str
    language: str


@dataclass(slots=True)
class Side:
    """One recognizer, as a process that reads a line and answers with a line."""

    name: str
    process: subprocess.Popen[str]
    compute_s: list[float] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def hear(self, clip: Clip, *, vad: bool = False) -> None:
        """Recognise one clip."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        asked = {"id": "1", "audio": str(clip.audio), "lang": clip.language} | ({"vad": True} if vad else {})
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        # Vestibule answers silence with an error of its own.
        self.texts.append(answer.get("text", ""))
        self.compute_s.append(answer.get("compute_s", 0.0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="*", default=[])
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--noise", type=float, default=0.0)
    arguments = parser.parse_args()
    print(
        f"{'set':22s} {'clips':>5s} {'side':16s} {'median s':>8s} {'sum s':>8s} {'ratio':>6s} {'WER':>7s} {'CER':>7s}"
    )
    sets = [(path.parent.name, manifest(path, arguments.limit)) for path in arguments.data]
    for name, clips in sets or [("tests/data", own_clips())]:
        compare(name, clips)
    if arguments.noise:
        invented(arguments.noise)


def compare(name: str, clips: Sequence[Clip]) -> None:
    """Both sides on one set."""
    with running() as sides:
        for side in sides:
            side.hear(clips[0])
            side.compute_s.clear()
            side.texts.clear()
        for clip in clips:
            for side in sides:
                side.hear(clip)
    ours, *peers = sides
    best = min(peers, key=lambda side: sum(side.compute_s))
    for side in (best, ours):
        ratio = f"{sum(best.compute_s) / sum(side.compute_s):6.2f}" if side is ours else ""
        print(
            f"{name:22s} {len(clips):5d} {side.name:16s} {statistics.median(side.compute_s):8.3f}"
            f" {sum(side.compute_s):8.1f} {ratio:>6s} {error(clips, side.texts, words):7.3f}"
            f" {error(clips, side.texts, letters):7.3f}",
            flush=True,
        )


def invented(minutes: float) -> None:
    """Words recognised in recordings without speech."""
    with tempfile.TemporaryDirectory() as folder, running() as sides:
        clips = list(noises(Path(folder), minutes))
        for side in sides:
            for clip in clips:
                side.hear(clip, vad=True)
            count = sum(len(words(text)) for text in side.texts)
            print(f"{'noise and silence':22s} {len(clips):5d} {side.name:16s} {count} words")


@contextmanager
def running() -> Iterator[list[Side]]:
    """Vestibule, then the peer with one thread and with two."""
    folder = place("whisper-base", Settings().weights_dir)
    peer = environment("faster-whisper", "faster-whisper==1.2.1")
    commands = {
        "Vestibule": [sys.executable, "-m", "server.cli", "transcribe", "--jsonl", "--unredacted"],
        "faster-whisper 1": [str(peer), str(HERE / "_faster_whisper.py"), str(folder), "1"],
        "faster-whisper 2": [str(peer), str(HERE / "_faster_whisper.py"), str(folder), "2"],
    }
    pipe = subprocess.PIPE
    sides = [
        Side(name, subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=as_it_comes()))
        for name, command in commands.items()
    ]
    try:
        yield sides
    finally:
        for side in sides:
            side.process.kill()
            side.process.communicate()


def manifest(path: Path, limit: int) -> list[Clip]:
    """The first clips of a set that have a text."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    kept = [row for row in rows if row.get("text")][:limit]
    return [Clip(path.parent / row["audio"], row["text"], row.get("lang", "en")[:2]) for row in kept]


def own_clips() -> list[Clip]:
    """The clips of the repository."""
    facts = json.loads((CLIPS / "visit.json").read_text(encoding="utf-8"))
    short = [Clip(CLIPS / name, facts["short_say"], "en") for name in facts["short_files"]]
    return [Clip(CLIPS / "visit.wav", facts["say"], "en"), *short]


def noises(folder: Path, minutes: float) -> Iterator[Clip]:
    """Silence, hiss, hum, clicks, and slow noise, half a minute each, from a fixed seed."""
    chance = np.random.default_rng(7)
    count = NOISE_CLIP_S * RATE_HZ
    time_s = np.arange(count) / RATE_HZ
    kinds = (
        lambda: np.zeros(count),
        lambda: chance.normal(0, 0.02, count),
        lambda: 0.1 * np.sin(2 * np.pi * 50 * time_s) + 0.02 * np.sin(2 * np.pi * 150 * time_s),
        lambda: np.where(chance.random(count) < 3 / RATE_HZ, 0.8, 0.0),
        lambda: np.convolve(chance.normal(0, 0.3, count), np.ones(64) / 64, "same"),
        lambda: chance.normal(0, 0.05, count) * (1 + np.sin(2 * np.pi * 0.4 * time_s)),
    )
    for n in range(max(1, round(minutes * 60 / NOISE_CLIP_S))):
        path = folder / f"{n}.wav"
        write(path, kinds[n % len(kinds)]())
        yield Clip(path, "", "en")


def write(path: Path, samples: npt.NDArray[np.float64]) -> None:
    """16-bit mono WAV."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())


def words(text: str) -> list[str]:
    """Lower-case words without marks."""
    return "".join(c if unicodedata.category(c)[0] in "LMN" else " " for c in text.lower()).split()


def letters(text: str) -> list[str]:
    """Its letters and digits alone."""
    return list("".join(words(text)))


def error(clips: Sequence[Clip], texts: Sequence[str], split: Callable[[str], list[str]]) -> float:
    """Units wrong over units said."""
    pairs = [(split(clip.text), split(text)) for clip, text in zip(clips, texts, strict=True)]
    said = sum(len(truth) for truth, _ in pairs)
    return sum(distance(truth, heard) for truth, heard in pairs) / said if said else 0.0


def distance(a: Sequence[str], b: Sequence[str]) -> int:
    """Insertions, deletions and replacements from one to the other."""
    row = np.arange(len(b) + 1)
    for i, x in enumerate(a, 1):
        before, row[0] = row.copy(), i
        for j, y in enumerate(b, 1):
            row[j] = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (x != y))
    return int(row[-1])


if __name__ == "__main__":
    main()
