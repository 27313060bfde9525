"""Words for parts of a whole, and options that are such parts: "half", "three quarters", "6/8"."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import Final

from models.redaction.commands import any_of, folded
from models.redaction.itn.cardinals import numerals
from server.flows.fields import ChoiceField, Option
from server.flows.texts import base_language, text_in, words_in

_PARTS: Final = {
    "en": {"half|halves": 2, "third|thirds": 3, "quarter|quarters|fourths": 4, "fifths": 5, "eighth|eighths": 8},
    "de": {
        "halb|halbe|halben|halber|halbes|hälfte": 2,
        "drittel|dritteln": 3,
        "viertel|vierteln": 4,
        "fünftel|fünfteln": 5,
        "achtel|achteln": 8,
    },
    "es": {"medio|media|mitad": 2, "tercio|tercios": 3, "cuarto|cuartos": 4, "quintos": 5, "octavo|octavos": 8},
    "fr": {"demi|demie|moitié": 2, "tiers": 3, "quart|quarts": 4, "cinquièmes": 5, "huitième|huitièmes": 8},
    "pt": {"meio|meia|metade": 2, "terço|terços": 3, "quarto|quartos": 4, "quintos": 5, "oitavo|oitavos": 8},
    "hi": {"आधा|आधी|आधे": 2, "तिहाई": 3, "चौथाई": 4},
}
_IN_ONE_WORD: Final = {"dreiviertel": Fraction(3, 4)}
_FIGURES: Final = re.compile(r"(?<![\d/])(\d{1,2})\s?[/\u2044]\s?(\d{1,3})(?![\d/])")


@lru_cache(maxsize=16)
def part_words(code: str) -> re.Pattern[str]:
    """A pattern of the words for parts, in folded text."""
    return any_of(_parts(code))


def figures_in(text: str) -> list[str]:
    """The fractions of a text that are written in figures, such as 3/4."""
    return [found[0] for found in _FIGURES.finditer(text)]


def fraction_of(phrase: str, language: str) -> Fraction | None:
    """The part that a phrase names, None for none.

    Args:
        phrase: A short one, such as "three quarters" or "6/8".
        language: ISO 639-1 code.
    """
    code = base_language(language)
    if (written := _FIGURES.search(phrase)) and int(written[2]):
        return Fraction(int(written[1]), int(written[2]))
    text = folded(phrase)
    if (found := part_words(code).search(text)) is None:
        return None
    before = text[: found.start()].strip()
    said = next((each.form for each in numerals(before, code) if each.end == len(before)), before.split(" ")[-1])
    return _parts(code)[found[0]] * (int(said) if said.isdecimal() else 1)


def scale_of(field: ChoiceField, language: str) -> dict[str, Fraction]:
    """The options that are parts of a whole, by their values; none where fewer than two are.

    An option without a part before the smallest one is nothing, and one after the greatest is the whole.
    """
    parts = {option.value: part for option in field.options if (part := _part(option, language)) is not None}
    if len(set(parts.values())) < 2:
        return {}
    first, *_, last = parts.values()
    ends = (Fraction(first > last), Fraction(first < last))
    return {field.values[0]: ends[0], field.values[-1]: ends[1]} | parts


def _part(option: Option, language: str) -> Fraction | None:
    label = option.value.replace("_", " ") if option.label is None else text_in(option.label, language)
    found = (fraction_of(phrase, language) for phrase in (label, *words_in(option.words, language)))
    return next((part for part in found if part is not None), None)


@lru_cache(maxsize=16)
def _parts(code: str) -> dict[str, Fraction]:
    """The parts that words name by themselves, by the folded words."""
    lists = _PARTS.get(code, _PARTS["en"])
    named = {folded(word): Fraction(1, under) for words, under in lists.items() for word in words.split("|")}
    return named | (_IN_ONE_WORD if code == "de" else {})
