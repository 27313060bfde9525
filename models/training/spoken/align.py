"""Projects the labels of what was said onto what was heard, by alignment of their characters.

Number words of the heard text count as digits, as those of the said tokens do, so that "five" and "5" are the same.
Every character of the heard text is thereby placed beside a said token, or beside none.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

from models.redaction.lexicons.loader import word_tables
from models.training.spoken.grammar import build_grammar
from models.training.spoken.verbalize import DIGIT, LETTER, PAUSE, SIGN, Token

_WORD: Final = re.compile(r"\d+|(?:[^\W\d_]|[\u0900-\u0963])+(?:['\u2019][^\W\d_]+)*|[@+/_.-]")
_SINGLE: Final = re.compile(r"\d|[A-Z](?![a-z'\u2019])|" + _WORD.pattern.removeprefix(r"\d+|"))
_GAP, _OTHER, _ALIKE = 1.0, 1.6, 0.7
_SOUND_GROUPS: Final = ("aeiouyh", "bpdtgvckz", "vfw", "mn", "szcx", "jg", "lr")
_DIGIT_SOUNDS: Final = dict(
    zip("0123456789", ("oh", "won", "to", "three", "for", "five", "six", "seven", "ate", "nine"), strict=True)
)

Place = tuple[str, int]
"""A character that is compared, and the number of what it comes from: a token, or a word of the heard text."""


@dataclass(frozen=True, slots=True)
class HeardWord:
    """A word, number or sign of the heard text.

    Attributes:
        start: Offset in code points.
        end: Likewise.
        token: Number of the said token that most of it stands for, or -1.
    """

    start: int
    end: int
    token: int


def project(tokens: Sequence[Token], heard: str, labels: dict[int, str], language: str) -> list[tuple[int, int, str]]:
    """The spans of the heard text that stand for the labelled tokens, widened to whole words.

    A value of which nothing was heard has no span.
    """
    placed = aligned(tokens, heard, language)
    inside = _groups([tokens[word.token].group if word.token >= 0 else -1 for word in placed], placed, heard)
    spans = []
    for group, label in sorted(labels.items()):
        own = [w for w, of in zip(placed, inside, strict=True) if of == group and heard[w.start : w.end] not in "-.,/"]
        if own:
            spans.append((own[0].start, max(word.end for word in own), label))
    return spans


def likeness(tokens: Sequence[Token], heard: str, language: str) -> float:
    """Share of letters and digits, of the longer side, that are the same in both: 1 is heard exactly, 0 not at all."""
    left = [place for place in _said_places(tokens) if place[0].isalnum()]
    right = [(c, 0) for word in _WORD.finditer(heard) for c in heard_form(word[0], language) if c.isalnum()]
    same = sum(left[i][0] == right[j][0] for i, j in _matched(left, right))
    return same / max(len(left), len(right), 1)


def _groups(groups: list[int], placed: Sequence[HeardWord], heard: str) -> list[int]:
    """The group of each word.

    A word beside no token belongs to a value that encloses it or, if it is a number, touches it.
    """
    known = list(groups)
    for at, group in enumerate(groups):
        if group >= 0:
            continue
        before = next((known[i] for i in range(at - 1, -1, -1) if known[i] >= 0), 0)
        after = next((g for g in groups[at + 1 :] if g >= 0), 0)
        number = heard[placed[at].start].isdigit()
        known[at] = before if before == after else (before or after) if number else 0
    return known


def aligned(tokens: Sequence[Token], heard: str, language: str, *, single: bool = False) -> list[HeardWord]:
    """Each word of the heard text with the token that it stands for.

    Args:
        tokens: What was said.
        heard: The text.
        language: ISO 639-1.
        single: Take each digit and each capital of the text on its own, not a number or a code as one word.
    """
    words = list((_SINGLE if single else _WORD).finditer(heard))
    left = _said_places(tokens)
    right = [(c, at) for at, word in enumerate(words) for c in heard_form(word[0], language)]
    votes: list[dict[int, int]] = [{} for _ in words]
    for i, j in _matched(left, right):
        votes[right[j][1]][left[i][1]] = votes[right[j][1]].get(left[i][1], 0) + (2 if left[i][0] == right[j][0] else 1)
    return [
        HeardWord(word.start(), word.end(), max(vote, key=lambda token: (vote[token], -token)) if vote else -1)
        for word, vote in zip(words, votes, strict=True)
    ]


def bare(text: str) -> str:
    """Folded letters, digits and signs of a text, without spaces, quotes and commas."""
    folded = _folded(text)
    return "".join(c for c in folded if c.isalnum() or "\u0900" <= c <= "\u097f") or folded.strip()


def _said_places(tokens: Sequence[Token]) -> list[Place]:
    places: list[Place] = []
    for number, token in enumerate(tokens):
        if token.kind != PAUSE:
            form = token.written if token.kind in (DIGIT, LETTER, SIGN) else token.said
            places += [(c, number) for c in _folded(form) if c.isalnum() or token.kind == SIGN]
    return places


def heard_form(word: str, language: str) -> str:
    """The characters by which a heard word is compared: the digits of a number word, the sign of its name."""
    folded = _folded(word)
    return spoken_digits(language).get(folded, folded)


@lru_cache
def spoken_digits(language: str) -> dict[str, str]:
    """Number words and names of signs of a language, folded, with what they are written as."""
    grammar = build_grammar(language, "train", random.Random(0))
    forms = {_folded(word): str(value) for value, word in enumerate(grammar.lists["numbers"]) if " " not in word}
    forms |= {_folded(zero): "0" for zero in grammar.lists["zero"]}
    for part in ("numbers", "signs"):
        for written, words in word_tables(language, "spoken").get(part, {}).items():
            forms |= {_folded(word): written for word in words if word not in ("to", "too", "for", "at", "a", "e")}
    return {word: bare(form) if form.isalnum() else form for word, form in forms.items()}


def _folded(text: str) -> str:
    """Lower case without accents; the marks of Devanagari stay."""
    decomposed = unicodedata.normalize("NFD", text.lower())
    return "".join(c for c in decomposed if not unicodedata.combining(c) or "\u0900" <= c <= "\u097f")


def _matched(left: Sequence[Place], right: Sequence[Place]) -> list[tuple[int, int]]:
    """Pairs of characters that stand for each other, of the cheapest alignment."""
    rows = [[_GAP * j for j in range(len(right) + 1)]]
    for i, (a, _) in enumerate(left, 1):
        above, row = rows[-1], [_GAP * i]
        for j, (b, _) in enumerate(right, 1):
            row.append(min(above[j] + _GAP, row[-1] + _GAP, above[j - 1] + _cost(a, b)))
        rows.append(row)
    pairs, i, j = [], len(left), len(right)
    while i and j:
        if rows[i][j] == rows[i - 1][j - 1] + _cost(left[i - 1][0], right[j - 1][0]):
            i, j = i - 1, j - 1
            pairs.append((i, j))
        elif rows[i][j] == rows[i - 1][j] + _GAP:
            i -= 1
        else:
            j -= 1
    return pairs[::-1]


@cache
def _cost(a: str, b: str) -> float:
    if a == b:
        return 0.0
    if a.isdigit() or b.isdigit():
        digit, other = (a, b) if a.isdigit() else (b, a)
        return 1.1 if other.isdigit() else 1.2 if other in _DIGIT_SOUNDS[digit] else _OTHER
    return _ALIKE if any(a in group and b in group for group in _SOUND_GROUPS) else 1.3
