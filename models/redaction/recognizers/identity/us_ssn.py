"""US social security numbers and individual tax numbers.

Must NOT match: ZIP+4 (``12345-6789``), dates, phone numbers. Areas that were never issued (000, 666) count only with
context: the number may be mistyped, and its other digits still identify.
"""

from __future__ import annotations

import re

from models.redaction.patterns.pattern_recognizer import Pattern, PatternRecognizer, digits_of, words


def check_ssn(text: str) -> bool | None:
    """False for numbers that cannot have been issued, otherwise None, because there is no check digit."""
    digits = digits_of(text)
    if digits[:3] in ("000", "666") or digits[3:5] == "00" or digits[5:] == "0000":
        return False
    return None


SSN = PatternRecognizer(
    entity="SSN",
    name="ssn",
    needs="0",
    patterns=(
        Pattern(re.compile(r"(?<![\w-])\d{3}\s?[-–]\s?\d{2}\s?[-–]\s?\d{4}(?![\w-])"), 0.85, name="dashes"),
        Pattern(re.compile(r"(?<![\w.-])\d{3}([ .])\d{2}\1\d{4}(?![\w-])"), 0.8, name="spaces"),
        Pattern(re.compile(r"(?<![\w.+-])\d{3}[ -]?\d{2}[ -]?\d{4}(?![\w-]|\.\d)"), 0.2, name="plain"),
        Pattern(
            re.compile(r"(?<!\w)SSN[#: ]?(?P<value>-?\d{4,12})(?!\w)", re.IGNORECASE),
            0.85,
            group="value",
            name="prefixed",
            hints=("ssn",),
        ),
        Pattern(
            re.compile(
                r"(?<!\w)(?:ssn|social security(?: number)?)(?: (?:is|was))?[:# ]{1,2}"
                r"(?P<value>\d{3}[ .-]\d{2}[ .-]?(?:\d{1,3}|\d{4}[ -]\d{1,2}))(?!\w|[.,-]\d)",
                re.IGNORECASE,
            ),
            0.85,
            group="value",
            name="announced",  # with a digit too few or too many
        ),
        Pattern(
            re.compile(
                r"(?<![^\W_])last (?:four|4)(?: digits| numbers)?(?: (?:of|on|for|from))?"
                r"(?: (?:my|your|his|her|the|is|are|were|social|security|ssn|number))?"
                r"(?: (?:social|security|ssn|number)){0,3}(?: (?:is|are|were))?[ :]{1,2}"
                r"(?P<value>\d{4})(?!\w|[.,:]\d)",
                re.IGNORECASE,
            ),
            0.3,
            group="value",
            name="last-four",
        ),
    ),
    check=check_ssn,
    failed_factor=0.4,
    boost=0.75,  # a nine-digit number after these words is no telephone number
    context=words(
        "ssn", "ssns", "social", "social security", "socials?", "itin", "tin", "tax ?payer", "socialnum", "ss#", "ss"
    ),
)
