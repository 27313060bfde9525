from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from models.vision.detection import read_steps

PAGE = np.zeros((100, 200, 3), np.uint8)
LENGTHS = (120, 60, 50)


class _ScriptedOcr:
    """Finds three lines and turns those that it is told to; what it reads is the first pixel of each line."""

    def __init__(self, turned: tuple[int, ...]) -> None:
        self._turned = turned

    def text_det(self, image: object) -> Any:
        return SimpleNamespace(boxes=np.zeros((3, 4, 2), np.float32))

    def crop_text_regions(self, image: object, boxes: object) -> list[Any]:
        return [np.full((10, length, 3), 1, np.uint8) for length in LENGTHS]

    def cls_and_rotate(self, crops: list[Any]) -> Any:
        turned = [n in self._turned for n in range(len(crops))]
        images = [crop + 1 if turn else crop for crop, turn in zip(crops, turned, strict=True)]
        return images, SimpleNamespace(cls_res=[("180" if turn else "0", 0.99) for turn in turned])

    def recognize_txt(self, crops: list[Any]) -> list[int]:
        return [int(crop[0, 0, 0]) for crop in crops]


@pytest.mark.parametrize(
    ("turned", "is_paper", "read"),
    [
        ((1,), True, [1, 1, 1]),
        ((0, 1), True, [2, 2, 1]),
        ((0, 1, 2), True, [2, 2, 2]),
        ((1,), False, [1, 2, 1]),
    ],
)
def test_no_line_of_an_upright_sheet_is_turned_alone(turned: tuple[int, ...], is_paper: bool, read: list[int]) -> None:
    _, result, texts = read_steps(_ScriptedOcr(turned), PAGE, {}, 1.0, is_paper=is_paper)
    assert texts == read
    assert [label == "180" for label, _ in result.cls_res] == [value == 2 for value in read]
