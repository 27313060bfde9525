"""A token classifier that knows a list of words. The real one is ``models.redaction.ner.classifier``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from models.redaction.ner.types import Classified, WordPrediction
from models.redaction.normalize.words import WORD
from models.redaction.slots.types import SlotWord, TaggedText


class WordListClassifier:
    """Gives every word of its list its label.

    Args:
        labels: Lower-case word to label, ``{"maria": "GIVEN_NAME"}``.
        score: Of each of these words.
        slots: Lower-case word of a spoken text to type and probability of being personal.
    """

    name = "word list"
    device = "cpu"

    def __init__(
        self,
        labels: dict[str, str] | None = None,
        slots: dict[str, tuple[str, float]] | None = None,
        score: float = 1.0,
    ) -> None:
        self._labels = labels or {}
        self._score = score
        self._slots = slots or {}
        self.calls = 0

    def classify(self, texts: list[str]) -> list[list[WordPrediction]]:
        """See ``models.redaction.ner.types.TokenClassifier``."""
        self.calls += 1
        return [
            [
                WordPrediction(m.start(), m.end(), self._labels[m.group().lower()], self._score)
                for m in WORD.finditer(text)
                if m.group().lower() in self._labels
            ]
            for text in texts
        ]

    def begin(self, texts: list[str], tagged: Sequence[TaggedText] | None = None) -> Callable[[], list[Classified]]:
        """See ``models.redaction.ner.types.TokenClassifier``."""
        slots = [self._slots_of(one.text) for one in tagged] if tagged and self._slots else [[] for _ in texts]
        return lambda: [Classified(*both) for both in zip(self.classify(texts), slots, strict=True)]

    def _slots_of(self, text: str) -> list[SlotWord]:
        words = ((m.start(), m.end(), m.group().lower()) for m in WORD.finditer(text))
        return [SlotWord(start, end, *self._slots.get(word, ("ID", 0.0))) for start, end, word in words]
