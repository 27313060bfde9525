"""The slot tagger: the head together with what it reads.

It learned number words from speech and digits from typed texts. So it reads the number words of a typed text as speech.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from models.redaction.slots.features import TYPED_COLUMN, Floats, Span, said_words, slot_features
from models.redaction.slots.head import SlotHead
from models.redaction.slots.types import SlotWord, TaggedText


class SlotScorer(Protocol):
    """Reads slots out of hidden states."""

    def project(self, states: Floats) -> Floats:
        """The part of hidden states that it reads; of tokens, shape (tokens, hidden)."""
        ...

    def words(self, tagged: TaggedText, spans: Sequence[Span], names: Floats, projected: Floats) -> list[SlotWord]:
        """What it says of each word.

        Args:
            tagged: The text.
            spans: Of its words in ``tagged.view``.
            names: Probability that each is part of a name.
            projected: Mean of ``project`` over the tokens of each word.
        """
        ...


class SlotTagger:
    """A ``SlotScorer``.

    Args:
        head: The network.
    """

    def __init__(self, head: SlotHead) -> None:
        self._head = head
        self._types = head.names[: int(head.personal)].tolist()
        self.project = head.project

    def words(self, tagged: TaggedText, spans: Sequence[Span], names: Floats, projected: Floats) -> list[SlotWord]:
        """See ``SlotScorer``."""
        original = [tagged.view.original_span(*span) for span in spans]
        rows = slot_features(tagged.text, original, names, tagged.context)
        personal = self._personal(projected, rows)
        said = np.zeros(len(rows), dtype=bool)
        if tagged.context.typed and (candidates := said_words(rows)).any():
            rows[:, TYPED_COLUMN] = 0
            spoken = self._personal(projected, rows)
            said = candidates & (spoken.sum(axis=1) > personal.sum(axis=1))
            personal[said] = spoken[said]
        best = personal.argmax(axis=1).tolist()
        whole = personal.sum(axis=1).tolist()
        return [
            SlotWord(start, end, self._types[kind], mine, as_said)
            for (start, end), kind, mine, as_said in zip(original, best, whole, said.tolist(), strict=True)
        ]

    def _personal(self, projected: Floats, rows: Floats) -> Floats:
        """Probabilities of the entity types; shape (words, types)."""
        return self._head.probabilities(projected, rows)[:, : len(self._types)]


def load_slot_tagger() -> SlotTagger:
    """Read the shipped head."""
    return SlotTagger(SlotHead.read())
