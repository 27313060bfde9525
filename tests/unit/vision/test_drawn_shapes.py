from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw

from models.media.images import PNG, ImageLimits, decode
from models.media.pixels import Pixels
from models.text import RawText
from models.vision.drawn_shapes import is_drawn_shape
from models.vision.redact import OtherDetections, redact_page
from models.vision.types import Box, OcrLine, OcrWord
from tests.fakes.redactor import PhraseRedactor
from tests.unit.vision.pictures import box, encoded

SKY, BODY, TYRE, RIM = (190, 225, 245), (200, 40, 40), (34, 34, 34), (200, 204, 209)
WHOLE: Box = box(100, 50, 400, 300)


def _drawing(kind: str) -> Image.Image:
    """600 x 400, one shape in ``WHOLE``."""
    picture = Image.new("RGB", (600, 400), SKY)
    draw = ImageDraw.Draw(picture)
    if kind == "wheel":
        for radius, colour in ((140, TYRE), (84, RIM), (20, TYRE)):
            draw.ellipse((300 - radius, 200 - radius, 300 + radius, 200 + radius), fill=colour)
    elif kind == "window":
        draw.polygon([(180, 80), (420, 80), (480, 320), (120, 320)], fill=RIM, outline=TYRE, width=6)
    elif kind == "bar":
        draw.rectangle((250, 40, 350, 360), fill=BODY)
    elif kind == "icon":
        draw.rounded_rectangle((110, 60, 490, 340), 60, fill=BODY)
        draw.line([(200, 200), (280, 280), (400, 130)], fill=(255, 255, 255), width=30)
    elif kind == "leaf":
        draw.ellipse((120, 120, 480, 280), fill=(56, 142, 60))
    return picture


def _pixels(picture: Image.Image) -> Pixels:
    return np.asarray(picture, np.uint8)


def _unread(text: str = "", where: Box = WHOLE) -> OcrLine:
    return OcrLine(RawText(text), where, 0.2)


@pytest.mark.parametrize("kind", ["wheel", "window", "bar", "leaf"])
@pytest.mark.parametrize("text", ["", "0", "1)"])
def test_flat_shapes_are_no_print(kind: str, text: str) -> None:
    picture = _drawing(kind)
    assert is_drawn_shape(_pixels(picture), _unread(text))
    jpeg = decode(encoded(picture, "JPEG", quality=75), ImageLimits()).pixels
    assert is_drawn_shape(jpeg, _unread(text))


