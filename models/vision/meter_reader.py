"""The reading of a meter: digits on drums behind little windows, half rolled over, the decimals red.

Print recognizers stumble here: they take the borders of the windows for ones, and two halves of a digit for a third.
So a small net of our own, made for nothing else (``register.onnx``; ``models.training.train_meter_reader`` trains it on
drawn registers only), looks along every long line that the text detector marked, from both ends. It names ten
black and ten red digits and stays silent on print; a drum between two digits counts as the one that is leaving.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.resources import files
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.errors import WeightsError
from models.media.pixels import Pixels
from models.text import RawText
from models.vision.geometry import lies_in, stretch
from models.vision.line_crops import STRIP_HEIGHT, STRIP_WIDTH, Line, as_input, cut
from models.vision.types import Box, OcrLine, OcrWord

WEIGHTS: Final = "register.onnx"
LEAST_SCORE: Final = 0.45

# Heights of a line in the height of a strip: the detector's boxes are higher than digits, and windows higher still.
_FIRST_BANDS: Final = (0.9, 1.15)
_BANDS: Final = (0.75, 0.9, 1.05, 1.25)
_MARGIN: Final = 1.1  # of the digits' extent, in a strip
_SHIFTS: Final = (-0.08, 0.08)
_STEP_PX: Final = STRIP_WIDTH // 64  # strip pixels a step of the net
# How many digits registers have: most eight, five black and three red.
_USUAL: Final = {4: 0.5, 5: 0.85, 6: 0.85, 7: 0.95, 8: 1.0, 9: 0.85}
FEWEST_DIGITS: Final = min(_USUAL)
MOST_DIGITS: Final = max(_USUAL)
_CLEAR_PRINT: Final = 0.95
_NOT_A_REGISTER: Final = re.compile(r"[()+/:]|\d-\d|[^\W\d_]{3}")
_TOO_CLOSE: Final = 0.55  # of the usual distance
_NO_LEADING_ZERO: Final = 0.85  # it would be the most that the meter ever counts

_Run = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class MeterReading:
    """What a register shows.

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


@dataclass(frozen=True)
class _Row:
    """Digits that the net saw in one strip.

    Attributes:
        line: Where the strip was cut.
        step_px: Picture pixels in a strip pixel, along the line.
        digits: Probability of each digit, shape (n, 10).
        red: Probability that each is red, shape (n,).
        places: Middle of each along the strip, in strip pixels, shape (n,).
    """

    line: Line
    step_px: float
    digits: npt.NDArray[np.float64]
    red: npt.NDArray[np.float64]
    places: npt.NDArray[np.float64]

    @cached_property
    def score(self) -> float:
        """How much this looks like a register, in [0, 1]."""
        count = len(self.places)
        if count not in _USUAL:
            return 0.0
        sure = float(np.exp(np.log(self.digits.max(axis=1) + 1e-6).mean()))
        gaps = np.diff(self.places)
        even = math.exp(-float(gaps.std() / gaps.mean()))
        first = 1.0 if int(self.digits[0].argmax()) == 0 else _NO_LEADING_ZERO
        return sure * _USUAL[count] * even * first * self._tidiness()

    def _tidiness(self) -> float:
        """1 when all black digits stand before all red ones, less when they mix."""
        split = red_from(self.red)
        sides = np.concatenate([1 - self.red[:split], self.red[split:]])
        return float(0.5 + 0.5 * sides.mean())

    def extent(self) -> Line:
        """The line from the first digit to the last."""
        middle = (self.places[0] + self.places[-1]) / 2 - STRIP_WIDTH / 2
        pitch = (self.places[-1] - self.places[0]) / max(1, len(self.places) - 1)
        length = (self.places[-1] - self.places[0] + pitch) * self.step_px
        return replace(self.line.moved(middle * self.step_px, 0.0), length=length)


