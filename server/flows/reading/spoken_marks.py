"""Marks of numbers that are said as words: "minus" before a number, and "point" before its decimals."""

from __future__ import annotations

import re
from typing import Final

_POINT: Final = r"(?<!\w)(?:point|dot|comma|komma|punkt|coma|punto|virgule|vírgula|ponto|दशमलव)(?!\w)"
_DECIMALS: Final = re.compile(rf"(\d)\s+{_POINT}\s+(\d+(?:\s\d+)*)\b", re.IGNORECASE)
_BEFORE_POINT: Final = re.compile(rf"\A\s+{_POINT}", re.IGNORECASE)
_AFTER_POINT: Final = re.compile(rf"{_POINT}\s+\Z", re.IGNORECASE)
_AFTER_PLACE: Final = re.compile(
    r"(?<!\w)(?:this|that|the|diesem|dem|este|ese|el|al|ce|le|au|neste|nesse|esse|ao)\s+\w+\s+\Z", re.IGNORECASE
)
"""Where the word for the point is a place or a moment: "at this point 48215"."""
_BEGUN: Final = re.compile(rf"\d\s+{_POINT}\s+\Z", re.IGNORECASE)

_MINUS: Final = re.compile(
    r"(?<!\w)(?P<word>(?P<only_minus>minus|negative|माइनस|ऋण)|menos|moins)\s+(?=\d)", re.IGNORECASE
)
_NO_SIGN: Final = re.compile(
    r"(?:\d|(?<!\w)(?:(?:plus|más|mas|mais|प्लस)(?:\s+(?:or|oder|o|ou|या|ni|nem))?|"
    r"al|lo|cuando|cuanto|nada|au|du|le|ao|pelo|quando))\s+\S+\Z",
    re.IGNORECASE,
)
"""Where it takes one number from another, or is a part of "more or less" or "at least": "por lo menos 18"."""
_SIGN: Final = re.compile(
    r"(?:\A|[^\w\s])\s*\S+\Z|(?<!\w)a\s+menos\Z|(?<!\w)(?:"
    r"es|son|era|eran|está|estaba|fue|hace|hacía|hay|había|marca|marcaba|indica|tiene|en|hasta|unos|casi|"
    r"é|são|estava|foi|faz|fazia|tem|em|até|uns|quase|"
    r"est|était|sont|fait|faisait|affiche|indique|marque|à|de|vers|environ|presque)\s+\S+\Z",
    re.IGNORECASE,
)
"""Where a word that may also mean "less" begins a number: at the start of a clause, after "is", or after "of"."""

_BELOW_ZERO: Final = re.compile(
    r"(?<![\w.,-])(?=\d)(?P<number>[\d.,]+)(?P<unit>\s*(?:[^\s\d,;]+\s+){0,2}?)"
    r"(?:below|under|unter|bajo|sous|(?:au|en)[ -]dessous de|abaixo de)\s+0(?![\w.,])",
    re.IGNORECASE,
)


def with_spoken_marks(text: str, point: str = ".") -> str:
    """The text with marks for the words: "minus 38 point 5" is "-38.5", and "18 below 0" is "-18".

    A number after a word that may mean "less" or "minus" is joined to it, so that nobody reads it.

    Args:
        text: With digits for its number words.
        point: What stands before the decimals.
    """
    text = _DECIMALS.sub(lambda found: f"{found[1]}{point}{''.join(found[2].split())}", _MINUS.sub(_with_sign, text))
    return _BELOW_ZERO.sub(r"-\g<number>\g<unit>", text)


def _with_sign(found: re.Match[str]) -> str:
    said = found.string[: found.end("word")]
    if _NO_SIGN.search(said):
        return found[0]
    return "-" if found["only_minus"] or _SIGN.search(said) else f"{found['word']}_"


def is_beside_point(before: str, after: str) -> bool:
    """Whether a word for the point stands beside a number, so that the number may not be read whole.

    Args:
        before: The text before the number.
        after: The text after it.
    """
    decimals = _AFTER_POINT.search(before) is not None and _AFTER_PLACE.search(before) is None
    return decimals or _BEFORE_POINT.match(after) is not None


def begins_decimals(text: str) -> bool:
    """Whether decimals must follow, because a text ends with a number and the word for the point."""
    return _BEGUN.search(text) is not None
