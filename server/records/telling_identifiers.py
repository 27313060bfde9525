"""Addresses of devices, wallets and identity numbers that a check digit tells from other codes.

An identity number counts only where chance seldom makes one: of numbers with eleven digits about one in a hundred is
one, of codes with a letter or in groups one in twelve to twenty-five. So the plain digits of an Aadhaar are no identity
number.
"""

from __future__ import annotations

import re
from typing import Final

from models.redaction.countries.loader import countries
from models.redaction.patterns.checksums import checksum
from models.redaction.recognizers.contact.ip import is_address
from models.redaction.recognizers.finance.crypto_wallet import check_wallet

_IPV4: Final = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w]|\.\d)")
_ADDRESS_DIGITS: Final = 8
"""A version of four numbers is a valid address, too (``2.13.0.1``). Those have few digits, and most addresses of
homes have ten or more; an address with fewer than eight digits is one in fifty."""
_IPV6: Final = re.compile(r"[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4}){7}")
_MAC: Final = re.compile(
    r"[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}(?:(?::[0-9A-Fa-f]{2}){2})?"
    # with dashes and dots only with a letter: digits may be a date and an hour
    r"|(?=.*[A-Fa-f])(?:[0-9A-Fa-f]{2}(?:-[0-9A-Fa-f]{2}){5}|[0-9A-Fa-f]{4}(?:\.[0-9A-Fa-f]{4}){2})"
)
_WALLET: Final = re.compile(r"(?i:(?:bc1|tb1|ltc1)[a-z0-9]{25,62})|[13LMDTr][1-9A-HJ-NP-Za-km-z]{24,34}")
_ETHEREUM: Final = re.compile(r"0x[0-9a-fA-F]{40}")

_SURE: Final = frozenset(("be.nn", "cn.ric", "de.idnr", "fr.nir", "kr.rrn", "tr.tckimlik", "za.idnr"))
"""Also as plain digits, and with any separators. The Swedish number is left out: a date and the number of an order that
day, ``20261127-0042``, is one in each tenth case."""
_NOT_OF_DIGITS: Final = frozenset(
    (
        *("br.cpf", "ca.sin", "ch.ssn", "cl.rut", "es.ccc", "es.dni", "es.nie", "fi.hetu", "ie.pps", "in_.aadhaar"),
        *("in_.gstin", "in_.pan", "it.codicefiscale", "mx.curp", "mx.rfc", "pk.cnic", "vin"),
    )
)
"""With a letter, or in three groups or more: ``20261127-0042`` would be an Aadhaar in each tenth case."""
_GROUPED: Final = re.compile(r".*[A-Za-z].*|\d+(?:[._:/-]\d+){2,}")


def _tests(names: frozenset[str]) -> list[tuple[re.Pattern[str], str]]:
    identifiers = (each for country in countries().values() for each in country.identifiers)
    return [(re.compile(each.pattern), each.checksum) for each in identifiers if each.checksum in names]


_SURE_TESTS: Final = _tests(_SURE)
_OTHER_TESTS: Final = _tests(_NOT_OF_DIGITS)


def is_identifier(code: str) -> bool:
    """Whether a code is the address of a device, a wallet, or an identity number with its check digit."""
    return _is_address(code) or _is_wallet(code) or _is_identity_number(code)


def _is_address(code: str) -> bool:
    if _MAC.fullmatch(code) or _IPV6.fullmatch(code):
        return True
    return any(
        is_address(found[0]) and sum(map(str.isdigit, found[0])) >= _ADDRESS_DIGITS for found in _IPV4.finditer(code)
    )


def _is_wallet(code: str) -> bool:
    return bool(_ETHEREUM.fullmatch(code) or (_WALLET.fullmatch(code) and check_wallet(code)))


def _is_identity_number(code: str) -> bool:
    if code.isdigit():
        return _passes(code, _SURE_TESTS)
    if _GROUPED.fullmatch(code) and _passes(code, _OTHER_TESTS):
        return True
    return _passes(code, _SURE_TESTS) or _passes(re.sub(r"[._:/-]", "", code), _SURE_TESTS)


def _passes(code: str, tests: list[tuple[re.Pattern[str], str]]) -> bool:
    return any(
        pattern.fullmatch(code) and (check := checksum(name)) is not None and check(code) is True
        for pattern, name in tests
    )
