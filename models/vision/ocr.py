"""PP-OCRv6 through RapidOCR, on the models inside the ``rapidocr`` package.

RapidOCR's steps are called one by one, because its final answer cannot be used for painting: in 3.10.0 the score that
it puts beside the n-th word is that of the n-th character, and the boxes of words in a line that the classifier turned
by 180 degrees lie mirrored. The recognizer's own columns and probabilities, character by character, have neither fault.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.errors import InternalError, WeightsError
from models.media.pixels import Pixels
from models.text import RawText
from models.vision.detection import is_paper, read_steps, text_map
from models.vision.geometry import rows, stretch
from models.vision.line_crops import lines_of_boxes, lines_of_map
from models.vision.meter_reader import MeterReader, MeterReading, reading_line, settled
from models.vision.types import Box, OcrLine, OcrPage, OcrWord

DETECTOR: Final = "PP-OCRv6_det_small.onnx"
CLASSIFIER: Final = "ch_ppocr_mobile_v2.0_cls_mobile.onnx"
RECOGNIZER: Final = "PP-OCRv6_rec_small.onnx"
LEAST_SIDE_PX: Final = 48  # the recognizer's own height
# Longest side to shortest. The detector enlarges the shorter side to 736 pixels: a strip of 3 x 4000 would become
# 736 x 20,000 and take a minute, or be scaled to no width at all before, which fails.
THINNEST: Final = 6
# Print on a meter is large: it is found in a picture of half the pixels, which pays for the look at its register.
METER_SHARE: Final = 0.72


@dataclass(frozen=True, slots=True)
class OcrOptions:
    """How to read.

    Attributes:
        threads: Threads of one ONNX Runtime session; RapidOCR ignores more than there are processors.
        cuda: Use the GPU; None means when ONNX Runtime has CUDA.
        longest_side: Larger pictures are scaled down for detection and recognition, in pixels.
        least_score: Lines below this mean probability are texture, not print, and are not reported.
    """

    threads: int = 2
    cuda: bool | None = None
    longest_side: int = 2000
    least_score: float = 0.3


class RapidOcrEngine:
    """Reads print with RapidOCR. Safe to call from several threads; calls run one after the other.

    Raises:
        WeightsError: A model file is missing from the package.
    """

    def __init__(self, options: OcrOptions | None = None) -> None:
        self._options = options or OcrOptions()
        self._lock = threading.Lock()
        self._device = "cuda" if _wants_cuda(self._options) else "cpu"
        self._ocr = _load(self._options, cuda=self._device == "cuda")
        self._registers = MeterReader(self._options.threads)

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

        When a meter's register is found, its reading comes before them: ``reading 00042 .917``.

        Raises:
            InternalError: ONNX Runtime failed.
        """
        return list(self.look(pixels).lines)

    def look(self, pixels: Pixels) -> OcrPage:
        """Read one picture and tell of the print that could not be read, too.

        Raises:
            InternalError: ONNX Runtime failed.
        """
        from rapidocr.inference_engine.onnxruntime import ONNXRuntimeError
        from rapidocr.utils.process_img import map_boxes_to_original

        padded = _padded(pixels)
        height, width = padded.shape[:2]
        try:
            with self._lock:
                # The models were trained on OpenCV's channel order.
                image, record = self._ocr.preprocess_img(np.ascontiguousarray(padded[..., ::-1]))
                may_be_meter = not is_paper(image)
                reading = self._reading(image) if may_be_meter else None
                found, turned, texts = read_steps(self._ocr, image, record, METER_SHARE if reading else 1.0)
                if may_be_meter and reading is None and found.boxes is not None:
                    reading = self._registers.read(image, lines_of_boxes(found.boxes))
        except ONNXRuntimeError as exc:
            raise InternalError("The OCR models failed on this picture.") from exc
        shown = [] if reading is None else [reading_line(reading, width / image.shape[1], height / image.shape[0])]
        if found.boxes is None or texts.txts is None:
            return OcrPage(tuple(shown))
        boxes = map_boxes_to_original(np.asarray(found.boxes, np.float64), record, height, width)
        upside_down = _upside_down(turned.cls_res, len(boxes), float(self._ocr.cfg.Cls.cls_thresh))
        lines = [
            _line(text, _reading_box(box, flip), info)
            for text, box, flip, info in zip(texts.txts, boxes, upside_down, texts.word_results, strict=True)
            if text.strip()
        ]
        blank = [
            OcrLine(RawText(""), _reading_box(box, False), 0.0)
            for text, box in zip(texts.txts, boxes, strict=True)
            if not text.strip()
        ]
        shown, others = settled(shown, [*lines, *blank])
        least = self._options.least_score
        legible = [line for line in others if line.score >= least]
        return OcrPage(
            (*shown, *(legible[i] for row in rows(legible) for i in row)),
            tuple(line for line in others if line.score < least),
        )

    def _reading(self, image: Pixels) -> MeterReading | None:
        """The reading of a register that shows at a glance."""
        height, width = image.shape[:2]
        return self._registers.read(image, lines_of_map(text_map(self._ocr, image), width, height))


