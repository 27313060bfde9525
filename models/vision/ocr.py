"""PP-OCRv6 through RapidOCR, on the models inside the ``rapidocr`` package.

RapidOCR's steps are called one by one, because its final answer cannot be used for masking: in 3.10.0 the score of the
n-th word is that of the n-th character, and the boxes of words are mirrored in a line that the classifier turned by 180
degrees. The recognizer's own columns and probabilities of characters have neither fault.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np

from models.errors import InternalError
from models.media.pixels import Pixels
from models.text import RawText
from models.vision.columns import split_at_columns
from models.vision.detection import is_paper, read_steps, text_map
from models.vision.geometry import rows, stretch
from models.vision.line_crops import lines_from_boxes, lines_from_map
from models.vision.meter_reader import MeterReader, MeterReading, MeterSearch, reading_line, resolve_conflicts
from models.vision.ocr_models import OcrOptions, for_one_page, load, wants_cuda
from models.vision.turns import PageWork, Turn, Turns
from models.vision.types import Box, OcrLine, OcrPage, OcrWord

MIN_SIDE_PX: Final = 48  # the recognizer's input height
# Longest side to shortest. The detector enlarges the shorter side to 736 pixels, so a thinner picture is padded: one of
# 3 x 4000 pixels would take a minute or fail.
MAX_ASPECT: Final = 6
# Print on a meter is large, so it is detected in a picture of half the pixels. That pays for reading the meter.
METER_DETECTION_SCALE: Final = 0.72


_Recognized = tuple[Pixels, dict[str, Any], Any, Any, Any, MeterReading | None]


class RapidOcrEngine:
    """Reads print with RapidOCR. Safe to call from several threads, which take turns at the models.

    Raises:
        WeightsError: A model file is missing from the package.
    """

    def __init__(self, options: OcrOptions | None = None) -> None:
        self._options = options or OcrOptions()
        self._turns = Turns(self._options.page_cpu_s)
        self._device = "cuda" if wants_cuda(self._options) else "cpu"
        self._ocr = load(self._options, cuda=self._device == "cuda")
        self._meter_reader = MeterReader(self._options.threads)

    @property
    def name(self) -> str:
        """``rapidocr``."""
        return "rapidocr"

    @property
    def device(self) -> str:
        """``cpu`` or ``cuda``."""
        return self._device

    def read(self, pixels: Pixels) -> list[OcrLine]:
        """Read one picture, lines from top to bottom, words with their boxes.

        When the picture shows a meter, its reading comes first: ``reading 00042 .917``.

        Raises:
            InternalError: ONNX Runtime failed.
        """
        return list(self.read_page(pixels).lines)

    def read_page(self, pixels: Pixels, work: PageWork | None = None) -> OcrPage:
        """Read one picture; the page also holds print that could not be read.

        Args:
            pixels: RGB.
            work: Counts what the page uses, also of another look at it, and tells when to stop.

        Raises:
            TooLarge: PAGE_TOO_DENSE.
            WorkTooLong: PAGE_TOO_SLOW.
            Cancelled, DeadlineExceeded: As ``work`` says.
            InternalError: ONNX Runtime failed.
        """
        padded = _padded(pixels)
        height, width = padded.shape[:2]
        image, record, found, turned, texts, reading = self._recognize(padded, work or PageWork())
        readings = [] if reading is None else [reading_line(reading, width / image.shape[1], height / image.shape[0])]
        if found.boxes is None or texts.txts is None:
            return OcrPage(tuple(readings))
        lines = self._lines(found.boxes, record, turned, texts, (height, width))
        readings, lines = resolve_conflicts(readings, lines)
        min_score = self._options.min_score
        legible = split_at_columns([line for line in lines if line.score >= min_score])
        return OcrPage(
            (*readings, *(legible[i] for row in rows(legible) for i in row)),
            tuple(line for line in lines if line.score < min_score),
        )

    def _recognize(self, padded: Pixels, work: PageWork) -> _Recognized:
        """Run the models: the prepared picture, its record, boxes, turns, texts, and the reading of a meter."""
        from rapidocr.inference_engine.onnxruntime import ONNXRuntimeError

        try:
            with self._turns.page(work) as turn:
                return self._recognize_in_turns(padded, turn)
        except ONNXRuntimeError as exc:
            raise InternalError("The OCR models failed on this picture.") from exc

    def _recognize_in_turns(self, padded: Pixels, turn: Turn) -> _Recognized:
        ocr = for_one_page(self._ocr, turn, self._options.page_lines, cuda=self._device == "cuda")
        # The models were trained on OpenCV's channel order.
        image, record = ocr.preprocess_img(np.ascontiguousarray(padded[..., ::-1]))
        may_be_meter = not is_paper(image)
        meter = self._meter(ocr, image, turn) if may_be_meter else MeterSearch()
        found, turned, texts = read_steps(
            ocr, image, record, METER_DETECTION_SCALE if meter.reading else 1.0, is_paper=not may_be_meter
        )
        if may_be_meter and not meter.is_over and found.boxes is not None:
            with turn():
                meter = self._meter_reader.read(image, lines_from_boxes(found.boxes))
        return image, record, found, turned, texts, meter.reading

    def _lines(
        self, boxes: Any, record: dict[str, Any], turned: Any, texts: Any, size: tuple[int, int]
    ) -> list[OcrLine]:
        """RapidOCR's results as lines of the picture; regions without text come last, with the score 0."""
        from rapidocr.utils.process_img import map_boxes_to_original

        boxes = map_boxes_to_original(np.asarray(boxes, np.float64), record, *size)
        upside_down = _upside_down(turned.cls_res, len(boxes), float(self._ocr.cfg.Cls.cls_thresh))
        results = list(zip(texts.txts, boxes, upside_down, texts.word_results, strict=True))
        lines = [_line(text, _reading_box(box, flip), info) for text, box, flip, info in results if text.strip()]
        blank = [OcrLine(RawText(""), _reading_box(box, False), 0.0) for text, box, *_ in results if not text.strip()]
        return [*lines, *blank]

    def _meter(self, ocr: Any, image: Pixels, turn: Turn) -> MeterSearch:
        """Search for a meter whose digits show in the small text map."""
        height, width = image.shape[:2]
        lines = lines_from_map(text_map(ocr, image), width, height)
        with turn():
            return self._meter_reader.read(image, lines)


