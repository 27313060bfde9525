"""Streets with their number, in the orders of number, name and kind that languages have.

The kinds are data (``lexicons/<lang>/streets.yaml``). The recognizer also runs where every spoken number is written in
digits. Must NOT match: "table for four", "Room 12", "12 km from the main road", streets without a number, a corner of
the room.
"""

from __future__ import annotations

import re
from typing import Final

from models.redaction.itn.cardinals import NUMERALS
from models.redaction.lexicons.loader import ANY, across, alternatives, word_lists
from models.redaction.lexicons.loader import words as listed
from models.redaction.normalize.view import TextView
from models.redaction.patterns.pattern_recognizer import Pattern, PatternRecognizer, context_words
from models.redaction.recognizers.filters.quantity_context import is_amount

_LETTERS: Final = r"\w'\u2019.\u0900-\u097f-"
_END: Final = r"(?![^\W_]|[\u0900-\u097f])"
_WORD: Final = rf"(?:[^\W\d_][{_LETTERS}]{{0,30}}|\d{{1,3}}(?:st|nd|rd|th))"
_CAPITAL: Final = rf"[^\W\d_a-zß-ÿ][{_LETTERS}]{{0,30}}"
_FIRST: Final = r"(?<![\w.,:$€£₹-])\d{1,6}(?:[-/]\d{1,5})?(?: \d{1,4}){0,2} ?[A-Za-z]?(?![\w']),? {1,3}"
_LAST: Final = (
    rf",?\s{{1,2}}(?:(?:{alternatives('streets', 'number')}) ?)?"
    r"(?:\d{1,4}(?: ?[^\W\d_](?!\w))?(?: (?:bis|ter))?(?:[/-]\d{1,4})?|s/n)(?![\w%]|[.,:]\d| Uhr)"
)
_PLAIN_LAST: Final = r",? {1,2}(?:(?:n[º°o.]{0,2}|núm(?:ero)?\.?|numero) ?)?(?:\d{1,4}|s/n)(?!\w|[.,:]\d)"
_UNIT: Final = rf"(?:\s{{0,2}},?\s{{1,3}}(?:{alternatives('streets', 'flats')}|#)\.?\s{{0,2}}#?[\w-]{{1,8}})?"
_CITY: Final = (
    r"\s{0,2},\s{1,2}[A-Z][\w'\u2019.-]{1,30}(?: [A-Z][\w'\u2019.-]{1,30}){0,2}"
    r"(?:,? {1,2}[A-Z]{2}(?= ?\d|\b))?(?:,? {1,2}\d{5}(?:-\d{4})?)?"
)
_FLOOR: Final = r"(?:,? \d{1,2}\.?[º°ªo]?(?: ?[a-z]| izq\.?| dcha\.?)?(?!\w))?"
_OF_FR: Final = rf"(?:(?:{alternatives('streets', 'of')}) ?){{0,3}}"
_SMALL: Final = rf"(?:(?:{'|'.join(word_lists(ANY, 'particles')['streets'])})\s)"
_HOUSES: Final = alternatives("streets", "houses")
_PART: Final = rf"(?:{_SMALL}{{0,2}}(?:{_CAPITAL}|\d{{1,5}}[a-z]{{0,2}}))"
_ROAD: Final = rf"{_PART}(?: {_PART}){{0,5}}"


def _kinds(name: str) -> str:
    """The entries of a list in all languages, as alternatives of an expression in any case."""
    return rf"(?i:{alternatives('streets', name)})"


def kinds_of(name: str) -> str:
    """The same for lists of plain words, such as floors."""
    return "|".join(map(re.escape, sorted(across("streets", name), key=len, reverse=True)))


def _pattern(regex: str, score: float, name: str) -> Pattern:
    return Pattern(re.compile(regex), score, name=name)


_NO_HOUSE: Final = re.compile(
    rf"\d{{1,6}},? {{1,3}}(?:{alternatives('streets', 'distances')})(?![^\W_]|['\u2019])|1 ", re.IGNORECASE
)


_PREPOSITIONS: Final = listed(ANY, "particles", "addresses")
_SENTENCE_WORDS: Final = (
    frozenset[str]().union(*(word_lists(code, "function_words")["all"] for code in ("en", "es", "it", "pt")))
    - _PREPOSITIONS
)
_NUMBER_AT_END: Final = re.compile(r"\d{1,4}$")
_FLAT: Final = re.compile(rf"(?:{alternatives('streets', 'flat_numbers')})\W{{1,3}}\d+\w?", re.IGNORECASE)


def _counts_something(view: TextView, start: int, end: int) -> bool:
    """Whether the number is a distance, a price or a time: "12 km from the main road", "5 baje gate par".

    "12 km Multan Road" is an address. A spoken "one" is seldom the number of a house, and a
    sentence with a spoken number has pronouns and verbs.
    """
    counted = _NO_HOUSE.match(view.text, start)
    number = _NUMBER_AT_END.search(view.text, start, end)
    if number is not None and is_amount(view, number.start(), end):
        return True
    if view.kind != NUMERALS:
        return counted is not None and counted.group() != "1 "
    if counted is not None or _FLAT.fullmatch(view.text, start, end):
        return True
    return not _SENTENCE_WORDS.isdisjoint(view.lower[start:end].split())


