"""Numbers in digits with marks for thousands and decimals, as each language writes them."""

from __future__ import annotations

import re
from typing import Final

from server.flows.fields import NumberField

SPACES: Final = r" '\u2019\u00a0\u202f"
"""What may stand between thousands, besides a point and a comma."""

SPOKEN_POINT: Final = "\u00b7"
"""A point that was said, and so is certainly before decimals."""

_POINT_FOR_DECIMALS: Final = frozenset({"en", "hi", "zh", "ja"})


def written_value(digits: str, field: NumberField, code: str, *, sign: str = "") -> str:
    """The number in digits, decimals after a point; empty where the digits cannot be read for sure.

    Args:
        digits: As written, with spaces, points and commas.
        field: The number is for, which tells how many decimals it may have.
        code: ISO 639-1 code of the language, which tells whether a comma is before decimals.
        sign: A minus, or empty.
    """
    bare = re.sub(f"[{SPACES}]", "", digits).rstrip(".,")
    whole, _, decimals = bare.partition(SPOKEN_POINT)
    if decimals:
        return f"{sign}{whole}.{decimals}" if (whole + decimals).isdecimal() else ""
    marks = re.findall("[.,]", bare)
    if not marks:
        return sign + bare
    if len(marks) == 1:
        return _with_one_mark(bare, marks[0], field, code, sign)
    decimal = marks[-1] if marks.count(marks[-1]) == 1 else ""
    grouped, _, decimals = bare.rpartition(decimal) if decimal else (bare, "", "")
    first, *groups = re.split("[.,]", grouped)
    if len(set(re.findall("[.,]", grouped))) > 1 or not _are_thousands(first, groups):
        return ""
    return f"{sign}{first}{''.join(groups)}{'.' * bool(decimals)}{decimals}"


def _are_thousands(first: str, groups: list[str]) -> bool:
    """Whether groups of digits are of thousands, or of lakhs, which have two digits."""
    return len(first) <= 3 and len(groups[-1]) == 3 and all(len(group) in (2, 3) for group in groups)


def _with_one_mark(bare: str, mark: str, field: NumberField, code: str, sign: str) -> str:
    """1.000 is a thousand or one, and the language says which. Where a field has three decimals by its definition, or
    the language would have written the other mark, it may be either.
    """
    first, last = bare.split(mark)
    grouped, decimal = f"{sign}{first}{last}", f"{sign}{first}.{last}"
    if len(last) != 3 or len(first) > 3 or first.startswith("0"):
        return decimal
    if field.decimals < 3:
        return grouped
    before_decimals = mark == ("." if code in _POINT_FOR_DECIMALS else ",")
    usual, other = (decimal, grouped) if before_decimals else (grouped, decimal)
    has_three = "decimals" in field.model_fields_set
    return usual if before_decimals == has_three or field.problem(other) else ""
