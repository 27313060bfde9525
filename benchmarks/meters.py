"""Pictures of meters, and documents beside them, read in turns by Vestibule and by RapidOCR with its own settings.

    python -m benchmarks.meters [--data DIR/manifest.jsonl ...] [--limit N]

A manifest has ``{"image": path, "integer": whole units, "decimals"?}`` a line for a meter, or ``{"image", "words" or
"lines": [{"text"}]}`` for a document; without one, the drawn meter of tests/data is read. Printed for each manifest and
side: the share that was right, the pictures with a reading that is wrong, and the median and mean seconds an image,
decoding included. A reading of a document is wrong; RapidOCR gives none.

A meter is right when its whole units stand in the text as a number of their own, leading zeros aside, with or without
the decimals after them. Of documents, the share of the labelled words of two letters or more that were read.

What was predicted: docs/evaluation/constants/benchmarks.md, meters.
"""

from __future__ import annotations

import argparse
import json
import logging
import re
import statistics
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.media.images import ImageLimits, decode
from models.vision.ocr import RapidOcrEngine

DRAWN = Path(__file__).resolve().parents[1] / "tests" / "data"
MOST_DECIMALS = 3


@dataclass(slots=True)
class Side:
    """One reader and its results so far."""

    name: str
    read: Callable[[Path], str]
    right: int = 0
    of: int = 0
    wrong: int = 0
    seconds: list[float] = field(default_factory=list)

    def take(self, image: Path, row: dict[str, Any]) -> None:
        """Read one picture and judge it."""
        began = time.perf_counter()
        text = self.read(image)
        self.seconds.append(time.perf_counter() - began)
        right, of = judge(row, text)
        self.right, self.of = self.right + right, self.of + of
        is_right = "integer" in row and bool(right)
        self.wrong += not is_right and any(line.startswith("reading ") for line in text.splitlines())


def judge(row: dict[str, Any], text: str) -> tuple[int, int]:
    """Correct items, and all items."""
    if "integer" in row:
        return int(shows(text, row["integer"], row.get("decimals") or "")), 1
    labelled = _words(" ".join(part["text"] for part in row.get("words") or row["lines"]))
    return sum((labelled & _words(text)).values()), sum(labelled.values())


def shows(text: str, whole: str, decimals: str) -> bool:
    """Whether the whole units of a meter stand in a text."""
    whole = whole.lstrip("0") or "0"
    numbers = {run.lstrip("0") or "0" for line in text.splitlines() for run in re.findall(r"\d+", _joined(line))}
    long_enough = len(whole) > 2  # the beginning of a longer number says little of one or two digits
    return bool({whole, whole + decimals} & numbers) or any(
        long_enough and number.startswith(whole) and len(number) <= len(whole) + MOST_DECIMALS for number in numbers
    )


def _joined(line: str) -> str:
    """The text without points and other signs between digits."""
    return re.sub(r"[^\d ]", "", line)


def _words(text: str) -> Counter[str]:
    return Counter(word for word in re.findall(r"[a-z0-9]+", text.lower()) if len(word) > 1)


def vestibule() -> Side:
    """Our engine, with our bounded decoding."""
    engine, limits = RapidOcrEngine(), ImageLimits()

    def read(image: Path) -> str:
        lines = engine.read(decode(image.read_bytes(), limits).pixels)
        return "\n".join(line.text.reveal() for line in lines)

    return Side("vestibule", read)


def rapidocr() -> Side:
    """The peer with its own settings."""
    from rapidocr import RapidOCR

    logging.disable(logging.CRITICAL)
    engine: Any = RapidOCR()
    return Side("rapidocr", lambda image: "\n".join(engine(str(image)).txts or ()))


def rows_of(manifest: Path) -> list[tuple[Path, dict[str, Any]]]:
    rows = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines() if line.strip()]
    return [(manifest.parent / row["image"], row) for row in rows]


def drawn() -> list[tuple[Path, dict[str, Any]]]:
    reading = json.loads((DRAWN / "meter.json").read_text(encoding="utf-8"))["reading"]
    return [(DRAWN / "meter.jpg", {"integer": reading["value"], "decimals": reading["decimals"]})]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="*", default=[])
    parser.add_argument("--limit", type=int)
    args = parser.parse_args()
    sets = {manifest.parent.name: rows_of(manifest) for manifest in args.data} or {"drawn": drawn()}
    print(f"{'set':14s} {'reader':10s} {'images':>6s} {'right':>6s} {'wrong':>6s} {'median s':>8s} {'mean s':>7s}")
    readers = [vestibule(), rapidocr()]
    readers[1].read(DRAWN / "meter.jpg")  # loads its models
    for name, rows in sets.items():
        sides = [Side(reader.name, reader.read) for reader in readers]
        for number, (image, row) in enumerate(rows[: args.limit]):
            for side in sides if number % 2 else reversed(sides):
                side.take(image, row)
        for side in sides:
            median, mean = statistics.median(side.seconds), statistics.mean(side.seconds)
            share = side.right / side.of
            figures = f"{len(side.seconds):6d} {share:6.3f} {side.wrong:6d} {median:8.3f} {mean:7.3f}"
            print(f"{name:14s} {side.name:10s} {figures}", flush=True)


if __name__ == "__main__":
    main()
