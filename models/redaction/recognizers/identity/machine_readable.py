"""The machine-readable lines of passports and identity cards.

Right check digits confirm a machine-readable line. If OCR reads ``<`` as ``K`` or ``«``, the check digits fail; the
shape is then enough, because nothing else looks like it. Must NOT match: arrows in prose (``<<``).
"""

from __future__ import annotations

import re

from models.redaction.patterns.pattern_recognizer import Pattern, PatternRecognizer

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
