"""The prediction for one word, and the Protocol of a token classifier."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class WordPrediction:
    """What the classifier predicts of one word.

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
    """Classifies the words of texts. Safe to call from several threads."""

    @property
    def name(self) -> str:
        """The engine: ``ctranslate2`` or ``transformers``."""
        ...

    @property
    def device(self) -> str:
        """``cpu`` or ``cuda``."""
        ...

    def classify(self, texts: list[str]) -> list[list[WordPrediction]]:
        """One list for each text, in order; words with a low probability of every label are left out."""
        ...

    def begin(self, texts: list[str]) -> Callable[[], list[list[WordPrediction]]]:
        """Start ``classify`` in another thread; the returned function waits for its result."""
        ...
