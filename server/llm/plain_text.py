"""A redacted text as a value is looked for in it: without tags, with digits for number words."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

from models.redaction.itn.cardinals import numeral_view
from models.redaction.itn.view import spoken_view
from server.flows.extraction import TAG
from server.flows.reading.spoken_marks import with_spoken_marks

_NO_WORD: Final = re.compile(r"[^\w\s\u0900-\u097f³]+")
_MARKS: Final = str.maketrans(
    {"\u2019": "'", "\u2013": "-", "\u2014": "-", "\u2212": "-", "\u00a0": " ", "\u202f": " "}
)


@lru_cache(maxsize=512)
def with_digits(text: str, language: str) -> str:
    """The text in NFC with ASCII digits, blanks for tags, and digits for number words.

    "four thousand eight hundred twenty one point five" becomes ``4821.5``, and "minus eighteen" ``-18``.

    Args:
        text: Redacted.
        language: ISO 639-1 code of the person who spoke.
    """
    plain = unicodedata.normalize("NFC", TAG.sub(" ", text)).translate(_MARKS)
    plain = "".join(str(unicodedata.digit(c)) if c.isdecimal() else c for c in plain)
    view = numeral_view(plain, language)
    read = plain if view is None else view.text
    return with_spoken_marks(read)


@lru_cache(maxsize=512)
def with_codes(text: str, language: str) -> str:
    """Letters and digits of a text alone, in lower case, with spelled letters and dictated digits joined."""
    plain = with_digits(text, language)
    view = spoken_view(plain, language)
    both = plain if view is None else f"{plain} | {view.text}"
    return re.sub(r"[^\w|]|_", "", both).casefold()


def words_of(text: str) -> str:
    """The text in lower case with single spaces and without marks at the ends of words, to look for words in it."""
    plain = unicodedata.normalize("NFC", TAG.sub(" ", text)).translate(_MARKS).casefold()
    return f" {' '.join(_NO_WORD.sub(' ', plain).split())} "
