"""Draws pictures that show numbers, windows and print but no meter, and photographs drawings and scans badly.

The ground is never that of paper, for on paper no meter is looked for. Every choice comes from a seeded generator.
"""

from __future__ import annotations

import math
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from benchmarks._drawn_pages import FONTS, drawn_pages
from models.media.pixels import Pixels

Colour = tuple[int, int, int]

KINDS: Final = (
    "page", "sign", "calendar", "keypad", "price tag", "screen", "ruler", "card", "timetable", "segments", "wall",
    "facade", "keyboard", "noise",
)  # fmt: skip
_FACES: Final = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSerif", "DejaVuSansMono-Bold", "DejaVuSansCondensed-Bold")
_SIGNS: Final = ("B-## ####", "## ### ##", "###", "#### ##", "No. ######", "ROOM ###", "S/N 00######", "TEL 0### #####")
_SIDE_PX: Final = 1280  # longest side of a photograph
_SEGMENTS: Final = ("abcdef", "bc", "abged", "abgcd", "fgbc", "afgcd", "afgedc", "abc", "abcdefg", "abcfgd")


def drawing(kind: str, chance: np.random.Generator) -> Pixels:
    """A drawing without a meter, RGB.

    Args:
        kind: One of ``KINDS``.
        chance: Source of all randomness.
    """
    if kind == "page":
        return drawn_pages(5, seed=int(chance.integers(1, 1_000_000)))[int(chance.integers(5))].pixels
    if kind == "noise":
        return _noise(chance)
    return _Drawing(chance).draw(kind)


def photograph(page: Pixels, chance: np.random.Generator) -> Pixels:
    """Lay a drawing or scan on a ground, turn it, lean the camera, and spoil it by light, blur, grain and JPEG.

    Args:
        page: RGB.
        chance: Source of all randomness.

    Returns:
        RGB, the longest side ``_SIDE_PX``.
    """
    height, width = page.shape[:2]
    angle = math.pi / 2 * int(chance.integers(4)) + chance.normal(0, 0.12)
    cos, sin = math.cos(angle), math.sin(angle)
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)
    turned = (corners - [width / 2, height / 2]) @ np.array([[cos, sin], [-sin, cos]])
    turned *= 1 + chance.uniform(-0.06, 0.06, (4, 2))
    extent = np.ptp(turned, axis=0) * chance.uniform(1.05, 1.8)
    scale = _SIDE_PX / extent.max()
    size = (int(extent[0] * scale), int(extent[1] * scale))
    target = (turned * scale + np.array(size) / 2).astype(np.float32)
    warp = cv2.getPerspectiveTransform(corners.astype(np.float32), target)
    laid = cv2.warpPerspective(page, warp, size, flags=cv2.INTER_AREA).astype(np.float64)
    mask = cv2.warpPerspective(np.ones((height, width), np.float32), warp, size)[..., None]
    return _spoil(_ground(size, chance) * (1 - mask) + laid * mask, chance)


def _ground(size: tuple[int, int], chance: np.random.Generator) -> npt.NDArray[np.float64]:
    """A coloured surface with streaks, as of wood, cloth or stone."""
    width, height = size
    streaks = chance.normal(0, 1, (height, width)).astype(np.float32)
    along, across = float(chance.uniform(2, 40)), float(chance.uniform(1, 4))
    streaks = np.asarray(cv2.GaussianBlur(streaks, (0, 0), sigmaX=along, sigmaY=across), np.float32)
    colour = np.array(chance.uniform(20, 140)) + chance.normal(0, 30, 3)
    shaded: npt.NDArray[np.float64] = colour * (1 + 0.3 / float(np.abs(streaks).max()) * streaks[..., None])
    return shaded


def _spoil(picture: npt.NDArray[np.float64], chance: np.random.Generator) -> Pixels:
    """Uneven light of some colour, which leaves no white ground; then blur, grain and JPEG."""
    height, width = picture.shape[:2]
    light = cv2.resize(chance.uniform(0.55, 1.1, (3, 3)), (width, height), interpolation=cv2.INTER_CUBIC)
    picture = picture * light[..., None] * np.array([1.0, chance.uniform(0.7, 0.95), chance.uniform(0.4, 0.75)])
    picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), float(chance.uniform(0.4, 2.2))), np.float64)
    picture = picture + chance.normal(0, chance.uniform(1, 9), picture.shape)
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(chance.integers(45, 95))]
    _, jpeg = cv2.imencode(".jpg", np.clip(picture, 0, 255).astype(np.uint8)[..., ::-1], quality)
    taken: Pixels = np.ascontiguousarray(np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), np.uint8)[..., ::-1])
    return taken


