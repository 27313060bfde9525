"""Aligns a redacted transcript with what was said, to find the words that stand for each planted value.

A global alignment of tokens: words, single digits and tags. What was said is a list of carrier tokens, the words around
the values, and of one slot for each value. A slot takes any number of tokens; a carrier takes one at most. Misheard
carriers align with what was heard in their place, so a slot holds only what stands between its neighbours.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Final

TAG: Final = re.compile(r"\[REDACTED_([A-Z][A-Z_]*?)(?:_[0-9a-f]{4,8})?\]")
"""A tag; group 1 is the type of entity."""

_TOKEN: Final = re.compile(rf"{TAG.pattern}|\d|[^\W\d_]+")
_UNITS: Final = "zero one two three four five six seven eight nine".split()  # noqa: SIM905 -- reads as it is counted
_TEENS: Final = (
    "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()  # noqa: SIM905
)
_TENS: Final = "twenty thirty forty fifty sixty seventy eighty ninety".split()  # noqa: SIM905
_NUMBERS: Final = (
    {word: str(n) for n, word in enumerate(_UNITS)}
    | {word: str(10 + n) for n, word in enumerate(_TEENS)}
    | {word: str(10 * n) for n, word in enumerate(_TENS, 2)}
    | {"oh": "0"}
)
_REPEATS: Final = {"double": 2, "triple": 3}

# Scores of one step of the alignment. A carrier that was misheard must cost less than one that was left out beside a
# word that nobody said; a digit never stands for a word.
_EQUAL, _ALIKE_OFFSET, _LEAST_ALIKE = 1.0, -0.6, 0.3
_OTHER_DIGIT, _DIGIT_FOR_WORD = -0.2, -1.5
_CARRIER_UNDER_TAG = -0.3
_SKIPPED, _EMPTY_SLOT, _INSERTED = -0.4, -1.0, -0.5
_RIGHT_TAG, _OTHER_TAG = 2.0, 1.0
_VALUE_DIGIT, _STRANGE_DIGIT, _STRANGE_WORD = 0.5, -0.1, -0.2
ALIKE: Final = 0.6
"""Least likeness of two words, 0 to 1, at which one is taken for the other misheard."""


@dataclass(frozen=True, slots=True)
class Token:
    """A folded word, one digit, or a whole tag, and where it stands in its text."""

    text: str
    start: int
    end: int

    @property
    def tag(self) -> str:
        """Type of entity of a tag; empty for a word or a digit."""
        found = TAG.fullmatch(self.text)
        return found[1] if found else ""

    @property
    def is_digit(self) -> bool:
        """Whether it is one digit."""
        return self.text.isdigit()


@dataclass(frozen=True, slots=True)
class Slot:
    """The place of one value in what was said.

    Attributes:
        type: Type of the entity, ``PHONE``.
        tokens: The value's own words and digits, as spoken and as written.
    """

    type: str
    tokens: frozenset[str]


Unit = Token | Slot


def tokens_of(text: str) -> list[Token]:
    """Words in small letters, digits one by one, number words as digits, tags whole."""
    found = [Token(m.group() if m.group(1) else m.group().lower(), *m.span()) for m in _TOKEN.finditer(text)]
    tokens: list[Token] = []
    for index, token in enumerate(found):
        follower = found[index + 1].text if index + 1 < len(found) else ""
        if token.text in _REPEATS and (digit := _NUMBERS.get(follower, follower)).isdigit() and len(digit) == 1:
            digits = digit * (_REPEATS[token.text] - 1)
        elif token.text in _TENS and follower in _UNITS[1:]:
            digits = _NUMBERS[token.text][0]
        else:
            digits = _NUMBERS.get(token.text, "")
        tokens += [Token(digit, token.start, token.end) for digit in digits] or [token]
    return tokens


def align(said: Sequence[Unit], heard: Sequence[Token], *, unfinished: bool = False) -> list[int | None]:
    """The index of the unit that each heard token stands for; None where nothing like it was said.

    Args:
        said: What was said.
        heard: What was heard of it.
        unfinished: Whether only a beginning of what was said may have been heard.
    """
    columns = range(1, len(heard) + 1)
    scores = [_INSERTED * column for column in range(len(heard) + 1)]
    begins: list[list[int]] = []  # for each unit and column, where its tokens begin; -1: the token is inserted
    ends = [scores[-1]]  # for each count of units, the score with all tokens aligned to these
    for unit in said:
        taken = _slot_row(unit, heard, scores) if isinstance(unit, Slot) else _carrier_row(unit, heard, scores)
        skipped = _EMPTY_SLOT if isinstance(unit, Slot) else _SKIPPED
        row, begin = [scores[0] + skipped], [0]
        for column in columns:
            options = (
                (taken[column - 1][0], taken[column - 1][1]),
                (scores[column] + skipped, column),
                (row[-1] + _INSERTED, -1),
            )
            best = max(options, key=lambda option: option[0])
            row.append(best[0])
            begin.append(best[1])
        scores = row
        begins.append(begin)
        ends.append(row[-1])
    used = max(range(len(ends)), key=ends.__getitem__) if unfinished else len(begins)
    return _traced(begins[:used], len(heard))


def _traced(begins: list[list[int]], column: int) -> list[int | None]:
    owners: list[int | None] = [None] * column
    unit = len(begins) - 1
    while unit >= 0:
        begin = begins[unit][column]
        if begin < 0:
            column -= 1
            continue
        owners[begin:column] = [unit] * (column - begin)
        unit, column = unit - 1, begin
    return owners


def _carrier_row(said: Token, heard: Sequence[Token], before: list[float]) -> list[tuple[float, int]]:
    """For each heard token, the score with it aligned to the carrier, and where that begins."""
    return [(before[column] + _carrier_score(said, token), column) for column, token in enumerate(heard)]


def _slot_row(slot: Slot, heard: Sequence[Token], before: list[float]) -> list[tuple[float, int]]:
    """For each heard token, the best score with it as the last one of the slot, and where the slot begins."""
    row: list[tuple[float, int]] = []
    for column, token in enumerate(heard):
        fresh = (before[column], column)
        score, begin = max(fresh, row[-1]) if row else fresh
        row.append((score + _slot_score(slot, token), begin))
    return row


def _carrier_score(said: Token, token: Token) -> float:
    if said.text == token.text:
        return _EQUAL
    if token.tag:
        return _CARRIER_UNDER_TAG
    if said.is_digit != token.is_digit:
        return _DIGIT_FOR_WORD
    if said.is_digit:
        return _OTHER_DIGIT
    return max(likeness(said.text, token.text), _LEAST_ALIKE) + _ALIKE_OFFSET


def _slot_score(slot: Slot, token: Token) -> float:
    if token.tag:
        return _RIGHT_TAG if token.tag == slot.type else _OTHER_TAG
    if token.is_digit:
        return _VALUE_DIGIT if token.text in slot.tokens else _STRANGE_DIGIT
    alike = max((likeness(word, token.text) for word in slot.tokens if not word.isdigit()), default=0.0)
    return alike if alike >= ALIKE else _STRANGE_WORD


@lru_cache(maxsize=65_536)
def likeness(one: str, other: str) -> float:
    """How alike two words are, 0 to 1."""
    return SequenceMatcher(None, one, other, autojunk=False).ratio()