STREET = PatternRecognizer(
    entity="ADDRESS",
    name="street",
    needs="0",
    unless=_counts_something,
    patterns=(
        # 14 Elm Street, 221B Baker St., 14 Patel Nagar
        _pattern(
            rf"{_FIRST}(?:{_WORD} {{1,3}}){{1,4}}{_kinds('number_name_kind')}\.?{_END}"
            rf"(?:\s[NSEW]{{1,2}}(?![a-z]))?(?i:{_UNIT})",
            0.7,
            "number-name-kind",
        ),
        _pattern(
            rf"(?<![\w.])\d{{1,6}}[A-Za-z]?,? {{1,3}}(?:{_WORD} {{1,3}}){{1,4}}{_kinds('number_name_kind')}\.?{_END}"
            rf"{_CITY}",
            0.55,
            "city",
        ),
        # 12 rue de la Paix; 3, bd Voltaire
        _pattern(
            rf"(?<![\w.])\d{{1,4}}(?: ?(?:bis|ter|quater))?,? {{1,2}}{_kinds('number_kind_name')}\.? {_OF_FR}"
            rf"{_WORD}(?:[ -]{_WORD}){{0,3}}",
            0.75,
            "number-kind-name",
        ),
        # C/ Mayor, 5, 3.º B; Avda. de la Constitución s/n
        _pattern(
            rf"(?<!\w){_kinds('kind_name_number')}"
            rf"(?:(?:\s{{1,2}}|(?<=[./])){_WORD}(?: {_WORD}){{0,6}})?{_PLAIN_LAST}{_FLOOR}",
            0.7,
            "kind-name-number",
        ),
        # Via Roma 10, οδός Ερμού 15: the kind may be another word, so the name needs a capital.
        _pattern(
            rf"(?<!\w){_kinds('kind_capital_number')}\s{_SMALL}{{0,2}}"
            rf"{_CAPITAL}(?: {_CAPITAL}){{0,4}}{_LAST}",
            0.7,
            "kind-capital-number",
        ),
        # Atatürk Caddesi 12, Petőfi utca 3
        _pattern(
            rf"(?<!\w){_CAPITAL}(?: {_WORD}){{0,3}}\s{_kinds('capital_kind_number')}{_LAST}",
            0.7,
            "capital-kind-number",
        ),
        # Hauptstraße 12, Storgatan 52, Kerkstraat 8; lange gasse 3
        _pattern(rf"(?<!\w)[^\W\d_][\w-]{{1,30}}{_kinds('name_ending_number')}{_LAST}", 0.7, "ending"),
        _pattern(
            rf"(?<!\w)(?!{_kinds('not_before_kinds')}\s)"
            rf"[^\W\d_][\w-]{{2,30}} {_kinds('name_kind_number')}{_LAST}",
            0.7,
            "name-kind-number",
        ),
        _pattern(rf"(?<!\w)[A-ZÄÖÜ][\w-]{{2,30}}(?: ?{_kinds('capital_ending_number')}){_LAST}", 0.7, "capital-ending"),
        # Straße des 17. Juni 135; "beim Test 12" is built like "am Markt 12"
        _pattern(
            rf"(?<!\w)(?:{alternatives('streets', 'kinds_named_after')}) "
            rf"(?:(?:{alternatives('streets', 'named_after')})\s){{1,2}}(?:\d{{1,2}}\. )?{_CAPITAL}{_LAST}",
            0.75,
            "de-of",
        ),
        Pattern(
            re.compile(
                rf"(?<!\w){_kinds('at')}"
                rf" (?P<value>[^\W\d_][\w-]{{1,24}}(?: [^\W\d_][\w-]{{1,24}})?{_LAST})"
            ),
            0.3,
            group="value",
            name="de-at",
        ),
        # Flat No 302, Lotus Apartments; apt 4b; मकान नंबर 12, गांधी नगर
        _pattern(
            rf"(?<![^\W_]){_kinds('units')}\.?(?: (?:is|ist|es))?[\s:#-]{{1,3}}#?\d[\w/-]{{0,9}}"
            rf"(?:,?\s{{1,2}}(?:{_WORD} ){{0,3}}(?:{_kinds('number_name_kind')}|(?i:{_HOUSES})){_END})?",
            0.6,
            "unit",
        ),
        _pattern(
            r"(?i:(?<!\w)(?:(?:psc|cmr|unit)\s\d{1,5},?\s{1,2}box\s\d{1,5},?\s{1,3}|us[nscv]{1,3}\s[a-z]{2,20},?\s{1,3})?"
            r"(?:apo|fpo|dpo),?\s(?:aa|ae|ap)\s\d{5}(?!\d))",
            0.9,
            "military",
        ),
        _pattern(r"(?i:(?<!\w)p\.?\s?o\.?\s?box\s{1,2}\d{1,6}(?!\w))", 0.8, "box"),
    ),
    context=context_words("street"),
)  # fmt: skip

INTERSECTION = PatternRecognizer(
    entity="ADDRESS",
    name="corner",
    patterns=(
        _pattern(
            rf"(?<!\w)(?:[Tt]he )?(?:{alternatives('streets', 'corners')}) (?:of|between) "
            rf"{_ROAD} (?:and|&) {_ROAD}",
            0.75,
            "en",
        ),
    ),
)
