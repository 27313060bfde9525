"""Builds redacted texts: the only place that makes one of a person's words. Needs no recognizer and no classifier."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from models.numbered_tags import TagIdentity
from models.redaction.normalize.invisible import without_invisible
from models.redaction.types import Redaction
from models.text import Entity, RedactedText


def with_tags(text: str, entities: Sequence[Entity], *, safe_for_llm: bool) -> RedactedText:
    """The text with its entities replaced, and without invisible characters."""
    pieces: list[str] = []
    identities: list[TagIdentity] = []
    at, length = 0, 0
    for entity in entities:
        before, written = without_invisible(text[at : entity.start]), entity.written
        start, length = length + len(before), length + len(before) + len(written)
        if entity.identity:
            identities.append(TagIdentity(start, length, entity.type, entity.identity))
        pieces += [before, written]
        at = entity.end
    value = "".join([*pieces, without_invisible(text[at:])])
    return RedactedText._seal(value, entities, safe_for_llm=safe_for_llm, identities=identities)


def redacted_prefix(text: str, redaction: Redaction, end: int) -> RedactedText:
    """The redacted text up to ``end``, an offset in the original that must not lie inside an entity."""
    return redacted_span(text, redaction, 0, end)


def redacted_span(text: str, redaction: Redaction, start: int, end: int) -> RedactedText:
    """The redacted text of [start, end), offsets in the original that must not lie inside an entity."""
    if any(e.start < edge < e.end for e in redaction.entities for edge in (start, end)):
        raise ValueError("a span must not cut an entity")
    inside = [
        replace(e, start=e.start - start, end=e.end - start) for e in redaction.entities if start <= e.start < end
    ]
    return with_tags(text[start:end], inside, safe_for_llm=redaction.text.safe_for_llm)


def restore_redacted(
    value: str, counts: dict[str, int], *, safe_for_llm: bool, identities: Iterable[TagIdentity] = ()
) -> RedactedText:
    """Restore the type of a redacted text from a sealed state. The seal proves that a redactor wrote it."""
    entities = [Entity(label, 0, 0, 1.0) for label, count in counts.items() for _ in range(count)]
    return RedactedText._seal(value, entities, safe_for_llm=safe_for_llm, identities=identities)
