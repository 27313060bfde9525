"""Payment card numbers.

Must NOT match: meter and serial numbers. Thirteen to nineteen digits that pass the Luhn check are a card number. Digits
that fail it count if they start like a card number or a word for a card is near, because a digit may have been
misheard.
"""

from __future__ import annotations

import re

from stdnum import luhn

from models.redaction.normalize.dates_times import DAY, NOT_AN_HOUR
from models.redaction.normalize.view import TextView
from models.redaction.patterns.pattern_recognizer import Pattern, PatternRecognizer, context_words, digits_of

_STARTS = re.compile(r"4|5[1-5]|2[2-7]|3[47]|3[0689]|6(?:011|4|5|0|2|7|3)|50|5[678]|35")
_DAY_LENGTH = 10


def check_card(text: str) -> bool | None:
    """True for a known prefix and a right Luhn check digit, None for a known prefix alone, False otherwise."""
    digits = digits_of(text)
    if len(digits) not in range(12, 20) or len(set(digits)) == 1:
        return False
    if not _STARTS.match(digits):
        return False
    return True if luhn.is_valid(digits) else None


_DIGITS = r"(?<![\w.])(?<!\d[ -])\d(?:[ -]{0,3}\d){11,18}"


def _takes_in_a_day(view: TextView, start: int, end: int) -> bool:
    """Whether the digits include a piece of a date. Another pattern finds the number before the date."""
    days = DAY.finditer(view.text, max(0, start - _DAY_LENGTH), min(len(view.text), end + _DAY_LENGTH))
    return any(day.start() < end and start < day.end() for day in days)


CARD = PatternRecognizer(
    entity="CC",
    name="card",
    needs="0",
    patterns=(
        Pattern(re.compile(rf"{_DIGITS}(?=[ -]{{1,3}}{DAY.pattern})"), 0.55, name="before-a-day"),
        Pattern(re.compile(rf"{_DIGITS}(?![\w]){NOT_AN_HOUR}(?![ -](?!\d{{1,2}}:[0-5]\d)\d)"), 0.55),
        Pattern(
            re.compile(r"(?<![\w.])\d{4}[ ./-]{1,3}\d{4}[ ./-]{1,3}\d{4}[ ./-]{1,3}\d{1,4}(?!\w)"), 0.6, name="groups"
        ),
        Pattern(re.compile(r"(?<![\w.])3\d{3}[ ./-]{1,3}\d{6}[ ./-]{1,3}\d{5}(?!\w)"), 0.6, name="amex"),
    ),
    check=check_card,
    unless=_takes_in_a_day,
    context=context_words("card"),
)
