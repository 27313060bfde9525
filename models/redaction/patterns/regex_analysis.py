"""Derives the fewest digits that a match has from the syntax tree of a regular expression.

A text with fewer digits is skipped. Most texts are, because nearly every expression needs a long number.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable
from typing import Any

# Python's own parser of regular expressions. It has no public name. If it is missing, no text is skipped.
_PARSER: Any = importlib.import_module("re._parser")
_DIGITS = range(ord("0"), ord("9") + 1)


def parsed(regex: re.Pattern[str]) -> Any:
    """The syntax tree of an expression: a sequence of (operator, argument)."""
    return _PARSER.parse(regex.pattern, regex.flags)


def least_digits(regex: re.Pattern[str]) -> int:
    """The fewest digits that any match can have; a lower bound, never too high."""
    return _least(parsed(regex))


def begins_with_digit(regex: re.Pattern[str]) -> bool:
    """Whether every match begins with a digit that stands after no letter and no digit."""
    free = False
    for operator, argument in parsed(regex):
        match str(operator):
            case "ASSERT_NOT" if argument[0] < 0:
                free = free or _covers_words(argument[1])
            case "ASSERT_NOT" | "ASSERT":
                continue
            case other:
                return free and _first_is_digit(other, argument)
    return False


def _covers_words(tree: Any) -> bool:
    """Whether the expression matches one character of a class that has all letters and digits."""
    if len(tree) != 1 or str(tree[0][0]) != "IN":
        return False
    members = {(str(kind), str(value)) for kind, value in tree[0][1]}
    if ("NEGATE", "None") in members:
        return members <= {("NEGATE", "None"), ("CATEGORY", "CATEGORY_NOT_WORD"), ("LITERAL", str(ord("_")))}
    return ("CATEGORY", "CATEGORY_WORD") in members


def _first_is_digit(operator: str, argument: Any) -> bool:
    match operator:
        case "LITERAL" | "IN":
            return _least_of(operator, argument) == 1
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            return argument[0] > 0 and _begins(argument[2])
        case "SUBPATTERN" | "ATOMIC_GROUP":
            return _begins(argument[3] if operator == "SUBPATTERN" else argument)
        case "BRANCH":
            return all(_begins(branch) for branch in argument[1])
        case _:
            return False


def _begins(tree: Any) -> bool:
    for operator, argument in tree:
        if str(operator) not in ("ASSERT", "ASSERT_NOT"):
            return _first_is_digit(str(operator), argument)
    return False


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