def _noise(chance: np.random.Generator) -> Pixels:
    """Blots of any size in any colour."""
    grain = int(chance.integers(2, 60))
    coarse = chance.uniform(0, 255, (600 // grain + 2, 800 // grain + 2, 3)).astype(np.float32)
    return np.asarray(np.clip(cv2.resize(coarse, (800, 600), interpolation=cv2.INTER_CUBIC), 0, 255), np.uint8)


class _Drawing:
    """Draws one thing on a flat ground."""

    def __init__(self, chance: np.random.Generator) -> None:
        self._chance = chance
        dark = chance.random() < 0.5
        self._face = self._colour(10, 90) if dark else self._colour(150, 245)
        self._ink = self._colour(180, 255) if dark else self._colour(0, 80)
        self._typeface = str(FONTS / f"{_FACES[int(chance.integers(len(_FACES)))]}.ttf")
        self._image = Image.new("RGB", (10, 10))
        self._pen = ImageDraw.Draw(self._image)

    def draw(self, kind: str) -> Pixels:
        """The drawing of a kind, RGB."""
        getattr(self, "_" + kind.replace(" ", "_"))()
        return np.asarray(self._image)

    def _start(self, width: int, height: int) -> None:
        self._image = Image.new("RGB", (width, height), self._face)
        self._pen = ImageDraw.Draw(self._image)

    def _sign(self) -> None:
        self._start(700, 260)
        if self._happens(0.6):
            self._pen.rectangle((12, 12, 688, 248), outline=self._ink, width=6)
        self._write(350, 130 if self._happens(0.5) else 100, self._shaped(_SIGNS), int(self._between(60, 110)))
        if self._happens(0.5):
            self._write(350, 210, "PUMPING STATION", 36)

    def _calendar(self) -> None:
        self._start(760, 640)
        self._write(380, 60, f"{int(self._between(1, 13)):02d} / 20{int(self._between(20, 40))}", 50)
        first, size = int(self._between(0, 7)), int(self._between(26, 46))
        for day in range(31):
            column, row = (first + day) % 7, (first + day) // 7
            self._write(80 + 100 * column, 150 + 80 * row, str(day + 1), size, red=column == 6)

    def _keypad(self) -> None:
        self._start(420, 560)
        size = int(self._between(46, 80))
        for n, key in enumerate("123456789*0#"):
            x, y = 80 + 130 * (n % 3), 80 + 130 * (n // 3)
            if n % 2 or self._happens(0.9):
                self._pen.rectangle((x - 55, y - 55, x + 55, y + 55), outline=self._ink, width=3)
            self._write(x, y, key, size)

    def _price_tag(self) -> None:
        self._start(640, 400)
        self._write(320, 60, "MILK UHT 1L", 40)
        self._write(320, 170, f"{int(self._between(0, 100))}.{self._digits(2)}", 110, red=self._happens(0.4))
        x = 120.0
        while x < 520:
            thick = self._between(2, 8)
            self._pen.rectangle((x, 250, x + thick, 330), fill=self._ink)
            x += thick + self._between(2, 8)
        self._write(320, 360, " ".join(self._digits(13)), 32)

    def _screen(self) -> None:
        """A clock, a dialled number, or a calculator."""
        self._start(480, 800)
        shape = ("##:##", "0### ######", "######.##", "##:##:##", "#.###.###")
        self._write(240, 160, self._shaped(shape), int(self._between(50, 72)))
        for n, key in enumerate("789456123+0="):
            self._write(100 + 140 * (n % 3), 340 + 120 * (n // 3), key, 56)

    def _ruler(self) -> None:
        self._start(1000, 160)
        pitch, first = int(self._between(60, 110)), int(self._between(0, 30))
        for n in range(1000 // pitch):
            x = 40 + n * pitch
            self._pen.line((x, 0, x, 60), self._ink, 4)
            for tick in range(1, 10):
                self._pen.line((x + tick * pitch / 10, 0, x + tick * pitch / 10, 30), self._ink, 2)
            self._write(x, 100, str((first + n) % 10 if self._happens(0.5) else first + n), 44)

    def _card(self) -> None:
        self._start(860, 540)
        self._write(430, 290, self._shaped(("#### #### #### ####", "00## #### ####", "### ### ###")), 60)
        self._write(300, 390, f"{self._digits(2)}/{self._digits(2)}", 40)
        self._write(300, 470, "KEZIAH BRINDLEMOOR", 40)

    def _timetable(self) -> None:
        self._start(900, 700)
        size, gap = int(self._between(24, 34)), int(self._between(90, 140))
        for row in range(12):
            for column in range(900 // gap):
                text = f"{5 + row:02d}" if not column else self._digits(2)
                self._write(60 + gap * column, 60 + 52 * row, text, size, red=row == 11)

    def _segments(self) -> None:
        """Seven-segment digits with a colon or a point, as of a clock or a scale."""
        self._start(760, 300)
        left = 60.0
        for char in self._shaped(("##:##", "#.##", "##.#", "##:##:##")):
            if char in ":.":
                for y in (110, 190) if char == ":" else (240,):
                    self._pen.ellipse((left, y, left + 16, y + 16), fill=self._ink)
            else:
                self._segment_digit(int(char), left)
            left += 40 if char in ":." else 100

    def _segment_digit(self, digit: int, x: float) -> None:
        right, ends = x + 70, {"a": 60, "g": 150, "d": 240}
        for name in _SEGMENTS[digit]:
            if name in ends:
                self._pen.line((x + 8, ends[name], right - 8, ends[name]), self._ink, 14)
            else:
                top = 60 if name in "fb" else 150
                edge = x if name in "fe" else right
                self._pen.line((edge, top + 8, edge, top + 82), self._ink, 14)

    def _wall(self) -> None:
        """Bricks or tiles."""
        self._start(1000, 800)
        wide, high = int(self._between(40, 160)), int(self._between(30, 90))
        for row in range(800 // high + 1):
            for x in range(-wide if row % 2 else 0, 1000, wide):
                left = x + (wide // 2 if row % 2 else 0)
                tone = int(self._between(-14, 14))
                fill = tuple(min(255, max(0, part + tone)) for part in self._face)
                self._pen.rectangle((left, row * high, left + wide, row * high + high), fill, self._ink, 3)

    def _facade(self) -> None:
        """Rows of windows, or of slots: the nearest to the windows of a meter."""
        self._start(1000, 700)
        wide, pitch = self._between(30, 80), self._between(90, 130)
        high, step = wide * self._between(1.0, 1.8), self._between(150, 220)
        for row in range(int(600 // step)):
            for n in range(int(920 // pitch)):
                x, y = 50 + n * pitch, 60 + row * step
                self._pen.rectangle((x, y, x + wide, y + high), self._colour(0, 90), self._ink, 4)
                if self._happens(0.6):
                    self._pen.line((x + wide / 2, y, x + wide / 2, y + high), self._ink, 5)
                if self._happens(0.3):
                    self._pen.line((x, y + high / 2, x + wide, y + high / 2), self._ink, 5)

    def _keyboard(self) -> None:
        self._start(1000, 360)
        for row, keys in enumerate(("1234567890", "QWERTYUIOP", "ASDFGHJKL", "YXCVBNM")):
            for n, key in enumerate(keys):
                x, y = 50 + 90 * n + 24 * row, 16 + 84 * row
                self._pen.rectangle((x, y, x + 76, y + 72), outline=self._ink, width=3)
                self._write(x + 38, y + 36, key, 40)

    def _write(self, x: float, y: float, text: str, size: int, *, red: bool = False) -> None:
        ink = (190, 30, 40) if red else self._ink
        self._pen.text((x, y), text, ink, ImageFont.truetype(self._typeface, size), anchor="mm")

    def _shaped(self, shapes: tuple[str, ...]) -> str:
        shape = shapes[int(self._chance.integers(len(shapes)))]
        return "".join(self._digits(1) if char == "#" else char for char in shape)

    def _digits(self, count: int) -> str:
        return "".join(str(digit) for digit in self._chance.integers(0, 10, count))

    def _happens(self, share: float) -> bool:
        return bool(self._chance.random() < share)

    def _between(self, low: float, high: float) -> float:
        return float(self._chance.uniform(low, high))

    def _colour(self, low: int, high: int) -> Colour:
        red, green, blue = np.clip(self._chance.uniform(low, high) + self._chance.normal(0, 15, 3), 0, 255).astype(int)
        return int(red), int(green), int(blue)
