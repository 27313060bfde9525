"""How much work an expression can make at one place of a text, by walking its syntax tree instead of taking the time.

A repeat can only be tried at several lengths if what follows may begin with what it repeats, and if something that
follows can fail: ``[0-9]{1,6}-`` has one way to match, ``[0-9]{1,6}[a-z0-9]-`` has six. Ways multiply; where
it is clear at which character a run of repeats ends, one of them is given by the others. An endless repeat that
something must follow is refused: each start in a long text would run to its end, which is quadratic.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from models.redaction.patterns.regex_analysis import parsed

ENDLESS = 1 << 30
"""Python's own bound of a repeat without one is at least this."""

# One of each kind of character that our classes tell apart.
_SAMPLE = (
    [chr(c) for c in range(9, 14)]
    + [chr(c) for c in range(32, 127)]
    + list("éßüñÉÑÜłžЖΩ०५कानि्«»·°ªº€£₹…ا你\u2013\u2014\u2019")
)
_CATEGORIES = {
    "CATEGORY_DIGIT": re.compile(r"\d"),
    "CATEGORY_NOT_DIGIT": re.compile(r"\D"),
    "CATEGORY_SPACE": re.compile(r"\s"),
    "CATEGORY_NOT_SPACE": re.compile(r"\S"),
    "CATEGORY_WORD": re.compile(r"\w"),
    "CATEGORY_NOT_WORD": re.compile(r"\W"),
}
Tree = Sequence[tuple[Any, Any]]
Chars = frozenset[str]
ANY: Chars = frozenset(_SAMPLE)


class Endless(ValueError):
    """An endless repeat that something must follow."""


def ways(regex: re.Pattern[str]) -> float:
    """An upper bound of the ways in which an expression can be tried at one place.

    Raises:
        Endless: It has an endless repeat that something must follow.
    """
    return _Walker(bool(regex.flags & re.IGNORECASE)).sequence(parsed(regex), frozenset(), must_follow=False)


