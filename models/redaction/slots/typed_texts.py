"""Typed texts: the values that the slot tagger finds in them, and the names in which it sees nothing personal.

The classifier's two layers see little of the words around. So a rare word is a name for it, and a name that is a word
is none. Recognizers know values by their shape and by a few announcements. The slot tagger has learned from typed
messages as well and sees the whole sentence.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from models.redaction.slots.entities import WORDS_BESIDE, SlotBars, slot_entities, words_in
from models.redaction.slots.features import LANGUAGES
from models.redaction.slots.types import SlotWord
from models.redaction.spans.merge import weight
from models.redaction.types import CLASSIFIER, EXACT
from models.text import Entity

NAME: Final = "NAME"

CLEARED_IN: Final = frozenset(LANGUAGES) - {"hi"}
"""Languages in which names are cleared: those that the tagger learned, but for Hindi, in which it takes too many names
for none. See docs/evaluation/constants/redaction.md, typed-values.
"""


@dataclass(frozen=True, slots=True)
class TypedBars:
    """Least probabilities of being personal, in typed texts. See docs/evaluation/constants/redaction.md, typed-values.

    Attributes:
        name: Of a word that is a name although nothing else says so.
        value: Of a word of another value.
        beside: Of a word right beside one of them, or beside a name that the classifier found.
        kept: Of a word because of which a name that the classifier is not sure of stays hidden.
        likely: The same, if the classifier gives the name even odds, it begins the text ("Hope said she is in"), or
            it has hardly a word beside it.
    """

    name: float = 0.6
    value: float = 0.8
    beside: float = 0.3
    kept: float = 0.03
    likely: float = 0.004


DEFAULT_BARS: Final = TypedBars()
_EVEN_ODDS: Final = 0.5


def is_no_name(entity: Entity, slots: Sequence[SlotWord], bars: TypedBars = DEFAULT_BARS) -> bool:
    """Whether the tagger sees nothing personal in a name of which the classifier is not sure."""
    if entity.type != NAME or not entity.recognizer.startswith(CLASSIFIER) or entity.score > EXACT:
        return False
    words = words_in(slots, entity.start, entity.end)
    is_likely = entity.score >= _EVEN_ODDS or entity.start == 0 or len(slots) < len(words) + WORDS_BESIDE
    bar = bars.likely if is_likely else bars.kept
    return bool(words) and max(word.personal for word in words) < bar


def typed_values(
    slots: Sequence[SlotWord], found: Sequence[Entity], bars: TypedBars = DEFAULT_BARS
) -> Iterator[Entity]:
    """The values that the tagger finds. Names do not reach into what others found, unless that is a name. Other values
    have the type of what a recognizer found in them, and are left out where it found all of them.
    """
    values = [entity for entity in found if entity.type != NAME]
    starts, ends = sorted(value.start for value in values), sorted(value.end for value in values)

    def is_name(word: SlotWord) -> bool:
        return word.type == NAME and bisect_left(starts, word.end) == bisect_right(ends, word.start)

    names = [word if is_name(word) else word._replace(personal=0.0) for word in slots]
    others = [word if word.type != NAME else word._replace(personal=0.0) for word in slots]
    of_words = SlotBars(worded=bars.name, beside=bars.beside, within=0)
    yield from slot_entities(names, of_words, [entity for entity in found if entity.type == NAME])
    known = [value for value in values if not value.recognizer.startswith(CLASSIFIER)]
    for entity in slot_entities(others, SlotBars(sure=bars.value, worded=bars.value, beside=bars.beside, within=0)):
        inside = [value for value in known if value.start < entity.end and entity.start < value.end]
        if not inside:
            yield entity
        elif not any(value.start <= entity.start and entity.end <= value.end for value in inside):
            yield replace(entity, type=max(inside, key=weight).type)