def reading_line(reading: MeterReading, scale_x: float, scale_y: float) -> OcrLine:
    """A reading as a line of the page: ``reading 00042 .917``, the digits where the register shows them.

    The word before tells it from print, to people and to the redaction; the decimals are a word of their own, because
    their drums turn and are read less surely.

    Args:
        reading: In pixels of the picture that was read.
        scale_x: To pixels of the page.
        scale_y: The same, downwards.
    """
    corners = [(x * scale_x, y * scale_y) for x, y in reading.box]
    box: Box = corners[0], corners[1], corners[2], corners[3]
    split = len(reading.whole)
    border = split / len(reading.scores)
    words = [
        OcrWord(RawText("reading"), stretch(box, 0.0, 0.0), 1.0),  # stands nowhere in the picture: no width
        OcrWord(RawText(reading.whole), stretch(box, 0.0, border), _mean(reading.scores[:split])),
    ]
    if reading.decimals:
        words.append(OcrWord(RawText(f".{reading.decimals}"), stretch(box, border, 1.0), _mean(reading.scores[split:])))
    text = " ".join(word.text.reveal() for word in words)
    return OcrLine(RawText(text), box, reading.score, tuple(words))


def settled(readings: Sequence[OcrLine], lines: Sequence[OcrLine]) -> tuple[list[OcrLine], list[OcrLine]]:
    """Readings and other lines that do not contradict each other.

    What the print recognizer makes of a register is left out. But where it sees clear print that no register shows,
    letters, the signs of a telephone number or too many digits, it is right, and the reading is left out: whatever is
    called a reading is taken to identify nobody.

    Args:
        readings: As lines.
        lines: What the print recognizer read in the same picture, register included.
    """
    inside = {id(reading): [line for line in lines if lies_in(line.box, reading.box)] for reading in readings}
    kept = [reading for reading in readings if not any(_is_print(line) for line in inside[id(reading)])]
    replaced = {id(line) for reading in kept for line in inside[id(reading)]}
    return kept, [line for line in lines if id(line) not in replaced]


def _is_print(line: OcrLine) -> bool:
    text = line.text.reveal()
    digits = sum(char.isdigit() for char in text)
    return line.score >= _CLEAR_PRINT and (digits > MOST_DIGITS or bool(_NOT_A_REGISTER.search(text)))


def _mean(scores: Sequence[float]) -> float:
    return sum(scores) / len(scores)


class MeterReader:
    """Finds the register in a picture and reads it. One call at a time.

    Raises:
        WeightsError: The net is missing from the package.
    """

    def __init__(self, threads: int = 1) -> None:
        self._net = _load(threads)

    def read(self, image: Pixels, lines: Sequence[Line]) -> MeterReading | None:
        """The reading, or None when no line looks like a register.

        Args:
            image: BGR, shape (height, width, 3).
            lines: Where print may be; a register need not be covered whole.
        """
        both_ways = [way for line in lines for way in (line, line.turned())]
        rows = [row for band in _FIRST_BANDS for row in self._look(image, both_ways, [band])]
        best = max(rows, key=lambda row: row.score, default=None)
        if best is None or best.score < LEAST_SCORE / 2:
            return None
        return self._closer(image, best)

    def _closer(self, image: Pixels, first: _Row) -> MeterReading | None:
        """Look again, centred, at other heights and a little higher and lower, and let them vote."""
        looks = [first, *self._look(image, [first.extent()], _BANDS)]
        line = max(looks, key=lambda row: row.score).extent()
        shifted = [line.moved(0.0, share * line.height) for share in (0.0, *_SHIFTS)]
        looks += self._look(image, shifted, _BANDS)
        count = _vote(looks)
        if not count:
            return None
        agreeing = [row for row in looks if len(row.places) == count]
        weights = np.array([row.score for row in agreeing])
        weights /= weights.sum()
        digits = np.einsum("k,knd->nd", weights, np.stack([row.digits for row in agreeing]))
        red = np.einsum("k,kn->n", weights, np.stack([row.red for row in agreeing]))
        merged = replace(max(agreeing, key=lambda row: row.score), digits=digits, red=red)
        if merged.score < LEAST_SCORE:
            return None
        text = "".join(str(d) for d in digits.argmax(axis=1))
        split = red_from(red)
        scores = tuple(float(s) for s in digits.max(axis=1))
        return MeterReading(text[:split], text[split:], merged.extent().box(), scores)

    def _look(self, image: Pixels, lines: Sequence[Line], bands: Sequence[float]) -> list[_Row]:
        cuts = [(line, band, _squeeze(line, band)) for line in lines for band in bands]
        if not cuts:
            return []
        (seen,) = self._net.run(None, {"strips": as_input([cut(image, *each) for each in cuts])})
        return [
            _row(line, line.height * band * squeeze / STRIP_HEIGHT, _softmax(steps))
            for (line, band, squeeze), steps in zip(cuts, seen, strict=True)
        ]


