"""Pictures that lie on their side or upside down are turned before they are redacted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from models.media.images import ImageLimits, decode
from models.media.pixels import Pixels
from models.text import RawText
from models.vision.ocr import RapidOcrEngine
from models.vision.ocr_models import OcrOptions
from models.vision.orientation import quarter_turns, read_upright
from models.vision.turns import PageWork
from models.vision.types import Box, OcrLine, OcrPage
from tests.unit.vision.pictures import DATA, box, line


def _turned(lines: Sequence[OcrLine], turns: int) -> list[OcrLine]:
    """The same lines in a picture that was turned counter-clockwise; only directions count."""

    def corner(x: float, y: float) -> tuple[float, float]:
        for _ in range(turns):
            x, y = y, 1_000 - x
        return x, y

    def corners_of(b: Box) -> Box:
        return corner(*b[0]), corner(*b[1]), corner(*b[2]), corner(*b[3])

    return [OcrLine(one.text, corners_of(one.box), one.score) for one in lines]


PAGE = [line("Visitor Maria Lopez", 100, 100), line("Company Acme Ltd", 100, 140), line("Time 09:30", 100, 180)]


@pytest.mark.parametrize("turns", range(4))
def test_the_lines_tell_how_to_turn(turns: int) -> None:
    assert quarter_turns(_turned(PAGE, turns)) == (4 - turns) % 4


@pytest.mark.parametrize(
    "lines",
    [
        [],
        _turned([line("short", 10, 10)], 1),
        [*PAGE, *_turned([line("Left margin of the form", 10, 10)], 1)],
        [*PAGE, *_turned(PAGE, 1)],
        [OcrLine(RawText("reading 00042 .917"), box(10, 10, 100), 0.9), *_turned(PAGE, 3)],
    ],
    ids=["no print", "little print", "a line on the side", "half and half", "meter"],
)
def test_what_is_not_certain_is_left_as_it_is(lines: list[OcrLine]) -> None:
    assert quarter_turns(lines) == 0


class ScriptedEngine:
    """Reads one page after the other."""

    name = "scripted"
    device = "cpu"

    def __init__(self, *pages: Sequence[OcrLine]) -> None:
        self._pages = [OcrPage(tuple(lines)) for lines in pages]
        self.seen: list[Pixels] = []

    def read(self, pixels: Pixels) -> list[OcrLine]:
        return list(self.read_page(pixels).lines)

    def read_page(self, pixels: Pixels, work: PageWork | None = None) -> OcrPage:
        self.seen.append(pixels)
        return self._pages[len(self.seen) - 1]


PIXELS = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)


def test_an_upright_picture_is_read_once() -> None:
    engine = ScriptedEngine(PAGE)
    pixels, page = read_upright(engine, PIXELS)
    assert pixels is PIXELS
    assert page.lines == tuple(PAGE)
    assert len(engine.seen) == 1


def test_a_turned_picture_is_read_again() -> None:
    engine = ScriptedEngine(_turned(PAGE, 1), PAGE)
    pixels, page = read_upright(engine, np.ascontiguousarray(np.rot90(PIXELS)))
    assert np.array_equal(pixels, PIXELS)
    assert page.lines == tuple(PAGE)


@pytest.mark.parametrize("again", [PAGE[:1], _turned(PAGE, 2), []], ids=["less print", "turned still", "no print"])
def test_a_second_reading_that_is_worse_does_not_count(again: list[OcrLine]) -> None:
    first = _turned(PAGE, 1)
    pixels, page = read_upright(ScriptedEngine(first, again), PIXELS)
    assert pixels is PIXELS
    assert page.lines == tuple(first)


class ReadsOnce(RapidOcrEngine):
    """The real engine. It takes seconds for a page, so what it read of the same pixels is kept."""

    def __init__(self) -> None:
        super().__init__(OcrOptions(threads=1))
        self._kept: dict[bytes, OcrPage] = {}

    def read_page(self, pixels: Pixels, work: PageWork | None = None) -> OcrPage:
        key = bytes(str(pixels.shape), "ascii") + pixels.tobytes()
        if key not in self._kept:
            self._kept[key] = super().read_page(pixels, work)
        return self._kept[key]


def test_a_register_on_its_side_is_read_as_if_it_were_upright() -> None:
    photograph = decode((DATA / "register.jpg").read_bytes(), ImageLimits()).pixels
    upright = np.ascontiguousarray(photograph[: len(photograph) // 2])  # its upper half has lines enough
    engine = ReadsOnce()
    expected = engine.read_page(upright)
    assert len(expected.lines) > 15
    for turns in (1, 2, 3):
        pixels, page = read_upright(engine, np.ascontiguousarray(np.rot90(upright, turns)))
        assert np.array_equal(pixels, upright)
        assert [one.text.reveal() for one in page.lines] == [one.text.reveal() for one in expected.lines]
