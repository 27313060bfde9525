"""Derives from a regular expression the literals of which every match contains one.

A search for a few short literals is much faster than the expression, and most texts contain none of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from models.redaction.normalize.view import keyed
from models.redaction.patterns.regex_analysis import parsed

_MOST = 32
"""Most alternatives. A search for more takes longer than the expression."""
_SHORTEST = 3
_PREFIXES = (6, 5, 4)
"""Length to which literals are cut when there are too many: "código de seguridad" and "código sms" then share one."""
_RARE = frozenset("@/:*#\\")
"""A single one of these says enough."""


def required_pieces(regex: re.Pattern[str]) -> tuple[str, ...]:
    """Lower-case literals, one of which is in the ``keyed`` text of every match; empty if none is certain."""
    found = _sequence(parsed(regex))
    candidates = [found.required] if found.exact is None else [found.required, found.exact]
    best = _better(candidates)
    return tuple(sorted(best, key=lambda piece: (len(piece), piece))) if best else ()


@dataclass(frozen=True, slots=True)
class _Shape:
    """What is known about a part of an expression.

    Attributes:
        exact: Every text that it can match, or None if there are too many.
        required: Literals, one of which is in every text that it matches, or None.
    """

    exact: frozenset[str] | None
    required: frozenset[str] | None = None


_NOTHING = _Shape(frozenset([""]))
_ANYTHING = _Shape(None)


def _sequence(tree: Iterable[tuple[Any, Any]]) -> _Shape:
    """Consecutive parts. Neighbouring parts that are known exactly are joined into longer literals."""
    joined: frozenset[str] | None = frozenset([""])
    whole = True
    candidates: list[frozenset[str] | None] = []
    for operator, argument in tree:
        part = _part(str(operator), argument)
        product = _product(joined, part.exact) if joined is not None and part.exact is not None else None
        if product is not None:
            joined = product
            continue
        whole = False
        candidates += [joined, part.required, part.exact]
        joined = part.exact if part.exact is not None else frozenset([""])
    candidates.append(joined)
    return _Shape(joined if whole else None, _better(candidates))


def _part(operator: str, argument: Any) -> _Shape:
    match operator:
        case "LITERAL" | "IN":
            return _characters([("LITERAL", argument)] if operator == "LITERAL" else argument)
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            return _repeat(int(argument[0]), int(argument[1]), argument[2])
        case "SUBPATTERN" | "ATOMIC_GROUP":
            return _sequence(argument[3] if operator == "SUBPATTERN" else argument)
        case "BRANCH":
            return _branch([_sequence(branch) for branch in argument[1]])
        case "AT" | "ASSERT" | "ASSERT_NOT":
            return _NOTHING
        case _:
            return _ANYTHING


def _characters(members: Iterable[tuple[Any, Any]]) -> _Shape:
    """One character. A class is listed only if it is small."""
    small = set()
    for kind, value in members:
        if str(kind) != "LITERAL" or not _is_plain(chr(value)):
            return _ANYTHING
        small.add(keyed(chr(value).lower()))
    return _Shape(frozenset(small)) if len(small) <= 4 else _ANYTHING


def _is_plain(character: str) -> bool:
    """Whether ``keyed`` handles every character that equals this one when case is ignored."""
    return character.isascii() or ("\u00c0" <= character <= "\u00ff") or ("\u0900" <= character <= "\u097f")


def _repeat(least: int, most: int, tree: Iterable[tuple[Any, Any]]) -> _Shape:
    inner = _sequence(tree)
    if most == 1:
        if least == 1:
            return inner
        return _Shape(inner.exact | {""}) if inner.exact is not None else _ANYTHING
    return _Shape(None, _better([inner.exact, inner.required])) if least else _ANYTHING


def _branch(branches: list[_Shape]) -> _Shape:
    if all(b.exact is not None for b in branches):
        return _limited(frozenset().union(*(b.exact for b in branches if b.exact is not None)))
    needed = [_better([b.exact, b.required]) for b in branches]
    if any(n is None for n in needed):
        return _ANYTHING
    return _Shape(None, _better([frozenset().union(*(n for n in needed if n is not None))]))


def _limited(exact: frozenset[str]) -> _Shape:
    return _Shape(exact) if len(exact) <= 4 * _MOST else _Shape(None, _better([exact]))


def _product(first: frozenset[str], second: frozenset[str]) -> frozenset[str] | None:
    if len(first) * len(second) > _MOST:
        return None
    return frozenset(a + b for a in first for b in second)


def _better(candidates: Iterable[frozenset[str] | None]) -> frozenset[str] | None:
    """The most selective set: few and long literals."""
    useful = [reduced for c in candidates if c and (reduced := _reduced(c)) is not None]
    return max(useful, key=lambda pieces: min(map(len, pieces)) / len(pieces) ** 0.5, default=None)


def _reduced(pieces: frozenset[str]) -> frozenset[str] | None:
    """Drop literals that contain another one; None if the rest is not selective enough."""
    if any(len(p) < _SHORTEST and _RARE.isdisjoint(p) and (len(p) < 2 or p.isascii()) for p in pieces):
        return None
    for length in (None, *_PREFIXES):
        shorter = frozenset(p[:length] if _RARE.isdisjoint(p) else p for p in pieces)
        least = frozenset(p for p in shorter if not any(q != p and q in p for q in shorter))
        if len(least) <= _MOST:
            return least
    return None
