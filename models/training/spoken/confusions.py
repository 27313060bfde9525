"""What recognition makes of what was said: a model of its confusions, and texts corrupted with it.

The model is counts, kept in ``confusions.json``. A recogniser does not err evenly: most clips are heard well and some
badly, so every rate has a level for each kind of clip. Contexts that were seen too rarely fall back to those of
English, then to the right form.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final

from models.training.spoken.sentences import Sentence
from models.training.spoken.verbalize import DIGIT, LETTER, PAUSE, SIGN, WORD, Token

DEFAULT: Final = Path(__file__).resolve().parent / "confusions.json"
RIGHT, WRONG, DROPPED = "right", "wrong", "dropped"

_ENDS = ".?!…"
PAUSES: Final = {",": "1", ".": "2", "…": "3", "?": "4", "!": "2"}
_SOUNDS_ALIKE: Final = ("aeiouy", "bpdt", "vfw", "mn", "szc", "kgq", "lr")
_FALLBACK_LANGUAGE: Final = "en"
_OWN_WORDS: Final = ("swaps", "inserted")
"""Parts that hold words, so that another language's are of no use."""

_ENOUGH: Final = 60
"""Cases from which a language's own counts of a context are used."""

_TRIED_WORDS: Final = 60

Counts = Mapping[str, float]
Span = tuple[int, int, str]


@dataclass(frozen=True)
class CorruptedText:
    """A text as recognition might write it.

    Attributes:
        text: The text.
        spans: (start, end, label) in code points.
        words: (start, end, confidence) of each word of the text.
    """

    text: str
    spans: Sequence[Span]
    words: Sequence[tuple[int, int, float]]


@dataclass
class _Piece:
    """What is written for one token."""

    text: str
    kind: str
    group: int
    outcome: str


def seen_kind(text: str, kind: str) -> str:
    """The kind of a written piece, on which the sign before and after it depends."""
    if re.fullmatch(r"[\d.,:/-]*\d[\d.,:/-]*", text):
        return DIGIT
    if kind == LETTER and len(text) <= 2:
        return LETTER
    if text and not any(c.isalnum() for c in text):
        return SIGN
    return WORD


class ConfusionModel:
    """Corrupts what is said as recognition does."""

    def __init__(self, counts: Mapping[str, Any]) -> None:
        self._counts = counts
        self._shares: Sequence[float] = counts["levels"]

    @classmethod
    def read(cls, path: Path = DEFAULT, shares: Sequence[float] = ()) -> ConfusionModel:
        """The model of a file; ``shares`` replaces the measured shares of well, worse and badly heard clips."""
        counts = json.loads(path.read_text(encoding="utf-8"))
        return cls({**counts, "levels": shares or counts["levels"]})

    def corrupt(self, sentence: Sentence, language: str, chance: random.Random) -> CorruptedText:
        """The sentence as one recognition of it might read."""
        level = chance.choices(range(len(self._shares)), self._shares)[0]
        return _Corruption(self, language, level, chance).run(sentence)

    def table(self, part: str, language: str, key: str) -> Counts:
        """Counts of a context, those of English if the language has none, or nothing."""
        tables = self._counts[part]
        own: Counts = tables.get(language, {}).get(key, {})
        if part in _OWN_WORDS or sum(own.values()) >= _ENOUGH:
            return own
        common: Counts = tables.get(_FALLBACK_LANGUAGE, {}).get(key, {})
        return common or own

    @cache  # noqa: B019 - a process has one or two models
    def vocabulary(self, language: str) -> Sequence[str]:
        """Words that were heard in the language for other words."""
        swaps: Mapping[str, Counts] = self._counts["swaps"].get(language, {})
        heard = {word for key, table in swaps.items() if key.startswith(WORD) for word in (key[2:], *table)}
        return sorted(word for word in heard if word.isalpha() and len(word) > 1)

    def confidence(self, right: bool, level: int, chance: random.Random) -> float:
        """A confidence that the recogniser might give."""
        quantiles: Sequence[float] = self._counts["confidence"][RIGHT if right else WRONG][level]
        at = chance.random() * (len(quantiles) - 1)
        low = int(at)
        return round(quantiles[low] + (quantiles[min(low + 1, len(quantiles) - 1)] - quantiles[low]) * (at - low), 3)


