"""Days on which somebody turns an age: "I'm turning 40 on the 9th of August". Day and age are a date of birth.

Must NOT match: ages and anniversaries of things ("the house turned 40 on"), times ("I turn in at 10 on 3 May"), counts
("we turn 40 pumps on").
"""

from __future__ import annotations

import re
from typing import Final

from models.redaction.lexicons.loader import alternatives
from models.redaction.normalize.view import TextView
from models.redaction.patterns.pattern_recognizer import Pattern, PatternRecognizer
from models.redaction.recognizers.person.birth_date import DAY, GAP, MONTH

_AND_NO_LETTER: Final = r"(?![^\W_])"


def _any(*names: str) -> str:
    """The entries of these lists of ``ages`` in all languages."""
    return f"(?:{'|'.join(alternatives('ages', name) for name in names)})"


_TURNS: Final = rf"(?<![^\W_]){_any('introductions')}\s{{1,2}}"
_AGE: Final = r"(?P<age>[1-9]\d?|1[0-2]\d)(?![\w.,:%°]\d|[\w%°])"
_YEARS: Final = rf"(?: {_any('years')})?"
_ON: Final = r"(?:,? [^\W\d_]{1,3}){0,2}"
"""Prepositions and articles before a day or a month: "on the", "am"."""

_DAY_OF_MONTH: Final = rf"(?:{DAY}{GAP}{MONTH}|{MONTH}(?:{_ON}[ ,]{{1,2}}|{GAP}){DAY})"

_TURNED: Final = rf"{_TURNS}{_AGE}{_YEARS}(?={_ON},? {_DAY_OF_MONTH}{_AND_NO_LETTER})"
"""An age with a day and a month after it."""

_THING: Final = (
    rf"(?:^|[.,;:!?]\s|(?<!\w){_any('conjunctions')}\s)(?:{_any('determiners')}\s?){{0,3}}"
    rf"{_any('things', 'other_things')}(?: {_any('thing_verbs', 'adverbs')}){{0,3}} "
)
"""A thing as the subject of a clause."""

_SUBJECT: Final = re.compile(rf"{_THING}$")
_TURN: Final = re.compile(_TURNS)
_LONGEST_DATE: Final = 30
_REACH: Final = 40


def _is_of_a_thing(view: TextView, start: int, _end: int) -> bool:
    """Whether a thing is what turned the age."""
    turns = list(_TURN.finditer(view.lower, max(0, start - _LONGEST_DATE), start))
    subject_end = turns[-1].start() if turns else start
    return _SUBJECT.search(view.lower, max(0, subject_end - _REACH), subject_end) is not None


def _recognizer(entity: str, name: str, expression: str, group: str) -> PatternRecognizer:
    pattern = Pattern(re.compile(expression, re.IGNORECASE), 0.8, group=group)
    return PatternRecognizer(entity, name, (pattern,), needs="0", unless=_is_of_a_thing)


TURNED_AGE = _recognizer("AGE", "turned-age", _TURNED, "age")
TURNED_DATE = _recognizer(
    "DOB", "turned-date", rf"{_TURNS}{_AGE}{_YEARS}{_ON},? (?P<value>{_DAY_OF_MONTH}){_AND_NO_LETTER}", "value"
)
