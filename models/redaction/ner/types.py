"""What a classifier thinks of words, and the Protocol of one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class WordGuess:
    """What the classifier thinks of one word.

    Attributes:
        start: First code point in the text.
        end: One past the last.
        label: Best label other than ``O``, without its B- or I-.
        score: Probability of that label, in [0, 1]; of a name's label, that the word is part of any name.
    """

    start: int
    end: int
    label: str
    score: float


class TokenClassifier(Protocol):
    """Judges the words of texts. Safe to call from several threads."""

    def classify(self, texts: list[str]) -> list[list[WordGuess]]:
        """One list a text, in order; words that are surely nothing are left out."""
        ...

    def begin(self, texts: list[str]) -> Callable[[], list[list[WordGuess]]]:
        """Start what ``classify`` does on another core; what is returned waits for it and gives it."""
        ...
