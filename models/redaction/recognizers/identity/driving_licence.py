"""Driving licences by their shape: United Kingdom, India, Germany, France, Spain and states of the USA.

``national_id`` finds what a word introduces directly. The shapes here are distinctive, or need a word somewhere near.
Must NOT match: part numbers, numbers of meters and invoices.
"""

from __future__ import annotations

import re

from models.redaction.patterns.pattern_recognizer import Pattern, PatternRecognizer, words
from models.redaction.recognizers.filters.quantity_context import is_harmless

_UK_MONTHS = frozenset(range(1, 13)) | frozenset(range(51, 63))
_INDIAN_STATES = (
    "AN AP AR AS BH BR CG CH DD DL GA GJ HP HR JH JK KA KL LA LD MH ML MN MP MZ NL OD OR PB PY RJ SK TG TN TR TS "
    "UK UP "
    "WB"
)
INDIAN_STATES = frozenset(_INDIAN_STATES.split())
"""Codes of the Indian states and union territories on licences and number plates. DN is not listed: it ended in 2020
and is a pipe size.
"""


def check_licence(text: str) -> bool | None:
    """True for a possible day of birth inside a British number or a real state in an Indian one, False for neither."""
    compact = re.sub(r"[\s/-]", "", text.upper())
    if re.fullmatch(r"[A-Z9]{5}\d{6}[A-Z9]{2}[A-Z0-9]{3}(?:\d{2})?", compact):
        return int(compact[6:8]) in _UK_MONTHS and 1 <= int(compact[8:10]) <= 31
    if re.fullmatch(r"[A-Z]{2}\d{13,14}", compact):
        return compact[:2] in INDIAN_STATES
    return None


LICENCE = PatternRecognizer(
    entity="LICENCE",
    name="driving-licence",
    needs="0",
    patterns=(
        # MORGA 657054 SM9IJ: surname, decade, month (women +50), day, year, initials, check.
        Pattern(
            re.compile(r"(?<!\w)[A-Z9]{5} ?\d{6} ?[A-Z9]{2}[A-Z0-9][A-Z]{2}(?: ?\d{2})?(?!\w)", re.IGNORECASE),
            0.6,
            name="gb",
        ),
        # MH12 20110062821: state, office, year, number.
        Pattern(
            re.compile(r"(?<!\w)[A-Z]{2}[ -]?\d{2,3}[ /-]?(?:19|20)\d{2}[ /-]?\d{7}(?!\w)", re.IGNORECASE),
            0.6,
            name="in",
        ),
        Pattern(re.compile(r"(?<![\w-])[A-Z]\d{2}[A-Z0-9]{6}\d[A-Z0-9](?![\w-])"), 0.2, name="de"),
        Pattern(re.compile(r"(?<![\w.-])\d{12}(?![\w-]|\.\d)"), 0.2, name="fr"),
        Pattern(re.compile(r"(?<![\w-])\d{8}-?[A-Z](?![\w-])"), 0.3, name="es"),
        # Florida, Illinois, Michigan, Minnesota, Wisconsin, Maryland, New Jersey: the initial and the name's code.
        Pattern(re.compile(r"(?<![\w-])[A-Z](?:[ -]?\d){8,16}(?![\w-])"), 0.25, name="us-long"),
        Pattern(re.compile(r"(?<![\w-])(?:[A-Z]{1,2}\d{5,8}|\d{3}-\d{3}-\d{3})(?![\w-])"), 0.2, name="us-short"),
        Pattern(re.compile(r"(?<![\w.-])\d{7,9}(?![\w-]|\.\d)"), 0.12, name="us-digits"),
    ),
    check=check_licence,
    unless=is_harmless,
    context=words(
        "driver'?s'? licen[cs]e",
        "driving licen[cs]e",
        "licen[cs]e (?:number|no)",
        "dl ?(?:no|number|#)",
        "dlno",
        "dmv",
        "dvla",
        "führerschein(?:nummer)?",
        "permis(?: de conduire)?",
        "(?:permiso|carnet|licencia) de conduc(?:ir|ción)",
        "patente(?: di guida)?",
        "ड्राइविंग लाइसेंस",
        "लाइसेंस",
    ),
)
