"""International bank account numbers.

Must NOT match: part codes that merely start with two letters and two digits: without context and with a wrong check
number nothing is found unless the country and its length are right.
"""

from __future__ import annotations

import re

from stdnum import iban

from models.redaction.recognizers.base import Pattern, PatternRecognizer, words

_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "BY": 28, "CH": 21,
    "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18, "FO": 18, "FR": 27,
    "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26,
    "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "MC": 27, "MD": 24,
    "ME": 22, "MK": 19, "MR": 27, "MT": 31, "MU": 30, "NL": 18, "NO": 15, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29,
    "RO": 24, "RS": 22, "SA": 24, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "TN": 24, "TR": 26, "UA": 29, "VG": 24, "XK": 20,
}  # fmt: skip


_MIN_DIGITS = 6


def check_iban(text: str) -> bool | None:
    """True for a right check number of a country's length; None when country and length nearly fit.

    A misread digit is still an account, but prose is none: there must be digits, and no small letters unless all is right.
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
                r"(?<![^\W_])[A-Za-z]{2}[ -]?[0-9OISBl]{2}(?:[ -]{1,3}[A-Za-z0-9]{4}){2,7}(?:[ -]{1,3}[A-Za-z0-9]{1,3})?(?![^\W_])"
            ),
            0.6,
            name="groups",
        ),
        # Torn apart anywhere, as OCR and dictation do; capitals only.
        Pattern(
            re.compile(r"(?<![^\W_])[A-Z]{2}[ -]?[0-9OISBl]{2}(?:[ -]{0,3}[A-Z0-9lo]){11,30}(?![^\W_])"),
            0.6,
            name="torn",
        ),
    ),
    check=check_iban,
    context=words("iban", "account", "bank", "transfer", "konto", "cuenta", "compte", "wire"),
)
