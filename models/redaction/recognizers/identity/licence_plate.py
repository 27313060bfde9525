"""Number plates of vehicles: India, United Kingdom, Germany, France, Spain, Italy.

Only the shapes of India and France are distinctive enough without context; the others need a context word. Must NOT
match: postcodes, sizes (``DN 20``), part numbers, flights.
"""

from __future__ import annotations

import re

from models.redaction.patterns.pattern_recognizer import Pattern, PatternRecognizer, words
from models.redaction.recognizers.filters.quantity_context import is_harmless
from models.redaction.recognizers.identity.driving_licence import INDIAN_STATES

_INDIAN = re.compile(r"([A-Z]{2})[ -]?\d{1,2}[ -]?[A-Z]{1,3}[ -]?\d{4}", re.IGNORECASE)
_FRENCH_PAIR = "[A-HJ-NP-TV-Z]{2}"


def check_plate(text: str) -> bool | None:
    """False for an Indian shape with an unknown state code; None for all others, which have no check digit."""
    match = _INDIAN.fullmatch(text)
    return False if match and match.group(1).upper() not in INDIAN_STATES else None


PLATE = PatternRecognizer(
    entity="PLATE",
    name="number-plate",
    needs="0",
    patterns=(
        Pattern(
            re.compile(r"(?<![\w-])[A-Z]{2}[ -]?\d{1,2}[ -]?[A-Z]{1,3}[ -]?\d{4}(?![\w-])", re.IGNORECASE),
            0.6,
            name="in",
        ),
        Pattern(re.compile(r"(?<![\w-])\d{2}[ -]?BH[ -]?\d{4}[ -]?[A-Z]{1,2}(?![\w-])"), 0.6, name="in-bharat"),
        Pattern(re.compile(rf"(?<![\w-]){_FRENCH_PAIR}-\d{{3}}-{_FRENCH_PAIR}(?![\w-])"), 0.6, name="fr"),
        Pattern(
            re.compile(rf"(?<![\w-]){_FRENCH_PAIR} ?\d{{3}} ?{_FRENCH_PAIR}(?![\w-])", re.IGNORECASE), 0.2, name="fr-it"
        ),
        Pattern(re.compile(r"(?<![\w-])[A-HJ-PR-Y]{2}\d{2} ?[A-HJ-PR-Z]{3}(?![\w-])", re.IGNORECASE), 0.3, name="gb"),
        Pattern(re.compile(r"(?<![\w-])[A-HJ-NPR-TV-Y]\d{1,3} ?[A-HJ-PR-Y]{3}(?![\w-])"), 0.2, name="gb-old"),
        Pattern(re.compile(r"(?<![\w-])[A-ZÄÖÜ]{1,3}[ :-]{1,2}[A-Z]{1,2}[ -]?\d{1,4}[EH]?(?![\w-])"), 0.2, name="de"),
        Pattern(re.compile(r"(?<![\w-])\d{4}[ -]?[BCDFGHJ-NP-TV-Z]{3}(?![\w-])"), 0.25, name="es"),
        Pattern(
            re.compile(r"(?<![\w-])(?:[A-Z]{3}[ -]?\d{3,4}|\d{1,3}[ -]?[A-Z]{3}[ -]?\d{0,3})(?![\w-])"), 0.15, name="us"
        ),
    ),
    check=check_plate,
    confirms=False,
    unless=is_harmless,
    context=words(
        "plates?",
        "licen[cs]e plate",
        "registration",
        "reg(?:istered)?(?: no| number)?",
        "number plate",
        "vehicle",
        "car",
        "van",
        "parked",
        "drives?",
        "kennzeichen",
        "nummernschild",
        "autokennzeichen",
        "matrículas?",
        "placas?",
        "immatriculation",
        "immatriculée?",
        "plaque",
        "targa",
        "गाड़ी",
        "गाड़ी नंबर",
        "वाहन",
        "gaadi",
    ),
)
