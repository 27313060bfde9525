"""From the announcement of a slot to the words that fill it.

A value reaches to the end of its clause: over commas and a full stop where digits or letters of a code go on, over
pauses and corrections ("no wait"), and over a few misheard words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import dropwhile, groupby, takewhile
from typing import Final

from models.redaction.entities import labels_where
from models.redaction.itn.lexicon import HOMOPHONES
from models.redaction.slots.announcements import Announcement
from models.redaction.slots.explanations import is_explained
from models.redaction.slots.spoken_words import STOPS, Run, SpokenWords

_REACH: Final = 80
"""Most tokens that are read beside an announcement."""

_MOST_GARBLED: Final = 4
"""Most misheard words in a row inside a value."""

_MOST_AT_EDGE: Final = 2
MOST_PHRASE_WORDS: Final = 4
"""Most misheard words before and after the digits of a value, and of a value in words."""

_OF_WORDS: Final = frozenset({"SECRET", "ADDRESS", "NAME"})
"""Types of values that words are part of."""

_OF_LETTERS: Final = frozenset({"NAME"})
"""Types of values without digits."""

_CODES: Final = labels_where(lambda entity: entity.is_spelled)
"""Types of values with letters, which recognition may write as short words."""

_LONGEST_SHORT_WORD: Final = 3
_MIN_BESIDE_WORDS: Final = 2

_MIN_CHARACTERS: Final = 3
_MIN_CHARACTERS_ALONE: Final = 4
"""Least characters of a value that a noun alone announces, and of a number that a vague noun announces."""

_SETTLED_WORDS: Final = 5
"""Words after a value from which on it counts as ended. A pause or a correction has fewer."""

_WHOLE_PHONE_DIGITS: Final = 10


@dataclass(frozen=True, slots=True)
class Reach:
    """What a slot covers: tokens [first, last], and the token at which the search for more ended."""

    first: int | None
    last: int
    end: int


def value_of(text: SpokenWords, slot: Announcement) -> Iterator[tuple[int, int]]:
    """The pieces of the value of a slot, as offsets: what is no pause, no correction, and not explained."""
    reach = _backward(text, slot) if slot.back else forward(text, slot)
    if reach.first is None:
        return
    runs = list(_runs(text, reach.first, reach.last))
    left = [run for run in runs if not is_explained(text, run, slot)]
    if not any(run.digits or slot.type in _OF_LETTERS for run in left):
        return
    inside = {at for run in left for at in range(run.first, run.last + 1)}
    explained = {at for run in runs if run not in left for at in range(run.first, run.last + 1)}
    first, last = min(inside), max(inside)
    inside |= set(_between(text, first, last, inside | explained)) | set(_before(text, first, slot))
    if not _is_whole(text, slot, first, last):
        inside |= set(_after(text, last, slot))
    if _characters(text, slot, inside) >= _least(slot, left):
        yield from _pieces(text, inside)


def _runs(text: SpokenWords, first: int, last: int) -> Iterator[Run]:
    """The digits and letters of codes between two tokens."""
    for run in text.runs:
        if run.first <= last and first <= run.last:
            inner = [at for at in range(max(first, run.first), min(last, run.last) + 1) if text.characters[at]]
            yield text.run(inner[0], inner[-1])


def _characters(text: SpokenWords, slot: Announcement, inside: set[int]) -> int:
    """How many digits and letters the tokens stand for. In a code a short misheard word counts, too."""
    short = slot.type in _CODES
    words = (at for at in inside if short and text.is_word(at) and len(text.tokens[at].text) <= _LONGEST_SHORT_WORD)
    return sum(text.characters[at] for at in inside) + sum(
        len(text.tokens[at].text) for at in words if not text.characters[at]
    )


def _least(slot: Announcement, runs: Sequence[Run]) -> int:
    """The least digits and letters of a value."""
    position = slot.vague and slot.type != "SECRET" and len(runs) == 1 and runs[0].first == runs[0].last
    if not slot.told or position:
        return _MIN_CHARACTERS_ALONE
    return _MIN_BESIDE_WORDS if slot.type in _OF_WORDS else _MIN_CHARACTERS


def may_go_on(text: SpokenWords, slot: Announcement) -> bool:
    """Whether further words can turn what follows the announcement into a value, or make its value longer."""
    if not slot.told and not _begins_with_code(text, text.at(slot.end)):
        return not any(text.word_at[text.at(slot.end) :])
    after = sum(text.word_at[forward(text, slot).end :])
    return after < _SETTLED_WORDS


def forward(text: SpokenWords, slot: Announcement) -> Reach:
    """What the words after an announcement say."""
    at = begin = text.at(slot.end)
    first, last, garbled, end = None, -1, 0, min(len(text.tokens), begin + _REACH)
    if not slot.told and not _begins_with_code(text, at):
        return Reach(None, -1, at)
    while at < end and garbled <= _MOST_GARBLED:
        if text.characters[at]:
            first, last, garbled = at if first is None else first, at, 0
        elif text.hesitations[at] > at:
            at = text.hesitations[at]
            continue
        elif text.tokens[at].text in STOPS or (text.is_word(at) and text.tokens[at].text in text.lists.stops):
            if not _resumes(text, at, slot):
                break
        elif text.is_word(at):
            garbled += 1
        at += 1
    return Reach(first, last, min(at, end))


def _begins_with_code(text: SpokenWords, at: int) -> bool:
    start = next((i for i in range(at, len(text.tokens)) if text.is_word(i)), None)
    return start is not None and start <= at + 1 and text.characters[start] > 0


def _resumes(text: SpokenWords, at: int, slot: Announcement) -> bool:
    """Whether the value goes on after a full stop or a word that would otherwise end it: at once, after a pause, or
    after one misheard word.
    """
    stop, words = text.tokens[at].text in STOPS, 0
    at += 1
    while at < len(text.tokens) and words <= 1:
        if text.characters[at]:
            return True
        if (after := text.hesitations[at]) > at:
            at = after
            continue
        if text.is_word(at):
            words += 1
            if slot.type in _OF_WORDS and stop and text.is_plain(at):
                return True
        at += 1
    return False


def _backward(text: SpokenWords, slot: Announcement) -> Reach:
    """What the words before an announcement that points back say."""
    at = text.at(slot.start) - 1
    low, first, last, garbled = max(-1, at - _REACH), None, -1, 0
    most = MOST_PHRASE_WORDS if slot.type in _OF_WORDS else _MOST_AT_EDGE
    while at > low and garbled <= most:
        if text.characters[at]:
            first, last, garbled = at, max(last, at), 0
        elif text.tokens[at].text in STOPS and first is not None and not text.characters[at - 1]:
            break
        elif text.is_word(at) and at not in text.hesitating:
            garbled += 1
        at -= 1
    return Reach(first, last, at)


def _is_whole(text: SpokenWords, slot: Announcement, first: int, last: int) -> bool:
    return slot.type == "PHONE" and len(text.digits(first, last)) >= _WHOLE_PHONE_DIGITS


def _between(text: SpokenWords, first: int, last: int, inside: set[int]) -> Iterator[int]:
    """Words between digits of a value: all of a short gap that is no pause, otherwise those that may be misheard."""
    for is_inside, group in groupby(range(first, last + 1), inside.__contains__):
        gap = [at for at in group if text.is_word(at)]
        if not is_inside:
            misheard = [at for at in gap if text.is_misheard(at)]
            short = len(gap) <= 1 or (misheard and len(gap) <= _MOST_GARBLED and text.phrases.isdisjoint(gap))
            yield from gap if short else misheard


def _before(text: SpokenWords, first: int, slot: Announcement) -> Iterator[int]:
    """Misheard words right before the digits of a value. A value in words may have pauses.

    After a word with a meaning of its own "for" is no four: "call me on Monday for 415 555 0132".
    """
    low = 0 if slot.back else text.at(slot.end)
    found: list[int] = []
    for at in range(first - 1, low - 1, -1):
        if text.is_word(at):
            capitals = text.tokens[at].shape.isupper() and at not in text.hesitating and slot.type in _CODES
            if not (text.is_misheard(at) or capitals):
                found = list(dropwhile(lambda i: text.tokens[i].text in HOMOPHONES, reversed(found)))
                break
            found.append(at)
        elif not _may_pause(text, at, slot):
            break
    yield from sorted(found, reverse=True)[: MOST_PHRASE_WORDS if slot.type in _OF_WORDS else _MOST_AT_EDGE]


def _may_pause(text: SpokenWords, at: int, slot: Announcement) -> bool:
    """Whether a value may have begun before a mark."""
    if slot.back and text.tokens[at].text in STOPS:
        return False
    return slot.type in _OF_WORDS or text.tokens[at - 1].text in HOMOPHONES


def _after(text: SpokenWords, last: int, slot: Announcement) -> Iterator[int]:
    """Misheard words right after the digits of a value, if the clause ends after them."""
    words = list(takewhile(text.is_misheard, range(last + 1, len(text.tokens))))
    if slot.type in _OF_WORDS:
        yield from words[:MOST_PHRASE_WORDS]
    elif len(words) <= _MOST_AT_EDGE and not (words and _goes_on(text, words[-1] + 1)):
        yield from words


def _goes_on(text: SpokenWords, at: int) -> bool:
    return at < len(text.tokens) and text.is_word(at)


def _pieces(text: SpokenWords, inside: set[int]) -> Iterator[tuple[int, int]]:
    """Stretches of the tokens that only marks interrupt, as offsets."""
    joined = inside | {at for at in range(min(inside), max(inside)) if not text.is_word(at)}
    for is_inside, group in groupby(range(min(joined), max(joined) + 1), joined.__contains__):
        words = [at for at in group if at in inside]
        if is_inside and words:
            yield text.tokens[words[0]].start, text.tokens[words[-1]].end
