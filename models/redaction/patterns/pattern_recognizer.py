"""What recognizers are made of: patterns, context words and checks as data."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from models.redaction.lexicons.accents import with_optional_accents
from models.redaction.lexicons.loader import across
from models.redaction.normalize.view import TextView
from models.redaction.patterns.regex_analysis import begins_with_digit, least_digits
from models.redaction.patterns.required_literals import required_pieces
from models.redaction.types import RedactionContext
from models.text import Entity

CONTEXT_BEFORE = 60
"""Characters before a match in which a context word counts; about ten words."""
CONTEXT_AFTER = 30

THRESHOLD = 0.5
"""Matches scored below this are dropped."""


class Recognizer(Protocol):
    """Finds one type of entity in a view."""

    @property
    def name(self) -> str:
        """Stable, for ``--why``."""
        ...

    def find(self, view: TextView, context: RedactionContext) -> Iterator[Entity]:
        """Yield entities with offsets in the view. Must run in time linear in its length."""
        ...


@dataclass(frozen=True, slots=True)
class Pattern:
    """One shape of an entity.

    Attributes:
        regex: No nested quantifiers over the same characters; every repeat is bounded.
        score: Confidence without context or checksum.
        group: The part of the match that is the entity.
        name: For ``--why``.
        hints: A text without one of these pieces, in small letters, has no match; worked out from the expression if
            none are given. None can be worked out for some.
        least_digits: A text with fewer digits has no match; worked out from the expression.
        at_digits: Every match begins at one of ``TextView.digit_starts``; worked out likewise.
    """

    regex: re.Pattern[str]
    score: float
    group: int | str = 0
    name: str = ""
    hints: tuple[str, ...] = ()
    least_digits: int = field(init=False, default=0)
    at_digits: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "least_digits", least_digits(self.regex))
        object.__setattr__(self, "at_digits", begins_with_digit(self.regex))
        object.__setattr__(self, "hints", self.hints or required_pieces(self.regex))

    def finditer(self, view: TextView) -> Iterator[re.Match[str]]:
        """All matches in the text of a view, as the expression itself finds them."""
        return self._at_digits(view) if self.at_digits else self.regex.finditer(view.text)

    def _at_digits(self, view: TextView) -> Iterator[re.Match[str]]:
        free = 0
        for start in view.digit_starts:
            if start >= free and (match := self.regex.match(view.text, start)):
                yield match
                free = match.end()


def words(*alternatives: str) -> re.Pattern[str]:
    """Context words as one pattern, with or without accents; matched against lower-case text, whole words only."""
    joined = with_optional_accents("|".join(sorted(alternatives, key=len, reverse=True)))
    return re.compile(rf"(?<![^\W_])(?:{joined})(?![^\W_])")


def context_words(*names: str) -> re.Pattern[str]:
    """The words of these lists of the lexicons' ``contexts`` in all languages, as ``words`` has them."""
    return words(*(entry for name in names for entry in across("contexts", name)))