@pytest.mark.parametrize("size", [12, 20, 40, 80])
@pytest.mark.parametrize("ink", [(0, 0, 0), (255, 255, 255)])
@pytest.mark.parametrize("degrees", [0, 15, 90])
def test_a_shape_with_a_name_in_it_stays_unread(size: int, ink: tuple[int, int, int], degrees: int) -> None:
    name = Image.new("L", (400, 100), 0)
    ImageDraw.Draw(name).text((10, 5), "Anna Keller", fill=255, font_size=size)
    turned = name.crop(name.getbbox()).rotate(degrees, expand=True)
    picture = _drawing("leaf")
    picture.paste(ink, (300 - turned.width // 2, 200 - turned.height // 2), turned)
    assert not is_drawn_shape(_pixels(picture), _unread())


def test_print_that_only_the_margin_of_the_box_covers_stays_unread() -> None:
    picture = _drawing("leaf")
    ImageDraw.Draw(picture).text((200, 20), "Anna Keller", fill=TYRE, font_size=20)
    assert not is_drawn_shape(_pixels(picture), _unread())


def test_faint_print_counts_where_nothing_is_noisy() -> None:
    picture = _drawing("leaf")
    ImageDraw.Draw(picture).text((250, 180), "Anna Keller", fill=(76, 160, 80), font_size=20)
    assert not is_drawn_shape(_pixels(picture), _unread())


def test_a_signature_stays_unread() -> None:
    canvas = np.full((400, 600, 3), 255, np.uint8)
    x = np.linspace(120, 480, 300)
    strokes = np.stack([x + 12 * np.sin(x / 9), 200 + 90 * np.sin(x / 14) * np.cos(x / 90)], axis=1)
    cv2.polylines(canvas, [strokes.round().astype(np.int32)], False, (20, 40, 140), 5, cv2.LINE_AA)
    assert not is_drawn_shape(canvas, _unread("M"))


def test_a_mark_drawn_on_an_icon_stays_unread() -> None:
    assert not is_drawn_shape(_pixels(_drawing("icon")), _unread("V"))


def _signature(loops: int, pen: int, seed: int, ground: tuple[int, int, int]) -> tuple[Pixels, Box]:
    """A pen curve through random points, and the box around it."""
    random = np.random.default_rng(seed)
    time, knots = np.linspace(0, 1, 500), np.linspace(0, 1, loops + 2)
    phase, width, height = random.uniform((0, 15, 15), (3, 90, 90))
    x = np.interp(time, knots, np.sort(random.uniform(120, 480, loops + 2))) + width * np.sin(2 * np.pi * loops * time)
    y = np.interp(time, knots, random.uniform(120, 280, loops + 2)) + height * np.cos(2 * np.pi * loops * time + phase)
    points = np.stack([x, y], axis=1).round().astype(np.int32)
    canvas = np.full((400, 600, 3), ground, np.uint8)
    cv2.polylines(canvas, [points], False, (20, 40, 140), pen, cv2.LINE_AA)
    (left, top), (right, bottom) = points.min(axis=0) - pen, points.max(axis=0) + pen
    return canvas, box(float(left), float(top), float(right - left), float(bottom - top))


@pytest.mark.parametrize("loops", [2, 3, 4, 5, 6])
@pytest.mark.parametrize("pen", [3, 8, 14])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("ground", [(255, 255, 255), (243, 236, 216)])
def test_loose_signatures_stay_unread(loops: int, pen: int, seed: int, ground: tuple[int, int, int]) -> None:
    canvas, around = _signature(loops, pen, seed, ground)
    whole = box(0, 0, 600, 400)
    (left, top), (right, _), (_, bottom), _ = around
    left_half = box(left, top, (right - left) / 2, bottom - top)
    jpeg = decode(encoded(Image.fromarray(canvas), "JPEG", quality=75), ImageLimits()).pixels
    for where in (around, whole, left_half):
        assert not is_drawn_shape(canvas, _unread("1", where))
    assert not is_drawn_shape(jpeg, _unread("1", around))


def test_a_pale_signature_in_a_jpeg_stays_unread() -> None:
    canvas, around = _signature(2, 8, 1, (255, 255, 255))
    pale = (255 - (255 - canvas.astype(np.int16)) * 0.11).astype(np.uint8)
    jpeg = decode(encoded(Image.fromarray(pale), "JPEG", quality=75), ImageLimits()).pixels
    assert not is_drawn_shape(jpeg, _unread("1", around))


def test_a_signature_on_a_card_stays_unread() -> None:
    canvas, around = _signature(2, 8, 1, (255, 255, 255))
    canvas[:40], canvas[360:], canvas[:, :60], canvas[:, 540:] = BODY, BODY, BODY, BODY
    assert not is_drawn_shape(canvas, _unread("1", around))
    assert not is_drawn_shape(canvas, _unread("1", box(0, 0, 600, 400)))


def test_a_signature_on_shaded_paper_stays_unread() -> None:
    canvas, around = _signature(2, 8, 1, (255, 255, 255))
    shaded = (canvas * np.linspace(1, 0.75, 400)[:, None, None]).astype(np.uint8)
    assert not is_drawn_shape(shaded, _unread("1", around))


@pytest.mark.parametrize("letters", ["JK", "Jo", "LI"])
@pytest.mark.parametrize("apart", [140, 220])
@pytest.mark.parametrize("is_turned", [False, True])
def test_spaced_out_letters_stay_unread(letters: str, apart: int, is_turned: bool) -> None:
    picture = Image.new("RGB", (600, 400), (40, 90, 160))
    draw = ImageDraw.Draw(picture)
    for index, letter in enumerate(letters):
        draw.text((100 + apart * index, 120), letter, fill=(255, 255, 255), font_size=120, stroke_width=8)
    first = box(90, 130, 80, 120)
    # The OCR takes tall letters for turned lines.
    first = (*first[1:], first[0]) if is_turned else first
    other = OcrLine(RawText(letters[1]), box(90 + apart, 130, 90, 120), 0.9)
    alone = _unread("1", first)
    assert not is_drawn_shape(_pixels(picture), alone, [alone, other])


def test_a_letter_far_away_or_of_another_size_does_not_count() -> None:
    leaf = _unread("0", box(100, 100, 400, 200))
    small = OcrLine(RawText("K"), box(520, 180, 30, 40), 0.9)
    assert is_drawn_shape(_pixels(_drawing("leaf")), leaf, [leaf, small])


def test_the_grain_of_a_camera_stays_unread() -> None:
    grain = np.random.default_rng(7).normal(0, 4, (400, 600, 3))
    pixels = (_pixels(_drawing("wheel")) + grain).clip(0, 255).astype(np.uint8)
    assert not is_drawn_shape(pixels, _unread())


def test_two_letters_and_small_print_stay_unread() -> None:
    pixels = _pixels(_drawing("leaf"))
    assert not is_drawn_shape(pixels, _unread("0O"))
    assert not is_drawn_shape(pixels, _unread(where=box(250, 190, 60, 20)))


@pytest.mark.parametrize(("height", "is_shape"), [(300, False), (40, True)])
def test_a_letter_beside_print_of_its_size_is_a_piece_of_it(height: float, is_shape: bool) -> None:
    name = OcrLine(RawText("Keller"), box(510, 50, 80, height), 0.9)
    assert is_drawn_shape(_pixels(_drawing("leaf")), _unread("A"), [name]) is is_shape


@pytest.mark.parametrize("left", [-80, 300])
def test_a_region_may_leave_the_picture(left: float) -> None:
    assert is_drawn_shape(_pixels(_drawing("leaf")), _unread(where=box(left, 50, 400, 300)))


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 400, 3), (400, 2, 3)])
def test_thin_pictures_are_judged(shape: tuple[int, int, int]) -> None:
    height, width, _ = shape
    assert is_drawn_shape(np.zeros(shape, np.uint8), _unread(where=box(0, 0, width, max(height, 20))))


def test_a_drawn_shape_is_not_painted_over() -> None:
    pixels = _pixels(_drawing("wheel"))
    word = OcrLine(RawText("0"), WHOLE, 0.4, (OcrWord(RawText("0"), WHOLE, 0.4),))
    page = redact_page(pixels, [word], PhraseRedactor({}), mime=PNG, others=OtherDetections(unread=[_unread()]))
    assert page.painted == 0
    assert page.text.value == ""
    assert (decode(page.image, ImageLimits()).pixels == pixels).all()
