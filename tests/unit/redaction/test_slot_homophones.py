"""First digits of a number that recognition wrote as words which sound like them."""

from __future__ import annotations

import pytest

from models.text import TextSource
from tests.unit.redaction.helpers import found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("You can call me on for 1-5-555-0132. Thanks.", [("PHONE", "for 1-5-555-0132")]),
        ("My number is to 1 2 5 5 5 0 1 8 7, thanks", [("PHONE", "to 1 2 5 5 5 0 1 8 7")]),
        ("My number is. To 1 2 5 5 5 0 1 8 7", [("PHONE", "To 1 2 5 5 5 0 1 8 7")]),
        ("You can text me at: for 1-5-555-0132.", [("PHONE", "for 1-5-555-0132")]),
        ("reach me at too one two five five five oh one eight seven today",
         [("PHONE", "too one two five five five oh one eight seven")]),
        ("Her cell is for, to 5 555 0187 or so", [("PHONE", "for, to 5 555 0187")]),
        ("The message is for 415-555-0132 only", [("PHONE", "415-555-0132")]),
        ("please go on to 415-555-0132 next", [("PHONE", "415-555-0132")]),
        ("what is the number for 415-555-0132 now", [("PHONE", "415-555-0132")]),
        ("Call me on Monday for 415-555-0132 is off", [("PHONE", "415-555-0132")]),
        ("That was the number. For 415-555-0132 only", [("PHONE", "415-555-0132")]),
        ("I waited for 15 minutes", []),
        ("we are open from 9 to 5", []),
        ("the number is to 4 decimals", []),
    ],
)  # fmt: skip
def test_homophones_of_first_digits_are_covered_in_speech(text: str, expected: list[tuple[str, str]]) -> None:
    assert found(text, TextSource.SPEECH) == expected


def test_homophones_are_kept_in_typed_text() -> None:
    text = "You can call me on for 415-555-0132, ok"
    assert found(text, TextSource.TYPED) == [("PHONE", "415-555-0132")]
