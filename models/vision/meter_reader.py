"""Reads a meter: digits on drums in little windows, some half turned, the decimals red.

The print recognizer fails here: it reads the edges of the windows as ones, and two halves of a digit as a third digit.
A small net of our own (``register.onnx``, trained by ``models/training/train_meter_reader.py`` on drawn meters only)
reads crops along every long line that the text detector found, from both ends. It knows ten black and ten red digits
and a blank; a drum between two digits counts as the one that is leaving.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from models.errors import WeightsError
from models.media.pixels import Pixels
from models.text import RawText
from models.vision.geometry import lies_in, stretch
from models.vision.line_crops import CROP_HEIGHT, CROP_WIDTH, Line, crop, to_input
from models.vision.meter_digits import MAX_DIGITS, DigitRow, decode_row, first_red, softmax
from models.vision.meter_votes import agreement, is_print, merge
from models.vision.onnx_sessions import open_session
from models.vision.types import Box, OcrLine, OcrWord

WEIGHTS: Final = "register.onnx"
MIN_SCORE: Final = 0.4
"""Of the merged digits: their score times the agreement of the crops. The least with which no tuned picture
without a meter got a reading: docs/evaluation/pictures.md, "Votes by place"."""
_MIN_FIRST_SCORE: Final = 0.225
"""Of the best crop; below, no more crops are read."""

# Height of a crop in heights of the line: the detector's boxes are higher than digits, and windows higher still.
_FIRST_BANDS: Final = (0.9, 1.15)
_BANDS: Final = (0.75, 0.9, 1.05, 1.25)
_MARGIN: Final = 1.1  # length of a crop in lengths of the line
_SHIFTS: Final = (-0.08, 0.08)  # across the line, in its heights
_END_BANDS: Final = (0.9, 1.05)
_MIN_PRINT_SCORE: Final = 0.95
_NOT_A_METER: Final = re.compile(r"[()+/:]|\d-\d|[^\W\d_]{3}")


@dataclass(frozen=True, slots=True)
class MeterReading:
    """What a meter shows.

    Attributes:
        whole: The black digits with their leading zeros.
        decimals: The red digits; empty when there are none.
        box: Around all digits, in pixels of the picture, clockwise from the upper left of the first digit.
        scores: Of every digit, in [0, 1].
    """

    whole: str
    decimals: str
    box: Box
    scores: tuple[float, ...]

    @property
    def score(self) -> float:
        """Mean over the digits."""
        return _mean(self.scores)


@dataclass(frozen=True, slots=True)
class MeterSearch:
    """What a search for a meter found.

    Attributes:
        reading: None when no row of digits looks enough like a meter.
        is_print: The likeliest row is print. Other crops of it may look like a meter, so the search must not go on.
    """

    reading: MeterReading | None = None
    is_print: bool = False

    @property
    def is_over(self) -> bool:
        """Whether another search in the picture is of no use."""
        return self.is_print or self.reading is not None


def reading_line(reading: MeterReading, scale_x: float, scale_y: float) -> OcrLine:
    """A reading as a line of the page: ``reading 00042 .917``, each word with its place in the picture.

    The word "reading" tells people and the redactor that it is no print. The decimals are a word of their own, because
    their drums turn, so their scores are lower.

    Args:
        reading: In pixels of the picture that was read.
        scale_x: To pixels of the page.
        scale_y: The same, downwards.
    """
    corners = [(x * scale_x, y * scale_y) for x, y in reading.box]
    box: Box = corners[0], corners[1], corners[2], corners[3]
    split = len(reading.whole)
    share = split / len(reading.scores)
    words = [
        OcrWord(RawText("reading"), stretch(box, 0.0, 0.0), 1.0),  # not in the picture, so without width
        OcrWord(RawText(reading.whole), stretch(box, 0.0, share), _mean(reading.scores[:split])),
    ]
    if reading.decimals:
        words.append(OcrWord(RawText(f".{reading.decimals}"), stretch(box, share, 1.0), _mean(reading.scores[split:])))
    text = " ".join(word.text.reveal() for word in words)
    return OcrLine(RawText(text), box, reading.score, tuple(words))


def resolve_conflicts(readings: Sequence[OcrLine], lines: Sequence[OcrLine]) -> tuple[list[OcrLine], list[OcrLine]]:
    """Drop the lines that a reading replaces, or the reading that a line contradicts.

    A line inside the box of a reading is what the print recognizer made of the meter's digits, and is dropped. But a
    line with a high score and letters, the signs of a telephone number or too many digits is print. Then the reading
    is dropped, because a reading is assumed to identify nobody.

    Args:
        readings: As lines.
        lines: What the print recognizer read in the same picture.

    Returns:
        The readings and the lines that are kept.
    """
    inside = {id(reading): [line for line in lines if lies_in(line.box, reading.box)] for reading in readings}
    kept = [reading for reading in readings if not any(_is_print(line) for line in inside[id(reading)])]
    replaced = {id(line) for reading in kept for line in inside[id(reading)]}
    return kept, [line for line in lines if id(line) not in replaced]


def _is_print(line: OcrLine) -> bool:
    text = line.text.reveal()
    digits = sum(char.isdigit() for char in text)
    return line.score >= _MIN_PRINT_SCORE and (digits > MAX_DIGITS or bool(_NOT_A_METER.search(text)))


def _mean(scores: Sequence[float]) -> float:
    return sum(scores) / len(scores)


class MeterReader:
    """Finds the digits of a meter in a picture and reads them. One call at a time.

    Raises:
        WeightsError: The net is missing from the package.
    """

    def __init__(self, threads: int = 1) -> None:
        self._net = _load(threads)

    def read(self, image: Pixels, lines: Sequence[Line]) -> MeterSearch:
        """Search for the digits of a meter and read them.

        Args:
            image: BGR, shape (height, width, 3).
            lines: Where print may be; a line need not cover all digits.
        """
        # The balance of colours finds digits in coloured light, and loses some whose colour sets them off.
        found = self._read(image, lines, balanced=True)
        return found if found.is_over else self._read(image, lines, balanced=False)

    def _read(self, image: Pixels, lines: Sequence[Line], *, balanced: bool) -> MeterSearch:
        directions = [way for line in lines for way in (line, line.turned())]
        rows = [row for band in _FIRST_BANDS for row in self._recognize(image, directions, [band], balanced)]
        best = max(rows, key=lambda row: row.score, default=None)
        if best is None or best.score < _MIN_FIRST_SCORE:
            return MeterSearch()
        rows = self._around(image, best, balanced)
        merged = merge(rows)
        if merged is None or merged.score * agreement(merged, rows) < MIN_SCORE:
            return MeterSearch()
        if is_print(merged, *self._ends(image, merged, balanced)):
            return MeterSearch(is_print=True)
        return MeterSearch(_reading(merged))

    def _around(self, image: Pixels, first: DigitRow, balanced: bool) -> list[DigitRow]:
        """The first crop, and more around it, of other heights and a little shifted."""
        rows = [first, *self._recognize(image, [first.extent()], _BANDS, balanced)]
        line = max(rows, key=lambda row: row.score).extent()
        shifted = [line.moved(0.0, share * line.height) for share in (0.0, *_SHIFTS)]
        return rows + self._recognize(image, shifted, _BANDS, balanced)

    def _ends(self, image: Pixels, merged: DigitRow, balanced: bool) -> tuple[list[DigitRow], list[DigitRow]]:
        """Crops around the first digit, and around the last."""
        line = merged.extent()
        before, after = (line.moved(side * line.length / 2, 0.0) for side in (-1, 1))
        return (
            self._recognize(image, [before], _END_BANDS, balanced),
            self._recognize(image, [after], _END_BANDS, balanced),
        )

    def _recognize(
        self, image: Pixels, lines: Sequence[Line], bands: Sequence[float], balanced: bool
    ) -> list[DigitRow]:
        cuts = [(line, band, _squeeze(line, band)) for line in lines for band in bands]
        if not cuts:
            return []
        (outputs,) = self._net.run(None, {"strips": to_input([crop(image, *each) for each in cuts], balanced=balanced)})
        return [
            decode_row(line, line.height * band * squeeze / CROP_HEIGHT, softmax(steps))
            for (line, band, squeeze), steps in zip(cuts, outputs, strict=True)
        ]


def _reading(merged: DigitRow) -> MeterReading:
    text = "".join(str(digit) for digit in merged.digits.argmax(axis=1))
    split = first_red(merged.red)
    scores = tuple(float(score) for score in merged.digits.max(axis=1))
    return MeterReading(text[:split], text[split:], merged.extent().box(), scores)


def _squeeze(line: Line, band: float) -> float:
    """Factor by which a long line is shortened to fit into a crop."""
    return max(1.0, line.length * _MARGIN / (line.height * band) * CROP_HEIGHT / CROP_WIDTH)


def _load(threads: int) -> Any:
    file = Path(str(files("models.vision"))) / WEIGHTS
    if not file.is_file():
        raise WeightsError(f"The package lacks {WEIGHTS}.", hint="Install vestibule again.")
    return open_session(file, threads)
