"""From the classifier's opinion of single words to entities."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from models.redaction.ner import WordGuess
from models.redaction.recognizers.base import has_digit
from models.redaction.recognizers.measures import is_harmless
from models.redaction.views import View
from models.text import Entity

_TYPE_OF = {
    "GIVEN_NAME": "NAME",
    "SURNAME": "NAME",
    "EMAIL": "EMAIL",
    "PHONE": "PHONE",
    "TAX_ID": "ID",
    "GOVERNMENT_ID": "ID",
    "PASSPORT": "PASSPORT",
    "DRIVERS_LICENSE": "LICENCE",
    "BANK_ACCOUNT": "ACCOUNT",
    "ROUTING_NUMBER": "ACCOUNT",
    "BUILDING_NUMBER": "ADDRESS",
    "STREET_NAME": "ADDRESS",
    "SECONDARY_ADDRESS": "ADDRESS",
    "ZIP_CODE": "ADDRESS",
    "CITY": "ADDRESS",
    "STATE": "ADDRESS",
}
"""Web addresses are left to the patterns: most lead to no person."""

_ANCHORS = frozenset({"BUILDING_NUMBER", "STREET_NAME", "SECONDARY_ADDRESS", "ZIP_CODE"})
_PLACES = frozenset({"CITY", "STATE"})


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From which probability a guess counts.

    Attributes:
        name: Names are what everything else misses, so the bar is low.
        number: Numbers and codes, which patterns find as well.
        address: Parts of an address.
        place_reach: Characters between a town and a street or postcode that make the town a part of the address.
    """

    name: float = 0.4
    number: float = 0.5
    address: float = 0.5
    place_reach: int = 12

    def of(self, entity_type: str) -> float:
        """The bar for one entity type."""
        return {"NAME": self.name, "ADDRESS": self.address}.get(entity_type, self.number)


def entities_of(view: View, guesses: list[WordGuess], thresholds: Thresholds) -> Iterator[Entity]:
    """Entities with offsets in the view that the classifier read."""
    sure = [g for g in guesses if g.label in _TYPE_OF and g.score >= thresholds.of(_TYPE_OF[g.label])]
    anchors = [g for g in sure if g.label in _ANCHORS and not _is_amount(view, g)]
    for guess in sure:
        entity_type = _TYPE_OF[guess.label]
        if guess.label in _PLACES and not _beside(guess, anchors, sure, thresholds.place_reach):
            continue
        if guess.label not in _PLACES and entity_type != "NAME" and _is_amount(view, guess):
            continue
        if entity_type == "NAME" and has_digit(view.text[guess.start : guess.end]):
            continue
        yield Entity(entity_type, guess.start, guess.end, guess.score, f"ner:{guess.label.lower()}")


def _is_amount(view: View, guess: WordGuess) -> bool:
    return has_digit(view.text[guess.start : guess.end]) and is_harmless(view, guess.start, guess.end)


def _beside(place: WordGuess, anchors: list[WordGuess], sure: list[WordGuess], reach: int) -> bool:
    """Whether a town or state belongs to an address: an anchor near it, or another place between that is near one."""
    parts = anchors + [g for g in sure if g.label in _PLACES and g is not place]
    near = [p for p in parts if 0 <= p.start - place.end <= reach or 0 <= place.start - p.end <= reach]
    if any(p in anchors for p in near):
        return True
    return any(0 <= a.start - p.end <= reach or 0 <= p.start - a.end <= reach for p in near for a in anchors)
