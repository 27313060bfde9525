"""Number words that are derived or compounded: ordinals, and the long words of German and Italian."""

from __future__ import annotations

import re
from typing import Final

from models.redaction.itn.lexicon import lexicon_for, word_values
from models.redaction.lexicons.loader import ANY, languages, words


def _in_order(words: str, first: int, step: int = 1) -> dict[str, int]:
    """Words for numbers in order; alternatives share a place with ``/``."""
    return {word: first + step * i for i, place in enumerate(words.split()) for word in place.split("/")}


_LANGUAGES: Final = languages("spoken")

ARTICLES: Final = words(ANY, "spoken_words", "articles")
"""Words for one that are nearly always the article."""

ORDINALS: Final = {
    language: {word: int(value) for word, value in word_values(language, "ordinals").items()}
    for language in _LANGUAGES
    if word_values(language, "ordinals")
}
"""Days of a month as ordinals; most languages use one for the first only."""

MORE_NUMBERS: Final = {
    language: word_values(language, "more_numbers") for language in _LANGUAGES if word_values(language, "more_numbers")
}
"""Words that count only in a number on its own. In a digit sequence they are confused with other words."""

_IT_TEENS = _in_order("sedici diciassette diciotto diciannove", 16)
_IT_TENS = _in_order("venti trenta quaranta cinquanta sessanta settanta ottanta novanta", 20, 10)
_IT_UNITS = _in_order("uno due tre/tré quattro cinque sei sette otto nove", 1)
_IT_SMALL = (
    {word: int(value) for word, value in lexicon_for("it").numbers.items() if int(value) < 100}
    | _IT_TEENS
    | {
        (ten[:-1] if unit[0] in "ou" else ten) + unit: value + more
        for ten, value in _IT_TENS.items()
        for unit, more in _IT_UNITS.items()
    }
)
_DE_SMALL = {word: int(value) for word, value in lexicon_for("de").numbers.items() if 0 < int(value) < 100}
_SMALL = {"de": _DE_SMALL, "it": _IT_SMALL}

COMPOUNDING = frozenset(_SMALL)
"""Languages that write a number in one word, which no list can hold."""

_PARTS = {
    "de": re.compile(
        r"(?:(?P<thousands>\w{0,18}?)tausend(?:und)?)?(?:(?P<hundreds>\w{0,18}?)hundert(?:und)?)?(?P<rest>\w{0,24})"
    ),
    "it": re.compile(r"(?:(?P<thousands>mille|\w{1,18}?mila))?(?:(?P<hundreds>\w{0,12}?)cento?)?(?P<rest>\w{0,24})"),
}  # fmt: skip
_LONGEST_WORD = 40


def compound(word: str, language: str) -> int | None:
    """The value of a number written in one word, "vierundneunzig", "millenovecentottanta"; None for other words."""
    small = _SMALL.get(language)
    if small is None or len(word) > _LONGEST_WORD:
        return None
    if word in small:
        return small[word]
    match = _PARTS[language].fullmatch(word)
    if match is None:
        return None
    thousands = _times(match["thousands"], small, 1000)
    hundreds = _times(match["hundreds"], small, 100)
    rest = _below_hundred(match["rest"], small)
    if thousands is None or hundreds is None or rest is None:
        return None
    return thousands + hundreds + rest or None


def _times(count: str | None, small: dict[str, int], unit: int) -> int | None:
    """The thousands or hundreds: zero if ``count`` is None, one if it is empty."""
    if count is None:
        return 0
    count = count.removesuffix("mila") if count != "mille" else ""
    return unit * small[count] if count in small else unit if not count else None


def _below_hundred(word: str, small: dict[str, int]) -> int | None:
    if not word:
        return 0
    if word in small:
        return small[word]
    return small.get("o" + word) or small.get("a" + word)  # Italian drops a vowel: cent(o)ottanta


_ORDINAL_STEMS = {"er": 1, "drit": 3, "sieb": 7, "sieben": 7, "ach": 8}
_ORDINAL = re.compile(r"(?P<stem>\w{2,36}?)(?P<s>s?)t(?:e[nrsm]?)")


def ordinal_compound(word: str) -> int | None:
    """The value of a German ordinal in any case, "zwölften", "einundzwanzigster"; None for other words."""
    if len(word) > _LONGEST_WORD or not (match := _ORDINAL.fullmatch(word)):
        return None
    stem = match["stem"]
    if stem in _ORDINAL_STEMS and bool(match["s"]) == (stem == "er"):
        return _ORDINAL_STEMS[stem]
    value = compound(stem, "de")
    return value if value is not None and (value >= 20) == bool(match["s"]) else None
