"""What answers are read from."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date
from typing import Final

from models.redaction.itn.cardinals import Numeral, numerals
from models.text import RedactedText
from server.flows.definition import Way
from server.flows.extraction import TAG
from server.flows.texts import base_language

_HOMOPHONES: Final = frozenset({"for", "to", "too", "won", "ate"})
"""Words that the reader of spoken numbers takes for digits beside others."""

_PERCENT: Final = re.compile(r"\b(?:per cent|por cien(?:to)?|pour cent|por cento)\b", re.IGNORECASE)
"""Words for percent that hold the number 100."""


@dataclass(frozen=True, slots=True)
class AnswerText:
    """One redacted text.

    Attributes:
        text: What was said or typed, or what was read in a picture.
        way: How it came.
        language: ISO 639-1 code.
        today: The day on which it came, in the session's time zone, for "tomorrow".
        picture: Kind of the picture; empty for speech and typed text.
    """

    text: RedactedText
    way: Way
    language: str
    today: date
    picture: str = ""

    @property
    def code(self) -> str:
        """The language without its region."""
        return base_language(self.language)

    @property
    def plain(self) -> str:
        """The text without its tags, with the digits of any script as ASCII, in composed characters."""
        bare = TAG.sub(lambda tag: " " * len(tag[0]), self.text.value)
        return "".join(str(unicodedata.digit(c)) if c.isdecimal() else c for c in unicodedata.normalize("NFKC", bare))

    @property
    def is_question(self) -> bool:
        """Whether it ends as a question."""
        return self.plain.strip().endswith(("?", "\uff1f"))

    @property
    def numbered(self) -> str:
        """``plain`` with digits for spoken numbers: "forty two hours" is "42 hours"."""
        text, at = _PERCENT.sub("%", self.plain), 0
        pieces: list[str] = []
        for numeral in numerals(text, self.code):
            start, form = _without_homophone(text, numeral)
            pieces += [text[at:start], form]
            at = numeral.end
        return "".join([*pieces, text[at:]])


def _without_homophone(text: str, numeral: Numeral) -> tuple[int, str]:
    """Where a number begins and its digits. "for six" is no 46, where only two digits are said."""
    said = text[numeral.start : numeral.end]
    word = said.split()[0]
    if len(numeral.form) == 2 and word.lower() in _HOMOPHONES and said != word:
        return numeral.start + len(said) - len(said[len(word) :].lstrip()), numeral.form[1:]
    return numeral.start, numeral.form
