"""What a model of the operator's own says of a word, and its Protocol."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol


class PersonalWord(NamedTuple):
    """A word that may be a part of a personal value.

    Attributes:
        start: First code point in the text.
        end: One past the last.
        type: Likeliest entity type.
        score: Probability that the word is personal, of any type; 0 to 1.
    """

    start: int
    end: int
    type: str
    score: float


class OwnModel(Protocol):
    """Tags the words of texts. Safe to call from several threads."""

    @property
    def name(self) -> str:
        """Under which it was added."""
        ...

    def personal_words(self, texts: list[str], check: Callable[[], None]) -> list[list[PersonalWord]]:
        """For each text its words in order; those that are most unlikely to be personal are left out.

        Args:
            texts: To tag.
            check: Called between parts of the work; what it raises ends the work.
        """
        ...
