"""Ages over 89, spoken or written, in seven languages.

Few people in a place are over 89, so the age identifies (HIPAA, safe harbour). Must NOT match: temperatures,
percentages, ages up to 89, years of a guarantee ("95 years of experience"), ages of things.
"""

from __future__ import annotations

import re
from typing import Final

from models.redaction.lexicons.loader import alternatives
from models.redaction.normalize.view import TextView
from models.redaction.patterns.pattern_recognizer import Pattern, PatternRecognizer

_OLD: Final = r"(?P<value>9\d|1[0-2]\d)"
_AND_NO_LETTER: Final = r"(?![^\W_])"


def _any(*names: str) -> str:
    """The entries of these lists of ``ages`` in all languages."""
    return f"(?:{'|'.join(alternatives('ages', name) for name in names)})"


_NO_AGE: Final = rf"(?![\w.,:%°]\d|[\w%°]| ?{_any('measures')}{_AND_NO_LETTER})"
_NOT_OF_WORK: Final = rf"(?! {_any('work')})"


def _pattern(regex: str, score: float, name: str) -> Pattern:
    return Pattern(re.compile(regex, re.IGNORECASE), score, group="value", name=name)


_THINGS: Final = re.compile(
    rf"(?:^|[.,;:!?]\s|(?<!\w){_any('conjunctions')}\s)(?:{_any('determiners')}\s?){{0,3}}"
    rf"{_any('things')}(?: {_any('thing_verbs', 'adverbs')}){{0,3}} $"
)
_REACH: Final = 40


def _is_of_a_thing(view: TextView, start: int, _end: int) -> bool:
    """Whether a thing is the subject of the clause: "the house is 95 years old", not "the owner of the house is"."""
    return _THINGS.search(view.lower, max(0, start - _REACH), start) is not None


AGE = PatternRecognizer(
    entity="AGE",
    name="age",
    needs="0",
    unless=_is_of_a_thing,
    patterns=(
        _pattern(
            rf"(?<![^\W_]){_any('introductions')}(?:\s?[:=]|\s{_any('links')})?\s{{1,2}}{_OLD}{_NO_AGE}",
            0.7,
            "introduced",
        ),
        _pattern(rf"(?<![\w.,:]){_OLD}(?:[ -]?{_any('years_old')}{_AND_NO_LETTER}){_NOT_OF_WORK}", 0.8, "unit"),
        # tengo 94 años, j'ai 94 ans, ich bin 94 Jahre, ha 94 anni, she is 94 years
        _pattern(
            rf"(?<![^\W_]){_any('verbs')}\s{_OLD} {_any('years')}{_AND_NO_LETTER}{_NOT_OF_WORK}",
            0.8,
            "verb",
        ),
        # Without a word for years: only after a word for a person, and only if the number counts nothing.
        _pattern(
            rf"(?<![^\W_]){_any('people')} (?:{_any('adverbs')} )?{_OLD}"
            rf"(?=[.,;!?]?(?:$|\s{_any('next')}{_AND_NO_LETTER}|[.,;!?]\s))",
            0.7,
            "person",
        ),
    ),
)
