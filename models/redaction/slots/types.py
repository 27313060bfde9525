"""Input and output of the slot tagger."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from models.redaction.normalize.view import TextView
from models.redaction.slots.features import SlotContext


class SlotWord(NamedTuple):
    """The slot tagger's view of one word.

    Attributes:
        start: First code point in the text.
        end: One past the last.
        type: The most likely entity type, also where ``personal`` is low.
        personal: Probability that the word is part of a personal value, in [0, 1].
        number_word: Whether the word was typed as it is said, "seven", and judged as in speech.
    """

    start: int
    end: int
    type: str
    personal: float
    number_word: bool = False


@dataclass(frozen=True, slots=True)
class TaggedText:
    """A spoken or typed text, as the slot tagger reads it.

    Attributes:
        text: As it was recognized or typed.
        view: As the classifier reads it, in Latin letters.
        context: What else is known of it.
    """

    text: str = field(repr=False)
    view: TextView = field(repr=False)
    context: SlotContext
