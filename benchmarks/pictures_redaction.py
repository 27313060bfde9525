"""What is hidden on pictures of pages: personal words that stay readable, and harmless words that are lost.

    python -m benchmarks.pictures_redaction --data DIR --cache DIR [--peer COMMAND] [--drawn 30]

Sets: ``funsd`` (forms) and ``sroie`` (receipts) of DIR, labelled by the rules of ``_picture_labels``, and pages of
``_drawn_pages``, whose values are known. A word of the truth is hidden if its middle is painted over. Words count from
two letters or digits. Both halves of a set are reported; an image belongs to the tuned one if the SHA-1 of its name
ends in an even digit. COMMAND reads and writes the lines of ``redact --jsonl``; it gets the same OCR text, row by row.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import pickle
import shlex
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from benchmarks._drawn_pages import drawn_pages
from benchmarks._picture_labels import BUSINESS, HARMLESS, PERSONAL, PrintedWord, form_words, receipt_words
from models.media.images import ImageLimits, decode
from models.media.pixels import Pixels
from models.redaction.redactor import build_redactor
from models.redaction.types import Redactor
from models.vision.document_kind import document_kind
from models.vision.geometry import centre, rows
from models.vision.line_redaction import UNREADABLE, redact_page_lines
from models.vision.masking import word_boxes
from models.vision.ocr import RapidOcrEngine
from models.vision.ocr_models import OcrOptions
from models.vision.types import Box, OcrLine, OcrPage
from server.settings import Settings

SETS: Final[dict[str, Callable[[dict[str, Any]], list[PrintedWord]]]] = {"funsd": form_words, "sroie": receipt_words}
KIND_OF: Final = {"funsd": "form", "sroie": "receipt"}


@dataclass(frozen=True)
class Page:
    """A page with its truth and what the OCR read."""

    group: str
    name: str
    kind: str
    words: list[PrintedWord]
    read: OcrPage


@dataclass
class Tally:
    """Counts of one group."""

    words: Counter[str] = field(default_factory=Counter)
    hidden: Counter[str] = field(default_factory=Counter)
    unread: int = 0
    values: int = 0
    left: int = 0
    kinds: Counter[tuple[str, str]] = field(default_factory=Counter)


class CachedOcr:
    """Reads pages, and keeps what was read in a folder, because the OCR takes most of the time."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._engine: RapidOcrEngine | None = None

    def read(self, pixels: Pixels) -> OcrPage:
        """What the OCR reads in a picture."""
        file = self._folder / f"{hashlib.sha256(pixels.tobytes()).hexdigest()}.pkl"
        if not file.is_file():
            self._engine = self._engine or RapidOcrEngine(OcrOptions())
            file.write_bytes(pickle.dumps(self._engine.read_page(pixels)))
        page: OcrPage = pickle.loads(file.read_bytes())
        return page


def is_tuned(name: str) -> bool:
    """Whether an image belongs to the half that may be looked at."""
    return int(hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()[-1], 16) % 2 == 0


def labelled_pages(data: Path, ocr: CachedOcr) -> Iterator[Page]:
    """The pages of the two sets."""
    for name, words_of in SETS.items():
        for row in map(json.loads, (data / name / "manifest.jsonl").read_text(encoding="utf-8").splitlines()):
            image = data / name / row["image"]
            read = ocr.read(decode(image.read_bytes(), ImageLimits()).pixels)
            half = "tuned" if is_tuned(image.stem) else "other"
            yield Page(f"{name} {half}", image.stem, KIND_OF[name], words_of(row), read)


def known_pages(count: int, ocr: CachedOcr) -> Iterator[Page]:
    """The drawn pages."""
    for number, page in enumerate(drawn_pages(count)):
        yield Page(f"drawn {page.kind}", str(number), page.kind, page.words, ocr.read(page.pixels))


def ours(page: Page, redactor: Redactor) -> list[tuple[str, list[Box]]]:
    """The boxes that we paint over, each with its kind of find."""
    _, redacted = redact_page_lines(page.read.lines, redactor)
    found = [
        (line, e)
        for line, es, more in zip(page.read.lines, redacted.entities, redacted.more, strict=True)
        for e in (*es, *more)
    ]
    return [(e.type, word_boxes(line, e.start, e.end)) for line, e in found]


