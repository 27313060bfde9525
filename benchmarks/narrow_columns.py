"""What stays readable of personal values that nearly touch the next column.

    python -m benchmarks.narrow_columns --cache DIR [--count 45] [--seed 1] [--show] [--masked DIR]

Draws registers, delivery lists and forms (``_drawn_tables``), and gives them to the OCR and the redactor as an upload.
A value is left if three letters or digits of it in a row can be read: in the redacted text of its row, or by the OCR
in the masked picture. Harmless cells count as lost if a word of them that the OCR read is missing from the text, or
if the middle of the cell is painted over. Seed 1 is for tuning; measure with another one.
"""

from __future__ import annotations

import argparse
import io
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from benchmarks._drawn_tables import DrawnTable, TableCell, drawn_tables
from benchmarks.pictures_redaction import CachedOcr
from models.media.images import ImageLimits, decode
from models.media.pixels import Pixels
from models.redaction.redactor import build_redactor
from models.redaction.types import Redactor
from models.vision.geometry import centre
from models.vision.redact import redact_page
from models.vision.types import Box
from server.settings import Settings

_TAG: Final = re.compile(r"\[[A-Z_]+\]")
_PNG: Final = "image/png"
_GRAM: Final = 3
_BLACK: Final = 40


@dataclass
class Tally:
    """Counts of one layout."""

    values: int = 0
    left_in_text: int = 0
    left_in_picture: int = 0
    harmless: int = 0
    lost_in_text: int = 0
    lost_in_picture: int = 0
    shown: list[str] = field(default_factory=list)


def judged(table: DrawnTable, ocr: CachedOcr, redactor: Redactor, masked_to: Path | None) -> Tally:
    """What is left and lost on one page."""
    page_read = ocr.read(table.pixels)
    page = redact_page(table.pixels, page_read.lines, redactor, mime=_PNG)
    masked = decode(page.image, ImageLimits()).pixels
    if masked_to is not None:
        Image.open(io.BytesIO(page.image)).save(masked_to / f"{table.name}.png")
    before = _by_row(table, ((line.text.reveal(), line.box) for line in page_read.lines))
    text = _by_row(table, ((str(line.text), line.box) for line in page.lines))
    again = ocr.read(masked)
    picture = _by_row(table, ((line.text.reveal(), line.box) for line in (*again.lines, *again.unread)))
    tally = Tally()
    for row in {cell.row for cell in table.cells}:
        cells = [cell for cell in table.cells if cell.row == row]
        harmless = [cell for cell in cells if not cell.personal]
        known = _grams(" ".join(cell.text for cell in harmless))
        for cell in cells:
            if cell.personal:
                _judge_personal(tally, cell, known, text[row], picture[row])
            elif _folded(cell.text) in _folded(before[row]):
                _judge_harmless(tally, table, cell, text[row], masked)
        if tally.shown and tally.shown[-1][0] != "#":
            tally.shown.append(f"#   read {before[row]!r}; text {text[row]!r}; picture {picture[row]!r}")
    return tally


def _judge_personal(tally: Tally, cell: TableCell, known: set[str], text: str, picture: str) -> None:
    grams = _grams(cell.text) - known
    in_text, in_picture = grams & _grams(text), grams & _grams(picture)
    tally.values += 1
    tally.left_in_text += bool(in_text)
    tally.left_in_picture += bool(in_picture)
    if in_text or in_picture:
        where = "/".join(name for name, found in (("text", in_text), ("picture", in_picture)) if found)
        tally.shown.append(f"LEFT in {where}: {cell.kind} {cell.text}{' (tight)' if cell.tight else ''}")


def _judge_harmless(tally: Tally, table: DrawnTable, cell: TableCell, text: str, masked: Pixels) -> None:
    tally.harmless += 1
    gone = any(_folded(word) not in _folded(text) for word in cell.text.split())
    painted = _is_painted(table, cell, masked)
    tally.lost_in_text += gone
    tally.lost_in_picture += painted
    if gone or painted:
        tally.shown.append(f"LOST in {'text ' if gone else ''}{'picture' if painted else ''}: {cell.kind} {cell.text}")


def _is_painted(table: DrawnTable, cell: TableCell, masked: Pixels) -> bool:
    """Whether the middle of a cell is black over its height."""
    left, top, right, bottom = cell.box
    ys = np.linspace(top, bottom, 9)
    points = [table.turned((left + right) / 2, float(y)) for y in ys]
    height, width = masked.shape[:2]
    return all(
        masked[min(max(round(y), 0), height - 1), min(max(round(x), 0), width - 1)].max() < _BLACK for x, y in points
    )


def _by_row(table: DrawnTable, lines: Iterable[tuple[str, Box]]) -> defaultdict[int, str]:
    """What was read in each row, tags and gaps as one sign."""
    middles: dict[int, float] = {cell.row: (cell.box[1] + cell.box[3]) / 2 for cell in table.cells}
    found: defaultdict[int, str] = defaultdict(str)
    for text, box in lines:
        _, y = table.level(*centre(box))
        row = min(middles, key=lambda r: abs(middles[r] - y))
        if abs(middles[row] - y) < table.font_px:
            found[row] += f" | {_TAG.sub('#', text)}"
    return found


def _grams(text: str) -> set[str]:
    """Every three letters or digits in a row, spaces and marks between them aside."""
    parts = [_folded(part) for part in re.split(r"[#|]", text)]
    return {part[n : n + _GRAM] for part in parts for n in range(len(part) - _GRAM + 1)}


def _folded(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in plain if c.isalnum() or c in "#|")


def _add(sums: dict[str, Tally], name: str, tally: Tally) -> None:
    total = sums.setdefault(name, Tally())
    for key in ("values", "left_in_text", "left_in_picture", "harmless", "lost_in_text", "lost_in_picture"):
        setattr(total, key, getattr(total, key) + getattr(tally, key))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True, help="folder for what the OCR read")
    parser.add_argument("--count", type=int, default=45, help="pages to draw")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", action="store_true", help="print what is left and lost")
    parser.add_argument("--masked", type=Path, help="folder for the masked pictures")
    args = parser.parse_args()
    ocr, redactor = CachedOcr(args.cache), build_redactor(Settings().weights_dir)
    sums: dict[str, Tally] = {}
    for table in drawn_tables(args.count, args.seed):
        tally = judged(table, ocr, redactor, args.masked)
        _add(sums, table.layout, tally)
        _add(sums, "all", tally)
        if args.show:
            print(f"== {table.name} {table.layout}", *tally.shown, sep="\n", flush=True)
    print("layout     values  left: text picture  harmless  lost: text picture")
    for name, t in sums.items():
        print(
            f"{name:10s} {t.values:6d} {t.left_in_text:11d} {t.left_in_picture:7d}"
            f" {t.harmless:9d} {t.lost_in_text:11d} {t.lost_in_picture:7d}"
        )


if __name__ == "__main__":
    main()
