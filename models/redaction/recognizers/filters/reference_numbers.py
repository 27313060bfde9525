"""Reference numbers of objects, introduced by a word for the object: "serial number 4417", "Bestellnummer 88120".

Must NOT match: numbers of people ("Kundennummer", "número de cliente", "account"), file numbers of offices and courts,
parcel numbers, which lead to the recipient; an object that is mentioned elsewhere in the sentence.
"""

from __future__ import annotations

import re
from typing import Final

from models.redaction.lexicons.loader import across, alternatives
from models.redaction.normalize.view import TextView
from models.redaction.patterns.pattern_recognizer import words

_SUBJECT: Final = "number_cues"


def _whole(name: str) -> re.Pattern[str]:
    return words(alternatives(_SUBJECT, name))


def _set(name: str) -> frozenset[str]:
    return frozenset(across(_SUBJECT, name))


_GOODS: Final = _whole("goods")
_FILLERS: Final = _set("fillers")
"""Words between the word for an object and its number."""
_LAST_FILLERS: Final = _set("articles")
"""Allowed only right before the number: in "for the order the number is" the number is personal."""
_NUMBER_WORDS: Final = _set("numbers")
"""Words for "number" between an object and its number."""
_NUMBERED: Final = re.compile(alternatives(_SUBJECT, "numbered"))
"""Objects whose word says that a number follows: "serial"."""
_NUMBER_OF: Final = re.compile(rf"(?<![^\W_])(?:{alternatives(_SUBJECT, 'number_of')})$")
"""Fewer words than between an object and its number: "no" before an object is rarely "number"."""
_NUMBER_OF_REACH = 20
_SHORT: Final = across(_SUBJECT, "shortened")
_SHORT_NUMBERS: Final = tuple(_NUMBER_WORDS.intersection(_SHORT))
"""Ends of an object's word that have a point: "Bestellnr."."""
_SHORTENED: Final = re.compile(rf"(?<![^\W_])(?:{'|'.join(_SHORT)})\.")
_ENDS_A_CLAUSE = re.compile(r"[,;.?!\n(]")
_LIKE_A_TELEPHONE = 9
"""Digits of a phone number with its area code."""
_REACH = 40
_BETWEEN = re.compile(r"[^\s:=#.,()-]{1,40}")
_CODE_PART = re.compile(r"[A-Z]{1,4}\d{0,4}|[A-Z]\d{1,4}[A-Z]{0,3}")
"""The beginning of the number itself, as in "FD 9902 00451"."""

_PHONE_WORDS: Final = _whole("telephones")
_PHONE_WORD_REACH = 14


def is_reference_number(view: TextView, start: int, end: int) -> bool:
    """Whether a word for an object stands right before a number, and no word for a telephone is near.

    A new clause has no connection to the object: "I have a complaint, 415 555 0132" gives a phone number. A number as
    long as a phone number needs a word for "number".
    """
    low, high = max(0, start - _PHONE_WORD_REACH), min(len(view.lower), end + _PHONE_WORD_REACH)
    if _PHONE_WORDS.search(view.lower, low, start) or _PHONE_WORDS.search(view.lower, end, high):
        return False
    things = list(_GOODS.finditer(view.lower, max(0, start - _REACH), start))
    if not things:
        return False
    thing, following = things[-1], things[-1].end()
    between = _SHORTENED.sub(" ", view.lower[following:start])
    if thing.group() in _SHORT or thing.group().endswith(_SHORT_NUMBERS):
        between = between.removeprefix(".")
    if _ENDS_A_CLAUSE.search(between):
        return False
    between_words = list(_BETWEEN.finditer(view.lower, following, start))
    numbered = (
        _NUMBERED.fullmatch(thing.group())
        or _NUMBER_OF.search(view.lower, max(0, thing.start() - _NUMBER_OF_REACH), thing.start())
        or any(word.group() in _NUMBER_WORDS for word in between_words)
    )
    long = sum(map(str.isdigit, view.text[start:end])) >= _LIKE_A_TELEPHONE
    if not numbered and (long or ":" in between):
        return False
    return all(
        match.group() in _FILLERS
        or (match is between_words[-1] and match.group() in _LAST_FILLERS)
        or _CODE_PART.fullmatch(view.text, *match.span()) is not None
        for match in between_words
    )
