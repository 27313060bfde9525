"""Pages of dense print are bounded, and end when they are told to; on the real models."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from benchmarks._dense_pages import columns, words
from models.cancellation import Cancellation, Cancelled
from models.errors import TooLarge, WorkTooLong
from models.media.images import ImageLimits, decode
from models.media.pixels import Pixels
from models.vision.ocr import RapidOcrEngine
from models.vision.ocr_models import OcrOptions
from models.vision.turns import PageWork
from models.vision.types import OcrPage
from tests.unit.vision.pictures import DATA

pytestmark = pytest.mark.models

OPTIONS = OcrOptions(threads=2)


@pytest.fixture(scope="module")
def engine() -> RapidOcrEngine:
    return RapidOcrEngine(OPTIONS)


@pytest.fixture(scope="module")
def dense() -> Pixels:
    return decode(columns(4), ImageLimits()).pixels


def _photograph(name: str) -> Pixels:
    return decode((DATA / f"{name}.jpg").read_bytes(), ImageLimits()).pixels


@pytest.fixture(scope="module")
def alone(engine: RapidOcrEngine) -> dict[str, OcrPage]:
    """Each photograph, read with nothing beside it."""
    return {name: engine.read_page(_photograph(name)) for name in ("register", "meter")}


class EndsAfter(Cancellation):
    """Is cancelled at a look of the work."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.looks = looks

    def check(self) -> None:
        self.looks -= 1
        if self.looks == 0:
            self.cancel()
        super().check()


def test_a_page_with_more_words_than_may_be_is_refused(engine: RapidOcrEngine) -> None:
    work = PageWork()
    with pytest.raises(TooLarge) as caught:
        engine.read_page(decode(words(4_000), ImageLimits()).pixels, work)
    assert caught.value.reason == "PAGE_TOO_DENSE"
    assert "in parts" in caught.value.hint


def test_a_page_may_have_so_many_lines(alone: dict[str, OcrPage]) -> None:
    lines = len(alone["meter"].lines)
    assert lines > 1
    with pytest.raises(TooLarge):
        RapidOcrEngine(replace(OPTIONS, page_lines=lines // 2)).read_page(_photograph("meter"))


def test_a_page_may_take_so_much_cpu(dense: Pixels) -> None:
    engine, work = RapidOcrEngine(replace(OPTIONS, page_cpu_s=0.5)), PageWork()
    with pytest.raises(WorkTooLong):
        engine.read_page(dense, work)
    assert work.used_s >= 0.5


def test_a_page_ends_at_the_next_look_when_its_caller_gives_up(engine: RapidOcrEngine, dense: Pixels) -> None:
    cancellation = EndsAfter(looks=20)
    with pytest.raises(Cancelled):
        engine.read_page(dense, PageWork(cancellation))
    assert cancellation.looks == 0
    assert engine.read_page(_photograph("meter")).lines, "the models are free again"


def test_a_picture_is_read_the_same_beside_a_dense_page(
    engine: RapidOcrEngine, dense: Pixels, alone: dict[str, OcrPage]
) -> None:
    pictures = {name: _photograph(name) for name in alone}
    cancellation, beside = Cancellation(), dict[str, OcrPage]()
    work = PageWork(cancellation)

    def read_dense() -> None:
        with pytest.raises(Cancelled):
            engine.read_page(dense, work)

    def read(name: str) -> None:
        beside[name] = engine.read_page(pictures[name])

    page = threading.Thread(target=read_dense)
    page.start()
    readers = [threading.Thread(target=read, args=(name,)) for name in pictures]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(120)
    cancellation.cancel()
    page.join(10)
    assert beside == alone
    assert work.used_s > 0, "both were at the models"
