"""The confidences of speech recognition at the offsets of a view."""

from __future__ import annotations

from dataclasses import replace

from models.redaction.normalize.view import TextView
from models.text import UNRATED, Recognition, RecognizedWord


def in_view(recognition: Recognition, view: TextView) -> Recognition:
    """The same recognition with the words at their place in the view; a word of which nothing shows is left out."""
    if recognition is UNRATED or view.kind == "original":
        return recognition
    placed = ((*view.span_of(word.start, word.end), word.confidence) for word in recognition.words)
    return replace(recognition, words=tuple(RecognizedWord(a, b, c) for a, b, c in placed if view.text[a:b].strip()))
