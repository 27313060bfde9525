"""Marks of numbers that are said as words: "minus" before a number, and "point" before its decimals."""

from __future__ import annotations

import re
from typing import Final

_POINT: Final = r"(?:point|dot|comma|komma|punkt|coma|punto|virgule|vírgula|ponto|दशमलव)(?!\w)"
_MINUS: Final = re.compile(
    r"(?<![\w])(?<!\d )(?<!\bo )(?<!\bou )(?<!\bor )(?<!\bal )(?<!\bau )(?<!\bao )(?<!\bplus )(?<!\bpelo )"
    r"(?:minus|negative|menos|moins|माइनस|ऋण)\s+(?=\d)",
    re.IGNORECASE,
)
"""Not where it takes one number from another, nor in "more or less" and "at least": "más o menos 18", "au moins 18"."""

_DECIMALS: Final = re.compile(rf"(\d)\s+{_POINT}\s+(\d+(?:\s\d+)*)\b", re.IGNORECASE)
_LEFT: Final = re.compile(rf"\d\s+{_POINT}|(?<!\w){_POINT}\s+\d", re.IGNORECASE)
_BEGUN: Final = re.compile(rf"\d\s+{_POINT}\s+\Z", re.IGNORECASE)


def with_spoken_marks(text: str, point: str = ".") -> str:
    """The text with marks for the words: "minus 38 point 5" is "-38.5".

    Args:
        text: With digits for its number words.
        point: What stands before the decimals.
    """
    signed = _MINUS.sub("-", text)
    return _DECIMALS.sub(lambda found: f"{found[1]}{point}{''.join(found[2].split())}", signed)


def has_spoken_point(text: str) -> bool:
    """Whether a word for the point still stands beside digits, so that a number may not be read whole."""
    return _LEFT.search(text) is not None


def begins_decimals(text: str) -> bool:
    """Whether decimals must follow, because a text ends with a number and the word for the point."""
    return _BEGUN.search(text) is not None
