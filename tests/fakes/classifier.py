"""A token classifier that knows a list of words. The real one is ``models.redaction.ner.classifier``."""

from __future__ import annotations

from collections.abc import Callable

from models.redaction.ner.types import WordPrediction
from models.redaction.normalize.words import WORD


class WordListClassifier:
    """Gives every word of its list its label, with full confidence.

    Args:
        labels: Lower-case word to label, ``{"maria": "GIVEN_NAME"}``.
    """

    name = "word list"
    device = "cpu"

    def __init__(self, labels: dict[str, str] | None = None) -> None:
        self._labels = labels or {}
        self.calls = 0

    def classify(self, texts: list[str]) -> list[list[WordPrediction]]:
        """See ``models.redaction.ner.types.TokenClassifier``."""
        self.calls += 1
        return [
            [
                WordPrediction(m.start(), m.end(), self._labels[m.group().lower()], 1.0)
                for m in WORD.finditer(text)
                if m.group().lower() in self._labels
            ]
            for text in texts
        ]

    def begin(self, texts: list[str]) -> Callable[[], list[list[WordPrediction]]]:
        """See ``models.redaction.ner.types.TokenClassifier``."""
        return lambda: self.classify(texts)
