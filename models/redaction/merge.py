"""From everything that was found to one list: sorted, not overlapping, tags of earlier runs untouched."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator

from models.redaction.operators import MASK, protected_pattern
from models.text import Entity

# Which label names an entity best when two recognizers see the same stretch; the more a label says, the higher.
_SPECIFIC = {
    label: rank
    for rank, label in enumerate(
        ("UNREADABLE", "ID", "NUMBER", "NAME", "AGE", "HANDLE", "DOB", "PHONE", "ADDRESS", "MEDICAL_ID", "LICENCE",
        "PASSPORT", "PLATE", "ACCOUNT", "URL", "IP", "SSN",
         "CC", "MAC", "WALLET", "IBAN", "EMAIL", "SECRET")
    )
}  # fmt: skip

TYPES = frozenset(_SPECIFIC)
"""Every label that a tag can have."""

TAG = protected_pattern(sorted(TYPES), masks=False)
"""What the strict policy, or a hash, writes."""

_NAME_GAP = re.compile(r"(?:[ \t]{1,3}|[ \t]?[-'\u2019.][ \t]?|[ \t]?\n[ \t]?)?")
_ADDRESS_GAP = re.compile(
    r"[\s,.;|/#-]{0,6}(?:(?:[A-ZÀ-Þ][\w'.]{0,14}|\d{1,6}|(?i:apt|suite|unit|box|floor|flat)\.?)[\s,;|/#.-]{1,6}){0,2}"
)
"""Between two parts of one address at most two capitalised words or numbers."""

_WORD_GAP = re.compile(r"[ \t]?[-.,]?[ \t]?")  # the classifier judges word by word
_JOIN_GAPS = {"NAME": _NAME_GAP, "ADDRESS": _ADDRESS_GAP}


def merge(text: str, entities: Iterable[Entity], protected: re.Pattern[str] = TAG) -> list[Entity]:
    """Resolve overlaps and join parts of one thing.

    Entities that overlap become one over the union of their spans: leaving the rest of a loser readable would leak it.
    It takes the label of the longest, the more specific one among equals, unless a far better score says otherwise.

    Args:
        text: In which they were found.
        entities: In any order.
        protected: What an earlier run wrote; it is cut out of them.
    """
    kept = _outside_tags(text, entities, protected)
    merged: list[Entity] = []
    for entity in sorted(kept, key=lambda e: (e.start, -e.end)):
        if merged and entity.start < merged[-1].end:
            merged[-1] = _union(merged[-1], entity)
        else:
            merged.append(entity)
    return _join(text, merged)


def weight(entity: Entity) -> tuple[float, int, int]:
    """What decides between two that were found at the same place."""
    return (round(entity.score, 1), entity.end - entity.start, _SPECIFIC.get(entity.type, 0))


def _union(first: Entity, second: Entity) -> Entity:
    winner = max(first, second, key=lambda e: (e.end - e.start, *weight(e)))
    return Entity(
        winner.type,
        min(first.start, second.start),
        max(first.end, second.end),
        max(first.score, second.score),
        winner.recognizer,
    )


def _join(text: str, entities: list[Entity]) -> list[Entity]:
    joined: list[Entity] = []
    for entity in entities:
        last = joined[-1] if joined else None
        gap = _JOIN_GAPS.get(entity.type, _WORD_GAP if entity.recognizer.startswith("ner:") else None)
        if (
            last is not None
            and last.type == entity.type
            and gap is not None
            and gap.fullmatch(text, last.end, entity.start)
        ):
            joined[-1] = Entity(entity.type, last.start, entity.end, max(last.score, entity.score), last.recognizer)
        else:
            joined.append(entity)
    return joined


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
