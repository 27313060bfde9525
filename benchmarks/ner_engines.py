"""How fast the engines of the name classifier are, on the same sentences and one core.

    python -m benchmarks.ner_engines [--data DIR] [--sentences 300] [--rounds 5]

Printed for each engine: characters a second of the classifier alone, one sentence after the other and 64 in a call.
The fastest round of each counts. Sentences are those of ``benchmarks.redaction``.
"""

from __future__ import annotations

import argparse
import os
import time
from itertools import islice
from pathlib import Path

from benchmarks.redaction import BATCH, made, read
from models.redaction.ner.engine_choice import DEFAULT_ENGINE, TRANSFORMERS
from models.redaction.ner.engines import build_classifier
from models.redaction.ner.types import TokenClassifier
from server.settings import Settings


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=None, help="folder with JSON lines; their text is used")
    parser.add_argument("--sentences", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="of transformers")
    args = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    texts = list(islice(read(args.data) if args.data else made(), args.sentences))
    characters = sum(map(len, texts))
    cache, device = Settings().weights_dir, args.device
    classifiers = [build_classifier(cache, DEFAULT_ENGINE, "cpu"), build_classifier(cache, TRANSFORMERS, device)]
    rates = {c.name: best_rates(c, texts, args.rounds) for c in classifiers}
    print(f"{args.sentences} sentences of {characters / len(texts):.0f} characters, one core")
    print(f"{'engine':<14s} {'device':<7s} {'one at a time':>16s} {'in batches':>14s}   processor time of a sentence")
    for classifier in classifiers:
        single, batched, cpu_ms = rates[classifier.name]
        print(
            f"{classifier.name:<14s} {classifier.device:<7s} {single:>14,.0f}/s {batched:>12,.0f}/s   {cpu_ms:.2f} ms"
        )
    one, two = (rates[engine] for engine in (DEFAULT_ENGINE, TRANSFORMERS))
    print(f"{DEFAULT_ENGINE} / {TRANSFORMERS}: {one[0] / two[0]:.1f} one at a time, {one[1] / two[1]:.1f} in batches")


def best_rates(classifier: TokenClassifier, texts: list[str], rounds: int) -> tuple[float, float, float]:
    """Characters a second one at a time and in batches, and milliseconds of processor time of one sentence alone."""
    characters = sum(map(len, texts))
    single_s, batch_s, cpu_s = [], [], []
    for _ in range(rounds + 1):  # the first round only warms up
        cpu = time.process_time()
        single_s.append(timed(classifier, [[text] for text in texts]))
        cpu_s.append(time.process_time() - cpu)
        batch_s.append(timed(classifier, [texts[at : at + BATCH] for at in range(0, len(texts), BATCH)]))
    return characters / min(single_s[1:]), characters / min(batch_s[1:]), 1e3 * min(cpu_s[1:]) / len(texts)


def timed(classifier: TokenClassifier, groups: list[list[str]]) -> float:
    """Seconds for all groups."""
    began = time.perf_counter()
    for group in groups:
        classifier.classify(group)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
