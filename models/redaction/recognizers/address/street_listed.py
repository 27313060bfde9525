"""Streets whose kind is a word of its own before or after the name, from the ``street_kinds`` lexicons.

Must NOT match: streets without a number, prose.
"""

from __future__ import annotations

import re
from typing import Final

from models.redaction.lexicons.loader import languages, word_lists
from models.redaction.patterns.pattern_recognizer import Pattern, PatternRecognizer

SUBJECT: Final = "street_kinds"


def street_words(name: str) -> str:
    """The entries of a list in all languages, as alternatives of an expression, the longest first."""
    found = {entry for language in languages(SUBJECT) for entry in word_lists(language, SUBJECT).get(name, ())}
    return "|".join(re.escape(entry) for entry in sorted(found, key=len, reverse=True))


_WORD: Final = r"[^\W\d_a-zß-ÿ][\w'\u2019.-]{1,30}"
_NAME: Final = rf"{_WORD}(?: {_WORD}){{0,3}}"
_NUMBER: Final = r",? {1,2}(?:[Nn][ro]?[.:]{0,2} ?)?\d{1,4}(?: ?[^\W\d_])?(?:[/-]\d{1,4})?(?![\w%]|[.,:]\d)"

STREET_LISTED = PatternRecognizer(
    entity="ADDRESS",
    name="street-listed",
    needs="0",
    patterns=(
        Pattern(re.compile(rf"(?<!\w)(?i:{street_words('before')}) {_NAME}{_NUMBER}"), 0.7, name="before"),
        Pattern(re.compile(rf"(?<!\w){_NAME} (?i:{street_words('after')}){_NUMBER}"), 0.7, name="after"),
    ),
)