@dataclass
class _Corruption:
    """One corrupted text in the making."""

    model: ConfusionModel
    language: str
    level: int
    chance: random.Random
    forms: dict[str, str] = field(default_factory=dict)

    def run(self, sentence: Sentence) -> CorruptedText:
        pieces: list[tuple[_Piece, str]] = []
        pause = "0"
        for token in sentence.tokens:
            if token.kind == PAUSE:
                pause = PAUSES[token.said]
                continue
            piece = self._piece(token)
            if piece.text:
                pieces.append((piece, pause))
                pause = "0"
            if extra := self._inserted(token):
                pieces.append((_Piece(extra, seen_kind(extra, WORD), token.group, WRONG), "0"))
        return self._written(pieces, pause, sentence.labels)

    def _draw(self, part: str, key: str) -> str | None:
        table = self.model.table(part, self.language, key)
        return self.chance.choices([*table], [*table.values()])[0] if table else None

    def _piece(self, token: Token) -> _Piece:
        outcome = self._draw("outcomes", f"{token.kind}{self.level}") or RIGHT
        if outcome == WRONG:
            text = self._confused(token)
            outcome = WRONG if text != token.written else RIGHT
        else:
            text = self._form(token) if outcome == RIGHT else ""
        return _Piece(text, seen_kind(text, token.kind), token.group, outcome)

    def _form(self, token: Token) -> str:
        """The right token as digits or signs, or in words."""
        if token.said == token.written:
            return token.said
        before = self.forms.get(token.kind, "")
        form = self._draw("forms", f"{token.kind}{before}") or self._draw("forms", token.kind) or "written"
        self.forms[token.kind] = form
        return token.written if form == "written" else token.said

    def _confused(self, token: Token) -> str:
        known = self._draw("swaps", f"{token.kind}:{token.written.lower()}")
        if known is not None and (token.kind != WORD or self.chance.random() < 0.9):
            return known
        if token.kind == DIGIT:
            return self._wrong_digits(token.written)
        if token.kind == LETTER:
            return self.chance.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
        return self._sounds_like(token.said)

    def _wrong_digits(self, digits: str) -> str:
        at = self.chance.randrange(len(digits))
        other = self.chance.choice(("", digits[at] * 2, *"0123456789")) if digits[at].isdigit() else digits[at]
        return digits[:at] + other + digits[at + 1 :]

    def _sounds_like(self, word: str) -> str:
        """The most alike of some words that were heard for others; a changed letter where nothing is alike."""
        known = self.model.vocabulary(self.language)
        tried = self.chance.sample(known, min(_TRIED_WORDS, len(known)))
        best = max(tried, key=lambda other: _alike(word, other), default="")
        return best if _alike(word, best) > 0.25 and best != word else self._misspelled(word)

    def _misspelled(self, word: str) -> str:
        places = [at for at, c in enumerate(word) if any(c in group for group in _SOUNDS_ALIKE)]
        if not places:
            return word
        at = self.chance.choice(places)
        group = next(group for group in _SOUNDS_ALIKE if word[at] in group)
        return word[:at] + self.chance.choice(group) + word[at + 1 :]

    def _inserted(self, token: Token) -> str:
        if self._draw("insertions", f"{token.kind}{self.level}") != "yes":
            return ""
        return self._draw("inserted", token.kind) or ""

    def _written(
        self, pieces: Sequence[tuple[_Piece, str]], last_pause: str, labels: Mapping[int, str]
    ) -> CorruptedText:
        text, spans, words = "", dict[int, tuple[int, int]](), list[tuple[int, int, bool]]()
        before, sign = "", ""
        for piece, pause in pieces:
            if text:
                sign = self._separator(f"{before}{piece.kind}{pause}", sign if before == piece.kind else "")
                text += sign
            shown = self._cased(piece.text, text)
            start, text = len(text), text + shown
            if piece.group:
                first, _ = spans.get(piece.group, (start, 0))
                spans[piece.group] = (first, len(text))
            words.append((start, len(text), piece.outcome == RIGHT))
            before = piece.kind
        text += self._draw("ends", last_pause) or ""
        found = [(start, end, labels[group]) for group, (start, end) in sorted(spans.items())]
        return CorruptedText(text, found, self._confidences(text, words))

    def _separator(self, context: str, before: str) -> str:
        for key in (f"{context}|{before}", context, context[:2] + "0"):
            drawn = self._draw("separators", key)
            if drawn is not None:
                return drawn
        return " "

    def _cased(self, piece: str, text: str) -> str:
        opens = not text or text.rstrip()[-1:] in tuple(_ENDS)
        return piece[:1].upper() + piece[1:] if opens else piece

    def _confidences(self, text: str, pieces: Sequence[tuple[int, int, bool]]) -> list[tuple[int, int, float]]:
        found = []
        for word in re.finditer(r"\S+", text):
            right = all(ok for start, end, ok in pieces if start < word.end() and word.start() < end)
            found.append((word.start(), word.end(), self.model.confidence(right, self.level, self.chance)))
        return found


def _alike(a: str, b: str) -> float:
    """Share of pairs of neighbouring letters that two words have in common."""
    first, second = ({f" {w.lower()} "[at : at + 2] for at in range(len(w) + 1)} for w in (a, b))
    return len(first & second) / max(len(first | second), 1)


@lru_cache
def default_model() -> ConfusionModel:
    """The model that is kept beside this module."""
    return ConfusionModel.read()
