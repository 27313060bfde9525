"""The slot tagger: the head together with what it reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from models.redaction.slots.features import Floats, Span, slot_features
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
        probabilities = self._head.probabilities(projected, rows)
        count = len(self._types)
        personal = probabilities[:, :count]
        best = personal.argmax(axis=1).tolist()
        whole = personal.sum(axis=1).tolist()
        return [
            SlotWord(start, end, self._types[kind], mine)
            for (start, end), kind, mine in zip(original, best, whole, strict=True)
        ]


def load_slot_tagger() -> SlotTagger:
    """Read the shipped head."""
    return SlotTagger(SlotHead.read())
