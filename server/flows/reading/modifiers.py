"""Words that deny a value, bound it, or correct it. Where they stand beside a value, it is not what was meant."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from models.redaction.commands import any_of, folded
from server.flows.reading.words import CORRECTION, NOT, PLAIN_NO, STATES, phrases

BOUNDS: Final = {
    "en": "almost|nearly|all but|hardly|barely|scarcely|practically|virtually|close to|next to|just under|just over|"
    "over|under|above|below|more than|less than|at least|at most|no less than|no more than|up to",
    "de": "fast|beinahe|nahezu|annähernd|knapp|gut|kaum|praktisch|quasi|so gut wie|über|unter|mehr als|weniger als|"
    "mindestens|wenigstens|höchstens|maximal|minimal|bis zu",
    "es": "casi|apenas|prácticamente|más de|más que|menos de|menos que|por encima de|por debajo de|al menos|lo menos|"
    "cuando menos|cuanto menos|como mínimo|como máximo|como mucho|hasta",
    "fr": "presque|quasiment|pratiquement|à peine|plus de|moins de|au moins|du moins|le moins|au plus|jusqu'à",
    "pt": "quase|praticamente|mais de|mais que|menos de|menos que|pelo menos|ao menos|quando menos|no mínimo|no máximo|"
    "até",
    "hi": "मुश्किल से|कम से कम",
}
"""What makes a value the bound of another one: "almost full" is not full, and "over 40" is not 40."""

SEEMS: Final = {
    "en": "like|as good as|far from|anything but|not exactly",
    "de": "wie|alles andere als|weit entfernt von|wenig",
    "es": "como|lejos de|poco",
    "fr": "comme|loin d'être|peu",
    "pt": "como|longe de|pouco",
    "hi": "लगभग|करीब",
}
"""What likens one thing to another: "as good as new" is not new."""

MISSING: Final = {
    "en": "missing|gone|lacking|short|less|minus|except|used|burned|consumed",
    "de": "fehlt|fehlen|bis auf|weg|weniger|minus|außer|verbraucht|verfahren",
    "es": "falta|faltan|menos|excepto|gastado|consumido|usado",
    "fr": "manque|manquent|moins|sauf|consommé|utilisé",
    "pt": "falta|faltam|menos|exceto|gasto|consumido|usado",
    "hi": "कम|खाली",
}
"""What takes an amount away, so that the rest is meant."""

MORE: Final = {
    "en": "more|over|above",
    "de": "mehr|drüber|darüber",
    "es": "más",
    "fr": "plus",
    "pt": "mais",
    "hi": "ज़्यादा|अधिक",
}
ABOUT: Final = {
    "en": "more or less|give or take",
    "de": "mehr oder weniger",
    "es": "más o menos|ni más ni menos|nada menos",
    "fr": "plus ou moins|ni plus ni moins",
    "pt": "mais ou menos|nem mais nem menos|nada menos",
    "hi": "",
}
"""Phrases of words that add and take away, which together do neither."""

OR: Final = {"en": "or", "de": "oder", "es": "o|u", "fr": "ou", "pt": "ou", "hi": "या"}
AND: Final = {"en": "and", "de": "und", "es": "y|e", "fr": "et", "pt": "e", "hi": "और"}
RANGES: Final = {
    "en": "to|until|till|through",
    "de": "bis",
    "es": "a|al|hasta",
    "fr": "à|au|jusqu'à",
    "pt": "a|ao|até",
    "hi": "से",
}
"""What stands between the ends of a range, besides a dash."""

WHEN: Final = {
    "en": "before|after|until|till|by|since|between|earlier than|later than",
    "de": "vor|nach|bis|seit|zwischen|spätestens|frühestens",
    "es": "antes de|antes del|después de|después del|hasta|entre",
    "fr": "avant|après|jusqu'à|jusqu'au|entre|depuis",
    "pt": "antes de|antes do|depois de|depois do|até|entre",
    "hi": "",
}
"""What makes a day or a time the bound of a span."""

LATER: Final = {
    "en": "later|earlier|after|before",
    "de": "später|früher|danach|davor",
    "es": "después|antes|más tarde",
    "fr": "plus tard|plus tôt|après|avant",
    "pt": "depois|antes|mais tarde",
    "hi": "",
}
THINK: Final = {
    "en": "think|believe|say|suppose|know",
    "de": "glaube|denke|meine|finde|sagen|weiß",
    "es": "creo|pienso|diría|parece|sé",
    "fr": "crois|pense|dirais|sais",
    "pt": "acho|creio|penso|diria|sei",
    "hi": "लगता",
}
"""Verbs with which a "not" denies all that follows: "I don't think it is damaged"."""

_BUT: Final = {"en": "(?<!anything )(?<!all )but", "de": "sondern|aber", "es": "sino|pero", "fr": "mais", "pt": "mas"}

_NEGATION_WORDS: Final = 3
"""Words before a value within which a "not" denies it, and after it within which one that ends the clause does."""

_NEAR_CHARACTERS: Final = 80
_BOUND_WORDS: Final = 1
"""Words between a bound and its value: "almost completely full"."""


@lru_cache(maxsize=16)
def clause_end(code: str) -> re.Pattern[str]:
    """A pattern of what ends a clause: a word for "but", or a mark that is not before a word such as "that"."""
    return re.compile(
        rf"[.;:!?…।]|,(?!\s*(?:that|if|dass|daß|ob|que|si)\b)|\b(?:{_BUT.get(code, _BUT['en'])})\b", re.IGNORECASE
    )


def is_denied(before: str, after: str, code: str) -> bool:
    """Whether a "not" stands before a value, or after it at the end of its clause: "not full", "lleno no".

    Args:
        before: The clause before the value, folded.
        after: The clause after it, folded.
        code: ISO 639-1 code.
    """
    denied, later = any_of(phrases(NOT, code)), after.split()
    if denied.search(" ".join(before.split()[-_NEGATION_WORDS:])) or _denies_the_rest(code).search(before):
        return True
    if len(later) > 1 and later[-1] in phrases(STATES, code):
        later.pop()
    return 0 < len(later) <= _NEGATION_WORDS and denied.fullmatch(later[-1]) is not None


@lru_cache(maxsize=16)
def _denies_the_rest(code: str) -> re.Pattern[str]:
    denied, think = any_of(phrases(NOT, code)).pattern, any_of(phrases(THINK, code)).pattern
    neither = r"|(?<!\w)weder\s.*\snoch(?!\w)" if code == "de" else ""
    return re.compile(rf"(?:{denied})(?:\s\S+)?\s(?:{think})|(?:{think})(?:\s\S+)?\s(?:{denied}){neither}")


def ends_with(wanted: re.Pattern[str], before: str, between: int = _BOUND_WORDS) -> bool:
    """Whether one of the phrases stands directly before a value, or with so many words between."""
    return re.search(rf"(?:{wanted.pattern})(?:\s+\S+){{0,{between}}}\s*\Z", before) is not None


@lru_cache(maxsize=16)
def joins(code: str) -> re.Pattern[str]:
    """A pattern of the words that join two of a kind, in folded text."""
    return any_of((*phrases(OR, code), *phrases(AND, code)))


@lru_cache(maxsize=16)
def alternatives(code: str) -> re.Pattern[str]:
    """A pattern of what stands between two values of which either is meant, or all between them."""
    return re.compile(rf"(?:{any_of((*phrases(OR, code), *phrases(RANGES, code))).pattern}|[-\u2012-\u2015])")


def is_open(before: str, after: str, code: str) -> bool:
    """Whether a day or a time is the bound of a span, or one of several: "before the 5th", "the 1st or 2nd".

    Args:
        before: The text before it, in small letters.
        after: The text after it.
        code: ISO 639-1 code.
    """
    before, after = before[-_NEAR_CHARACTERS:], after[:_NEAR_CHARACTERS]
    sentence = folded(re.split(r"[.;:!?]\s", before)[-1].replace(",", " "))
    other, two = alternatives(code).pattern, any_of(phrases(AND, code)).pattern
    another_before = rf"\d\S*\s*(?:{other}\s*(?:\S+\s+){{0,2}}|{two}\s*(?:\S+\s+)?)\Z"
    another_after = rf"\W*?{other}\s*(?:\S+\s+)?\d|\W*{two}\s*(?:\S+\s+)?\d{{1,2}}(?:st|nd|rd|th|\.)"
    or_later = rf"(?:{joins(code).pattern})\s(?:{any_of(phrases(LATER, code)).pattern})"
    return (
        ends_with(any_of((*phrases(WHEN, code), *phrases(BOUNDS, code))), sentence)
        or re.search(another_before, before) is not None
        or re.match(another_after, after) is not None
        or re.match(or_later, folded(after)) is not None
    )


def meant(text: str, code: str, has_value: Callable[[str], bool]) -> str:
    """The part of a text that counts: what follows its last correction of one value by another, else the whole.

    "full, no wait, half" gives "half". A word such as "actually" in a clause that denies something else corrects
    nothing, and a "no" before other words may belong to them: "worn, no damage".

    Args:
        text: As it was said.
        code: ISO 639-1 code.
        has_value: Whether a part of the text names a value.
    """
    for found in reversed(list(_markers(code).finditer(text))):
        head, tail = text[: found.start()], text[found.end() :]
        clause = clause_end(code).split(head)[-1]
        if (_is_no_alone(found[0], code) and _goes_on(tail)) or not (has_value(head) and has_value(tail)):
            continue
        if has_value(clause) or not is_denied(folded(clause), "", code):
            return tail
    return text


@lru_cache(maxsize=16)
def _markers(code: str) -> re.Pattern[str]:
    words = CORRECTION.get(code, CORRECTION["en"])
    forms = {re.escape(each) for each in (*words.split("|"), *_without_accents(words).split("|"))}
    word = rf"(?<!\w)(?:{'|'.join(sorted(forms, key=len, reverse=True))})(?!\w|\sthan\b)"
    return re.compile(rf"{word}(?:\W+{word})*", re.IGNORECASE)


def _without_accents(words: str) -> str:
    return unicodedata.normalize("NFKD", words).translate({0x301: None, 0x303: None, 0x308: None, 0x327: None})


def _is_no_alone(marker: str, code: str) -> bool:
    """Whether a marker is the one word that also denies what follows it."""
    return folded(marker) in set(phrases(PLAIN_NO, code)) & set(phrases(NOT, code))


def _goes_on(after: str) -> bool:
    """Whether a clause has more words."""
    return re.match(r"\s*\w", after) is not None
