"""Short secrets of digits: security codes of cards, one-time codes, codes of doors and alarms, ends of numbers.

The names of codes are data (``lexicons/<lang>/codes.yaml``). Must NOT match: codes of things (error, product, article,
area, discount), readings, quantities ("a combination of 123 valves"). Codes that machines have too ("alarm code 12")
need four digits.
"""

from __future__ import annotations

import re
from typing import Final

from models.redaction.lexicons.loader import alternatives
from models.redaction.normalize.view import TextView
from models.redaction.patterns.pattern_recognizer import Pattern, PatternRecognizer
from models.redaction.recognizers.filters.quantity_context import is_amount

_IS: Final = r"(?:is|was|are|were|will be|es|era|son|est|était|sont|ist|war|lautet|sind|hai|है|é|:|=)"
_OF_THINGS: Final = (
    "error fault product article part item model area country zip post postal status exit discount promo voucher coupon"
    " bar qr dress source site cost tax sort event color colour class"
)
_NOT_OF_THINGS: Final = "".join(rf"(?<!{word} )" for word in _OF_THINGS.split())
_NOT_OF_FAULTS: Final = "(?<!error )(?<!fault )(?<!product )(?<!article )(?<!part )(?<!model )"
_PAUSE: Final = r"(?:,(?: [^\n.!?;:=,\d]{1,24},|(?: (?:it|which|that)(?= ))?)\s?)?"
"""A comma and directly the verb, or two commas around another name of the code. A single comma begins a new clause."""
_VERB: Final = rf"(?<![^\W_]){_IS}[\s#]{{0,3}}"
_TOLD: Final = rf"[^\n.!?;:=,\d]{{0,25}}{_PAUSE}{_VERB}"
_DIRECTLY: Final = r"(?:['\u2019]s\s|[\s:=#(-]{1,3}(?:(?:no|nr|number|code)\.?[\s:=#]{1,3})?)"
_VALUE: Final = r"(?P<value>\d(?:[ -]?\d){2,9}(?![\d%]|[.,:]\d)[#*]?|[A-Z]{1,3}-?\d{4,8}(?!\w))"
_LONGER: Final = r"(?P<value>\d(?:[ -]?\d){3,9}(?![\d%]|[.,:]\d)[#*]?)"


def _of(words: str, between: str, value: str, name: str) -> Pattern:
    regex = re.compile(rf"(?<![^\W_])(?:{words})(?![^\W_]){between}{value}", re.IGNORECASE)
    return Pattern(regex, 1.0, group="value", name=name)


_QUANTITY_AFTER: Final = re.compile(
    r"\s(?:(?:and|or|plus|und|oder|et|ou|y|o)\s\d{1,6}\s[^\W\d_]{3,20}"
    r"|(?:valves?|pumps?|parts?|sensors?|boxes|pipes?|bolts?|screws?|items|editions?|versions?|revision|standards?"
    r"|ventile|pumpen|teile|ausgabe|válvulas|bombas|piezas|edición|vannes|pompes|pièces|édition))(?![^\W_])",
    re.IGNORECASE,
)
_FAULT_BEFORE: Final = re.compile(
    r"(?<![^\W_])(?:errors?|faults?|failures?|fehler|störung|erreur|panne|fallo|avería|erro|falha)"
    rf"(?: (?:code|number))?\s?{_IS}?[\s#]{{0,3}}$"
)
_BUILDING_YEAR: Final = re.compile(r"(?<![^\W_])building code(?: of)?(?: is| was)?[\s:]{1,2}(?:19|20)\d\d$")
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


_SHORT: Final = f"{_NOT_OF_FAULTS}(?:{alternatives('codes', 'short')})"
_LONG: Final = f"{_NOT_OF_FAULTS}(?:{alternatives('codes', 'long')})"

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
            r"code|código|press|enter|type|dial|punch in|key in",
            " ",
            rf"{_LONGER}(?=(?:{alternatives('codes', 'at_a_door')})(?![^\W_]))",
            "at-a-door",
        ),
        _of(
            rf"{_NOT_OF_THINGS}(?:code|código|clave|कोड) [^\n.!?;:=,\d]{{0,24}}(?<![^\W_])"
            rf"(?:{alternatives('codes', 'sent')})",
            rf"[^\n.!?;:=,\d]{{0,16}}{_VERB}",
            _LONGER,
            "sent",
        ),
        _of(
            r"(?:my|your|his|her|our|mi|mein|meine|mon|mera|meri|मेरा) (?:\w{1,12} )?(?:pin|पिन)(?: code| number)?",
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
    patterns=(_of(alternatives("codes", "ends"), rf"(?: number)?[\s:]{{1,2}}(?:{_IS}\s)?", _LONGER, "ends"),),
)
