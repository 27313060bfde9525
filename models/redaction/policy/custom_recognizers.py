"""Custom recognizers: regular expressions from a policy file, run by RE2 in linear time.

RE2 does not backtrack, and every repeat must have a bound, so a match has a greatest length. The time is therefore
proportional to the length of the text, for every expression and text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import re2

from models.errors import InvalidInput
from models.reasons import Reason
from models.redaction.normalize.view import TextView, original
from models.redaction.patterns.checksums import checksum
from models.redaction.patterns.pattern_recognizer import CONTEXT_AFTER, CONTEXT_BEFORE, THRESHOLD, near, words
from models.redaction.types import OF_POLICY, RedactionContext
from models.text import Entity

CONTEXT_BOOST: Final = 0.4
RIGHT_SCORE: Final = 0.95
"""Least score of a match whose checksum is right."""
WRONG_FACTOR: Final = 0.3
"""Multiplies the score of a match whose checksum is wrong. A context word can still make up for it, because digits are
misheard and misread.
"""
MAX_PATTERN_CHARACTERS: Final = 500
_MEMORY_BYTES: Final = 4 * 1024 * 1024
_SURROGATES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class CustomRecognizer:
    """Patterns with context words; see ``Recognizer``.

    Attributes:
        entity: Label of the entities, a built-in one or a new one.
        name: Its name in the policy file.
        patterns: In RE2's syntax.
        score: Confidence without a context word.
        context: Words that make a match likelier when they stand near it.
        threshold: Matches scored below are dropped.
        ignore_case: Whether capitals and small letters are the same.
        check: Name of the checksum test; see ``patterns.checksums``.
    """

    entity: str
    name: str
    patterns: tuple[str, ...]
    score: float
    context: re.Pattern[str] | None = None
    threshold: float = THRESHOLD
    ignore_case: bool = False
    check: str = "none"
    _compiled: tuple[Any, ...] = field(default=(), compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_compiled", tuple(_compiled(p, self.ignore_case) for p in self.patterns))

    def find(self, view: TextView, context: RedactionContext) -> Iterator[Entity]:
        """See ``Recognizer``."""
        text = _SURROGATES.sub("\ufffd", view.text)  # RE2 reads UTF-8, which has none
        for pattern in self._compiled:
            for match in pattern.finditer(text):
                start, end = match.span()
                score = self._checked(match.group())
                if self.context is not None and near(view, start, end, self.context, CONTEXT_BEFORE, CONTEXT_AFTER):
                    score = min(1.0, score + CONTEXT_BOOST)
                if start < end and score >= self.threshold:
                    yield Entity(self.entity, start, end, score, f"{OF_POLICY}{self.name}")

    def _checked(self, value: str) -> float:
        """The score of a match by its checksum."""
        test = checksum(self.check)
        verdict = test(value) if test else None
        if verdict is None:
            return self.score
        return max(self.score, RIGHT_SCORE) if verdict else self.score * WRONG_FACTOR


def context_words(alternatives: list[str]) -> re.Pattern[str] | None:
    """Plain words, not expressions; None where there are none."""
    return words(*(re.escape(word.lower()) for word in alternatives)) if alternatives else None


def failed_examples(recognizer: CustomRecognizer, match: list[str], no_match: list[str]) -> list[str]:
    """Positions of the examples that a recognizer gets wrong. The examples are not quoted: they may be real values."""
    wrong = [f"match[{n}] is not found" for n, text in enumerate(match) if not _finds(recognizer, text)]
    return wrong + [f"no_match[{n}] is found" for n, text in enumerate(no_match) if _finds(recognizer, text)]


def _finds(recognizer: CustomRecognizer, text: str) -> bool:
    return any(True for _ in recognizer.find(original(text), RedactionContext()))


def _compiled(pattern: str, ignore_case: bool) -> Any:
    """Compile the expression. The error message never repeats it.

    Raises:
        InvalidInput: POLICY_INVALID.
    """
    problem = _problem(pattern)
    if problem:
        raise InvalidInput(f"A pattern {problem}.", reason=Reason.POLICY_INVALID)
    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = not ignore_case
    options.max_mem = _MEMORY_BYTES
    try:
        compiled = re2.compile(pattern, options=options)
    except re2.error as error:
        said = error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else "unknown"
        raise InvalidInput(
            f"A pattern is not one that RE2 takes: {said.partition(':')[0]}.",
            reason=Reason.POLICY_INVALID,
            hint="RE2 has no look-around and no back-references.",
        ) from None
    if any(True for _ in compiled.finditer("")):
        raise InvalidInput("A pattern matches nothing at all.", reason=Reason.POLICY_INVALID)
    return compiled


# An escaped character, a whole class, or a repeat without a bound.
_TOKEN = re.compile(
    r"\\Q|\\C|\\[pP]\{[^}]{1,40}\}|\\.|\[\^?\]?(?:\\.|\[:[a-z^]{1,12}:\]|[^\]\\])*\]|\{\d*,\}|[*+]|.", re.DOTALL
)
_ENDLESS = re.compile(r"\{\d*,\}|[*+]")


def _problem(pattern: str) -> str:
    if not pattern or len(pattern) > MAX_PATTERN_CHARACTERS:
        return f"must have 1 to {MAX_PATTERN_CHARACTERS} characters"
    for token in _TOKEN.finditer(pattern):
        if token.group() in ("\\Q", "\\C"):
            return "uses \\Q or \\C; write the characters"
        if _ENDLESS.fullmatch(token.group()):
            return "repeats without a bound; write {1,40} instead of + or *"
    return ""
