"""Loads the OCR models, and gives them to one page at a time."""

from __future__ import annotations

import copy
import logging
import math
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from models.errors import TooLarge, WeightsError
from models.media.images import READ_SIDE
from models.media.pixels import Pixels
from models.reasons import Reason
from models.vision.ocr_memory import FewLinesAtATime, normalize_in_bands
from models.vision.onnx_sessions import open_session
from models.vision.turns import Turn

DETECTOR: Final = "PP-OCRv6_det_small.onnx"
CLASSIFIER: Final = "ch_ppocr_mobile_v2.0_cls_mobile.onnx"
RECOGNIZER: Final = "PP-OCRv6_rec_small.onnx"
ALL_REGIONS: Final = 10_000_000
"""More than any picture has. By default RapidOCR judges the first 1,000 regions that may be print, so print beyond
would be neither read nor painted over.
"""


@dataclass(frozen=True, slots=True)
class OcrOptions:
    """How to read pictures.

    Attributes:
        threads: Threads of one ONNX Runtime session. On a GPU, RapidOCR ignores more than there are processors.
        cuda: Use the GPU; None means when ONNX Runtime has CUDA.
        longest_side: Larger pictures are scaled down for detection and recognition, in pixels.
        min_score: Lines with a lower mean probability are texture, not print, and are not reported.
        reserve_memory: Set a block of 0.6 GB aside for the detector, and keep what pictures need of it; for a process
            that reads many. Does nothing on a GPU.
        page_lines: Lines of print that one page may have.
        page_cpu_s: Seconds of CPU that the models may take for one page.
    """

    threads: int = 2
    cuda: bool | None = None
    longest_side: int = READ_SIDE
    min_score: float = 0.3
    reserve_memory: bool = False
    page_lines: int = 1_000
    page_cpu_s: float = math.inf


def wants_cuda(options: OcrOptions) -> bool:
    """Whether the models are to run on the GPU."""
    import onnxruntime

    available = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    return available and options.cuda is not False


def load(options: OcrOptions, *, cuda: bool) -> Any:
    """RapidOCR with its three models.

    Raises:
        WeightsError: A model file is missing from the package.
    """
    folder = Path(str(files("rapidocr"))) / "models"
    missing = [name for name in (DETECTOR, CLASSIFIER, RECOGNIZER) if not (folder / name).is_file()]
    if missing:
        raise WeightsError(f"The rapidocr package lacks {', '.join(missing)}.", hint="Install rapidocr again.")
    # Its loggers write to stderr with handlers of their own, and could quote what was read.
    logging.getLogger("RapidOCR").setLevel(logging.CRITICAL)
    from rapidocr import RapidOCR

    ocr: Any = RapidOCR(
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
    if not cuda:
        _give_sessions(ocr, folder, options)
    _warm_up(ocr)
    normalize_in_bands(ocr)
    ocr.text_det.postprocess_op.max_candidates = ALL_REGIONS
    return ocr


def _give_sessions(ocr: Any, folder: Path, options: OcrOptions) -> None:
    """Have RapidOCR use sessions of ``open_session``. Its own cannot be told how their threads wait."""
    from omegaconf import OmegaConf

    ocr.cfg = OmegaConf.create(ocr.cfg, flags={"allow_objects": True})
    ocr.cfg.Det.session = open_session(folder / DETECTOR, options.threads, reserve=options.reserve_memory)
    ocr.cfg.Cls.session = open_session(folder / CLASSIFIER, options.threads)
    ocr.cfg.Rec.session = open_session(folder / RECOGNIZER, options.threads)


def _warm_up(ocr: Any) -> None:
    """Load the three models now. RapidOCR would load them at the first picture with print.

    The page is square, because RapidOCR enlarges it until its shorter side has 736 pixels.
    """
    page = np.full((320, 320, 3), 255, np.uint8)
    cv2.putText(page, "0123", (60, 180), cv2.FONT_HERSHEY_SIMPLEX, 2.0, (0, 0, 0), 4)
    image, record = ocr.preprocess_img(page)
    ocr.run_ocr_steps(image, record)


def for_one_page(ocr: Any, turn: Turn, most_lines: int, *, cuda: bool) -> Any:
    """RapidOCR for one page, which takes a turn for each run of a model.

    Args:
        ocr: What ``load`` returned.
        turn: Of the page.
        most_lines: A page with more is refused before it is read.
        cuda: Whether the models run on a GPU; on the CPU, wide lines are read a few at a time.
    """
    paced = copy.copy(ocr)
    paced.text_det = _PacedDetector(ocr.text_det, turn, most_lines)
    paced.text_cls, paced.text_rec = copy.copy(ocr.text_cls), copy.copy(ocr.text_rec)
    paced.text_cls.session = _Paced(ocr.text_cls.session, turn)
    recognizer = _Paced(ocr.text_rec.session, turn)
    paced.text_rec.session = recognizer if cuda else FewLinesAtATime(recognizer)
    return paced


class _Paced:
    """A session of which each run is one turn."""

    def __init__(self, session: Any, turn: Turn) -> None:
        self._session = session
        self._turn = turn

    def __call__(self, values: Any) -> Any:
        with self._turn():
            return self._session(values)


class _PacedDetector:
    """The text detector of RapidOCR. All of it is one turn, because it takes much memory before and after its run."""

    def __init__(self, detector: Any, turn: Turn, most_lines: int) -> None:
        self.session = _Paced(detector.session, turn)
        self._detector = detector
        self._turn = turn
        self._most_lines = most_lines

    def __call__(self, image: Pixels) -> Any:
        with self._turn():
            found = self._detector(image)
        if len(found) > self._most_lines:
            raise _too_dense(self._most_lines)
        return found


def _too_dense(most: int) -> TooLarge:
    return TooLarge(f"The picture shows more than {most} lines of print.", reason=Reason.PAGE_TOO_DENSE)
