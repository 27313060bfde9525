"""The prefilter: finds in one pass over a text which regular expressions can match in it.

RE2's automaton searches for the required literals of all expressions at once. Expressions without literals are chosen
from a table by the number of digits in the text. Testing each expression on its own would take as long as running it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from models.redaction.normalize.view import TextView
from models.redaction.patterns.literal_search import LiteralSearch
from models.redaction.patterns.pattern_recognizer import Pattern, PatternRecognizer, Recognizer
from models.redaction.types import RedactionContext
from models.text import Entity

_MOST_DIGITS: Final = 32
"""Last row of the table of digits: texts with more digits use it too."""

_ANY_DIGIT: Final = "0"


@dataclass(frozen=True, slots=True)
class _Task:
    """One expression of a recognizer, or a whole recognizer whose expressions are not known.

    Attributes:
        least_digits: A text with fewer digits has no match.
        needs: A text without any of these characters has no match; empty for no such test.
        context: The words of which one must be in the text for a match to count; None if a match counts without.
    """

    recognizer: Recognizer
    pattern: Pattern | None = None
    least_digits: int = 0
    needs: str = ""
    context: re.Pattern[str] | None = None


class Prefilter:
    """Runs recognizers over views, but each expression only on texts in which it can match.

    Results and their order are those of running the recognizers one after the other. Safe to use from several threads.

    Args:
        recognizers: In their order.
    """

    def __init__(self, recognizers: Sequence[Recognizer]) -> None:
        tasks = [found for recognizer in recognizers for found in _tasks_of(recognizer)]
        self._tasks: Final = [task for task, _hints in tasks]
        hinted = [number for number, (_task, hints) in enumerate(tasks) if hints]
        self._hinted: Final = hinted
        self._search: Final = LiteralSearch([tasks[number][1] for number in hinted])
        unhinted = [number for number, (_task, hints) in enumerate(tasks) if not hints]
        self._by_digits: Final = [
            [number for number in unhinted if min(self._tasks[number].least_digits, _MOST_DIGITS) <= digits]
            for digits in range(_MOST_DIGITS + 1)
        ]

    def find(self, view: TextView, context: RedactionContext) -> Iterator[tuple[Recognizer, Entity]]:
        """The entities that the recognizers find, with offsets in the view."""
        tasks, digits = self._tasks, view.digits
        contexts: dict[re.Pattern[str], bool] = {}
        hinted = [self._hinted[place] for place in self._search.may_match(view.keyed)]
        for number in sorted(self._by_digits[min(digits, _MOST_DIGITS)] + hinted):
            task = tasks[number]
            recognizer, pattern = task.recognizer, task.pattern
            if task.least_digits > digits or (task.needs and not any(map(view.text.__contains__, task.needs))):
                continue
            if pattern is None or not isinstance(recognizer, PatternRecognizer):
                for entity in recognizer.find(view, context):
                    yield recognizer, entity
                continue
            if task.context is not None:
                if task.context not in contexts:
                    maybe = recognizer.may_have_context(view)
                    contexts[task.context] = maybe and task.context.search(view.lower) is not None
                if not contexts[task.context]:
                    continue
            for entity in recognizer.matches(view, pattern):
                yield recognizer, entity


def _tasks_of(recognizer: Recognizer) -> Iterator[tuple[_Task, tuple[str, ...]]]:
    """The tasks of a recognizer, each with its required literals."""
    least = getattr(recognizer, "least_digits", 0)
    if not isinstance(recognizer, PatternRecognizer):
        yield _Task(recognizer, least_digits=least), ()
        return
    needs = recognizer.needs
    if needs == _ANY_DIGIT:
        needs, least = "", max(least, 1)
    elif _ANY_DIGIT in needs:
        needs = ""  # stands for any digit of any script; the expression itself decides which it takes
    for fewest, hints, needs_context, pattern in recognizer.quick_tests:
        if not needs_context or recognizer.context is not None:
            context = recognizer.context if needs_context else None
            yield _Task(recognizer, pattern, max(least, fewest), needs, context), hints