def _padded(pixels: Pixels) -> Pixels:
    """The picture, extended to the right or below when it is a thin strip."""
    height, width = pixels.shape[:2]
    least = max(LEAST_SIDE_PX, max(height, width) // THINNEST)
    if min(height, width) >= least:
        return pixels
    more = ((0, max(0, least - height)), (0, max(0, least - width)), (0, 0))
    return np.pad(pixels, more, mode="edge")


def _wants_cuda(options: OcrOptions) -> bool:
    import onnxruntime

    available = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    return available and options.cuda is not False


def _load(options: OcrOptions, *, cuda: bool) -> Any:
    folder = Path(str(files("rapidocr"))) / "models"
    missing = [name for name in (DETECTOR, CLASSIFIER, RECOGNIZER) if not (folder / name).is_file()]
    if missing:
        raise WeightsError(f"The rapidocr package lacks {', '.join(missing)}.", hint="Install rapidocr again.")
    # Its loggers write to stderr with handlers of their own, and could quote what was read.
    logging.getLogger("RapidOCR").setLevel(logging.CRITICAL)
    from rapidocr import RapidOCR

    ocr = RapidOCR(
        params={
            "Global.log_level": "critical",
            "Global.return_word_box": True,
            "Global.max_side_len": options.longest_side,
            # With a path given, RapidOCR never looks for a download.
            "Det.model_path": str(folder / DETECTOR),
            "Cls.model_path": str(folder / CLASSIFIER),
            "Rec.model_path": str(folder / RECOGNIZER),
            "EngineConfig.onnxruntime.intra_op_num_threads": options.threads,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            "EngineConfig.onnxruntime.use_cuda": cuda,
        }
    )
    _warm_up(ocr)
    return ocr


def _warm_up(ocr: Any) -> None:
    """Load the three models now, which RapidOCR puts off until the first print that it sees."""
    import cv2

    page = np.full((96, 320, 3), 255, np.uint8)
    cv2.putText(page, "0123", (30, 70), cv2.FONT_HERSHEY_SIMPLEX, 2.0, (0, 0, 0), 4)
    image, record = ocr.preprocess_img(page)
    ocr.run_ocr_steps(image, record)


def _upside_down(verdicts: Sequence[tuple[str, float]] | None, count: int, threshold: float) -> list[bool]:
    """Which lines the classifier turned round; its rule is label 180 with a score above the threshold."""
    if not verdicts:
        return [False] * count
    return ["180" in label and score > threshold for label, score in verdicts]


def _reading_box(corners: np.ndarray[Any, np.dtype[np.float64]], upside_down: bool) -> Box:
    """The detector's corners, clockwise from the upper left, turned to begin where the text begins.

    A crop at least 1.5 times as high as wide is laid on its left side before it is read, so its text runs downwards.
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
    places = _character_places(text, steps, float(info.line_txt_len or 0))
    scores = info.confs if len(info.confs) == len(text) else [float(np.mean(info.confs))] * len(text)
    words = []
    for start, end in word_spans(text):
        # A word reaches to the middle of the space around it: the recognizer's steps are too coarse for the exact edge.
        left = float(np.mean(places[start - 1])) if start else 0.0
        right = float(np.mean(places[end])) if end < len(text) else 1.0
        score = float(np.mean(scores[start:end]))
        words.append(OcrWord(RawText(text[start:end]), stretch(box, left, right), score))
    return OcrLine(RawText(text), box, float(np.mean(scores)), tuple(words))


def _character_places(text: str, steps: Sequence[int], length: float) -> list[tuple[float, float]]:
    """Where each character begins and ends along the line, as shares of its length.

    The recognizer fires once a character, somewhere in its middle; halfway to the neighbour is taken as the border.
    Without usable steps the line is divided evenly.
    """
    printed = [i for i, char in enumerate(text) if not char.isspace()]
    if length <= 0 or len(steps) != len(printed):
        return [(i / len(text), (i + 1) / len(text)) for i in range(len(text))]
    middle = np.interp(np.arange(len(text)), printed, [(step + 0.5) / length for step in steps])
    borders = np.concatenate([[0.0], (middle[1:] + middle[:-1]) / 2, [1.0]]).clip(0.0, 1.0)
    return [(float(borders[i]), float(borders[i + 1])) for i in range(len(text))]


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
