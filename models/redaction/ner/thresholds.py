"""The thresholds of the classifier."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Least probabilities from which a word counts.

    Attributes:
        name: Threshold for names. It is low, because no other recognizer finds most names. See
            docs/evaluation/constants/redaction.md, name-head.
        name_spoken: Threshold for names in speech, but for Hindi. Capitals are unreliable there, misheard words look
            like rare names, and introductions and questions are evaluated separately.
        name_printed: Threshold for names on forms and receipts, whose labels, abbreviations and goods look like rare
            names. Found in docs/evaluation/constants, "name-printed".
        name_answer: Threshold when the whole text is one or two words, like the answer to a question for a name. On
            forms and receipts the cell must stand after a label for a person, or be written like no label.
        name_honoured: Threshold when a title follows the word.
        name_beside: Threshold for a word right beside a certain name.
        name_small: Threshold for a lower-case word when the writer capitalizes every noun.
        name_small_printed: The same on forms and receipts whose text has capitals. Found in docs/evaluation/constants,
            "name-printed".
        name_suspected: Threshold from which a word of an unfinished utterance is held back until more words follow.
        name_likely: Threshold from which such a word is held back until the utterance ends.
        number: Threshold for numbers and codes, which patterns find as well.
        address: Threshold for parts of an address.
        street_alone: Threshold for a street name without other parts of an address beside it.
        place_reach: Most characters between a town and a street or postcode for the town to be part of the address.
    """

    name: float = 0.2
    name_spoken: float = 0.68
    name_printed: float = 0.75
    name_answer: float = 0.12
    name_honoured: float = 0.2
    name_beside: float = 0.08
    name_small: float = 0.4
    name_small_printed: float = 0.9
    name_suspected: float = 0.06
    name_likely: float = 0.25
    number: float = 0.5
    address: float = 0.5
    street_alone: float = 0.75
    place_reach: int = 12

    def name_threshold(self, *, transliterated: bool, spoken: bool, printed: bool = False) -> float:
        """The threshold for names. If a policy lowered it, the lowered one applies everywhere."""
        if self.name < Thresholds().name:
            return self.name
        if printed:
            return max(self.name, self.name_printed)
        return max(self.name, self.name_spoken) if spoken and not transliterated else self.name

    def of(self, entity_type: str) -> float:
        """The threshold for one entity type."""
        return {"NAME": self.name, "ADDRESS": self.address}.get(entity_type, self.number)
