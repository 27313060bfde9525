"""Whole utterances that people wrote down, ``utterances/<language>_*.txt``: one a line, with slots for the values.

``{phone}`` is a value of a type of the templates or of ``_SLOTS``, ``{card:1}`` and ``{card:2}`` are parts of one
value, and ``{card:wrong}`` is a version of it that is taken back. Other slots are lists and makers of the grammar; what
they give is nobody's. Numbers are written in words. See ``grammar``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final

from models.training.spoken.grammar import MAKERS, Grammar, ValueType, entries_of

UTTERANCES: Final = Path(__file__).resolve().parent / "utterances"
WRONG: Final = "wrong"

SLOT: Final = re.compile(r"\{(\w+)(?::([^{}]*))?\}")

_SLOTS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "given": ("NAME", ("{given}",)),
    "surname": ("NAME", ("{surname}",)),
    "birthyear": ("DOB", ("{year:1930-2012}",)),
    "house": ("ADDRESS", ("{int:1-400}", "{int:1-60}")),
    "street": ("ADDRESS", ("{street}",)),
    "flat": ("ADDRESS", ("{int:1-60}", "{d:#@}")),
    "city": ("ADDRESS", ("{city}",)),
    "pin": ("SECRET", ("{d:####}", "{d:####}", "{d:## ##}", "{d:######}", "{d:@ ####}", "{d:#### @}", "{d:###}")),
    "cvv": ("CC", ("{d:###}", "{d:###}", "{d:####}")),
    "expiry": ("CC", ("{d:0% 2#}", "{d:1# 2#}", "{month} {year:2026-2034}", "{month} {int:26-34}")),
}
"""Slots that are no types of the templates: their label and their values."""

_UNNAMED: Final = {"pet": ("pet",), "place": ("site", "place_name", "city")}
"""Slots for names of what is no person: the lists of which the first is taken that the language has."""

_AT: Final = "<s:@>"
_WORD: Final = re.compile(r"[^\W\d_]+")
_LETTER: Final = re.compile(r"(?<![^\W_])(?<!')[B-HJ-NP-Z](?![^\W_]|')")
_NO_NUMBERS: Final = frozenset(("one", "un", "uno", "una", "um", "uma", "ein", "eins", "sei", "une", "एक", "दो", "सौ"))
"""Number words that alone are mostly other words."""


@lru_cache
def read_utterances(language: str) -> tuple[str, ...]:
    """The lines of a language."""
    paths = sorted(UTTERANCES.glob(f"{language}_*.txt"))
    lines = (line.strip() for path in paths for line in path.read_text(encoding="utf-8").splitlines())
    return tuple(line for line in lines if line)


def utterances_of(language: str, split: str) -> list[str]:
    """The lines of a language that a split may use."""
    return entries_of(read_utterances(language), split)


def slot_of(name: str, grammar: Grammar) -> ValueType | None:
    """The values of a slot; none if the grammar only has a list or a maker of this name.

    Raises:
        KeyError: There is no such slot.
    """
    if name in _SLOTS:
        label, values = _SLOTS[name]
        return ValueType(name, label, True, values, (), (), (), repaired=name not in ("house", "birthyear"))
    if name in ("mailbox", "domain"):
        return ValueType(name, "EMAIL", True, [*grammar.types["email"].values], (), (), (), repaired=False)
    if name in _UNNAMED:
        return None
    return grammar.types[name]


def gives_value(line: str, grammar: Grammar) -> bool:
    """Whether an utterance has a slot for a personal value."""
    slots = (slot_of(name, grammar) for _, name, _ in pieces_of(line) if name and name not in MAKERS)
    return any(slot is not None and slot.personal for slot in slots)


def unnamed(name: str, grammar: Grammar) -> str:
    """A name of what is no person."""
    return grammar.pick(next(known for known in _UNNAMED[name] if known in grammar.lists))


def value_of(kind: ValueType, grammar: Grammar) -> str:
    """A value of a slot, with marks."""
    value = grammar.expand(grammar.chance.choice(kind.values))
    if kind.name not in ("mailbox", "domain"):
        return value
    before, at, after = value.partition(_AT)
    part = before if kind.name == "mailbox" or not at else after
    return part.strip(" |") or value


def marked_text(text: str, grammar: Grammar) -> str:
    """Words of an utterance with marks for its numbers and single letters, which recognition writes as it likes."""
    numbers = _number_words(grammar)
    words = [*_WORD.finditer(text)]
    marked, at, skip = "", 0, 0
    for place, word in enumerate(words):
        if skip:
            skip -= 1
            continue
        for count in range(min(3, len(words) - place), 0, -1):
            end = words[place + count - 1].end()
            number = numbers.get(text[word.start() : end])
            if number is not None:
                marked += f"{text[at : word.start()]}<n:{number}>"
                at, skip = end, count - 1
                break
    return _LETTER.sub(lambda found: f"<l:{found[0]}>", marked + text[at:]) if numbers else text


@lru_cache
def _known_numbers(words: tuple[str, ...]) -> Mapping[str, int]:
    return {word: number for number, word in enumerate(words) if word not in _NO_NUMBERS}


def _number_words(grammar: Grammar) -> Mapping[str, int]:
    return _known_numbers(tuple(grammar.lists["numbers"]))


def pieces_of(line: str) -> Iterator[tuple[str, str, str]]:
    """The text before each slot of a line, the name of the slot, and what stands after its colon; at last the rest."""
    at = 0
    for found in SLOT.finditer(line):
        yield line[at : found.start()], found[1], found[2] or ""
        at = found.end()
    yield line[at:], "", ""
