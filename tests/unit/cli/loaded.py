"""Models that the commands of one test process load once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from models.media.pixels import Pixels
    from models.vision.turns import PageWork
    from models.vision.types import OcrPage


@contextmanager
def loaded_once() -> Iterator[None]:
    """Keep each model that a command has loaded, and what was read in a picture, for the commands after it."""
    from models.speech import engines
    from models.vision import ocr

    class Remembers(ocr.RapidOcrEngine):
        """What is read in a picture depends on its pixels: no test here reaches a bound of the work."""

        def read_page(self, pixels: Pixels, work: PageWork | None = None) -> OcrPage:
            key = (pixels.shape, pixels.tobytes())
            if key not in pages:
                pages[key] = super().read_page(pixels, work)
            return pages[key]

    pages: dict[tuple[tuple[int, ...], bytes], OcrPage] = {}
    with classifier_loaded_once(), pytest.MonkeyPatch.context() as patched:
        patched.setattr(ocr, "RapidOcrEngine", cache(Remembers))
        patched.setattr(engines, "build_engine", cache(engines.build_engine))
        yield


@contextmanager
def classifier_loaded_once() -> Iterator[None]:
    """The same of what redactors find words with."""
    from models.redaction import redactor
    from models.redaction.ner.engines import build_classifier

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(redactor, "build_classifier", cache(build_classifier))
        yield
