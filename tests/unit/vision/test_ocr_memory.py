"""Wide lines are recognised a few at a time, and the detector keeps its memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from models.vision.ocr import RapidOcrEngine
from models.vision.ocr_memory import FewLinesAtATime, normalize_in_bands
from models.vision.ocr_models import OcrOptions
from tests.unit.vision.pictures import DATA


class CountedSession:
    """Answers with seven "characters" for each column of a line, and notes the sizes of its batches."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def __call__(self, lines: npt.NDArray[np.float32]) -> Any:
        self.sizes.append(len(lines))
        return lines[:, 0, :7, ::8].transpose(0, 2, 1)


@pytest.mark.parametrize(
    ("width", "sizes"), [(200, [6]), (320, [6]), (500, [3, 3]), (1_000, [2, 2, 2]), (3_000, [1] * 6)]
)
def test_wide_lines_are_read_a_few_at_a_time(width: int, sizes: list[int]) -> None:
    session = CountedSession()
    lines = np.random.default_rng(1).random((6, 3, 48, width), dtype=np.float32)
    answer = FewLinesAtATime(session)(lines)
    assert session.sizes == sizes
    whole = CountedSession()(lines)
    assert np.array_equal(answer.argmax(axis=2), whole.argmax(axis=2))
    assert np.array_equal(answer.max(axis=2), whole.max(axis=2))


def test_values_are_the_same_in_bands() -> None:
    from rapidocr.ch_ppocr_det.utils import DetPreProcess

    class Detector:
        def get_preprocess(self) -> DetPreProcess:
            return DetPreProcess()

    class Ocr:
        text_det = Detector()

    image = np.random.default_rng(2).integers(0, 256, (300, 40, 3), np.uint8)
    whole = Detector().get_preprocess().normalize(image).astype(np.float32)
    normalize_in_bands(Ocr)
    made = Ocr.text_det.get_preprocess().normalize(image)
    assert made.dtype == np.float32
    assert np.array_equal(made, whole)


def test_the_same_is_read_with_reserved_memory() -> None:
    from models.media.images import ImageLimits, decode

    pixels = decode((DATA / "register.jpg").read_bytes(), ImageLimits()).pixels
    plain, reserved = (
        RapidOcrEngine(OcrOptions(reserve_memory=reserve)).read_page(pixels) for reserve in (False, True)
    )
    assert [(line.text.reveal(), line.box, line.score) for line in plain.lines] == [
        (line.text.reveal(), line.box, line.score) for line in reserved.lines
    ]
