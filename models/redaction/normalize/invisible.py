"""Characters that a reader cannot see, and the text without them.

A language model reads them: tag characters can spell a hidden message after "hello". No recognizer sees them, so they
are removed from every text.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

_BREAKS: Final = re.compile("[\x0b\x0c\x1c-\x1f\x85\u2028\u2029]")
"""Controls that end a line, a page or a field. The next character begins another word."""

_SHOWS_NOTHING: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u20e3\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8"
    "\U000e0000-\U000e0fff]"
)
"""Marks and fillers that are invisible, beside the invisible categories of Unicode."""

_KEYCAP: Final = "\u20e3"
_AS_EMOJI: Final = "\ufe0f"
_JOINERS: Final = "\u200c\u200d"
_SIGNS: Final = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd")
"""Format characters of Arabic, Syriac and Kaithi that do show: they stand around a number."""

REGIONS: Final = ("gbeng", "gbsct", "gbwls")
"""Regions that have a flag: England, Scotland, Wales."""

_EMOJI_BESIDE_SYMBOLS: Final = frozenset("\u203c\u2049\u2139\u3030")


_REGION_FLAG: Final = re.compile(
    f"\U0001f3f4(?:{'|'.join(''.join(chr(0xE0000 + ord(c)) for c in region) for region in REGIONS)})\U000e007f"
)
"""A flag whose region is spelled in tag characters. Any other word in tag characters may be a hidden message."""


@lru_cache(maxsize=4096)
def visible_form(char: str) -> str:
    """The character as a reader sees it: itself, a new line, or nothing if it is invisible."""
    if char in "\t\n\r":
        return char
    if _BREAKS.match(char):
        return "\n"
    # A lone surrogate is no character at all, and no tokenizer takes one.
    return "" if unicodedata.category(char) in ("Cc", "Cf", "Cs") or _SHOWS_NOTHING.match(char) else char


def all_visible(text: str) -> bool:
    """Whether every character shows as itself."""
    return (text.isascii() and text.isprintable()) or all(visible_form(char) == char for char in set(text))


def without_invisible(text: str) -> str:
    """Remove invisible characters. A control character that breaks a line becomes a newline.

    A joiner stays between two letters, marks or symbols beyond ASCII, because it changes their shape. The emoji
    variation selector stays after a character that can be an emoji. At most one of them stays between two visible
    characters. The flags of ``REGIONS`` stay whole. The result for a prefix of a text is a prefix of the result for the
    text.
    """
    if all_visible(text):
        return text
    flags = {index for flag in _REGION_FLAG.finditer(text) for index in range(flag.start() + 1, flag.end())}
    written = ""
    pieces: list[str] = []
    for index, (char, following) in enumerate(zip(text, [*text[1:], ""], strict=True)):
        if index in flags:
            pieces.append(char)
            continue
        seen = visible_form(char)
        if seen or char == _KEYCAP or char in _SIGNS or _shapes(char, written, following):
            written = seen or char
            pieces.append(written)
    return "".join(pieces)


def _shapes(char: str, before: str, following: str) -> bool:
    """Whether an invisible character changes how its neighbours look, given the last character that was written."""
    if char == _AS_EMOJI:
        symbol = before > "\x7f" and (before in _EMOJI_BESIDE_SYMBOLS or unicodedata.category(before)[0] == "S")
        return symbol or (bool(before) and before in "0123456789#*" and following == _KEYCAP)
    if char not in _JOINERS:
        return False
    return (before == _AS_EMOJI or _is_shaped(before)) and _is_shaped(following)


def _is_shaped(char: str) -> bool:
    return char > "\x7f" and bool(visible_form(char)) and unicodedata.category(char)[0] in "LMS"
