"""Redacts a text that comes in segments, so that a value that is split between two of them is still found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from models.redaction.types import Redaction, RedactionContext, Redactor
from models.text import Entity, RawText, RedactedText

_BETWEEN: Final = " "


def redact_segments(
    segments: Sequence[RawText], redactor: Redactor, context: RedactionContext
) -> tuple[Redaction, tuple[RedactedText, ...]]:
    """Redact the segments as one text, then write each of them with its tags.

    A telephone number that begins in one segment and ends in the next is a tag in both. The text between the tags of a
    segment is redacted once more on its own, because only a redactor can mark it as safe.

    Returns:
        The redaction of all segments joined by spaces, and one redacted text for each segment.

    Raises:
        RedactionFailed: It could not be redacted.
    """
    whole = redactor.redact(RawText.join(segments, _BETWEEN), context)
    cuts: list[list[tuple[int, int, Entity]]] = []
    offset = 0
    for segment in segments:
        cuts.append(_within(whole.entities, offset, len(segment)))
        offset += len(segment) + len(_BETWEEN)
    rests = [_between(cut, len(segment)) for cut, segment in zip(cuts, segments, strict=True)]
    texts = [segment.part(start, end) for segment, spans in zip(segments, rests, strict=True) for start, end in spans]
    redacted = iter(redactor.redact_many(texts, context) if texts else [])
    written = []
    for cut, spans in zip(cuts, rests, strict=True):
        parts = [(start, RedactedText.in_place_of(entity)) for start, _end, entity in cut]
        parts += [(start, next(redacted).text) for start, _end in spans]
        written.append(RedactedText.join((text for _start, text in sorted(parts, key=lambda part: part[0])), ""))
    return whole, tuple(written)


def _within(entities: Sequence[Entity], offset: int, length: int) -> list[tuple[int, int, Entity]]:
    """The entities that overlap a segment, as (start, end, entity) with offsets in the segment."""
    found = []
    for entity in entities:
        start, end = max(entity.start - offset, 0), min(entity.end - offset, length)
        if start < end:
            found.append((start, end, entity))
    return found


def _between(cut: Sequence[tuple[int, int, Entity]], length: int) -> list[tuple[int, int]]:
    """The spans of a segment between its entities."""
    borders = [0, *(n for start, end, _entity in cut for n in (start, end)), length]
    return [(start, end) for start, end in zip(borders[::2], borders[1::2], strict=True) if start < end]
