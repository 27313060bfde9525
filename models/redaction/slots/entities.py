"""From the words of slots to entities."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Final

from models.redaction.entities import labels_where
from models.redaction.slots.types import SlotWord
from models.redaction.types import CLASSIFIER, EXACT, OF_POLICY, SLOT_TAGGER, Suspect
from models.text import Entity

RECOGNIZER: Final = SLOT_TAGGER

NUMBERS: Final = labels_where(lambda entity: entity.is_number or entity.is_spelled) - {"ADDRESS"} | {"SECRET"}
"""Types of numbers and codes. The words alone often do not tell which of them one is, so they form one entity."""


_WORDED: Final = frozenset(("NAME", "EMAIL"))


@dataclass(frozen=True, slots=True)
class SlotBars:
    """Least probabilities of being personal. See docs/evaluation/constants/redaction.md, slot-bars.

    Attributes:
        sure: Of a word that is hidden whatever stands beside it.
        number_word: The same of a number word of a typed text, which is judged as in speech.
        worded: The same of a word of a name or an e-mail address, of which harmless ones are often told.
        dated: The same of a word of a birth date: "from the 3rd to the 6th of January" is none.
        beside: Of a word that is hidden because one in its run, or in a run close to it, is sure.
        within: Most words of talk between two runs that are close, such as a correction.
        suspected: Of a word of a partial that waits for a few more words.
        likely: Of a word that waits until the tagger has seen all words that it can weigh beside it.
        final: Of a word that waits for the final text.
        named: Of a word because of which a name that the classifier is not sure of stays hidden.
        first: The same of a name that begins the text: "Hope said she is in".
        cleared: Of a word because of which another value that a recognizer found stays hidden.
    """

    sure: float = 0.6
    number_word: float = 0.6
    worded: float = 0.8
    dated: float = 0.98
    beside: float = 0.2
    within: int = 6
    suspected: float = 0.05
    likely: float = 0.1
    final: float = 0.15
    named: float = 0.15
    first: float = 0.05
    cleared: float = 0.1

    def of(self, word: SlotWord) -> float:
        """From which probability on this word is hidden whatever stands beside it."""
        if word.type in _WORDED:
            return self.worded
        if word.type == "DOB":
            return self.dated
        return self.number_word if word.number_word else self.sure


WORDS_BESIDE: Final = 2
"""Other words that a text must have for a value in it to be cleared like any other."""

REACH: Final = 31
"""How many words after it the head weighs for a word: its five layers look 1, 2, 4, 8 and 16 words ahead. The encoder
sees the whole window; what words further on change is small (docs/evaluation/constants/redaction.md, slot-bars).
"""

DEFAULT_BARS: Final = SlotBars()


@dataclass(frozen=True, slots=True)
class _Run:
    """Words in a row that are personal: those from ``start`` up to ``end``."""

    start: int
    end: int
    words: list[SlotWord]

    def is_sure(self, bars: SlotBars) -> bool:
        return any(word.personal >= bars.of(word) for word in self.words)

    def is_close(self, other: _Run, within: int) -> bool:
        return self.start - within <= other.end and other.start <= self.end + within


def slot_entities(
    slots: Sequence[SlotWord], bars: SlotBars = DEFAULT_BARS, names: Iterable[Entity] = ()
) -> Iterator[Entity]:
    """The personal values among the words: runs of personal words, one entity for each kind of value in a run.

    Args:
        slots: Every word.
        bars: From which probabilities on a word is personal.
        names: Names that others found. A run that holds a part of one counts as sure: "Alison" and "winter" beside it.
    """
    runs = list(_runs(slots, bars.beside))
    known = {word.start for name in names for word in words_in(slots, name.start, name.end)}
    sure = [run for run in runs if run.is_sure(bars) or not known.isdisjoint(word.start for word in run.words)]
    for run in runs:
        if any(run.is_close(other, bars.within) for other in sure):
            yield from map(_entity, _parts(run.words))


def _runs(slots: Sequence[SlotWord], bar: float) -> Iterator[_Run]:
    at = 0
    for personal, group in groupby(slots, key=lambda word: word.personal >= bar):
        words = list(group)
        if personal:
            yield _Run(at, at + len(words), words)
        at += len(words)


def _entity(part: list[SlotWord]) -> Entity:
    weights: Counter[str] = Counter()
    for word in part:
        weights[word.type] += word.personal  # type: ignore[assignment]  # a Counter adds fractions as well
    score = max(word.personal for word in part)
    return Entity(weights.most_common(1)[0][0], part[0].start, part[-1].end, score, RECOGNIZER)


def _parts(run: list[SlotWord]) -> list[list[SlotWord]]:
    """The run, cut where one kind of value ends and another begins. A lone word goes with the part before it."""
    parts: list[list[SlotWord]] = []
    for _kind, words in groupby(run, key=lambda word: "number" if word.type in NUMBERS else word.type):
        part = list(words)
        if parts and (len(part) == 1 or len(parts[-1]) == 1):
            parts[-1] += part
        else:
            parts.append(part)
    return parts


def suspected_slots(slots: Sequence[SlotWord], bars: SlotBars = DEFAULT_BARS) -> Iterator[Suspect]:
    """Words that more words may still turn into a part of a value."""
    settled = len(slots) - REACH
    for at, word in enumerate(slots):
        if word.personal >= bars.suspected:
            yield Suspect(word.start, word.end, word.personal >= (bars.final if at < settled else bars.likely))


def words_in(slots: Sequence[SlotWord], start: int, end: int) -> Sequence[SlotWord]:
    """The words that overlap a span."""
    first = bisect_right(slots, start, key=attrgetter("end"))
    return slots[first : bisect_left(slots, end, first, key=attrgetter("start"))]


def is_impersonal(entity: Entity, slots: Sequence[SlotWord], bars: SlotBars = DEFAULT_BARS) -> bool:
    """Whether the tagger sees nothing personal in what the classifier found, or in a number that another recognizer
    found: "Peaky Blinders", a reading.

    Never impersonal is what was found by a checksum or a sure shape, with a score over ``EXACT``, a name of which the
    classifier is sure, what a policy's own recognizer found, and an answer with hardly a word beside it: what it
    answers is not in it.
    """
    is_name, is_classified = entity.type == "NAME", entity.recognizer.startswith(CLASSIFIER)
    if entity.recognizer.startswith((RECOGNIZER, OF_POLICY)) or not (is_classified or entity.type in NUMBERS):
        return False
    if entity.score > EXACT and (is_name or not is_classified):
        return False
    words = words_in(slots, entity.start, entity.end)
    if not words or len(slots) < len(words) + WORDS_BESIDE:
        return False
    of_names = bars.named if entity.start else bars.first
    return max(word.personal for word in words) < (of_names if is_name else bars.cleared)
