"""What a GPU gains: both speech engines on the CPU and on the GPU, in half precision there, clip by clip in turns.

Then what batches gain on the GPU: 16 callers have clips recognised, of which the engine takes 1, 4 or 16 at once.

    python -m benchmarks.gpu [--data DIR/manifest.jsonl ...] [--limit N]

Printed for each engine: median and sum of the compute seconds on both, the ratio, and the words wrong on both; half
precision must not cost any. Then the mean size of a batch, the clips a second, the wait for one, and the words wrong.
Without a GPU it says so and exits with 0, so that a run of all benchmarks goes on.
Manifests are those of ``benchmarks.speech``; without one, the spoken clips of tests/data are used.

What was predicted: docs/evaluation/constants/benchmarks.md, gpu.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import ctranslate2

from benchmarks.speech import Clip, error, manifest, own_clips, words
from models.errors import NoSpeech
from models.media.audio_decoder import decode
from models.media.samples import Samples
from models.speech.engines import ENGINES, Device, build_engine
from models.speech.types import SpeechEngine, SpeechOptions
from server.settings import Settings

CALLERS = 16
CALLS = 20 * CALLERS
AT_ONCE = (1, 4, CALLERS)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="*", default=[])
    parser.add_argument("--limit", type=int, default=40)
    arguments = parser.parse_args()
    if not ctranslate2.get_cuda_device_count():
        print("There is no GPU here that CUDA knows: nothing to compare.")
        return
    print(f"{'set':18s} {'engine':16s} {'device':7s} {'median s':>9s} {'sum s':>8s} {'ratio':>6s} {'WER':>7s}")
    sets = [(path.parent.name, manifest(path, arguments.limit)) for path in arguments.data]
    for name, clips in sets or [("tests/data", own_clips())]:
        for engine in ENGINES:
            compare(name, engine, clips)
    print(
        f"\n{'set':18s} {'engine':16s} {'at once':>7s} {'batch':>6s} {'clips/s':>8s} {'median s':>8s} {'p95 s':>8s}"
        f" {'WER':>7s}"
    )
    for name, clips in sets or [("tests/data", own_clips())]:
        for engine in ENGINES:
            for at_once in AT_ONCE:
                batches(name, engine, clips, at_once, "cuda")


def batches(name: str, engine: str, clips: Sequence[Clip], at_once: int, device: Device) -> None:
    """One engine with batches of at most that many windows, from ``CALLERS`` callers."""
    gc.collect()  # so that the GPU has the weights of one engine at a time
    sizes: list[int] = []
    side = build_engine(engine, Settings().weights_dir, device, at_once=at_once, on_batch=sizes.append)
    samples = [decode(clip.audio.read_bytes()) for clip in clips]

    def timed(number: int) -> tuple[str, float]:
        began = time.perf_counter()
        text, _ = hear(side, samples[number % len(clips)], clips[number % len(clips)].language)
        return text, time.perf_counter() - began

    with ThreadPoolExecutor(CALLERS) as callers:
        list(callers.map(timed, range(CALLERS)))  # the first batches compile and load
        sizes.clear()
        began = time.perf_counter()
        heard = list(callers.map(timed, range(max(len(clips), CALLS))))
    rate = len(heard) / (time.perf_counter() - began)
    took = statistics.quantiles([seconds for _, seconds in heard], n=20)
    texts = [text for text, _ in heard[: len(clips)]]
    print(
        f"{name:18s} {engine:16s} {at_once:7d} {statistics.fmean(sizes or [1]):6.1f} {rate:8.1f} {took[9]:8.3f}"
        f" {took[18]:8.3f} {error(clips, texts, words):7.3f}",
        flush=True,
    )


def compare(name: str, engine: str, clips: Sequence[Clip]) -> None:
    """One engine on both devices."""
    cache = Settings().weights_dir
    sides = {device: build_engine(engine, cache, device) for device in ("cpu", "cuda")}
    took: dict[str, list[float]] = {device: [] for device in sides}
    texts: dict[str, list[str]] = {device: [] for device in sides}
    samples = [decode(clip.audio.read_bytes()) for clip in clips]
    for side in sides.values():
        hear(side, samples[0], clips[0].language)  # the first call compiles and loads
    for clip, audio in zip(clips, samples, strict=True):
        for device, side in sides.items():
            text, seconds = hear(side, audio, clip.language)
            texts[device].append(text)
            took[device].append(seconds)
    for device in sides:
        ratio = f"{sum(took['cpu']) / sum(took[device]):6.2f}" if device != "cpu" else ""
        print(
            f"{name:18s} {engine:16s} {device:7s} {statistics.median(took[device]):9.3f} {sum(took[device]):8.1f}"
            f" {ratio:>6s} {error(clips, texts[device], words):7.3f}",
            flush=True,
        )


def hear(engine: SpeechEngine, audio: Samples, language: str) -> tuple[str, float]:
    """The text and the seconds that it took; an empty text without speech."""
    try:
        transcript = engine.transcribe(audio, SpeechOptions(language=language))
    except NoSpeech:
        return "", 0.0
    return " ".join(segment.text.reveal() for segment in transcript.segments), transcript.compute_s


if __name__ == "__main__":
    main()
