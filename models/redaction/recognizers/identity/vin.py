"""Vehicle identification numbers.

Seventeen characters without I, O and Q. In North America the ninth character is a check digit. Elsewhere it need not
be, so a number that fails the check needs a context word. Must NOT match: serial numbers, hashes, keys.
"""

from __future__ import annotations

import re

from models.redaction.patterns.pattern_recognizer import Pattern, PatternRecognizer, words

_LETTERS = dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ", (1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 7, 9, 2, 3, 4, 5, 6, 7, 8, 9),
                    strict=True))  # fmt: skip
_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)


def check_vin(text: str) -> bool | None:
    """Whether the ninth character is the weighted sum of all, modulo 11, with X for ten (49 CFR 565.15)."""
    vin = text.upper()
    total = sum((_LETTERS.get(c) or int(c)) * weight for c, weight in zip(vin, _WEIGHTS, strict=True))
    return vin[8] == "0123456789X"[total % 11]


VIN = PatternRecognizer(
    entity="ID",
    name="vin",
    needs="0",
    patterns=(
        Pattern(
            re.compile(r"(?<![\w-])(?=[A-Z]{0,16}\d)(?=\d{0,16}[A-Z])[A-HJ-NPR-Z0-9]{13}\d{4}(?![\w-])", re.IGNORECASE),
            0.5,
        ),
    ),
    check=check_vin,
    context=words(
        "vin",
        "vehicle",
        "chassis",
        "car",
        "truck",
        "van",
        "motorcycle",
        "fahrgestellnummer",
        "fahrzeug",
        "fin",
        "bastidor",
        "châssis",
        "telaio",
        "गाड़ी",
        "वाहन",
    ),
)
