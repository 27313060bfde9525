"""Finding and reading the register of a meter; the net itself on drawn registers that it has not seen."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw, ImageFont

from models.media.images import ImageLimits, decode
from models.media.pixels import Pixels
from models.text import RawText
from models.training.meter_artist import RegisterArtist
from models.vision.detection import is_paper
from models.vision.geometry import lies_in, span_x
from models.vision.line_crops import CROP_HEIGHT, CROP_WIDTH, Line, crop, lines_from_boxes, lines_from_map, to_input
from models.vision.meter_digits import DIGIT_COUNT_WEIGHTS, decode_row, first_red, softmax
from models.vision.meter_reader import WEIGHTS, MeterReader, MeterReading, MeterSearch, reading_line, resolve_conflicts
from models.vision.ocr import RapidOcrEngine
from models.vision.ocr_models import OcrOptions
from models.vision.types import OcrLine
from tests.unit.vision.pictures import DATA, box

UPRIGHT = Line(128.0, 16.0, 0.0, 100.0, 20.0)


@pytest.fixture(scope="module")
def reader() -> MeterReader:
    return MeterReader()


@pytest.fixture(scope="module")
def engine() -> RapidOcrEngine:
    return RapidOcrEngine(OcrOptions(threads=1))


Drawn = list[tuple[Pixels, list[int]]]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    """Registers with their labels. The faces and seeds are not those of the training; half are hard for people, too."""
    artist = RegisterArtist(987_654, tmp_path_factory.mktemp("artist"))
    return [artist.strip() for _ in range(150)]


@pytest.mark.parametrize(
    ("red", "split"),
    [
        ([0, 0, 0, 0, 0, 1, 1, 1], 5),
        ([0.1, 0.4, 0.1, 0.2, 0.3, 0.9, 0.6, 0.4], 5),
        ([0, 0, 0, 0, 0], 5),
        ([1, 1, 1], 1),
        ([0.1, 0.1, 0.9, 0.1, 0.1, 0.1], 6),
    ],
    ids=["clear", "unsure", "no red", "one black at least", "one odd digit"],
)
def test_the_split_separates_black_from_red_digits(red: list[float], split: int) -> None:
    assert first_red(np.array(red)) == split


def _steps(text: str) -> npt.NDArray[np.float64]:
    """Steps of the net: ``.`` is silence, a digit is black, a letter from a is red."""
    steps = np.full((len(text), 21), 0.001)
    for at, char in enumerate(text):
        steps[at, 0 if char == "." else int(char) + 1 if char.isdigit() else ord(char) - ord("a") + 11] = 0.98
    return steps


@pytest.mark.parametrize(
    ("seen", "digits", "red"),
    [
        ("....", [], []),
        ("..00.0..44..", [0, 0, 4], [False, False, False]),
        ("55.f", [5, 5], [False, True]),
        ("77hh", [7], [True]),
    ],
    ids=["silence", "equal neighbours", "red", "one digit of two colours"],
)
def test_decoder_steps_become_digits(seen: str, digits: list[int], red: list[bool]) -> None:
    row = decode_row(UPRIGHT, 1.0, _steps(seen))
    assert row.digits.argmax(axis=1).tolist() == digits
    if seen != "77hh":
        assert (row.red > 0.5).tolist() == red
    assert np.all(np.diff(row.places) > 0)


def test_a_likely_register_scores_higher() -> None:
    even = decode_row(UPRIGHT, 1.0, _steps("0..0..0..4..2..j..b..h.."))
    for other in ("4..2..", "0..0..0.4......2..j..b..h..", "9..8..7..4..2..j..b..h..", "0..j..0..b..2..0..b..4.."):
        assert even.score > decode_row(UPRIGHT, 1.0, _steps(other)).score
    assert decode_row(UPRIGHT, 1.0, _steps("0" + "." * 20)).score == 0.0


@pytest.mark.parametrize("degrees", [0, 30, 90, 200, 315])
def test_a_line_is_cropped_level(degrees: float) -> None:
    page = np.zeros((400, 400, 3), np.uint8)
    line = Line(200, 190, math.radians(degrees), 160, 20)
    start, end = line.moved(-60, 0), line.moved(60, 0)
    cv2.line(page, (round(start.x), round(start.y)), (round(end.x), round(end.y)), (0, 255, 0), 4)
    cv2.circle(page, (round(end.x), round(end.y)), 6, (0, 0, 255), -1)
    strip = crop(page, line, 1.6)
    assert strip.shape == (CROP_HEIGHT, CROP_WIDTH, 3)
    assert np.argwhere(strip[..., 1] > 128)[:, 0].mean() == pytest.approx(15.5, abs=1)
    assert np.argwhere(strip[..., 2] > 128)[:, 1].mean() == pytest.approx(127.5 + 60, abs=2)
    turned = crop(page, line.turned(), 1.6)
    assert np.argwhere(turned[..., 2] > 128)[:, 1].mean() == pytest.approx(127.5 - 60, abs=2)


def test_large_pictures_are_downscaled_by_averaging() -> None:
    page = np.random.default_rng(1).integers(0, 2, (400, 1600, 1), np.uint8).repeat(3, axis=2) * 255
    strip = crop(page, Line(800, 200, 0.1, 700, 120), 1.5)
    assert strip.std() < 40, "a sample a pixel would be noise"


def test_long_lines_are_found_in_a_score_map() -> None:
    probability = np.zeros((100, 200), np.float32)
    cv2.rectangle(probability, (20, 40), (119, 49), 0.9, -1)
    cv2.rectangle(probability, (150, 10), (155, 70), 0.9, -1)
    cv2.rectangle(probability, (20, 80), (35, 90), 0.9, -1)
    first, second = lines_from_map(probability, 400, 200)
    assert abs(first.x - 140) < 3
    assert abs(first.y - 90) < 3
    assert math.cos(2 * first.angle) > 0.99
    assert math.cos(2 * second.angle) < -0.99
    assert first.length > 2 * 100
    assert first.height > 2 * 10
    assert lines_from_map(np.zeros((64, 64), np.float32), 64, 64) == []


@pytest.mark.parametrize("degrees", [0, 20, 90, 160])
def test_long_lines_are_joined_from_boxes(degrees: float) -> None:
    line = Line(100, 90, math.radians(degrees), 80, 16)
    short = Line(20, 20, 0, 20, 16)
    for begin in range(4):
        corners = np.roll(np.array([line.box(), short.box()]), begin, axis=1)
        (found,) = lines_from_boxes(corners)
        assert math.hypot(found.x - 100, found.y - 90) < 1e-6
        assert math.cos(2 * (found.angle - line.angle)) > 0.999
        assert abs(found.length - 80) < 1e-6
        assert abs(found.height - 16) < 1e-6


def test_the_input_does_not_depend_on_brightness() -> None:
    strip = np.random.default_rng(2).integers(0, 256, (CROP_HEIGHT, CROP_WIDTH, 3), np.uint8)
    bright, dim = to_input([strip, (strip * 0.5).astype(np.uint8)])
    assert bright.shape == (3, CROP_HEIGHT, CROP_WIDTH)
    assert np.abs(bright - dim).max() < 0.3
    assert np.isfinite(to_input([np.zeros_like(strip)])).all()


def test_balanced_input_does_not_depend_on_the_colour_of_the_light() -> None:
    strip = np.random.default_rng(2).integers(0, 100, (CROP_HEIGHT, CROP_WIDTH, 3)).astype(np.uint8)
    white, orange = to_input([strip, strip + np.array([20, 80, 150], np.uint8)], balanced=True)
    assert np.abs(white - orange).max() < 0.001


def test_a_reading_is_a_line_of_words() -> None:
    reading = MeterReading("00042", "917", box(10, 20, 160, 30), (0.9,) * 5 + (0.6,) * 3)
    line = reading_line(reading, 2.0, 2.0)
    assert line.text.reveal() == "reading 00042 .917"
    assert [w.text.reveal() for w in line.words] == line.text.reveal().split()
    assert [span_x(w.box) for w in line.words] == [(20, 20), (20, 220), (220, 340)]
    assert [round(w.score, 2) for w in line.words] == [1, 0.9, 0.6]
    assert reading_line(MeterReading("0042", "", box(0, 0, 40), (0.9,) * 4), 1, 1).text.reveal() == "reading 0042"


@pytest.mark.parametrize(
    ("text", "score", "stays"),
    [
        ("00042917", 0.99, True),
        ("010101412191117", 0.86, True),
        ("o0o42", 0.97, True),
        ("0415 555-0132", 0.99, False),
        ("(0415) 5550", 0.98, False),
        ("04155550132", 0.99, False),
        ("04155 Maria", 0.99, False),
    ],
)
def test_clear_print_is_not_a_register(text: str, score: float, stays: bool) -> None:
    reading = reading_line(MeterReading("00042", "917", box(100, 100, 160, 30), (0.9,) * 8), 1.0, 1.0)
    inside, outside = OcrLine(RawText(text), box(90, 100, 150), score), OcrLine(RawText("DN 15"), box(0, 0, 50), 0.99)
    kept, others = resolve_conflicts([reading], [inside, outside])
    assert (kept, others) == (([reading], [outside]) if stays else ([], [inside, outside]))
    assert resolve_conflicts([], [inside, outside]) == ([], [inside, outside])


def test_the_middle_decides_whether_a_box_lies_in_another() -> None:
    outer = Line(100, 100, math.radians(40), 100, 20).box()
    inside = Line(100, 100, 0, 40, 20)
    assert lies_in(inside.box(), outer)
    assert lies_in(inside.moved(30, 25).box(), outer)
    assert not lies_in(inside.moved(30, -25).box(), outer)


@pytest.mark.parametrize(("name", "paper"), [("white", True), ("dark", False), ("coloured", False), ("meter", False)])
def test_paper_is_distinguished_from_objects(name: str, paper: bool) -> None:
    flat = {"white": (250, 250, 245), "dark": (0, 0, 0), "coloured": (60, 120, 230)}
    picture: Pixels = np.empty((300, 200, 3), np.uint8)
    if name in flat:
        picture[:] = flat[name]
        picture[::10] = 20
    else:
        picture = decode((DATA / "meter.jpg").read_bytes(), ImageLimits()).pixels
    assert is_paper(picture) is paper


def test_the_net_reads_drawn_registers_and_nothing_else(reader: MeterReader, drawn: Drawn) -> None:
    strips, labels = zip(*drawn, strict=True)
    (logits,) = reader._net.run(None, {"strips": to_input(strips)})
    rows = [decode_row(UPRIGHT, 1.0, softmax(steps)) for steps in logits]
    digits = [[(value - 1) % 10 for value in label] for label in labels]
    shown = [row.digits.argmax(axis=1).tolist() == want for row, want in zip(rows, digits, strict=True) if want]
    silent = [len(row.places) < min(DIGIT_COUNT_WEIGHTS) for row, want in zip(rows, digits, strict=True) if not want]
    assert np.mean(shown) > 0.4
    assert np.mean(silent) > 0.8


def test_digits_are_read_in_coloured_light(reader: MeterReader, drawn: Drawn) -> None:
    """Orange light lies over the digits, whose contrast is a third. Balanced, most that were read still are."""
    strips, labels = zip(*drawn[:100], strict=True)
    orange = [(strip * 0.3 + np.array([10.0, 70.0, 170.0])).astype(np.uint8) for strip in strips]

    def right(shown: list[Pixels], balanced: bool) -> int:
        (logits,) = reader._net.run(None, {"strips": to_input(shown, balanced=balanced)})
        rows = [decode_row(UPRIGHT, 1.0, softmax(steps)) for steps in logits]
        read = [row.digits.argmax(axis=1).tolist() for row in rows]
        wanted = [[(value - 1) % 10 for value in label] for label in labels]
        return sum(bool(want) and want == got for want, got in zip(wanted, read, strict=True))

    in_white_light = right(list(strips), False)
    assert right(orange, True) > 0.7 * in_white_light
    assert right(orange, False) < 0.3 * in_white_light


def test_the_weights_are_small() -> None:
    file = Path(__file__).parents[3] / "models" / "vision" / WEIGHTS
    assert file.stat().st_size < 200_000


def test_without_lines_there_is_no_reading(reader: MeterReader) -> None:
    assert reader.read(np.zeros((64, 64, 3), np.uint8), []) == MeterSearch()
    assert reader.read(np.zeros((64, 64, 3), np.uint8), [Line(32, 32, 0.3, 50, 10)]) == MeterSearch()


@pytest.mark.models
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_meter_is_read_whichever_way_it_lies(engine: RapidOcrEngine, turns: int) -> None:
    pixels = decode((DATA / "meter.jpg").read_bytes(), ImageLimits()).pixels
    lines = engine.read(np.ascontiguousarray(np.rot90(pixels, turns)))
    assert lines[0].text.reveal() == "reading 04821 .7"


@pytest.mark.parametrize(
    ("number", "pitch_px", "size", "height_px"),
    [("012345678", 100, 40, 38), ("0123456789012", 80, 52, 49), ("5060708090", 60, 40, 52), ("5060708090", 60, 40, 38)],
)
def test_a_row_of_printed_digits_has_no_reading(
    reader: MeterReader, number: str, pitch_px: int, size: int, height_px: int
) -> None:
    """They stand at even distances, as the digits of a meter do, but are far apart or too many."""
    page = Image.new("RGB", (1100, 300), (90, 70, 50))
    pen, first = ImageDraw.Draw(page), 550 - (len(number) - 1) / 2 * pitch_px
    for place, digit in enumerate(number):
        pen.text((first + place * pitch_px, 150), digit, (235, 235, 230), ImageFont.load_default(size), anchor="mm")
    line = Line(550, 150, 0, len(number) * pitch_px, height_px)
    assert reader.read(np.asarray(page)[..., ::-1], [line]) == MeterSearch(is_print=True)
