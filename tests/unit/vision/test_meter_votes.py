"""Merging what the net read in several crops, and telling print from meters: crops that show different digits."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from models.vision.line_crops import CROP_WIDTH, Line
from models.vision.meter_digits import DigitRow
from models.vision.meter_votes import MAX_PITCH, agreement, is_print, merge

PITCH_PX = 30.0


def _row(
    text: str, *, first: int = 0, certain: float = 0.9, line: Line | None = None, step_px: float = 1.5
) -> DigitRow:
    """A crop that shows digits of a meter, from the place ``first`` on; a letter is red, from a = 0 on.

    The meter lies along ``line``, its place 0 at the middle of the line.
    """
    values = [int(char) if char.isdigit() else ord(char) - ord("a") for char in text]
    digits = np.full((len(text), 10), (1 - certain) / 9)
    digits[np.arange(len(text)), values] = certain
    red = np.array([0.05 if char.isdigit() else 0.95 for char in text])
    places = CROP_WIDTH / 2 + (first + np.arange(len(text), dtype=np.float64)) * PITCH_PX / step_px
    return DigitRow(line or Line(200.0, 100.0, 0.0, 240.0, 40.0), step_px, digits, red, places)


def _read(*rows: DigitRow) -> str | None:
    merged = merge(rows)
    return None if merged is None else "".join(str(digit) for digit in merged.digits.argmax(axis=1))


def test_without_digits_there_is_nothing_to_merge() -> None:
    assert merge([]) is None
    assert merge([_row("12")]) is None


def test_a_crop_that_misses_the_first_digit_votes_for_the_others() -> None:
    sure, unsure = _row("00134cic"), _row("00154cic", certain=0.8)
    assert _read(unsure, _row("00154cic", certain=0.8), sure) == "00154282"
    missing = _row("0134cic", first=1)
    assert _read(unsure, _row("00154cic", certain=0.8), sure, missing) == "00134282"


def test_a_crop_that_sees_a_digit_too_many_votes_for_the_others() -> None:
    rows = [_row("06353jbh", certain=0.6), _row("06353jbh", certain=0.6), _row("700353jbh", first=-1)]
    assert _read(*rows) == "00353917"


@pytest.mark.parametrize("degrees", [0, 35, 180, 250])
@pytest.mark.parametrize("step_px", [0.8, 2.5])
def test_digits_are_matched_by_their_place_in_the_picture(degrees: float, step_px: float) -> None:
    line = Line(300.0, 220.0, math.radians(degrees), 240.0, 40.0)
    eight = [_row("00154cic", certain=0.6, line=line) for _ in range(3)]
    shifted = _row("134cic", first=1, line=line.moved(PITCH_PX, 4.0), step_px=step_px)
    merged = merge([*eight, shifted, shifted])
    assert merged is not None
    assert "".join(str(digit) for digit in merged.digits.argmax(axis=1)) == "00134282"
    assert merged.line == line


def test_one_clear_crop_outweighs_several_unclear_ones() -> None:
    unclear = _row("00872iif", certain=0.45)
    assert _read(unclear, unclear, unclear, _row("00572iid")) == "00572883"


def test_the_votes_are_probabilities() -> None:
    merged = merge([_row("00134cic"), _row("0154cic", first=1, certain=0.7), _row("04cb", first=9)])
    assert merged is not None
    np.testing.assert_allclose(merged.digits.sum(axis=1), 1.0)
    assert ((merged.red > 0.5) == [False] * 5 + [True] * 3).all()


def test_crops_that_show_the_same_digits_agree() -> None:
    row = _row("00134cic")
    assert agreement(row, [row, _row("00154cic", certain=0.6)]) == 1.0


@pytest.mark.parametrize(
    ("other", "share"),
    [(_row("134cic", first=2), 6 / 8), (_row("00134cic11"), 8 / 10), (_row("99", first=20), 0.0), (_row(""), 0.0)],
    ids=["fewer", "more", "elsewhere", "none"],
)
def test_a_crop_that_shows_other_digits_agrees_less(other: DigitRow, share: float) -> None:
    row = _row("00134cic")
    assert agreement(row, [row, other]) == pytest.approx((1 + share) / 2)


def test_a_row_that_goes_on_beyond_the_digits_of_a_meter_is_print() -> None:
    row = _row("00134cic")
    assert is_print(row, [_row("2100134", first=-2)] * 2, [_row("4cic")] * 2)
    assert is_print(row, [_row("001")] * 2, [_row("cic12", first=5)] * 2)
    assert is_print(row, [_row("2001", first=-1)] * 2, [_row("cic1", first=5)] * 2)
    assert not is_print(row, [_row("2001", first=-1)] * 2, [_row("cic", first=5)] * 2), "nine digits may be a meter"
    assert not is_print(row, [_row("")], [_row("")])


def test_a_frame_that_one_crop_takes_for_digits_does_not_make_a_meter_print() -> None:
    row = _row("00134cic")
    assert not is_print(row, [_row("001")], [_row("cic11", first=5), _row("cic", first=5)])


def test_print_at_another_distance_does_not_continue_a_meter() -> None:
    row = _row("00134cic")
    assert not is_print(row, [_row("001")], [_row("12345", first=9)])


def test_digits_far_apart_are_print() -> None:
    row = _row("00134cic")
    low = replace(row, line=replace(row.line, height=PITCH_PX / MAX_PITCH * 0.99))
    assert is_print(low, [_row("")], [_row("")])
