"""The quick tests of all recognizers in one: which expressions have to be run over a text, found out in one pass.

To ask each recognizer, and each of its some two hundred expressions, for itself took as long as running those that are
left. Here the pieces that expressions cannot do without are looked for all at once, by an automaton (RE2's), and the
number of digits in a text picks the rest from a table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import re2

from models.redaction.normalize.view import TextView
from models.redaction.patterns.pattern_recognizer import Pattern, PatternRecognizer, Recognizer
from models.redaction.types import RedactionContext
from models.text import Entity

_MOST_DIGITS: Final = 32
"""Texts with more are asked as those with so many."""

_ANY_DIGIT: Final = "0"


@dataclass(frozen=True, slots=True)
class _Task:
    """One expression of a recognizer, or the whole of one that has none to look into.

    Attributes:
        least_digits: A text with fewer digits has no match.
        needs: Neither has one without any of these characters; empty where there is nothing to ask.
        context: Whether only a context word makes a match count.
    """

    recognizer: Recognizer
    pattern: Pattern | None = None
    least_digits: int = 0
    needs: str = ""
    context: bool = False


class Prefilter:
    """Runs recognizers over views, each expression only where it may match.

    What comes out, and in which order, is what the recognizers find one after the other. Safe to use from several
    threads.

    Args:
        recognizers: In their order.
    """

    def __init__(self, recognizers: Sequence[Recognizer]) -> None:
        self._tasks: list[_Task] = []
        self._hinted: list[int] = []
        self._automaton = re2.Set.SearchSet()
        unhinted = []
        for recognizer in recognizers:
            for task, hints in _tasks_of(recognizer):
                number = len(self._tasks)
                self._tasks.append(task)
                if hints:
                    self._hinted.append(number)
                    self._automaton.Add("|".join(map(re2.escape, hints)))
                else:
                    unhinted.append(number)
        # It is in every text: an answer without it is none, and everything is run.
        self._witness: Final = self._automaton.Add("")
        self._automaton.Compile()
        self._by_digits: Final = [
            [number for number in unhinted if min(self._tasks[number].least_digits, _MOST_DIGITS) <= digits]
            for digits in range(_MOST_DIGITS + 1)
        ]

    def find(self, view: TextView, context: RedactionContext) -> Iterator[tuple[Recognizer, Entity]]:
        """What the recognizers find in a view, with offsets in the view."""
        tasks, digits = self._tasks, view.digits
        for number in sorted(self._by_digits[min(digits, _MOST_DIGITS)] + self._with_hints(view)):
            task = tasks[number]
            recognizer, pattern = task.recognizer, task.pattern
            if task.least_digits > digits or (task.needs and not any(map(view.text.__contains__, task.needs))):
                continue
            if pattern is None or not isinstance(recognizer, PatternRecognizer):
                for entity in recognizer.find(view, context):
                    yield recognizer, entity
            elif not task.context or recognizer.may_have_context(view):
                for entity in recognizer.matches(view, pattern):
                    yield recognizer, entity

    def _with_hints(self, view: TextView) -> list[int]:
        """Numbers of the tasks that have hints, one of which is in the text."""
        found = self._automaton.Match(view.keyed.encode("utf-8", "replace"))
        if not found or self._witness not in found:
            return self._hinted
        return [self._hinted[place] for place in found if place != self._witness]


def _tasks_of(recognizer: Recognizer) -> Iterator[tuple[_Task, tuple[str, ...]]]:
    """The tasks of a recognizer, each with its hints."""
    least = getattr(recognizer, "least_digits", 0)
    if not isinstance(recognizer, PatternRecognizer):
        yield _Task(recognizer, least_digits=least), ()
        return
    needs = recognizer.needs
    if needs == _ANY_DIGIT:
        needs, least = "", max(least, 1)
    elif _ANY_DIGIT in needs:
        needs = ""  # any digit of any script will do, which is for the expression to say
    for fewest, hints, context, pattern in recognizer.quick_tests:
        yield _Task(recognizer, pattern, max(least, fewest), needs, context), hints
