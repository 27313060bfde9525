"""Checks on the numbers that the classifier found: amounts, too few digits for a telephone number, no postcode."""

from __future__ import annotations

import re
from itertools import zip_longest

from models.redaction.lexicons.loader import alternatives
from models.redaction.ner.types import WordPrediction
from models.redaction.normalize.view import TextView
from models.redaction.patterns.pattern_recognizer import has_digit
from models.redaction.recognizers.filters.quantity_context import is_harmless

_SURE_ZIP = 5
"""Fewest digits of a postcode without a street or a town beside it."""

LONE_ZIP_SCORE = 0.8
"""Highest score of a postcode without a street or a town beside it: only its five digits support it."""

_PHONE_DIGITS = 6
"""Fewest digits of a telephone number without its area code."""
_PHONE_GAP = 3
"""Characters between its groups at most: ") -"."""


def is_amount_of(view: TextView, word: WordPrediction) -> bool:
    """Whether a number is a reading, an amount, or a piece of a decimal number or a time."""
    if not has_digit(view.text[word.start : word.end]):
        return False
    inside = _DECIMAL_BEFORE.search(view.text, max(0, word.start - 2), word.start) or _DECIMAL_AFTER.match(
        view.text, word.end
    )
    return bool(inside) or is_harmless(view, word.start, word.end)


_DECIMAL_BEFORE = re.compile(r"\d[.,:]$")
_DECIMAL_AFTER = re.compile(r"[.,:]\d")


def short_phones(view: TextView, predictions: list[WordPrediction]) -> set[int]:
    """Starts of the words in runs with too few digits for a telephone number, such as "4821".

    A pattern finds short telephone numbers that a word introduces.
    """
    short: set[int] = set()
    run: list[WordPrediction] = []
    for word, following in zip_longest(predictions, predictions[1:]):
        run.append(word)
        if following is None or following.start - word.end > _PHONE_GAP:
            text = view.text[run[0].start : run[-1].end]
            digits = sum(c.isdigit() for c in text)
            if 0 < digits < _PHONE_DIGITS and not any(c.isalpha() for c in text):
                short.update(g.start for g in run)
            run = []
    return short


_NUMBER = "|".join(alternatives("identifiers", name) for name in ("number", "long_number"))
_REFERENCE_BEFORE = re.compile(
    rf"(?<![^\W_])(?:{alternatives('number_cues', 'references')})\.?(?: (?:{_NUMBER})\.?)?"
    rf"(?: (?:{alternatives('function_words', 'copulas')}))?[\s:#]{{1,3}}$"
)
_REFERENCE_REACH = 32


def may_stand_alone(view: TextView, word: WordPrediction) -> bool:
    """Whether a number is a postcode with no street or town beside it."""
    if _REFERENCE_BEFORE.search(view.lower, max(0, word.start - _REFERENCE_REACH), word.start):
        return False
    if view.kind == "transliterated":
        return False  # the classifier takes readings and prices in Hindi for postcodes
    digits = sum(c.isdigit() for c in view.text[word.start : word.end])
    return word.label == "ZIP_CODE" and digits >= _SURE_ZIP and word.score >= 0.8