class _Walker:
    def __init__(self, ignore_case: bool) -> None:
        self._ignore_case = ignore_case
        self._known: dict[str, Chars] = {}

    def sequence(self, tree: Tree, follow: Chars, *, must_follow: bool) -> float:
        """Ways of a sequence with what may begin behind it."""
        total, items = 1.0, list(tree)
        run, choices = frozenset[str](), [1.0]  # of the repeats that touch each other and share characters
        for place, (operator, argument) in enumerate(items):
            rest = items[place + 1 :]
            behind = self.first(rest) | (follow if self.empty(rest) else frozenset())
            forced = must_follow or not self._sure(rest)
            each = self._item(str(operator), argument, behind, forced)
            total *= each
            chars = self._single(str(operator), argument)
            run = run | chars if chars else frozenset()
            choices = [*choices, each] if chars else [1.0]
            if chars and not run & behind:
                total /= max(choices)
                run, choices = frozenset(), [1.0]
        return total

    def _sure(self, tree: Tree) -> bool:
        """Whether it cannot fail, whatever comes."""
        return self.empty(tree) and not any(str(o) in ("ASSERT", "ASSERT_NOT", "AT") for o, _ in tree)

    def _single(self, operator: str, argument: Any) -> Chars:
        """The characters of one place, or of a repeat of one; nothing for whatever has more in it."""
        if operator in ("MAX_REPEAT", "MIN_REPEAT"):
            body = list(argument[2])
            return self._character(str(body[0][0]), body[0][1]) if len(body) == 1 else frozenset()
        return self._character(operator, argument)

    def _character(self, operator: str, argument: Any) -> Chars:
        return self._chars(operator, argument) if operator in ("LITERAL", "NOT_LITERAL", "IN", "ANY") else frozenset()

    def _item(self, operator: str, argument: Any, behind: Chars, forced: bool) -> float:
        match operator:
            case "MAX_REPEAT" | "MIN_REPEAT":
                low, high, body = argument
                return self._repeat(int(low), int(high), body, behind, forced)
            case "SUBPATTERN":
                return self.sequence(argument[3], behind, must_follow=forced)
            case "BRANCH":
                return self._branch(argument[1], behind, forced)
            case "ASSERT" | "ASSERT_NOT":
                # Tried once where it stands; what is inside is never entered again.
                return 1.0 if argument[0] < 0 else self.sequence(argument[1], ANY, must_follow=False)
            case _:
                return 1.0

    def _branch(self, branches: Sequence[Tree], behind: Chars, forced: bool) -> float:
        each = [self.sequence(branch, behind, must_follow=forced) for branch in branches]
        # The most alternatives that any one character can begin: literals with other letters fail at once.
        firsts = [self.first(b) | (behind if self.empty(b) else frozenset()) for b in branches]
        crowded = max((sum(e for e, f in zip(each, firsts, strict=True) if c in f) for c in _SAMPLE), default=1.0)
        written = [repr(list(branch)) for branch in branches]
        distinct = len({*written}) == len(written) and all(self._literal(b) for b in branches)
        return max(each) if distinct else max(crowded, 1.0)

    def _literal(self, tree: Tree) -> bool:
        """Words written out: of those with one beginning at most few match, and none in two ways."""
        return all(str(operator) in ("LITERAL", "IN") for operator, _ in tree)

    def _repeat(self, low: int, high: int, body: Tree, behind: Chars, forced: bool) -> float:
        endless = high >= ENDLESS
        overlaps = bool(self.first(body) & behind)
        again = self.first(body) if high > 1 else frozenset()
        inner = self.sequence(body, again | behind, must_follow=forced)
        if endless:
            if (forced and overlaps) or inner > 1:
                raise Endless
            return 1.0
        if not forced:
            return max(1.0, inner)  # the first way that matches is taken
        lengths = high - low + 1 if overlaps else 1
        return float(lengths * max(1.0, inner) ** min(high, 24))

    def first(self, tree: Tree) -> Chars:
        """Characters with which it may begin."""
        found: Chars = frozenset()
        for operator, argument in tree:
            found |= self._edge(str(operator), argument)
            if not self._empty_of(str(operator), argument):
                break
        return found

    def _edge(self, operator: str, argument: Any) -> Chars:
        match operator:
            case "LITERAL" | "NOT_LITERAL" | "IN" | "ANY":
                return self._chars(operator, argument)
            case "MAX_REPEAT" | "MIN_REPEAT":
                return self.first(argument[2])
            case "SUBPATTERN":
                return self.first(argument[3])
            case "BRANCH":
                return frozenset().union(*(self.first(branch) for branch in argument[1]))
            case "ASSERT_NOT" if argument[0] > 0:
                return ANY - self._excluded(argument[1])
            case "ASSERT" if argument[0] > 0:
                return self.first(argument[1])
            case "GROUPREF":
                return ANY
            case _:
                return frozenset()

    def _excluded(self, tree: Tree) -> Chars:
        """What a negative look ahead at one character, or at one of several alternatives, rules out for sure."""
        items = list(tree)
        if len(items) != 1:
            return frozenset()
        operator, argument = str(items[0][0]), items[0][1]
        if operator == "BRANCH":
            return frozenset().union(*(self._excluded(branch) for branch in argument[1]))
        return frozenset() if operator.endswith("REPEAT") else self._single(operator, argument)

    def empty(self, tree: Tree) -> bool:
        """Whether it can match nothing."""
        return all(self._empty_of(str(operator), argument) for operator, argument in tree)

    def _empty_of(self, operator: str, argument: Any) -> bool:
        match operator:
            case "MAX_REPEAT" | "MIN_REPEAT":
                return argument[0] == 0 or self.empty(argument[2])
            case "SUBPATTERN":
                return self.empty(argument[3])
            case "BRANCH":
                return any(self.empty(branch) for branch in argument[1])
            case "LITERAL" | "NOT_LITERAL" | "IN" | "ANY" | "GROUPREF":
                return False
            case _:
                return True

    def _chars(self, operator: str, argument: Any) -> Chars:
        key = f"{operator} {argument}"
        if key not in self._known:
            self._known[key] = self._worked_out(operator, argument)
        return self._known[key]

    def _worked_out(self, operator: str, argument: Any) -> Chars:
        if operator == "ANY":
            return ANY
        members = argument if operator == "IN" else [("LITERAL", argument)]
        negated = operator == "NOT_LITERAL" or str(members[0][0]) == "NEGATE"
        inside = frozenset(c for c in _SAMPLE if any(self._is(c, str(kind), value) for kind, value in members))
        literals = frozenset(chr(v) for k, v in members if str(k) == "LITERAL")
        return ANY - inside if negated else inside | literals

    def _is(self, char: str, kind: str, value: Any) -> bool:
        cases = {char, char.lower(), char.upper()} if self._ignore_case else {char}
        if kind == "LITERAL":
            return any(len(c) == 1 and ord(c) == value for c in cases)
        if kind == "RANGE":
            return any(len(c) == 1 and value[0] <= ord(c) <= value[1] for c in cases)
        return kind == "CATEGORY" and _CATEGORIES[str(value)].match(char) is not None
