"""Checksum tests by name, for recognizers that are data."""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Callable
from typing import Final

Checksum = Callable[[str], bool | None]
"""True for right, False for wrong, None for undecidable."""

NAMES: Final = ("none", "luhn", "verhoeff", "mod97", "mod11")
"""The tests that a policy may name."""

_MODULES: Final = {"luhn": "luhn", "verhoeff": "verhoeff", "mod97": "iso7064.mod_97_10"}


def checksum(name: str) -> Checksum | None:
    """The test of this name: one of ``NAMES``, or a module of python-stdnum, such as ``es.dni``; None for ``none``.

    Raises:
        LookupError: There is no such test.
    """
    if name == "none":
        return None
    if name == "mod11":
        return _mod11
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
