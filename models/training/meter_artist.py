"""Draws the registers of meters, and images without a register, as narrow strips with their digits as labels.

Nothing in here was photographed. Drums turn as real ones do: the last one steadily, each next one while the one below
goes from 9 to 0, so that halves of two digits stand in a window; the label is the digit that is leaving. Frames, gaps
with teeth, red or white decimals, shadows, glare, haze, blur, noise and JPEG are drawn by chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from models.media.pixels import Pixels
from models.training.digit_glyphs import font, font_digits, pen_digits
from models.training.meter_camera import Camera, Canvas, Chance, Colour, Sketch

NEGATIVE_SHARE: Final = 0.2
UPSIDE_DOWN_SHARE: Final = 0.1
LETTERS: Final = "ABCDEFGHKLMNOPRSTUVXYZabcdefghiklmnoprstuvxyz0123456789-.,/="
UNUSUAL_FACES: Final = ("It.", "Italic", "Thin", "ExtraLight", "Black")
OTHERS: Final = (0.45, 0.15, 0.15, 0.1, 0.15)  # print, bars, texture, sticks, bare ground
TURNING_FROM: Final = 0.88  # of the turn of the drum below


@dataclass(frozen=True, slots=True)
class Paint:
    """Colours of a register, BGR."""

    face: Colour
    drum: Colour
    ink: Colour
    red_drum: Colour
    red_ink: Colour
    gap: Colour


class RegisterArtist(Chance):
    """Draws strips. The same seed gives the same strips.

    Args:
        seed: Of every choice.
        fonts: Folder with TrueType or OpenType faces for the digits and the print around; more make a better net.
    """

    def __init__(self, seed: int, fonts: Path) -> None:
        super().__init__(np.random.default_rng(seed))
        self._camera = Camera(self._chance)
        found = sorted(p for p in fonts.rglob("*.[to]tf") if not any(k in p.name for k in UNUSUAL_FACES))
        self._faces: list[Path | None] = [*found] or [None]
        self._digits = [font_digits(face) for face in (*found, None)] + pen_digits()

    def strip(self) -> tuple[Pixels, list[int]]:
        """One strip, STRIP_HEIGHT x STRIP_WIDTH x 3, BGR, and its label; empty for what must not be read."""
        sketch = self._register() if self._happens(1 - NEGATIVE_SHARE) else self._other()
        if sketch.label and self._happens(UPSIDE_DOWN_SHARE):
            sketch = _upside_down(sketch)
        return self._camera.spoil(self._camera.photograph(sketch)), sketch.label

    # Registers

    def _register(self) -> Sketch:
        high = int(self._between(30, 46))
        count = int(self._chance.choice([8, 8, 8, 8, 8, 7, 6, 5, 9]))
        red = self._red_count(count)
        pitch = min(high * self._between(0.72, 1.75), 600 / count)
        paint = self._paint()
        width = int(count * pitch + high * self._between(0.05, 0.45))
        canvas: Canvas = np.empty((int(high * 3.2), width + high * 6, 3), np.float32)
        canvas[:] = paint.face
        window = high * self._between(1.02, 1.6)
        left, middle = high * 3, canvas.shape[0] // 2
        top, bottom = int(middle - window / 2), int(middle + window / 2)
        if self._happens(0.75):
            self._frame(canvas, (left, top, left + width, bottom), high, paint)
        label = self._drums(canvas, (left, top, bottom), pitch, high, count - red, red, paint)
        if self._happens(0.4):  # the upper edge throws a shadow
            deep = int((bottom - top) * self._between(0.05, 0.3))
            fading = np.linspace(self._between(0.3, 0.9), 1, deep)[:, None, None]
            canvas[top : top + deep, left : left + width] *= fading
        if red and self._happens(0.6):  # the comma
            at = (int(left + (count - red) * pitch), int(bottom + high * self._between(0.05, 0.3)))
            cv2.circle(canvas, at, int(high * self._between(0.05, 0.12)), _scalar(paint.ink), -1)
        box = (left, top, left + width, bottom)
        for _ in range(int(self._between(0, 3))):
            self._print_beside(canvas, box, high, paint.face)
        return Sketch(canvas, box, label, high)

    def _red_count(self, count: int) -> int:
        if count == 9:
            return 3 if self._happens(0.5) else 4
        return int(self._chance.choice([3, 3, 3, 3, 2, 1, 0] if count > 5 else [0, 0, 1, 2]))

    def _paint(self) -> Paint:
        dark = self._happens(0.3)
        face = self._colour(20, 90, 10) if dark and self._happens(0.6) else self._colour(120, 235, 10)
        drum = self._colour(10, 60, 6) if dark else self._colour(150, 250)
        ink = self._colour(170, 255) if dark else self._colour(0, 70)
        red = np.array([self._between(0, 80), self._between(0, 80), self._between(130, 240)])
        if dark and self._happens(0.75):
            red_drum, red_ink = red * self._between(0.5, 1), self._colour(190, 255, 10)
        elif dark:
            red_drum, red_ink = self._colour(170, 250), red
        elif self._happens(0.12):
            red_drum, red_ink = red, self._colour(180, 255, 10)
        else:
            red_drum, red_ink = drum, red
        gap = self._colour(0, 110) if self._happens(0.6) else drum * 0.8 if self._happens(0.5) else face
        return Paint(face, drum, ink, red_drum, red_ink, gap)

    def _frame(self, canvas: Canvas, box: tuple[int, int, int, int], high: int, paint: Paint) -> None:
        left, top, right, bottom = box
        sides = [int(high * self._between(0.03, 0.4)) for _ in range(3)]
        colour = self._colour(0, 255) if self._happens(0.5) else paint.gap
        thick = -1 if self._happens(0.6) else int(self._between(1, 5))
        cv2.rectangle(
            canvas, (left - sides[0], top - sides[2]), (right + sides[1], bottom + sides[2]), _scalar(colour), thick
        )

    def _drums(
        self,
        canvas: Canvas,
        place: tuple[int, int, int],
        pitch: float,
        high: int,
        black: int,
        red: int,
        paint: Paint,
    ) -> list[int]:
        left, top, bottom = place
        gap = pitch * self._between(0, 0.38)
        wide = max(8, round(pitch - gap))
        period = int(high * self._between(1.15, 1.7))
        column = self._column(wide, high, period)
        rising = not self._happens(0.06)
        if not rising:
            column = column.reshape(10, period, wide)[::-1].reshape(10 * period, wide)
        digits, turns = self._counter(black, red)
        loose, sunk = self._between(0, 0.16) * 0.5, self._between(-0.08, 0.08)
        taller = high * self._between(0.1, 0.6) if self._happens(0.3) else 0.0  # the last window shows more of its drum
        teeth = self._happens(0.4)
        for index, turn in enumerate(turns):
            is_last, is_red = index == black + red - 1, index >= black
            low = bottom + int(taller) if is_last else bottom
            up = top - int(taller * 0.3) if is_last and taller > high * 0.3 else top
            middle = left + (index + 0.5) * pitch
            around = ((turn + 0.5 if rising else 9.5 - turn) + self._chance.normal(0, loose) + sunk) * period
            # The middle of the usual window stays where it is.
            rows = around + np.arange(up, low) - (top + bottom) / 2
            drum, ink = (paint.red_drum, paint.red_ink) if is_red else (paint.drum, paint.ink)
            cell = self._drum(column[np.round(rows).astype(int) % (10 * period)], drum, ink)
            start, end = int(middle - wide / 2), int(middle + pitch / 2)
            if gap > 1:
                canvas[up:low, int(middle - pitch / 2) : end] = paint.gap
                if teeth:
                    tooth = max(2, int((low - up) * self._between(0.1, 0.35)))
                    for y in range(up + int(self._between(0, tooth)), low, 2 * tooth):
                        canvas[y : y + tooth, start + wide : end] = paint.drum * 0.9
            canvas[up:low, start : start + wide] = cell
        return [digit + 1 + (10 if index >= black else 0) for index, digit in enumerate(digits)]

    def _counter(self, black: int, red: int) -> tuple[list[int], list[float]]:
        """Digits, most with leading zeros, and how far each drum has turned, in digits."""
        digits = [int(d) for d in self._chance.integers(0, 10, black + red)]
        zeros = int(min(black - 1, max(0, round(self._between(-0.6, black)))))
        digits[:zeros] = [0] * zeros
        turns = [0.0] * len(digits)
        below = 0.0 if self._happens(0.25) else self._between(0, 1)  # some last drums click from digit to digit
        for index in range(len(digits) - 1, -1, -1):
            turns[index] = digits[index] + below
            carry = max(0.0, below - TURNING_FROM) / (1 - TURNING_FROM) if digits[index] == 9 else 0.0
            below = min(carry, 0.999)
        return digits, turns

    def _column(self, wide: int, high: int, period: int) -> Canvas:
        """The ink of ten digits down a drum, in [0, 1]."""
        glyphs = self._digits[int(self._chance.integers(len(self._digits)))]
        glyph_wide = round(max(4.0, min(wide * 0.96, wide - 1.0, high * self._between(0.42, 0.75))))
        column = np.zeros((10 * period, wide), np.float32)
        x = (wide - glyph_wide) // 2
        for digit, glyph in enumerate(glyphs):
            y = digit * period + (period - high) // 2
            small = cv2.resize(glyph, (glyph_wide, high), interpolation=cv2.INTER_AREA)
            column[y : y + high, x : x + glyph_wide] = np.asarray(small, np.float32) / 255
        return column

    def _drum(self, ink_share: Canvas, drum: Colour, ink: Colour) -> npt.NDArray[np.float64]:
        share = ink_share[..., None].astype(np.float64)
        away = np.abs(np.linspace(-1, 1, len(share)))[:, None, None]
        shaded: npt.NDArray[np.float64] = (drum * (1 - share) + ink * share) * (1 - away**2 * self._between(0, 0.5))
        return shaded

    # Print

    def _print_beside(self, canvas: Canvas, box: tuple[int, int, int, int], high: int, face: Colour) -> None:
        left, top, right, bottom = box
        ink, size, kind = self._print_ink(face), high * self._between(0.4, 1.1), self._chance.random()
        beside = (top + bottom) / 2 - size * self._between(0.2, 1)
        if kind < 0.35:
            unit = str(self._chance.choice(["m3", "M3", "m³", "м³"]))
            self._write(canvas, unit, size, ink, right + high * self._between(0.2, 0.9), beside)
        elif kind < 0.5:
            self._write(canvas, self._word(1, 4), size, ink, left - high * self._between(1.2, 3), beside)
        else:
            above = kind < 0.75
            y = top - high * self._between(0.1, 0.6) - size if above else bottom + high * self._between(0.15, 0.6)
            self._write(canvas, self._word(2, 12), size, ink, left + self._between(-high, right - left), y)

    def _print_ink(self, face: Colour) -> Colour:
        if self._happens(0.2):
            return np.array([self._between(0, 255), self._between(0, 120), self._between(0, 255)])
        away = -1 if face.mean() > 110 else 1
        ink: Colour = np.clip(face + away * self._between(60, 220), 0, 255)
        return ink

    def _word(self, fewest: int, most: int) -> str:
        return "".join(LETTERS[i] for i in self._chance.integers(0, len(LETTERS), int(self._between(fewest, most))))

    def _write(self, canvas: Canvas, text: str, size: float, ink: Colour, x: float, y: float) -> None:
        face = self._faces[int(self._chance.integers(len(self._faces)))]
        typeface = font(face, max(9, int(size) // 3 * 3))
        _, _, right, bottom = typeface.getbbox(text)
        mask = Image.new("L", (int(right) + 2, int(bottom) + 2), 0)
        ImageDraw.Draw(mask).text((0, 0), text, 255, typeface)
        left, top = int(x), int(y)
        share = (np.asarray(mask, np.float32) / 255)[max(0, -top) :, max(0, -left) :]
        target = canvas[max(0, top) : max(0, top) + share.shape[0], max(0, left) : max(0, left) + share.shape[1]]
        share = share[: target.shape[0], : target.shape[1], None]
        target[:] = target * (1 - share) + ink * share

    # What is no register

    def _other(self) -> Sketch:
        high = int(self._between(24, 46))
        tall, wide = int(high * 3.2), int(high * self._between(10, 22))
        face = self._colour(20, 245, 12)
        canvas: Canvas = np.empty((tall, wide, 3), np.float32)
        canvas[:] = face
        kind = int(self._chance.choice(len(OTHERS), p=OTHERS))
        ink = self._print_ink(face)
        if kind < 4:
            (self._print, self._bars, self._texture, self._sticks)[kind](canvas, high, ink)
        middle = tall // 2
        return Sketch(canvas, (wide // 4, middle - high // 2, wide * 3 // 4, middle + high // 2), [], high)

    def _print(self, canvas: Canvas, high: int, ink: Colour) -> None:
        tall, wide = canvas.shape[:2]
        number = "".join(str(d) for d in self._chance.integers(0, 10, int(self._between(5, 13))))
        text = self._word(3, 16) if self._happens(0.5) else number
        for line, y, share in ((text, tall / 2 - high * 0.9, 1.0), (self._word(2, 12), tall / 2 + high * 0.6, 0.4)):
            if self._happens(share):
                self._write(canvas, line, high * self._between(0.9, 1.6), ink, self._between(0, wide * 0.4), y)

    def _bars(self, canvas: Canvas, high: int, ink: Colour) -> None:
        tall, wide = canvas.shape[:2]
        half = int(high * self._between(0.4, 1.2))
        x = self._between(0, wide * 0.4)
        end = x + self._between(3, 8) * high
        while x < end:
            bar = int(self._between(1, 6))
            cv2.rectangle(canvas, (int(x), tall // 2 - half), (int(x) + bar, tall // 2 + half), _scalar(ink), -1)
            x += bar + self._between(1, 7)

    def _texture(self, canvas: Canvas, _: int, __: Colour) -> None:
        tall, wide = canvas.shape[:2]
        grain = int(self._chance.integers(2, 14))
        coarse = self._chance.normal(0, self._between(10, 60), (tall // grain + 2, wide // grain + 2, 3))
        canvas += cv2.resize(coarse.astype(np.float32), (wide, tall), interpolation=cv2.INTER_CUBIC)

    def _sticks(self, canvas: Canvas, high: int, _: Colour) -> None:
        tall, wide = canvas.shape[:2]
        for _n in range(int(self._between(1, 8))):
            ends = [(int(self._between(0, wide)), int(self._between(0, tall))) for _end in range(2)]
            colour = _scalar(self._chance.uniform(0, 255, 3))
            cv2.line(canvas, ends[0], ends[1], colour, int(self._between(1, high * 0.6)))


def _upside_down(sketch: Sketch) -> Sketch:
    """The same register from the other end, which must not be read."""
    left, top, right, bottom = sketch.box
    tall, wide = sketch.canvas.shape[:2]
    box = (wide - right, tall - bottom, wide - left, tall - top)
    return Sketch(np.ascontiguousarray(sketch.canvas[::-1, ::-1]), box, [], sketch.digit_height)


def _scalar(colour: Sequence[float] | Colour) -> tuple[float, ...]:
    return tuple(float(c) for c in colour)
