"""What a partial costs: the redaction of a running utterance and what may be shown of it.

    python -m benchmarks.partial [--rounds 200] [--words 20]

Printed, in milliseconds, for one step of an utterance of that many words, without and with the open end of the
utterance before (which has it judged twice): median and 95th percentile of the time on the clock, and the median of the
CPU time of this process, which depends less on other work on the machine. One thread, one text at a time.
"""

from __future__ import annotations

import argparse
import statistics
import time
from itertools import islice

from models.redaction.redactor import build_redactor
from models.redaction.streaming.partials import PartialRedactor, PartialState
from models.redaction.types import RedactionContext
from models.text import RawText, TextSource
from server.settings import Settings

SAID = (
    "Good morning, this is the visitor for the pump room, my name is Ines Falk and you can call me on four one five, "
    "five five five, oh one three two, or write to ines dot falk at example dot org, the counter shows nine eight two "
    "one cubic metres and the door at the back was open when I came in at half past seven"
)
OPEN_END = RawText("and my number is four one five")
WARM_UP = 5
MS = 1_000


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--words", type=int, default=20)
    args = parser.parse_args()
    partials = PartialRedactor(build_redactor(Settings().weights_dir, threads=1))
    print(f"{'a partial of':14s} {'words':>5s} {'median ms':>10s} {'p95 ms':>8s} {'CPU ms':>8s}")
    for label, tail in (("one utterance", RawText("")), ("after another", OPEN_END)):
        times = _times(partials, tail, args.words, args.rounds)
        took, cpu = sorted(clock for clock, _cpu in times), statistics.median(cpu for _clock, cpu in times)
        p95 = took[int(0.95 * len(took))]
        print(f"{label:14s} {args.words:5d} {statistics.median(took):10.2f} {p95:8.2f} {cpu:8.2f}")


def _times(partials: PartialRedactor, tail: RawText, words: int, rounds: int) -> list[tuple[float, float]]:
    """Milliseconds of each step, clock and CPU; every round shifts the words, so that no cache has the answer."""
    said, context, took = SAID.split(), RedactionContext(TextSource.SPEECH), []
    for n in range(rounds + WARM_UP):
        hypothesis = RawText(" ".join(islice(said[n % len(said) :] + said + said, words)))
        began, began_cpu = time.perf_counter(), time.process_time()
        partials.step(PartialState(previous=hypothesis, tail=tail), hypothesis, context)
        took.append((MS * (time.perf_counter() - began), MS * (time.process_time() - began_cpu)))
    return took[WARM_UP:]


if __name__ == "__main__":
    main()
