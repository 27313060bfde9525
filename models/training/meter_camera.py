"""Photographs a drawing: cuts a strip out of it and spoils it as cameras, light and compression do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from models.media.pixels import Pixels
from models.vision.line_crops import CROP_HEIGHT, CROP_WIDTH

Colour = npt.NDArray[np.float64]
Canvas = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Sketch:
    """A drawing with more around it than a strip shows.

    Attributes:
        canvas: BGR, any size.
        box: Left, top, right, bottom of the register, or of what is in its place.
        label: 1 to 10 for black digits, 11 to 20 for red ones, left to right.
        digit_height: Pixels.
    """

    canvas: Canvas
    box: tuple[int, int, int, int]
    label: list[int]
    digit_height: int


class Chance:
    """Random choices; several objects may share one generator.

    Args:
        generator: Where the random numbers come from.
    """

    def __init__(self, generator: np.random.Generator) -> None:
        self._chance = generator

    def _between(self, low: float, high: float) -> float:
        return float(self._chance.uniform(low, high))

    def _happens(self, share: float) -> bool:
        return bool(self._chance.random() < share)

    def _colour(self, low: float, high: float, spread: float = 8) -> Colour:
        colour: Colour = np.clip(self._between(low, high) + self._chance.normal(0, spread, 3), 0, 255)
        return colour


class Camera(Chance):
    """Takes strips from drawings."""

    def photograph(self, sketch: Sketch) -> Canvas:
        """Cut the strip: of any size, a little askew and in perspective."""
        left, top, right, bottom = sketch.box
        down = self._between(12, 24) / sketch.digit_height
        along = down * self._between(0.85, 1.18)
        if (right - left) * along > CROP_WIDTH - 8:
            along = (CROP_WIDTH - 8) * self._between(0.85, 1) / (right - left)
        wide = (right - left) * along
        free = max(3.0, CROP_WIDTH - wide - 2)
        start = self._between(2, free if self._happens(0.7) else min(40.0, free))
        source = np.array([(left + right) / 2, (top + bottom) / 2 + self._chance.normal(0, 0.09) * sketch.digit_height])
        lean, slope = self._chance.normal(0, 0.07), self._chance.normal(0, 0.022)
        turn = np.array([[along, along * lean], [down * slope, down]])
        move = np.array([start + wide / 2, CROP_HEIGHT / 2]) - turn @ source
        matrix = np.diag([2.0, 2.0, 1.0]) @ np.vstack([np.hstack([turn, move[:, None]]), [0, 0, 1]])
        matrix[2, 0] = self._chance.normal(0, 0.00006) / down
        size = (CROP_WIDTH * 2, CROP_HEIGHT * 2)
        clipped = np.clip(sketch.canvas, 0, 255)
        seen = cv2.warpPerspective(clipped, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(cv2.resize(seen, (CROP_WIDTH, CROP_HEIGHT), interpolation=cv2.INTER_AREA), np.float32)

    def spoil(self, strip: Canvas) -> Pixels:
        """The strip with uneven light, blur, noise and JPEG."""
        light: Any = self._light(strip)
        kind = self._chance.random()
        if kind < 0.55:
            light = cv2.GaussianBlur(light, (0, 0), self._between(0.3, 1.2))
        elif kind < 0.7:  # shaken
            streak = np.zeros((5, 5), np.float32)
            reach = int(self._chance.integers(1, 3))
            cv2.line(streak, (2 - reach, int(self._chance.integers(1, 3))), (2 + reach, 2), 1, 1)
            light = cv2.filter2D(light, -1, streak / streak.sum())
        if self._happens(0.35):  # few pixels
            share = self._between(0.4, 0.9)
            few = cv2.resize(light, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
            light = cv2.resize(few, (CROP_WIDTH, CROP_HEIGHT), interpolation=cv2.INTER_LINEAR)
        light = light * (1 + self._chance.normal(0, 0.07, 3)) * self._between(0.35, 1.15)
        light = light + self._chance.normal(0, self._between(0, 6), light.shape)
        strip_8: Pixels = np.clip(light, 0, 255).astype(np.uint8)
        if self._happens(0.4):
            _, packed = cv2.imencode(".jpg", strip_8, [cv2.IMWRITE_JPEG_QUALITY, int(self._between(25, 90))])
            strip_8 = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)
        return strip_8

    def _light(self, strip: Canvas) -> Canvas:
        if self._happens(0.6):  # uneven
            coarse = self._chance.uniform(self._between(0.3, 0.9), 1.2, (2, int(self._chance.integers(2, 5))))
            strip = strip * np.asarray(cv2.resize(coarse, (CROP_WIDTH, CROP_HEIGHT)), np.float32)[..., None]
        if self._happens(0.25):  # glare
            x, y = self._between(0, CROP_WIDTH), self._between(0, CROP_HEIGHT)
            rows, columns = np.mgrid[:CROP_HEIGHT, :CROP_WIDTH]
            near = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / self._between(6, 50) ** 2)
            share = (near * self._between(0.2, 1)).astype(np.float32)[..., None]
            strip = strip * (1 - share) + 255 * share
        if self._happens(0.3):  # haze
            strip = strip * self._between(0.4, 1) + self._between(0, 140) * self._between(0.2, 1)
        return strip
