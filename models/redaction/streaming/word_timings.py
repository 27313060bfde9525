"""The words of a final with their times, redacted as its text is: what a tag covers is one word."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from models.redaction.redactor import redacted_span
from models.redaction.types import Redaction
from models.speech.types import RedactedWord, Transcript

_LOST_CHARS = 80
"""A word of the engine is looked for so far ahead; one that was cut away as a loop is not there."""


@dataclass(frozen=True, slots=True)
class _Piece:
    start: int
    end: int
    start_s: float
    end_s: float
    confidence: float


def redacted_words(heard: Transcript, redaction: Redaction) -> tuple[RedactedWord, ...]:
    """The words of ``redaction.text``, in order; joined by spaces they are that text, where words are written so.

    Args:
        heard: With times of words; a word without one lies between its neighbours.
        redaction: Of ``heard.text``.
    """
    raw = heard.text.reveal()
    words = []
    for piece in _merged(list(_pieces(heard, raw)), redaction):
        text = redacted_span(raw, redaction, piece.start, piece.end)
        if text:  # else nothing of it shows
            words.append(RedactedWord(text, piece.start_s, piece.end_s, piece.confidence))
    return tuple(words)


def _pieces(heard: Transcript, raw: str) -> Iterator[_Piece]:
    """All that is written, cut into words, each with its place in the text and its time."""
    at = 0
    for segment in heard.segments:
        written = segment.text.reveal().strip()
        begin = raw.find(written, at)
        at, end = begin, begin + len(written)
        time_s = segment.start_s
        for word in segment.words:
            text = word.text.reveal()
            found = _find_word(raw, text, at, min(end, at + len(text) + _LOST_CHARS))
            if found < 0:
                continue
            yield from _untimed(raw, at, found, time_s, word.start_s, segment.confidence)
            yield _Piece(found, found + len(text), word.start_s, max(word.start_s, word.end_s), word.confidence)
            at, time_s = found + len(text), word.end_s
        yield from _untimed(raw, at, end, time_s, segment.end_s, segment.confidence)
        at = end


def _find_word(raw: str, text: str, start: int, end: int) -> int:
    """Where a word stands that is no part of another one; -1 where it does not.

    Scripts without spaces have no such edges; there every place counts.
    """
    at = raw.find(text, start, end)
    while at >= 0 and text.isascii():
        behind = at + len(text)
        if not (at and raw[at - 1].isalnum() and text[:1].isalnum()) and not (
            raw[behind : behind + 1].isalnum() and text[-1:].isalnum()
        ):
            return at
        at = raw.find(text, at + 1, end)
    return at


def _untimed(raw: str, start: int, end: int, start_s: float, end_s: float, confidence: float) -> Iterator[_Piece]:
    """What stands between two words that have times."""
    at = start
    for word in raw[start:end].split():
        at = raw.index(word, at)
        yield _Piece(at, at + len(word), min(start_s, end_s), max(start_s, end_s), confidence)
        at += len(word)


def _merged(pieces: Sequence[_Piece], redaction: Redaction) -> list[_Piece]:
    """Words that an entity touches become one, with all that it covers."""
    merged: list[_Piece] = []
    entities = list(redaction.entities)
    for piece in pieces:
        while entities and entities[0].end <= piece.start:
            entities.pop(0)
        touching = [e for e in entities if e.start < piece.end]
        start = min([piece.start, *(e.start for e in touching)])
        end = max([piece.end, *(e.end for e in touching)])
        last = merged[-1] if merged else None
        if last is None or last.end <= start:
            merged.append(_Piece(start, end, piece.start_s, piece.end_s, piece.confidence))
            continue
        merged[-1] = _Piece(
            min(last.start, start),
            max(last.end, end),
            min(last.start_s, piece.start_s),
            max(last.end_s, piece.end_s),
            min(last.confidence, piece.confidence),
        )
    return merged
