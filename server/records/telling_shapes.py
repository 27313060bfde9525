"""Numbers and codes whose shape says that they belong to a person: cards, accounts, telephone numbers, names, handles.

They do not fit the kind that was declared, so they are text, and the redactor reads them. Nothing can tell a telephone
number without separators, such as 4155550132, from the number of an order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from models.redaction.recognizers.contact.phone import is_known_number
from models.redaction.recognizers.finance.credit_card import check_card
from models.redaction.recognizers.finance.iban import check_iban
from server.records.telling_identifiers import is_identifier

_SHORT: Final = re.compile(r"[A-Z]{0,4}[._:/-]?[0-9]{1,8}")
"""Most codes, such as A-1042: too few digits and letters for anything else. A quick answer for them."""
_CARD: Final = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|3[47]\d{13}|3[0689]\d{12}|35\d{14}|(?:5[0-8]|2[2-7]|6\d)\d{14}|6\d{18}"
)
"""The lengths of cards by their first digits. Times in milliseconds and EAN codes begin otherwise."""
_DIGITS: Final = re.compile(r"\d+(?:[._:/-]\d+)*")
_SHAPES: Final = re.compile(
    r"(?:1[._:/-])?\d{3}[._:/-]\d{3}[._:/-]\d{4}"  # a telephone number of North America
    r"|[2-9]\d{2}[._:/-][2-9]\d{6}"
    r"|\d{3}[._:/-]\d{2}[._:/-]\d{4}"  # an American social security number
    r"|\d{3}\.\d{3}\.\d{3}-\d{2}"  # a Brazilian CPF
)
_NATIONAL: Final = re.compile(r"0[1-9][0-9._:/-]+")
"""How a telephone number begins inside many countries."""
_NATIONAL_DIGITS: Final = range(9, 14)
_UNBROKEN_DIGITS: Final = range(10, 12)
"""Of such a number without separators; the UPC code of an article has 12."""
_ABROAD: Final = re.compile(r"00[1-9][0-9]{7,13}")

_GROUP: Final = re.compile(r"[A-Za-z0-9]+")
_LETTERS: Final = re.compile(r"[A-Za-z]+")
_OF_VERSIONS: Final = frozenset(("alpha", "beta", "build", "dev", "post", "pre", "rev"))
_FEW: Final = 2
"""Letters beside each other that are no name, such as rc1 or x86."""
_MOST_CAPITALS: Final = 4
"""The same in capitals, such as SKU-88231."""
_HEX: Final = re.compile(r"[0-9a-fA-F]{7,}")
_HEX_RUNS: Final = 2
"""Digits in two places: ada1985 is a name, and 5d18812e is not."""
_RANDOM_LENGTH: Final = 16
_RANDOM_RUNS: Final = 3
"""Digits in three places of a group that long: no handle is written so, and an id by chance is."""


def has_card_number(digits: str) -> bool:
    """Whether digits are the number of a payment card."""
    return bool(_CARD.fullmatch(digits)) and check_card(digits) is True


def may_be_personal(code: str) -> bool:
    """Whether a code, letters and digits in groups, may be a number of a person, a name or a handle."""
    if _SHORT.fullmatch(code):
        return False
    groups = re.split(r"[._:/-]", code)
    if any(check_iban(text) is True for text in (code, *groups)) or is_identifier(code):
        return True
    written = _GROUP.sub(lambda group: "" if _is_made_by_chance(group[0]) else group[0], code)
    groups = re.split(r"[._:/-]", written)
    return (
        any(map(_is_number_of_a_person, _DIGITS.findall(written)))
        or any(map(_has_a_name, groups))
        or len(list(_words(groups))) > 1
    )


def _is_number_of_a_person(text: str) -> bool:
    digits = re.sub(r"\D", "", text)
    if has_card_number(digits) or _SHAPES.fullmatch(text):
        return True
    if _NATIONAL.fullmatch(text):
        return len(digits) in (_UNBROKEN_DIGITS if text == digits else _NATIONAL_DIGITS)
    return bool(_ABROAD.fullmatch(digits)) and is_known_number(f"+{digits[2:]}", "en")


def _has_a_name(group: str) -> bool:
    """Whether too many letters stand beside each other."""
    return any(
        len(letters) > (_MOST_CAPITALS if letters.isupper() else _FEW) and letters not in _OF_VERSIONS
        for letters in _LETTERS.findall(group)
    )


def _is_made_by_chance(group: str) -> bool:
    runs = len(re.findall(r"\d+", group))
    return (runs >= _HEX_RUNS and bool(_HEX.fullmatch(group))) or (
        runs >= _RANDOM_RUNS and len(group) >= _RANDOM_LENGTH
    )


def _words(groups: list[str]) -> Iterator[str]:
    """Groups that may be part of a name. Two of them may be a whole one, as in ANA-PAZ-1 and Li-Xu-1."""
    for group in groups:
        if group.isalpha() and group not in _OF_VERSIONS and len(group) >= (_FEW + 1 if group.isupper() else _FEW):
            yield group
