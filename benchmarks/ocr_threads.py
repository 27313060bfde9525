"""What reading print costs when the threads of the models sleep while they have no work, as they do here.

    python -m benchmarks.ocr_threads [--pages 10] [--rounds 3] [--busy 2]

Reads drawn pages on the CPU with each, in turn: on an idle machine and beside processes that keep a core busy each.
Printed for a page, medians: seconds on the clock and of processor time. The peer has the sessions that RapidOCR makes
for itself, whose threads spin; all else is the same. Both must read the same text.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from benchmarks._drawn_pages import drawn_pages
from models.media.pixels import Pixels
from models.vision import ocr_models
from models.vision.ocr import RapidOcrEngine


def read(engine: RapidOcrEngine, pages: list[Pixels]) -> tuple[float, float, list[str]]:
    """Read all pages: seconds on the clock and of processor time a page, and all lines."""
    began, spent = time.perf_counter(), time.process_time()
    lines = [repr(line) for page in pages for line in engine.read(page)]
    return (time.perf_counter() - began) / len(pages), (time.process_time() - spent) / len(pages), lines


@contextmanager
def busy(cores: int) -> Iterator[None]:
    """Processes that calculate all the time."""
    processes = [multiprocessing.Process(target=_calculate, daemon=True) for _ in range(cores)]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.kill()


def _calculate() -> None:
    while True:
        pass


def main() -> None:
    """Read with both and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=10, help="drawn pages that are read")
    parser.add_argument("--rounds", type=int, default=3, help="how often each reads all pages")
    parser.add_argument("--busy", type=int, default=2, help="processes that keep a core busy in the second half")
    given = parser.parse_args()
    pages = [page.pixels for page in drawn_pages(given.pages)]
    on_cpu = ocr_models.OcrOptions(cuda=False)
    with mock.patch.object(ocr_models, "_give_sessions"):
        peer = RapidOcrEngine(on_cpu)
    engines = {"sleeping": RapidOcrEngine(on_cpu), "spinning": peer}
    answers = []
    for load in (0, given.busy):
        took: dict[str, list[tuple[float, float]]] = {name: [] for name in engines}
        with busy(load):
            for _ in range(given.rounds):
                for name, engine in engines.items():
                    clock_s, cpu_s, lines = read(engine, pages)
                    answers.append(lines)
                    took[name].append((clock_s, cpu_s))
        for name, times in took.items():
            clock_s, cpu_s = (statistics.median(each) for each in zip(*times, strict=True))
            print(f"{name}, {load} busy processes: {clock_s:.2f} s a page, {cpu_s:.2f} s of CPU", flush=True)
    same = all(lines == answers[0] for lines in answers)
    print(f"the same text: {'yes' if same else 'no'}, {len(answers[0])} lines")
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
