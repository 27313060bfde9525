"""What captions cost with smaller weights of their own (``speech.partial_weights``), next to the weights of the finals.

    python -m benchmarks.partial_weights [--finals whisper-base] [--partials whisper-tiny.en] [--runs 5]

A Speech worker with its redactor, in this process, hears the first nine seconds of the spoken visit: a partial each
half second, then the final. The runs take turns. Printed: the processor time of all partials of a run in seconds,
median; the ratio; and whether the finals are the same. It exits with 1 if they are not.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
import wave
from pathlib import Path

import numpy as np

from models.redaction.redactor import build_redactor
from models.redaction.types import Redaction, RedactionContext
from models.text import RawText
from ray_tasks.engine_info import speech_fingerprint
from ray_tasks.speech_worker import SpeechWorker
from ray_tasks.types import ClusterConfig, SpeechWindow, WorkerConfig
from server.settings import Settings

VISIT = Path(__file__).parent.parent / "tests" / "data" / "visit.wav"
RATE_HZ = 16_000
HEARD_S = 9.0
STEP_S = 0.5


class Listener:
    """A worker with its redactor.

    Args:
        finals: Weights for finals.
        partials: Weights for partials.
    """

    def __init__(self, finals: str, partials: str) -> None:
        weights_dir = Settings().weights_dir
        folder = tempfile.mkdtemp()
        redactor = build_redactor(weights_dir)

        async def ask(texts: list[RawText], context: RedactionContext, _timeout_s: float) -> list[Redaction]:
            return redactor.redact_many(texts, context)

        speech = WorkerConfig(engine="ctranslate2", weights=finals, partial_weights=partials, threads=1, at_once=2)
        others = WorkerConfig(), WorkerConfig()
        config = ClusterConfig(speech, *others, str(weights_dir), f"{folder}/carry.key", "0" * 12, folder)
        self._fingerprint = speech_fingerprint(config)
        self._worker = SpeechWorker(config, ask)

    async def hear(self, samples: np.typing.NDArray[np.float32]) -> tuple[float, str]:
        """Processor time of the partials, in seconds, and the final."""
        state = b""
        began = time.process_time()
        for end in np.arange(STEP_S, HEARD_S, STEP_S):
            window = SpeechWindow(samples[: int(end * RATE_HZ)].astype("<f4").tobytes(), False, state, "en")
            state = (await self._worker.step(self._fingerprint, 60.0, window)).sealed_state
        spent_s = time.process_time() - began
        final = await self._worker.step(
            self._fingerprint, 60.0, SpeechWindow(samples.astype("<f4").tobytes(), True, state, "en")
        )
        return spent_s, final.text.value


async def compare(finals: str, partials: str, runs: int) -> bool:
    """Print the figures; returns whether the finals are the same."""
    with wave.open(str(VISIT)) as clip:
        pcm = np.frombuffer(clip.readframes(int(HEARD_S * RATE_HZ)), np.int16)
    samples = pcm.astype(np.float32) / np.float32(32768)
    listeners = {finals: Listener(finals, ""), partials: Listener(finals, partials)}
    spent: dict[str, list[float]] = {name: [] for name in listeners}
    texts = set()
    for run in range(runs + 1):  # the first one warms up
        for name, listener in listeners.items():
            seconds, text = await listener.hear(samples)
            texts.add(text)
            if run:
                spent[name].append(seconds)
    for name, seconds_of in spent.items():
        print(f"partials by {name:18s} {statistics.median(seconds_of):6.2f} s of processor time")
    print(f"ratio {statistics.median(spent[partials]) / statistics.median(spent[finals]):.2f}")
    print("finals: the same" if len(texts) == 1 else "finals: DIFFERENT")
    return len(texts) == 1


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--finals", default="whisper-base")
    parser.add_argument("--partials", default="whisper-tiny.en")
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    sys.exit(0 if asyncio.run(compare(args.finals, args.partials, args.runs)) else 1)


if __name__ == "__main__":
    main()
