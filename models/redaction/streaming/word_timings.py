"""The words of a final text with their times, redacted like the text. Everything that a tag covers is one word."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from models.redaction.redacted_text import redacted_span
from models.redaction.types import Redaction
from models.speech.types import RedactedWord, Transcript

_LOST_CHARS = 80
"""Characters ahead in which a word of the engine is searched. A word that was removed as a loop is not found."""


@dataclass(frozen=True, slots=True)
class _Piece:
    start: int
    end: int
    start_s: float
    end_s: float
    confidence: float


def redacted_words(transcript: Transcript, redaction: Redaction) -> tuple[RedactedWord, ...]:
    """The words of ``redaction.text``, in order. In languages that separate words by spaces, joining them gives the
    text.

    Args:
        transcript: The transcript with word times. A word without a time gets the interval between its neighbours.
        redaction: Of ``transcript.text``.
    """
    raw = transcript.text.reveal()
    words = []
    for piece in _merged(list(_pieces(transcript, raw)), redaction):
        text = redacted_span(raw, redaction, piece.start, piece.end)
        if text:  # otherwise it is invisible
            words.append(RedactedWord(text, piece.start_s, piece.end_s, piece.confidence))
    return tuple(words)


def _pieces(transcript: Transcript, raw: str) -> Iterator[_Piece]:
    """The text cut into words, each with its offsets and its time."""
    at = 0
    for segment in transcript.segments:
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
    """Offset of a word that is not part of a longer word; -1 if there is none.

    In scripts without spaces any place counts.
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
    """The text between two words that have times."""
    at = start
    for word in raw[start:end].split():
        at = raw.index(word, at)
        yield _Piece(at, at + len(word), min(start_s, end_s), max(start_s, end_s), confidence)
        at += len(word)


def _merged(pieces: Sequence[_Piece], redaction: Redaction) -> list[_Piece]:
    """Join the words that an entity touches into one."""
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
