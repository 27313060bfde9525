"""What the slot tagger says of one word."""

from __future__ import annotations

from typing import NamedTuple


class SlotWord(NamedTuple):
    """The slot tagger's view of one word.

    Attributes:
        start: First code point in the text.
        end: One past the last.
        type: The most likely entity type, also where ``personal`` is low.
        personal: Probability that the word is part of a personal value, in [0, 1].
        harmless: Probability that the word belongs to a value of a thing, in [0, 1]: a reading, a price, a time, a
            count, the number of a device. A plain word that belongs to no value has a low probability of both.
    """

    start: int
    end: int
    type: str
    personal: float
    harmless: float
