"""Checksum tests by name, for recognizers that are data."""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Callable
from typing import Final

from stdnum import luhn

Checksum = Callable[[str], bool | None]
"""True for right, False for wrong, None for undecidable."""

NAMES: Final = ("none", "luhn", "verhoeff", "mod97", "mod11")
"""The tests that a policy may name."""

_MODULES: Final = {"luhn": "luhn", "verhoeff": "verhoeff", "mod97": "iso7064.mod_97_10"}


def checksum(name: str) -> Checksum | None:
    """The test of this name; None for ``none``.

    It is one of ``NAMES`` or of ``_OWN``, or a module of python-stdnum, such as ``es.dni``.

    Raises:
        LookupError: There is no such test.
    """
    if name == "none":
        return None
    if name in _OWN:
        return _OWN[name]
    module = _MODULES.get(name, name)
    if importlib.util.find_spec(f"stdnum.{module}") is None:
        raise LookupError(name)
    return _stdnum(module)


def _stdnum(module: str) -> Checksum:
    """The test of a python-stdnum module, which is imported at first use."""

    def check(text: str) -> bool | None:
        try:
            return bool(importlib.import_module(f"stdnum.{module}").is_valid(_plain(text, module)))
        except LookupError:  # cn.ric raises for places that are missing from its table
            return None

    return check


def _plain(text: str, module: str) -> str:
    """The text for a module: bare algorithms, unlike those of a country, take no separators and no other characters."""
    if module not in _MODULES.values():
        return text
    kept = r"[^0-9A-Za-z]" if module == _MODULES["mod97"] else r"[^0-9]"
    return re.sub(kept, "", text).upper()


def _mod11(text: str) -> bool:
    """Weights 1, 2, 3, ... from the right, the check digit first; a multiple of 11. X as the check digit is 10."""
    digits = re.sub(r"[^0-9Xx]", "", text).upper()
    if not digits or "X" in digits[:-1]:
        return False
    values = [10 if digit == "X" else int(digit) for digit in reversed(digits)]
    return sum(weight * value for weight, value in enumerate(values, 1)) % 11 == 0


def _npi(text: str) -> bool:
    """Luhn over 80840, the prefix of American health cards, and the ten digits."""
    return bool(luhn.is_valid("80840" + re.sub(r"\D", "", text)))


def _dea(text: str) -> bool:
    """Last digit of (1st + 3rd + 5th) + 2 (2nd + 4th + 6th) is the seventh."""
    d = [int(c) for c in text if c.isdigit()]
    return (d[0] + d[2] + d[4] + 2 * (d[1] + d[3] + d[5])) % 10 == d[6]


def _kvnr(text: str) -> bool:
    """German insurance number: the letter as two digits, then Luhn's weights from the left, last digit checks."""
    digits = f"{ord(text[0].upper()) - 64:02d}{text[1:9]}"
    total = sum(sum(divmod(int(digit) * (1 + place % 2), 10)) for place, digit in enumerate(digits))
    return total % 10 == int(text[9])


_VIN_LETTERS: Final = dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ", map(int, "12345678123457923456789"), strict=True))
_VIN_WEIGHTS: Final = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)


def _vin(text: str) -> bool:
    """Whether the ninth character is the weighted sum of all, modulo 11, with X for ten (49 CFR 565.15)."""
    vin = text.upper()
    if not vin.isascii():  # a pattern that ignores case takes the sign of kelvin for a K
        return False
    total = sum((_VIN_LETTERS.get(c) or int(c)) * weight for c, weight in zip(vin, _VIN_WEIGHTS, strict=True))
    return vin[8] == "0123456789X"[total % 11]


_OWN: Final[dict[str, Checksum]] = {"mod11": _mod11, "npi": _npi, "dea": _dea, "kvnr": _kvnr, "vin": _vin}
"""Tests that python-stdnum lacks."""
