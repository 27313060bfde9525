"""Passports and identity cards: the machine-readable lines, and the printed numbers.

Right check digits confirm a machine-readable line. If OCR reads ``<`` as ``K`` or ``«``, the check digits fail; the
shape is then enough, because nothing else looks like it. Must NOT match: arrows in prose (``<<``), a number without a
word that says what it is.
"""

from __future__ import annotations

import re

from models.redaction.patterns.pattern_recognizer import Pattern, PatternRecognizer, words
from models.redaction.recognizers.filters.quantity_context import is_harmless

_WEIGHTS = (7, 3, 1)
_VALUES = {char: value for value, char in enumerate("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")} | {"<": 0}
# Where a check digit stands, and what it checks; offsets in the second line of a passport (44) or visa, and of a card.
_TD3 = ((9, 0, 9), (19, 13, 19), (27, 21, 27))
_TD1 = ((14, 5, 14),)
_TD1_DATES = ((6, 0, 6), (14, 8, 14))
_NEEDED = {44: (_TD3,), 36: (_TD3,), 30: (_TD1, _TD1_DATES)}


def check_digit(data: str) -> int:
    """Sum of the characters' values, weighted 7, 3, 1 in turn, modulo 10 (ICAO 9303, part 3).

    Raises:
        KeyError: A character that does not occur in such lines.
    """
    return sum(_VALUES[char] * _WEIGHTS[place % 3] for place, char in enumerate(data)) % 10


def check_line(text: str) -> bool | None:
    """True if the check digits of a machine-readable line are right; None if they are missing or misread."""
    line = text.upper().replace("«", "<").replace(" ", "")
    for places in _NEEDED.get(len(line), ()):
        try:
            if all(str(check_digit(line[start:end])) == line[at] for at, start, end in places):
                return True
        except KeyError:
            continue
    return None


MACHINE_READABLE = PatternRecognizer(
    entity="PASSPORT",
    name="mrz",
    needs="<«",
    patterns=(
        # P<UTOERIKSSON<<ANNA<MARIA<<<<: the kind, the country, and names.
        Pattern(re.compile(r"(?<![\w<])[PVIAC][A-Z<«][A-Z<«]{3}(?=[A-Z0-9<« ]{0,40}[<«]{2})[A-Z0-9<«]{20,41}"), 0.95),
        # L898902C36UTO7408122F1204159ZE184226B<<<<<10: the number, the day of birth, the expiry.
        Pattern(
            re.compile(
                r"(?<![\w<])[A-Z0-9<«]{9}[0-9OIS][A-Z<«]{3}[0-9OIS]{7}[MFX<«][0-9OIS]{7}[A-Z0-9<«]{8,16}(?![\w<])"
            ),
            0.9,
            name="numbers",
        ),
        Pattern(
            re.compile(r"(?<![\w<])[0-9OIS]{7}[MFX<«][0-9OIS]{7}[A-Z<«]{3}[A-Z0-9<«]{11}[0-9OIS](?![\w<])"),
            0.9,
            name="card-dates",
        ),
        Pattern(
            re.compile(r"(?<![\w<])[A-Z]{2,20}(?:<[A-Z]{2,20}){0,3}<<[A-Z]{2,20}(?:<[A-Z]{2,20}){0,4}<{0,30}"),
            0.8,
            name="names",
        ),
    ),
    check=check_line,
)


def check_printed(text: str) -> bool | None:
    """True when a ten-character number ends in its own check digit, as German documents print it."""
    number = re.sub(r"[^A-Z0-9]", "", text.upper())
    if len(number) != 10 or not number[-1].isdigit():
        return None
    return True if str(check_digit(number[:-1])) == number[-1] else None


PASSPORT = PatternRecognizer(
    entity="PASSPORT",
    name="passport-number",
    needs="0",
    patterns=(
        Pattern(
            re.compile(r"(?<![\w-])(?=[A-Z0-9]{0,8}\d{2})[CFGHJKLMNPRTVWXYZ0-9]{9}\d?(?:D|(?![\w-]))"), 0.15, name="de"
        ),
        Pattern(re.compile(r"(?<![\w-])\d{2}[A-Z]{2}\d{5}(?![\w-])"), 0.3, name="fr"),
        Pattern(re.compile(r"(?<![\w-])[A-Z]{1,3}[ -]?\d{6,8}(?![\w-])"), 0.2, name="letters-first"),
        Pattern(re.compile(r"(?<![\w.-])\d{9}(?![\w-]|\.\d)"), 0.15, name="nine"),
    ),
    # ``check_printed`` is not used here: every tenth reference number would pass it, and a context word is needed
    # anyway.
    unless=is_harmless,
    context=words(
        "passports?",
        "reisepass(?:nummer)?",
        "(?:personal)?ausweis(?:nummer)?",
        "pasaporte",
        "passeport",
        "passaporto",
        "identity card",
        "id card",
        "carte d'identité",
        "cni",
        "travel document",
        "पासपोर्ट",
    ),
)
