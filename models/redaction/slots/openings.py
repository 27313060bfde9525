"""What opens a slot: an announcement, exact or close by sound, an owner beside a number, the assistant's question."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from models.redaction.dialogue_context import is_reading, numeric
from models.redaction.slots.announcements import Announcement
from models.redaction.slots.explanations import is_explained
from models.redaction.slots.spoken_words import STOPS, Run, SpokenWords
from models.redaction.types import RedactionContext

_OWNER_WORDS: Final = 5
"""Most words between an owner and a number, on either side: "362316 is the code that I got for my phone"."""

_NOUN_WORDS: Final = 2
"""Most words that together sound like one noun."""

_SHORTEST_NOUN: Final = 3
_MIN_CORRECTED: Final = 3
"""Least digits and letters of two numbers of which the second corrects the first."""

_MIN_NAMED: Final = 2
_MIN_OWNED: Final = 4
"""Least digits and letters of a number that a noun announces close by sound, and that only an owner announces."""


def announced(text: SpokenWords, context: RedactionContext) -> Iterator[Announcement]:
    """The slots that a known announcement or the assistant's question opens."""
    yield from text.announcements
    if (asked := numeric(context.asked_for)) and not is_reading(context.asked_for) and text.runs:
        start = text.runs[0].start
        yield Announcement(asked[0], start, start, told=True, vague=True)


def suspected(text: SpokenWords, runs: Sequence[Run]) -> Iterator[Announcement]:
    """The slots that a noun close by sound, an owner or a correction opens beside these numbers."""
    for run in runs:
        if run.characters >= _MIN_NAMED and run.digits and not is_explained(text, run):
            yield from _beside(text, run)
    for one, other in pairwise(runs):
        corrected = text.is_after_pause(other) and not _is_sentence(text, one, other)
        if corrected and min(one.characters, other.characters) >= _MIN_CORRECTED and not is_explained(text, one):
            yield Announcement("ID", one.start, one.start, told=True)


def _is_sentence(text: SpokenWords, one: Run, other: Run) -> bool:
    """Whether other words than pauses and corrections stand between two numbers."""
    between = range(one.last + 1, other.first)
    return sum(text.is_word(at) and at not in text.hesitating for at in between) > _NOUN_WORDS


def _beside(text: SpokenWords, run: Run) -> Iterator[Announcement]:
    before, after = _words(text, run.first - 1, -1), _words(text, run.last + 1, 1)
    kind = next(filter(None, (_noun_at(text, at) for at in before)), None)
    owned = run.characters >= _MIN_OWNED and any(_is_owner(text, at) for at in before)
    if kind or owned:
        yield Announcement(kind or "ID", run.start, run.start, told=True, vague=kind is None)
    for at in (at for at in after if _is_owner(text, at)):
        kind = next((kind for i in (at + 1, at + 2) if (kind := _noun_at(text, i))), None)
        if kind or run.characters >= _MIN_OWNED:
            yield Announcement(kind or "ID", run.end, run.end, told=True, back=True)


def _words(text: SpokenWords, at: int, step: int) -> list[int]:
    """The words beside a number, the nearest first, in its sentence; after it, also the first ones of the next."""
    found: list[int] = []
    stops = 0
    while 0 <= at < len(text.tokens) and len(found) < _OWNER_WORDS:
        if text.is_word(at):
            found.append(at)
        elif text.tokens[at].text in STOPS:
            stops += 1
            if step < 0 or found or stops > 1:
                break
        at += step
    return found


def _is_owner(text: SpokenWords, at: int) -> bool:
    return text.lists.owner.fullmatch(text.tokens[at].text) is not None


def _noun_at(text: SpokenWords, at: int) -> str | None:
    """The type of the noun that the words from here sound like."""
    for size in range(_NOUN_WORDS, 0, -1):
        group = text.tokens[at : at + size]
        if len(group) == size and all(text.is_word(at + i) for i in range(size)):
            words = [token.text for token in group]
            is_sign = any(map(text.words.sign, group))  # "plus" sounds like "policy"
            plain = text.is_misheard(at) and text.lists.objects.isdisjoint(words) and not is_sign
            if plain and len(words[0]) >= _SHORTEST_NOUN and (kind := text.lists.nouns.alike(" ".join(words))):
                return kind
    return None