def _padded(pixels: Pixels) -> Pixels:
    """The picture, extended to the right or below when it is too thin."""
    height, width = pixels.shape[:2]
    least = max(MIN_SIDE_PX, max(height, width) // MAX_ASPECT)
    if min(height, width) >= least:
        return pixels
    more = ((0, max(0, least - height)), (0, max(0, least - width)), (0, 0))
    return np.pad(pixels, more, mode="edge")


def _upside_down(verdicts: Sequence[tuple[str, float]] | None, count: int, threshold: float) -> list[bool]:
    """Which lines the classifier turned: those with label 180 and a score above the threshold."""
    if not verdicts:
        return [False] * count
    return ["180" in label and score > threshold for label, score in verdicts]


def _reading_box(corners: np.ndarray[Any, np.dtype[np.float64]], upside_down: bool) -> Box:
    """The detector's corners, clockwise, starting where the text starts.

    A crop at least 1.5 times as high as wide is turned to its left side before it is read, so its text runs downwards.
    """
    points = [(float(x), float(y)) for x, y in corners]
    width = max(_distance(points[0], points[1]), _distance(points[2], points[3]))
    height = max(_distance(points[0], points[3]), _distance(points[1], points[2]))
    first = 1 if int(height) >= 1.5 * int(width) else 0
    first = (first + 2) % 4 if upside_down else first
    a, b, c, d = (points[(first + n) % 4] for n in range(4))
    return a, b, c, d


def _distance(a: tuple[float, float], b: tuple[float, float]) -> float:
    return float(np.hypot(a[0] - b[0], a[1] - b[1]))


def _line(text: str, box: Box, info: Any) -> OcrLine:
    """One line with its words, cut at white space.

    Args:
        text: As recognised.
        box: In reading order.
        info: RapidOCR's WordInfo: the time step of each character that is no space (``word_cols``), the number of
            steps of the line (``line_txt_len``) and the probability of each character, spaces included (``confs``).
    """
    steps = [step for word in info.word_cols for step in word]
    middles = _character_middles(text, steps, float(info.line_txt_len or 0))
    edges = [0.0, *((a + b) / 2 for a, b in pairwise(middles)), 1.0]
    scores = info.confs if len(info.confs) == len(text) else [float(np.mean(info.confs))] * len(text)
    words = []
    for start, end in word_spans(text):
        # A word reaches to the middle of the space around it, because the recognizer's steps are coarse.
        left = (edges[start - 1] + edges[start]) / 2 if start else 0.0
        right = (edges[end] + edges[end + 1]) / 2 if end < len(text) else 1.0
        score = float(np.mean(scores[start:end]))
        words.append(OcrWord(RawText(text[start:end]), stretch(box, left, right), score))
    return OcrLine(RawText(text), box, float(np.mean(scores)), tuple(words), tuple(middles))


def _character_middles(text: str, steps: Sequence[int], length: float) -> list[float]:
    """Where the middle of each character lies along the line, as a share of its length.

    The recognizer gives one step for each character, near its middle. Without usable steps the line is divided evenly.
    """
    printed = [i for i, char in enumerate(text) if not char.isspace()]
    if length <= 0 or len(steps) != len(printed):
        return [(i + 0.5) / len(text) for i in range(len(text))]
    middles = np.interp(np.arange(len(text)), printed, [(step + 0.5) / length for step in steps])
    return [float(middle) for middle in middles.clip(0.0, 1.0)]


def word_spans(text: str) -> list[tuple[int, int]]:
    """Start and end of every stretch without white space."""
    spans: list[tuple[int, int]] = []
    start: int | None = None
    for i, char in enumerate(text + " "):
        if char.isspace():
            if start is not None:
                spans.append((start, i))
            start = None
        elif start is None:
            start = i
    return spans
