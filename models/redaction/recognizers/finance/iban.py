"""International bank account numbers.

Must NOT match: part codes that merely start with two letters and two digits: without context and with a wrong check
number nothing is found unless the country and its length are right.
"""

from __future__ import annotations

import re

from stdnum import iban

from models.redaction.patterns.pattern_recognizer import Pattern, PatternRecognizer, context_words

_COUNTRIES_BY_LENGTH = {
    15: "NO",
    16: "BE",
    18: "DK FI FO GL NL",
    19: "MK SI",
    20: "AT BA EE KZ LT LU XK",
    21: "CH HR LI LV",
    22: "BG BH CR DE GB GE IE ME RS",
    23: "AE GI IL IQ",
    24: "AD CZ ES MD PK RO SA SE SK TN VG",
    25: "PT",
    26: "IS TR",
    27: "FR GR IT MC MR SM",
    28: "AL AZ BY CY DO GT HU LB PL",
    29: "BR EG PS QA UA",
    30: "JO KW MU",
    31: "MT",
    32: "LC",
}
_LENGTHS = {country: length for length, row in _COUNTRIES_BY_LENGTH.items() for country in row.split()}


_MIN_DIGITS = 6
_MEASURED = "|".join(
    rf"(?:{'|'.join(countries.split())})[ ./-]{{0,3}}\d{{2}}(?:[ ./-]{{0,3}}[A-Z0-9]){{{length - 4}}}"
    for length, countries in _COUNTRIES_BY_LENGTH.items()
)
"""As many characters as the country has."""


def check_iban(text: str) -> bool | None:
    """True if the length fits the country and the check number is right; None if the length nearly fits.

    An account number with a misread digit still counts. Prose does not: there must be digits, and lower-case letters
    are accepted only with a right check number.
    """
    compact = re.sub(r"[\W_]", "", text)
    length = _LENGTHS.get(compact[:2].upper(), 0)
    if sum(c.isdigit() for c in compact) < _MIN_DIGITS or abs(length - len(compact)) > 1:
        return False
    if length == len(compact) and iban.is_valid(compact.upper(), check_country=False):
        return True
    return None if compact.isupper() else False


IBAN = PatternRecognizer(
    entity="IBAN",
    name="iban",
    needs="0OI",
    patterns=(
        Pattern(re.compile(r"(?<![^\W_])[A-Za-z]{2}[0-9OISBl]{2}[A-Za-z0-9]{11,30}(?![^\W_])"), 0.6, name="solid"),
        Pattern(
            re.compile(
                r"(?<![^\W_])[A-Za-z]{2}[ ./-]?[0-9OISBl]{2}(?:[ ./-]{1,3}[A-Za-z0-9]{4}){2,7}"
                r"(?:[ ./-]{1,3}[A-Za-z0-9]{1,3})?(?![^\W_])"
            ),
            0.6,
            name="groups",
        ),
        # With spaces anywhere, as OCR and dictation write it; capitals only.
        Pattern(
            re.compile(r"(?<![^\W_])[A-Z]{2}[ -]?[0-9OISBl]{2}(?:[ -]{0,3}[A-Z0-9lo]){11,30}(?![^\W_])"),
            0.6,
            name="torn",
        ),
        # The same in any letter case; only a right check number counts.
        Pattern(re.compile(rf"(?<![^\W_])(?:{_MEASURED})(?![^\W_])", re.IGNORECASE), 0.1, name="measured"),
    ),
    check=check_iban,
    context=context_words("iban"),
)
