"""What recognition reports of a text as JSON values, for the offline commands and the sealed state."""

from __future__ import annotations

from typing import Any, Final

from models.errors import InvalidInput
from models.text import MOST_ALTERNATIVES, RawText, Recognition, RecognizedWord

FIELDS: Final = ("words", "alternatives", "confidence")


def recognition_fields(text: RawText) -> dict[str, Any]:
    """``words``, ``alternatives`` and ``confidence`` of a text. Alternatives are raw text."""
    recognition = text.recognition
    return {
        "words": [{"start": w.start, "end": w.end, "confidence": round(w.confidence, 3)} for w in recognition.words],
        "alternatives": [other.reveal() for other in recognition.alternatives],
        "confidence": round(recognition.confidence, 3),
    }


def rated_text(text: str, fields: dict[str, Any]) -> RawText:
    """The text with what recognition reports of it.

    Args:
        text: The characters.
        fields: Those of ``recognition_fields``, each of which may be absent; others are ignored.

    Raises:
        InvalidInput: A field is not as ``recognition_fields`` writes it, or a word is not in the text.
    """
    given = {name: fields[name] for name in FIELDS if fields.get(name) is not None}
    if not given:
        return RawText(text)
    words = _words(given.get("words", []), len(text))
    alternatives = _alternatives(given.get("alternatives", []))
    return RawText(text, Recognition(words, alternatives, _confidence(given.get("confidence", 1.0))))


def _words(value: object, length: int) -> tuple[RecognizedWord, ...]:
    if not isinstance(value, list) or not all(isinstance(word, dict) for word in value):
        raise InvalidInput("words must be a list of objects with start, end and confidence.")
    words, at = [], 0
    for word in value:
        start, end = word.get("start"), word.get("end")
        if type(start) is not int or type(end) is not int or not at <= start < end <= length:
            raise InvalidInput(
                "start and end of words must be offsets in text, in code points; words are sorted and do not overlap."
            )
        words.append(RecognizedWord(start, end, _confidence(word.get("confidence"))))
        at = end
    return tuple(words)


def _alternatives(value: object) -> tuple[RawText, ...]:
    if not isinstance(value, list) or not all(isinstance(other, str) for other in value):
        raise InvalidInput("alternatives must be a list of strings.")
    if len(value) > MOST_ALTERNATIVES:
        raise InvalidInput(f"alternatives must be at most {MOST_ALTERNATIVES}.")
    if any("\ud800" <= char <= "\udfff" for other in value for char in other):
        raise InvalidInput("alternatives must be UTF-8; half of a surrogate pair is no character.")
    return tuple(RawText(other) for other in value)


def _confidence(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:  # NaN is not in it either
        raise InvalidInput("confidence must be a number from 0 to 1.")
    return float(value)
