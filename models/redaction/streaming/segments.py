"""Redacts a text that comes in pieces, so that what is split between two of them is still found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from models.redaction.types import RedactionContext, Redactor
from models.text import Entity, RawText, RedactedText

_BETWEEN: Final = " "


def redact_pieces(
    pieces: Sequence[RawText], redactor: Redactor, context: RedactionContext
) -> tuple[RedactedText, tuple[RedactedText, ...]]:
    """Judge the pieces as one text, then write each of them with its tags.

    A telephone number that begins in one piece and ends in the next is a tag in both. What is left of a piece between
    its tags is judged once more alone, because only a redactor can say that it is safe.

    Returns:
        The whole, its pieces joined by spaces before it was redacted, and one text for each piece.

    Raises:
        RedactionFailed: It could not be judged.
    """
    whole = redactor.redact(RawText(_BETWEEN.join(piece.reveal() for piece in pieces)), context)
    cuts: list[list[tuple[int, int, Entity]]] = []
    offset = 0
    for piece in pieces:
        cuts.append(_within(whole.entities, offset, len(piece)))
        offset += len(piece) + len(_BETWEEN)
    rests = [_between(cut, len(piece)) for cut, piece in zip(cuts, pieces, strict=True)]
    texts = [
        RawText(piece.reveal()[start:end]) for piece, spans in zip(pieces, rests, strict=True) for start, end in spans
    ]
    judged = iter(redactor.redact_many(texts, context) if texts else [])
    written = []
    for cut, spans in zip(cuts, rests, strict=True):
        parts = [(start, RedactedText.in_place_of(entity)) for start, _end, entity in cut]
        parts += [(start, next(judged).text) for start, _end in spans]
        written.append(RedactedText.join((text for _start, text in sorted(parts, key=lambda part: part[0])), ""))
    return whole.text, tuple(written)


def _within(entities: Sequence[Entity], offset: int, length: int) -> list[tuple[int, int, Entity]]:
    """Those that reach into a piece, as (start, end, entity) in the piece."""
    found = []
    for entity in entities:
        start, end = max(entity.start - offset, 0), min(entity.end - offset, length)
        if start < end:
            found.append((start, end, entity))
    return found


def _between(cut: Sequence[tuple[int, int, Entity]], length: int) -> list[tuple[int, int]]:
    """What the entities leave of a piece."""
    borders = [0, *(n for start, end, _entity in cut for n in (start, end)), length]
    return [(start, end) for start, end in zip(borders[::2], borders[1::2], strict=True) if start < end]