def peers(pages: Sequence[Page], command: str) -> list[list[tuple[str, list[Box]]]]:
    """The same for another redactor."""
    feed: list[str] = []
    places: list[list[tuple[int, OcrLine]]] = []
    for page in pages:
        text, spans = _as_text(page.read.lines)
        feed.append(json.dumps({"id": str(len(feed)), "text": text, "source": "ocr"}) + "\n")
        places.append(spans)
    done = subprocess.run(shlex.split(command), input="".join(feed), capture_output=True, text=True, check=True)
    replies = {int(reply["id"]): reply["entities"] for reply in map(json.loads, done.stdout.splitlines())}
    return [
        [
            (e["type"], word_boxes(line, max(e["start"] - at, 0), min(e["end"] - at, len(line.text))))
            for e in replies[number]
            for at, line in places[number]
            if e["start"] < at + len(line.text) and at < e["end"]
        ]
        for number in range(len(pages))
    ]


def _as_text(lines: Sequence[OcrLine]) -> tuple[str, list[tuple[int, OcrLine]]]:
    text, places = "", []
    for row in rows(lines):
        for index in row:
            places.append((len(text), lines[index]))
            text += lines[index].text.reveal() + " "
        text = text.rstrip(" ") + "\n"
    return text, places


def add(tally: Tally, page: Page, masks: Sequence[tuple[str, list[Box]]]) -> list[tuple[str, PrintedWord]]:
    """Count the words of one page; returns the wrong ones: lost, or left."""
    hulls = [(kind, _hull(boxes)) for kind, boxes in masks]
    unread = [_hull([line.box]) for line in page.read.unread]
    wrong, values, left = [], set(), set()
    for word in page.words:
        if sum(c.isalnum() for c in word.text) < 2:
            continue
        over = [kind for kind, hull in hulls if _covers(hull, word.box)]
        hidden = any(kind != UNREADABLE for kind in over)
        illegible = not hidden and (bool(over) or any(_covers(hull, word.box) for hull in unread))
        tally.words[word.label] += 1
        tally.hidden[word.label] += hidden or (illegible and word.label == PERSONAL)
        tally.unread += illegible and word.label == HARMLESS
        if word.label == PERSONAL:
            values.add(word.value)
            if not hidden and not illegible:
                left.add(word.value)
                wrong.append(("LEFT", word))
        elif word.label == HARMLESS and hidden:
            wrong.append(("/".join(sorted(set(over))), word))
    tally.values += len(values)
    tally.left += len(left)
    return wrong


def _hull(boxes: Sequence[Box]) -> Any:
    return cv2.convexHull(np.array([corner for box in boxes for corner in box], np.float32))


def _covers(hull: Any, box: Box) -> bool:
    return cv2.pointPolygonTest(hull, centre(box), False) >= 0


def report(name: str, tallies: dict[str, Tally]) -> None:
    """Print a row for each group."""
    print("who      group           harmless   lost unread business values   left words left")
    for group, t in tallies.items():
        harmless, business, personal = (max(t.words[label], 1) for label in (HARMLESS, BUSINESS, PERSONAL))
        lost, hidden, words_left = t.hidden[HARMLESS], t.hidden[BUSINESS], t.words[PERSONAL] - t.hidden[PERSONAL]
        print(
            f"{name:8s} {group:15s} {t.words[HARMLESS]:8d} {lost / harmless:6.3f} {t.unread / harmless:6.3f}"
            f" {hidden / business:8.3f} {t.values:6d} {t.left / max(t.values, 1):6.3f} {words_left / personal:10.3f}"
        )


def report_kinds(pages: Sequence[Page]) -> None:
    """Print which kind each page was taken for."""
    table = Counter((page.group, document_kind(page.read.lines)) for page in pages)
    for (group, kind), count in sorted(table.items()):
        print(f"kind     {group:15s} {kind or '(none)':10s} {count:4d}")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True, help="folder for what the OCR read")
    parser.add_argument("--peer", help="another redactor, such as one around Presidio")
    parser.add_argument("--drawn", type=int, default=30, help="pages to draw")
    parser.add_argument(
        "--show", action="store_true", help="print the wrong words of the tuned half and the drawn pages"
    )
    args = parser.parse_args()
    ocr = CachedOcr(args.cache)
    pages = [*labelled_pages(args.data, ocr), *known_pages(args.drawn, ocr)]
    redactor = build_redactor(Settings().weights_dir)
    tallies: dict[str, Tally] = {}
    for page in pages:
        for kind, word in add(tallies.setdefault(page.group, Tally()), page, ours(page, redactor)):
            if args.show and not page.group.endswith("other"):
                print(f"  {page.group} {page.name}: {kind} {word.text}")
    report("ours", tallies)
    report_kinds(pages)
    if args.peer:
        theirs: dict[str, Tally] = {}
        for page, masks in zip(pages, peers(pages, args.peer), strict=True):
            add(theirs.setdefault(page.group, Tally()), page, masks)
        report("peer", theirs)


if __name__ == "__main__":
    main()
