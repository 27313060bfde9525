"""Reads the value of a declared property. What fits its kind is stored as it is; the redactor never sees it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from server.flows.app_events import DeclaredProperty, PropertyKind
from server.ledger.event_properties import TypedValue
from server.records.telling_shapes import has_card_number, may_be_personal

_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
"""A number as JSON has it, and nothing else: no plus, no comma, no empty place before or after a dot."""
_LONGEST_NUMBER: Final = 64
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)", re.ASCII)
_GROUP: Final = r"[A-Za-z0-9]+"
_UUID: Final = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_CODE: Final = re.compile(rf"(?=[^0-9]*[0-9]){_GROUP}(?:[._:/-]{_GROUP})*")
"""Letters and digits in groups. What may name a person by its shape does not fit, see ``telling_shapes``."""
_LONGEST_CODE: Final = 64
_BOOLEANS: Final = {word: TypedValue(word) for word in ("true", "false")}

A_NUMBER: Final = (
    f"must be a number as in JSON, such as 12.5 or 1e3, of at most {_LONGEST_NUMBER} characters, below 1.8e308 in "
    "size, and not of a card"
)
A_BOOLEAN: Final = "must be true or false"
A_DECLARED_VALUE: Final = "must be one of the declared values"
A_CODE: Final = (
    "must be letters and digits in groups, such as A-1042, 2.13.0-rc1 or a UUID, without words, telephone numbers and "
    f"numbers of cards and accounts, of at most {_LONGEST_CODE} characters"
)
A_TIME: Final = "must be a time with its offset, such as 2026-11-27T08:15:00Z"


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the values of one property.

    Attributes:
        read: Gives a value as it is stored, or None if it does not fit.
        expected: What fits, in words for a developer.
    """

    read: Callable[[str], TypedValue | None]
    expected: str


def reader_of(declared: DeclaredProperty) -> Reader | None:
    """What reads the values of a property; None for text, which the redactor reads."""
    match declared.kind:
        case PropertyKind.NUMBER:
            return Reader(_number, A_NUMBER)
        case PropertyKind.BOOLEAN:
            return Reader(_BOOLEANS.get, A_BOOLEAN)
        case PropertyKind.ENUMERATION:
            return Reader({value: TypedValue(value, declared.kind) for value in declared.values}.get, A_DECLARED_VALUE)
        case PropertyKind.TIME:
            return Reader(_time, A_TIME)
        case PropertyKind.CODE:
            return Reader(_code, A_CODE)
        case PropertyKind.TEXT:
            return None


def _number(value: str) -> TypedValue | None:
    if len(value) > _LONGEST_NUMBER or not _NUMBER.fullmatch(value):
        return None
    # DuckDB would read a larger one as text.
    if not math.isfinite(float(value)) or has_card_number(_whole_part(value)):
        return None
    return TypedValue(value)


def _whole_part(number: str) -> str:
    """The digits before the dot, as they are without an exponent."""
    if "e" in number.lower():
        number = f"{Decimal(number):f}"  # of at most some hundred digits, because it is a finite float
    return number.lstrip("-").partition(".")[0]


def _code(value: str) -> TypedValue | None:
    if len(value) > _LONGEST_CODE:
        return None
    fits = _UUID.fullmatch(value) or (_CODE.fullmatch(value) and not may_be_personal(value))
    return TypedValue(value, PropertyKind.CODE) if fits else None


def _time(value: str) -> TypedValue | None:
    if not _TIME.fullmatch(value):
        return None
    try:
        datetime.fromisoformat(value)  # refuses a 30th of February
    except ValueError:
        return None
    return TypedValue(value, PropertyKind.TIME)