def _squeeze(line: Line, band: float) -> float:
    """How much a long line has to be shortened to fit into a strip."""
    return max(1.0, line.length * _MARGIN / (line.height * band) * STRIP_HEIGHT / STRIP_WIDTH)


def red_from(red: npt.NDArray[np.float64]) -> int:
    """Index of the first red digit: the split that explains the colours best; at least one digit is black.

    Args:
        red: Probability of red for each digit, left to right.
    """
    log_red, log_black = np.log(red + 1e-3), np.log(1 - red + 1e-3)
    return max(range(1, len(red) + 1), key=lambda k: float(log_black[:k].sum() + log_red[k:].sum()))


def _vote(rows: Sequence[_Row]) -> int:
    """The number of digits that most looks agree on, by score; 0 when none saw a register."""
    votes: Counter[int] = Counter()
    for row in rows:
        if row.score > 0:
            votes[len(row.places)] += row.score**2  # type: ignore[assignment]
    return votes.most_common(1)[0][0] if votes else 0


def _row(line: Line, step_px: float, steps: npt.NDArray[np.float64]) -> _Row:
    """Collapse the net's steps as CTC does: equal neighbours are one digit, silence divides.

    Args:
        line: Where the strip was cut.
        step_px: Picture pixels in a strip pixel, along the line.
        steps: Probabilities, shape (steps, 21): silence, black 0 to 9, red 0 to 9.
    """
    either = steps[:, 1:11] + steps[:, 11:21]
    names = np.concatenate([steps[:, :1], either], axis=1).argmax(axis=1)
    borders = np.flatnonzero(np.diff(names)) + 1
    runs = _evened([run for run in np.split(np.arange(len(names)), borders) if names[run[0]] > 0], either)
    if not runs:
        return _Row(line, step_px, np.zeros((0, 10)), np.zeros(0), np.zeros(0))
    digits = np.stack([either[run].max(axis=0) for run in runs])
    colours = np.array([steps[run, 11:].sum() / either[run].sum() for run in runs])
    places = np.array([_middle(run, either) for run in runs])
    return _Row(line, step_px, digits, colours, (places + 0.5) * _STEP_PX)


def _evened(runs: Sequence[_Run], either: npt.NDArray[np.float64]) -> list[_Run]:
    """Runs as even as drums stand: what is far too close is dropped, and where one is missing the steps are taken."""
    if len(runs) < 3:
        return list(runs)
    pitch = float(np.median(np.diff([_middle(run, either) for run in runs])))
    kept: list[_Run] = []
    for run in runs:
        if kept and _middle(run, either) - _middle(kept[-1], either) < _TOO_CLOSE * pitch:
            kept[-1] = max(kept[-1], run, key=lambda r: float(either[r].max()))
            continue
        if kept:
            start, end = _middle(kept[-1], either), _middle(run, either)
            parts = round((end - start) / pitch)
            if parts == 2:  # a one, most often: thin, and easily taken for the edge of a window
                middle = round((start + end) / 2)
                kept.append(np.arange(middle - 1, middle + 2))
        kept.append(run)
    return kept


def _middle(run: _Run, either: npt.NDArray[np.float64]) -> float:
    """Where along the steps a digit stands."""
    weights = either[run].max(axis=1)
    return float((run * weights).sum() / weights.sum())


def _softmax(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    raised = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    shares: npt.NDArray[np.float64] = raised / raised.sum(axis=-1, keepdims=True)
    return shares


def _load(threads: int) -> Any:
    import onnxruntime

    file = files("models.vision") / WEIGHTS
    if not file.is_file():
        raise WeightsError(f"The package lacks {WEIGHTS}.", hint="Install vestibule again.")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(file.read_bytes(), options, providers=["CPUExecutionProvider"])
