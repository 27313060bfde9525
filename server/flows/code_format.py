"""Which regular expressions may be the format of a code: short ones that no text can keep busy."""

from __future__ import annotations

import re
from typing import Any, Final

from models.redaction.patterns.regex_analysis import parsed

_WORDS: Final = ("ABCDEFGHIJKLMNOP", "A-B-C-D-E-F")
"""Texts without a digit, of which no beginning may fit."""


def problem_of_format(pattern: str, longest: int) -> str:
    """Why an expression may not be the format of a code, as a clause; empty where it may.

    Args:
        pattern: Of a whole code.
        longest: Most characters of a code.
    """
    try:
        tree = parsed(re.compile(f"(?:{pattern})"))
    except re.error:
        return "is no regular expression, or has flags"
    if tree.getwidth()[1] > longest:
        return f"must have a greatest length of at most {longest}: use {{1,8}} in place of + and *"
    if _repeats_within(tree):
        return "must not repeat what has itself no fixed length"
    if any(re.fullmatch(pattern, word[:length]) for word in _WORDS for length in range(1, len(word) + 1)):
        return "must ask for a digit, so that no word fits"
    if _asks_for_small_letter(tree):
        return "must have capitals in place of small letters: codes are compared in capitals"
    return ""


def may_have_letter(pattern: str) -> bool:
    """Whether a code of a format may have a letter."""
    return _admits_letter(parsed(re.compile(f"(?:{pattern})")))


def _admits_letter(tree: Any) -> bool:
    for operator, argument in tree:
        match str(operator):
            case "LITERAL":
                admits = chr(argument).isalpha()
            case "IN":
                admits = not all(map(_has_no_letter, argument))
            case "ANY" | "NOT_LITERAL":
                admits = True
            case _:
                admits = any(map(_admits_letter, _parts(argument)))
        if admits:
            return True
    return False


def asks_for_letter(pattern: str) -> bool:
    """Whether every code of a format has a letter that the format itself names, such as the M of ``MV-[0-9]{6}``.

    Two letters of any kind before six digits are a passport as well.
    """
    return _demands_letter(parsed(re.compile(f"(?:{pattern})")))


def _demands_letter(tree: Any) -> bool:
    """Whether every text that fits an expression has a letter that it names. What is not understood may have none."""
    for operator, argument in tree:
        match str(operator):
            case "LITERAL":
                demands = chr(argument).isalpha()
            case "SUBPATTERN":
                demands = _demands_letter(argument[-1])
            case "BRANCH":
                demands = all(map(_demands_letter, argument[1]))
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                demands = argument[0] > 0 and _demands_letter(argument[2])
            case _:
                demands = False
        if demands:
            return True
    return False


def _has_no_letter(member: tuple[Any, Any]) -> bool:
    """Whether a member of a class of characters is no letter, and no range or category with letters."""
    operator, argument = member
    ends = {"LITERAL": (argument, argument), "RANGE": argument}.get(str(operator))
    if ends is None:
        return str(argument) == "CATEGORY_DIGIT"
    return not any(chr(code).isalpha() for code in range(ends[0], ends[1] + 1))


def _repeats_within(tree: Any, *, inside: bool = False) -> bool:
    """Whether something without a fixed length is repeated, so that a text may be read in very many ways."""
    for operator, argument in tree:
        if str(operator) in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            least, most, body = argument
            if (inside and least != most) or _repeats_within(body, inside=inside or most > 1):
                return True
        elif any(_repeats_within(part, inside=inside) for part in _parts(argument)):
            return True
    return False


def _asks_for_small_letter(tree: Any) -> bool:
    """Whether a part fits small letters only, which no code in capitals has."""
    for operator, argument in tree:
        if str(operator) == "LITERAL":
            wrong = chr(argument).islower()
        elif str(operator) == "IN":
            wrong = all(map(_is_small, argument))
        else:
            wrong = any(map(_asks_for_small_letter, _parts(argument)))
        if wrong:
            return True
    return False


def _is_small(member: tuple[Any, Any]) -> bool:
    """Whether a member of a class of characters is one small letter, or a range of them."""
    operator, argument = member
    ends = {"LITERAL": (argument,), "RANGE": argument}.get(str(operator), ())
    return bool(ends) and all(chr(end).islower() for end in ends)


def _parts(argument: Any) -> list[Any]:
    """The expressions within the argument of an operator."""
    if hasattr(argument, "getwidth"):
        return [argument]
    if isinstance(argument, tuple | list):
        return [part for each in argument for part in _parts(each)]
    return []
