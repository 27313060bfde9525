"""Which type a spoken value has.

The scores of the slot tagger and of the classifier say that words are personal. Which of two types of numbers a value
has, they often confuse: a code after "my driving licence number is" looks like a number plate. A noun that announces
the value and a shape that only one type has know better. Must NOT change: the type of a value of which the other find
is a smaller part.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from models.redaction.slots.addresses import has_inner_sign
from models.redaction.slots.announcements import Announcement
from models.redaction.slots.entities import NUMBERS, RECOGNIZER
from models.redaction.slots.spoken_words import SpokenWords
from models.redaction.spans.merge import ANNOUNCED
from models.redaction.types import CLASSIFIER, EXACT
from models.text import Entity

NAMED: Final = f"{ANNOUNCED}:noun"
"""Name of the recognizer whose entities have the type of the noun that announces them: "my passport is"."""

_ANY: Final = "ID"
"""The type of numbers of which nothing says more."""

_SHAPED: Final = NUMBERS - {"PHONE", _ANY, "SECRET"}
"""Types of which a shape is typical. Groups of digits that might be a telephone number are not."""

_SHAPE: Final = 0.8
"""Least score of a shape that tells the type. See docs/evaluation/constants/redaction.md, value-types."""

_GUESSES: Final = (RECOGNIZER, CLASSIFIER)
_SPELLED: Final = "spelled"


def recognizer_of(slot: Announcement) -> str:
    """The name of the recognizer for the values of a slot. What only sounds like a noun does not name the type."""
    is_noun = slot.end > slot.start and not slot.vague and not slot.requested and slot.type != _ANY
    return NAMED if is_noun else ANNOUNCED


def with_told_types(text: SpokenWords, found: Sequence[Entity]) -> Iterator[Entity]:
    """The entities; those of the tagger, of the classifier and of no known type have the type that another find at the
    same place tells.
    """
    telling = [(rank, entity) for entity in found if (rank := _rank(entity))]
    spelled = [entity for entity in found if entity.recognizer == _SPELLED and entity.type == "NAME"]
    for entity in found:
        if not _is_guess(entity):
            yield entity
            continue
        beside = [(rank, other.type) for rank, other in telling if _is_same(entity, other)]
        if beside:
            yield replace(entity, type=max(beside)[1])
        elif entity.type == "EMAIL" and _is_spelled(text, entity, spelled):
            yield replace(entity, type="NAME")
        else:
            yield entity


def _is_guess(entity: Entity) -> bool:
    return entity.recognizer.startswith(_GUESSES) or (entity.type == _ANY and entity.score < _SHAPE)


def _rank(entity: Entity) -> int:
    """How well a find tells the type: by a sure shape, by a noun, by a shape; 0 if it does not."""
    if entity.recognizer == NAMED:
        return 2
    by_shape = entity.type in _SHAPED and not entity.recognizer.startswith((*_GUESSES, ANNOUNCED))
    if not by_shape or entity.score < _SHAPE:
        return 0
    return 3 if entity.score > EXACT else 1


def _is_same(one: Entity, other: Entity) -> bool:
    """Whether two entities have more than half of the characters of the longer one in common."""
    common = min(one.end, other.end) - max(one.start, other.start)
    return 2 * common > max(one.end - one.start, other.end - other.start)


def _is_spelled(text: SpokenWords, entity: Entity, spelled: Iterable[Entity]) -> bool:
    """Whether an e-mail address is a spelled name with no sign in it: recognition writes "dot" for a full stop."""
    return any(_is_same(entity, other) for other in spelled) and not has_inner_sign(text, entity.start, entity.end)