@dataclass(frozen=True, slots=True)
class PatternRecognizer:
    """Patterns, then a checksum, then the words around.

    Attributes:
        entity: Label of what is found.
        name: Stable name.
        patterns: Tried in order.
        context: Words that raise the score of a match near them.
        check: The checksum test: True for right, False for wrong, None for undecidable. A wrong checksum lowers the
            score and does not drop the match, because digits are misheard and misread.
        boost: Added when a context word is near.
        failed_factor: Multiplies the score when the check says no.
        needs: Quick test; text without one of these characters is skipped. ``0`` stands for any digit.
        threshold: Matches scored below this are dropped.
        unless: Drops a match at (view, start, end), for example an amount or a reference number.
        confirms: Whether a passed ``check`` is enough without a context word.
        named: Ends right before a match whose score it raises to ``named_score``.
        named_score: That score.
        least_digits: The fewest digits of a text in which any of the patterns can match.
        context_pieces: Strings, one of which is in every text with a context word; empty if none could be derived.
        quick_tests: For each pattern: the fewest digits, the required literals, and whether it counts only with a
            context word.
    """

    entity: str
    name: str
    patterns: tuple[Pattern, ...]
    context: re.Pattern[str] | None = None
    check: Callable[[str], bool | None] | None = None
    boost: float = 0.4
    failed_factor: float = 0.3
    needs: str = ""
    threshold: float = THRESHOLD
    unless: Callable[[TextView, int, int], bool] | None = None
    confirms: bool = True
    named: re.Pattern[str] | None = None
    named_score: float = 1.0
    least_digits: int = field(init=False, default=0)
    context_pieces: tuple[str, ...] = field(init=False, default=())
    quick_tests: tuple[tuple[int, tuple[str, ...], bool, Pattern], ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, "least_digits", min(pattern.least_digits for pattern in self.patterns))
        object.__setattr__(self, "context_pieces", required_pieces(self.context) if self.context else ())
        tests = tuple((p.least_digits, p.hints, self._needs_context(p), p) for p in self.patterns)
        object.__setattr__(self, "quick_tests", tests)

    def find(self, view: TextView, context: RedactionContext) -> Iterator[Entity]:
        """See ``Recognizer``."""
        if not self._may_match(view):
            return
        for least, hints, needs_context, pattern in self.quick_tests:
            if least > view.digits or (hints and not view.has_any(hints)):
                continue
            if not needs_context or self.may_have_context(view):
                yield from self.matches(view, pattern)

    def matches(self, view: TextView, pattern: Pattern) -> Iterator[Entity]:
        """The matches of one pattern. The caller has already applied the prefilter tests of ``find``."""
        for match in pattern.finditer(view):
            start, end = match.span(pattern.group)
            if start < 0 or start == end:
                continue
            score = self._score(view, match[pattern.group], start, end, pattern.score)
            if score >= self.threshold and not (self.unless and self.unless(view, start, end)):
                yield Entity(self.entity, start, end, score, f"{self.name}{pattern.name and ':' + pattern.name}")

    def may_have_context(self, view: TextView) -> bool:
        """Whether a context word may stand anywhere in the view."""
        return self.context is not None and (not self.context_pieces or view.has_any(self.context_pieces))

    def _needs_context(self, pattern: Pattern) -> bool:
        return pattern.score < self.threshold and (self.check is None or not self.confirms)

    def _may_match(self, view: TextView) -> bool:
        for char in self.needs:
            if view.digits if char == "0" else char in view.text:
                return True
        return not self.needs

    def _score(self, view: TextView, found: str, start: int, end: int, score: float) -> float:
        if self.check is not None:
            verdict = self.check(found)
            if verdict is True:
                score = max(score, 0.95)
            elif verdict is False:
                score *= self.failed_factor
        if score < 1.0 and self.context is not None and near(view, start, end, self.context):
            score += self.boost
        if (
            score >= self.threshold
            and self.named
            and self.named.search(view.lower, max(0, start - CONTEXT_BEFORE), start)
        ):
            score = max(score, self.named_score)
        return min(score, 1.0)


_DIGIT = re.compile(r"\d")


def has_digit(text: str) -> bool:
    """Whether any digit is in the text."""
    return _DIGIT.search(text) is not None


def near(
    view: TextView,
    start: int,
    end: int,
    pattern: re.Pattern[str],
    before: int = CONTEXT_BEFORE,
    after: int = CONTEXT_AFTER,
) -> bool:
    """Whether a context word stands near [start, end) of a view."""
    lower = view.lower
    return bool(
        pattern.search(lower, max(0, start - before), start)
        or (after and pattern.search(lower, end, min(len(lower), end + after)))
    )


def digits_of(text: str) -> str:
    """Only the digits."""
    return "".join(filter(str.isdigit, text))
