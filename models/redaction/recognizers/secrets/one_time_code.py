"""Short secrets of digits: security codes of cards, one-time codes, codes of doors and alarms, ends of numbers.

The names of codes are data (``lexicons/<lang>/codes.yaml``). Must NOT match: codes of things (error, product, article,
area, discount), readings, quantities ("a combination of 123 valves"). Codes that machines have too ("alarm code 12")
need four digits.
"""

from __future__ import annotations

import re
from typing import Final

from models.redaction.lexicons.loader import across, alternatives
from models.redaction.normalize.view import TextView
from models.redaction.patterns.pattern_recognizer import Pattern, PatternRecognizer
from models.redaction.recognizers.filters.quantity_context import is_amount

_SUBJECT: Final = "codes"
_IS: Final = rf"(?:will be|{alternatives('function_words', 'copulas')}|:|=)"
_NOT_OF_THINGS, _NOT_OF_FAULTS = (
    "".join(rf"(?<!{word} )" for entry in across(_SUBJECT, name) for word in entry.split("|"))
    for name in ("of_things", "of_faults")
)
_PAUSE: Final = r"(?:,(?: [^\n.!?;:=,\d]{1,24},|(?: (?:it|which|that)(?= ))?)\s?)?"
"""A comma and directly the verb, or two commas around another name of the code. A single comma begins a new clause."""
_VERB: Final = rf"(?<![^\W_]){_IS}[\s#]{{0,3}}"
_TOLD: Final = rf"[^\n.!?;:=,\d]{{0,25}}{_PAUSE}{_VERB}"
_DIRECTLY: Final = (
    rf"(?:['\u2019]s\s|[\s:=#(-]{{1,3}}(?:(?:{alternatives('identifiers', 'number')})\.?[\s:=#]{{1,3}})?)"
)
_VALUE: Final = r"(?P<value>\d(?:[ -]?\d){2,9}(?![\d%]|[.,:]\d)[#*]?|[A-Z]{1,3}-?\d{4,8}(?!\w))"
_LONGER: Final = r"(?P<value>\d(?:[ -]?\d){3,9}(?![\d%]|[.,:]\d)[#*]?)"


def _of(words: str, between: str, value: str, name: str) -> Pattern:
    regex = re.compile(rf"(?<![^\W_])(?:{words})(?![^\W_]){between}{value}", re.IGNORECASE)
    return Pattern(regex, 1.0, group="value", name=name)


_QUANTITY_AFTER: Final = re.compile(
    rf"\s(?:(?:{alternatives(_SUBJECT, 'and')})\s\d{{1,6}}\s[^\W\d_]{{3,20}}|{alternatives(_SUBJECT, 'counted')})"
    r"(?![^\W_])",
    re.IGNORECASE,
)
_FAULT_BEFORE: Final = re.compile(rf"(?<![^\W_])(?:{alternatives(_SUBJECT, 'faults')})\s?{_IS}?[\s#]{{0,3}}$")
_BUILDING_YEAR: Final = re.compile(
    rf"(?<![^\W_])(?:{alternatives(_SUBJECT, 'named_after_years')})[\s:]{{1,2}}(?:19|20)\d\d$"
)
"""Building codes, the regulations, are named after their year."""
_BACK: Final = 40


def _is_no_code(view: TextView, start: int, end: int) -> bool:
    """Whether the digits are an amount, a quantity, a fault code or the year of a building code."""
    low = max(0, start - _BACK)
    return bool(
        is_amount(view, start, end)
        or _QUANTITY_AFTER.match(view.text, end)
        or _FAULT_BEFORE.search(view.lower, low, start)
        or _BUILDING_YEAR.search(view.lower, low, end)
    )


_SHORT: Final = f"{_NOT_OF_FAULTS}(?:{alternatives(_SUBJECT, 'short')})"
_LONG: Final = f"{_NOT_OF_FAULTS}(?:{alternatives(_SUBJECT, 'long')})"

CODE = PatternRecognizer(
    entity="SECRET",
    name="code",
    needs="0",
    unless=_is_no_code,
    patterns=(
        _of(_SHORT, _DIRECTLY, _VALUE, "short"),
        _of(_SHORT, _TOLD, _VALUE, "short-told"),
        _of(_LONG, _DIRECTLY, _LONGER, "long"),
        _of(_LONG, _TOLD, _LONGER, "long-told"),
        _of(
            alternatives(_SUBJECT, "typed"),
            " ",
            rf"{_LONGER}(?=(?:{alternatives(_SUBJECT, 'at_a_door')})(?![^\W_]))",
            "at-a-door",
        ),
        _of(
            rf"{_NOT_OF_THINGS}(?:{alternatives(_SUBJECT, 'codes')}) [^\n.!?;:=,\d]{{0,24}}(?<![^\W_])"
            rf"(?:{alternatives(_SUBJECT, 'sent')})",
            rf"[^\n.!?;:=,\d]{{0,16}}{_VERB}",
            _LONGER,
            "sent",
        ),
        _of(
            rf"(?:{alternatives(_SUBJECT, 'pins')}) (?:\w{{1,12}} )?(?:pin|पिन)(?: code| number)?",
            rf"[\s:=#]{{1,3}}(?:{_IS}\s)?",
            _LONGER,
            "pin",
        ),
    ),
)

LAST_DIGITS = PatternRecognizer(
    entity="ID",
    name="last-digits",
    needs="0",
    patterns=(_of(alternatives(_SUBJECT, "ends"), rf"(?: number)?[\s:]{{1,2}}(?:{_IS}\s)?", _LONGER, "ends"),),
)
