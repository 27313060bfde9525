"""The prediction for one word, and the Protocol of a token classifier."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from models.redaction.slots.types import SlotWord, TaggedText


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


class Classified(NamedTuple):
    """What the classifier says of one text.

    Attributes:
        words: Its predictions; words with a low probability of every label are left out.
        slots: What the slot tagger says of each word, with offsets in the text as it was recognized; empty if it was
            not asked.
    """

    words: list[WordPrediction]
    slots: list[SlotWord]


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

    def begin(self, texts: list[str], tagged: Sequence[TaggedText] | None = None) -> Callable[[], list[Classified]]:
        """Start in another thread; the returned function waits for the result.

        Args:
            texts: To classify.
            tagged: What the slot tagger needs to know of each; None where it shall not run.
        """
        ...
