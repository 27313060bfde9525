"""Brands of meters, pumps, boilers and household machines that look like surnames: Siemens, Bosch.

Must NOT be taken for a brand: a person of that name who signs, visits or has a first name; "Brandt" without a word for
a machine beside it.
"""

from __future__ import annotations

import re
from typing import Final

from models.redaction.lexicons.loader import ANY, alternatives, words
from models.redaction.normalize.view import TextView
from models.redaction.normalize.words import WORD

_BRANDS: Final = words(ANY, "brands", "makers")
_AMBIGUOUS_BRANDS: Final = words(ANY, "brands", "makers_called_like_people")
_MACHINES: Final = words(ANY, "brands", "machines")
_MACHINE_REACH = 24

_LABEL_REACH = 32
_LABELLED = re.compile(
    rf"(?<![^\W_])(?:{alternatives('introductions', 'labels')})(?: name| no\.? \d{{1,3}})?"
    rf"(?: (?:{alternatives('introductions', 'label_verbs')}))?[\s:=|.#*_-]{{1,6}}$"
)
"""Words that a person's name follows. A brand name after them is a person."""

_BESIDE = re.compile(r"\s?,\s?")
"""Between a surname and its first name in a list."""


def is_brand(view: TextView, start: int, end: int) -> bool:
    """Whether the word at [start, end) is the name of a brand."""
    word = view.lower[start:end]
    return word in _BRANDS or (word in _AMBIGUOUS_BRANDS and _is_beside_a_machine(view, start, end))


def are_brands(view: TextView, start: int, end: int) -> bool:
    """Whether every word of [start, end) is the name of a brand."""
    return all(is_brand(view, *match.span()) for match in WORD.finditer(view.lower, start, end))


def is_machine(view: TextView, start: int, end: int) -> bool:
    """Whether the word at [start, end) names a household machine. Some brands count only beside one."""
    return view.lower[start:end] in _MACHINES


def _is_beside_a_machine(view: TextView, start: int, end: int) -> bool:
    """Whether a word for a machine stands right before or right after, with only a space between."""
    before = _WORD_BEFORE.search(view.lower, max(0, start - _MACHINE_REACH), start)
    behind = _WORD_BEHIND.match(view.lower, end)
    return any(match is not None and match[1] in _MACHINES for match in (before, behind))


_WORD_BEFORE = re.compile(r"([^\W\d_]{2,20}) $")
_WORD_BEHIND = re.compile(r" ([^\W\d_]{2,20})")


def stands_for_a_person(view: TextView, start: int) -> bool:
    """Whether the words before ``start`` announce a person: "Visitor: Elster"."""
    return _LABELLED.search(view.lower, max(0, start - _LABEL_REACH), start) is not None


def listed_beside(view: TextView, end: int, start: int) -> bool:
    """Whether only a comma stands between the end of one name and the start of the next: "Siemens, Anna"."""
    return _BESIDE.fullmatch(view.text, end, start) is not None
