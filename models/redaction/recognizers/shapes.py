"""What can be said of a regular expression by looking at it: here, how many digits a match has at least.

A text with fewer digits is skipped, which is most of them: nearly every expression of ours wants a long number.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable
from typing import Any

# Python's own parser of expressions; there is no public name for it. Where it is missing nothing is skipped.
_PARSER: Any = importlib.import_module("re._parser")
_DIGITS = range(ord("0"), ord("9") + 1)


def parsed(regex: re.Pattern[str]) -> Any:
    """The syntax tree of an expression: a sequence of (operator, argument)."""
    return _PARSER.parse(regex.pattern, regex.flags)


def least_digits(regex: re.Pattern[str]) -> int:
    """The fewest digits that any match can have; a lower bound, never too high."""
    return _least(parsed(regex))


def _least(tree: Iterable[tuple[Any, Any]]) -> int:
    return sum(_least_of(str(operator), argument) for operator, argument in tree)


def _least_of(operator: str, argument: Any) -> int:
    match operator:
        case "LITERAL" | "IN":
            members = argument if operator == "IN" else [("LITERAL", argument)]
            return int(all(_is_digits(str(kind), value) for kind, value in members))
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            return int(argument[0]) * _least(argument[2])
        case "SUBPATTERN" | "ATOMIC_GROUP":
            return _least(argument[3] if operator == "SUBPATTERN" else argument)
        case "BRANCH":
            return min(_least(branch) for branch in argument[1])
        case _:
            return 0


def _is_digits(kind: str, value: Any) -> bool:
    """Whether one member of a character class stands for digits alone."""
    if kind == "CATEGORY":
        return str(value) == "CATEGORY_DIGIT"
    if kind == "RANGE":
        return value[0] in _DIGITS and value[1] in _DIGITS
    return kind == "LITERAL" and value in _DIGITS
