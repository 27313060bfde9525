"""Merges all detections in a text into one list: sorted, without overlaps, without the tags of earlier runs."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Final

from models.redaction.entities import ENTITY_TYPES, LABELS, PRIORITY, Joining
from models.redaction.lexicons.loader import ANY, alternatives, word_lists
from models.redaction.normalize.dates_times import outside_times
from models.redaction.spans.operators import MASK, TITLES, protected_pattern
from models.redaction.types import CLASSIFIER, EXACT, OF_POLICY, SLOT_TAGGER
from models.text import Entity

TAG = protected_pattern(sorted(LABELS), masks=False)
"""Matches the tags of the strict policy, with or without a hash."""

ANNOUNCED = "announced"
"""How recognizers begin whose entities have the type that the words beside them announce."""

_GUESSES: Final = (ANNOUNCED, CLASSIFIER, SLOT_TAGGER)
_IN_WORDS: Final = ("NAME", "ADDRESS")
"""Types of which no checksum is proof: a name may be a part of an e-mail address."""

_NAME_GAP = re.compile(r"(?:[ \t]{1,3}|[ \t]?[-'\u2019._][ \t]?|[ \t]?\n[ \t]?)?")
_SENTENCE_END = re.compile(r"\.[ \t]")
_SHORTENED = re.compile(
    rf"(?<![^\W_])(?:[^\W\d_]|{TITLES.pattern}|{'|'.join(word_lists(ANY, 'titles')['shortened'])})$", re.IGNORECASE
)
"""Initials and abbreviations: a full stop after them does not end a sentence."""
_LONGEST_SHORT = 10
_LONGEST_TITLES = 40
_A_WORD = re.compile(r"[^\W\d_]{1,40}")
_ADDRESS_GAP = re.compile(
    rf"[\s,.;|/#-]{{0,6}}(?:(?:[A-ZÀ-Þ][\w'.]{{0,14}}|\d{{1,6}}|(?i:{alternatives('streets', 'between_parts')})\.?)"
    r"[\s,;|/#.-]{1,6}){0,2}"
)
"""Between two parts of one address: at most two capitalised words or numbers."""

_WORD_GAP = re.compile(r"[ \t]?[-.,]?[ \t]?")  # the classifier predicts word by word
_GAPS = {Joining.NAME: _NAME_GAP, Joining.ADDRESS: _ADDRESS_GAP}
_JOIN_GAPS = {entity.label: _GAPS[entity.joining] for entity in ENTITY_TYPES if entity.joining in _GAPS}


def merge(text: str, entities: Iterable[Entity], protected: re.Pattern[str] = TAG) -> list[Entity]:
    """Resolve overlaps and join parts of one entity.

    Overlapping entities become one that covers both spans. Otherwise the rest of one would stay readable. The longest
    gives the label. Two kinds of entities give it before others that guess, if they are more than half of both: those
    of the policy's recognizers, also before others that have no sure shape, and numbers and codes that were found by
    their own characters. Among equally long ones, an announced type wins over an address ("my phone number is"), then
    the score decides, then the priority of the type.

    Args:
        text: In which they were found.
        entities: In any order.
        protected: Matches the output of an earlier run, which is cut out of the entities.
    """
    kept = outside_times(text, _outside_tags(text, entities, protected))
    merged: list[Entity] = []
    for entity in sorted(kept, key=lambda e: (e.start, -e.end)):
        if merged and entity.start < merged[-1].end:
            merged[-1] = _union(merged[-1], entity)
        else:
            merged.append(entity)
    return _join(text, merged)


def weight(entity: Entity) -> tuple[float, int, int]:
    """Sort key of entities at the same place: score, length, priority of the type."""
    return (round(entity.score, 1), entity.end - entity.start, PRIORITY.get(entity.type, 0))


def _union(first: Entity, second: Entity) -> Entity:
    announced = any(entity.recognizer.startswith(ANNOUNCED) for entity in (first, second))
    longest = max(first, second, key=lambda e: (e.end - e.start, not (announced and e.type == "ADDRESS"), *weight(e)))
    winner = second if _tells_type(second, first) else first if _tells_type(first, second) else longest
    return Entity(
        winner.type,
        min(first.start, second.start),
        max(first.end, second.end),
        max(first.score, second.score),
        winner.recognizer,
    )


def _tells_type(own: Entity, other: Entity) -> bool:
    """Whether an entity gives the type of both: the policy's or its own characters tell it, and it is most of both.

    The other is a guess, or, beside one of the policy, it has no sure shape.
    """
    if other.recognizer.startswith(OF_POLICY):
        return False
    of_policy = own.recognizer.startswith(OF_POLICY)
    is_exact = own.score > EXACT and own.type not in _IN_WORDS and not own.recognizer.startswith(_GUESSES)
    is_guess = other.recognizer.startswith(_GUESSES) or (of_policy and other.score <= EXACT)
    both = max(own.end, other.end) - min(own.start, other.start)
    return (of_policy or is_exact) and is_guess and 2 * (own.end - own.start) > both


def _join(text: str, entities: list[Entity]) -> list[Entity]:
    joined: list[Entity] = []
    for entity in entities:
        last = joined[-1] if joined else None
        gap = _JOIN_GAPS.get(entity.type, _WORD_GAP if entity.recognizer.startswith(CLASSIFIER) else None)
        if (
            last is not None
            and last.type == entity.type
            and gap is not None
            and gap.fullmatch(text, last.end, entity.start)
            and not (entity.type == "NAME" and _are_two_people(text, last, entity))
        ):
            joined[-1] = Entity(entity.type, last.start, entity.end, max(last.score, entity.score), last.recognizer)
        else:
            joined.append(entity)
    return joined


def _are_two_people(text: str, first: Entity, second: Entity) -> bool:
    """Whether a sentence ends between two names, or a title begins the second: "... Maria Lopez. Dr. Lopez"."""
    if _SENTENCE_END.match(text, first.end):
        return not _SHORTENED.search(text, max(first.start, first.end - _LONGEST_SHORT), first.end)
    opening = _A_WORD.match(text, second.start)
    title = opening.group().lower() if opening else ""
    if opening is None or len(title) == 1 or opening.end() == second.end or not TITLES.fullmatch(title):
        return False  # a single letter is an initial, and a title alone belongs to the name before it: "Sharma ji"
    if first.end - first.start > _LONGEST_TITLES:
        return True
    return not all(TITLES.fullmatch(word.lower()) for word in _A_WORD.findall(text, first.start, first.end))


def _outside_tags(text: str, entities: Iterable[Entity], protected: re.Pattern[str]) -> list[Entity]:
    tags = [m.span() for m in protected.finditer(text)] if "[REDACTED_" in text or MASK in text else []
    if not tags:
        return list(entities)
    kept: list[Entity] = []
    ends = [end for _start, end in tags]
    for entity in entities:
        pieces = [(entity.start, entity.end)]
        for start, end in _overlapped(tags, ends, entity):
            pieces = [part for a, b in pieces for part in ((a, min(b, start)), (max(a, end), b)) if part[0] < part[1]]
        for a, b in pieces:
            words = [i for i in range(a, b) if text[i].isalnum()]
            if words:
                kept.append(Entity(entity.type, words[0], words[-1] + 1, entity.score, entity.recognizer))
    return kept


def _overlapped(tags: list[tuple[int, int]], ends: list[int], entity: Entity) -> Iterator[tuple[int, int]]:
    for index in range(bisect_right(ends, entity.start), len(tags)):
        if tags[index][0] >= entity.end:
            return
        yield tags[index]
