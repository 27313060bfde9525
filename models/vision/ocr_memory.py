"""Bounds the memory of the OCR models on the CPU.

The detector takes about half a gigabyte for a picture of 2,000 x 1,500 pixels. Taken from the system for each one, it
left holes that the C library kept, so that a worker grew by more than a gigabyte. So its session keeps its memory in
one block (``open_session``). The recognizer takes its memory by the width of its lines, so wide ones are read a few at
a time, and of its answers only the best characters are kept. The text that is read stays the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.media.pixels import Pixels

_MOST_COLUMNS: Final = 1_920
"""Columns of all lines that the recognizer reads at a time."""
_LEAST_LINES: Final = 2
_VERY_WIDE_PX: Final = 2_400
"""One line at a time may differ in the seventh digit from several, so only wider ones are read so."""

_CHARACTERS_AXIS: Final = 2
_BAND_ROWS: Final = 128

Tensor = npt.NDArray[np.float32]


def normalize_in_bands(ocr: Any) -> None:
    """Have RapidOCR scale the values of a picture for its detector a band of rows at a time.

    It does so in 64 bits, which takes 150 MB for a page. The values are the same.
    """
    make = ocr.text_det.get_preprocess

    def in_bands() -> Any:
        steps = make()
        whole = steps.normalize

        def normalize(image: Pixels) -> Tensor:
            values = np.empty(image.shape, np.float32)
            for top in range(0, len(image), _BAND_ROWS):
                values[top : top + _BAND_ROWS] = whole(image[top : top + _BAND_ROWS])
            return values

        steps.normalize = normalize
        return steps

    ocr.text_det.get_preprocess = in_bands


@dataclass(frozen=True, slots=True)
class BestCharacters:
    """The most probable character of each column, in place of the probabilities of all 18,000: a thousandth of them.

    RapidOCR asks the answer of its recognizer for nothing else. Both arrays have the shape (lines, columns).
    """

    indices: npt.NDArray[np.int64]
    probabilities: Tensor

    def argmax(self, axis: int) -> npt.NDArray[np.int64]:
        """Of the characters, which are axis 2."""
        assert axis == _CHARACTERS_AXIS
        return self.indices

    def max(self, axis: int) -> Tensor:
        """The same."""
        assert axis == _CHARACTERS_AXIS
        return self.probabilities


class FewLinesAtATime:
    """The session of RapidOCR's recognizer, which gets a batch of wide lines in parts. The answers are the same.

    Args:
        session: RapidOCR's.
    """

    def __init__(self, session: Any) -> None:
        self._session = session

    def __call__(self, lines: Tensor) -> BestCharacters:
        """The characters of lines, which have the shape (n, 3, height, width)."""
        count, width = lines.shape[0], lines.shape[3]
        at_once = max(_LEAST_LINES if width <= _VERY_WIDE_PX else 1, _MOST_COLUMNS // width)
        parts = [self._best(lines[at : at + at_once]) for at in range(0, count, at_once)]
        return BestCharacters(np.concatenate([i for i, _ in parts]), np.concatenate([p for _, p in parts]))

    def _best(self, lines: Tensor) -> tuple[npt.NDArray[np.int64], Tensor]:
        probabilities = self._session(lines)
        return probabilities.argmax(axis=_CHARACTERS_AXIS), probabilities.max(axis=_CHARACTERS_AXIS)
