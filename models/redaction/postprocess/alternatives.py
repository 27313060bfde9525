"""What other hypotheses of speech recognition say is personal: the words that stand in its place are hidden too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from difflib import SequenceMatcher
from typing import Final

from models.redaction.itn.tokens import tokens_of
from models.text import Entity

MOST_CHARS: Final = 4_000
"""Alternatives of a longer text are not looked at. A window of 30 s has fewer than 1,000 characters."""


def moved_to(text: str, other: str, found: Iterable[Entity]) -> Iterator[Entity]:
    """The entities of another hypothesis at the words of ``text`` that stand in their place.

    Both are aligned word by word. An entity whose words are missing in ``text`` has no place there.
    """
    ours, theirs = tokens_of(text), tokens_of(other)
    alignment = SequenceMatcher(None, [t.text for t in theirs], [t.text for t in ours], autojunk=False)
    blocks = alignment.get_opcodes()
    for entity in found:
        first = sum(token.end <= entity.start for token in theirs)
        last = sum(token.start < entity.end for token in theirs)
        places: list[int] = []
        for kind, a, b, at, end in blocks:
            low, high = max(a, first), min(b, last)
            if low < high:
                places += range(at + low - a, at + high - a) if kind == "equal" else range(at, end)
        if places:
            yield replace(entity, start=ours[min(places)].start, end=ours[max(places)].end)
