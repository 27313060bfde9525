"""A proposed record as the one redacted text that is stored."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Any

from models.text import RedactedText

_MACHINE_WORD = re.compile(r"[a-z0-9_-]{0,64}\Z")
"""Names of fields, UUIDs of sources, empty strings."""
_TAG = re.compile(r"\[REDACTED_([A-Z]+(?:_[A-Z]+)*)(?:_[0-9a-f]{1,8})?\]")
"""A tag; group 1 is the type of the entity."""
_MINUS = r"\-\u2212"
_JOINS = rf"{_MINUS}\u2010\u2011\u2013'\u2019/:"
"""Marks that make one word or number of two, where there is no space."""


def record_text(canonical: str, parts: Sequence[RedactedText]) -> RedactedText:
    """The canonical JSON of a record as redacted text, once all free text in it is proven to be redacted.

    Args:
        canonical: The JSON.
        parts: Its free texts, redacted.

    Raises:
        ValueError: A free text in the JSON is not one of the parts.
    """
    redacted = {unicodedata.normalize("NFC", part.value) for part in parts}
    if not all(text in redacted or _MACHINE_WORD.match(text) for text in _strings(json.loads(canonical))):
        raise ValueError("the record holds text that was not redacted")
    counts: Counter[str] = Counter()
    for part in parts:
        counts.update(part.counts)
    return RedactedText.restore(canonical, dict(counts), safe_for_llm=all(part.safe_for_llm for part in parts))


def parts_of(record: RedactedText) -> dict[str, RedactedText]:
    """All strings of a stored record as redacted texts, by their value."""
    return {text: _restored(text, record) for text in _strings(json.loads(record.value))}


def with_replaced(text: RedactedText, words: str, by: RedactedText) -> RedactedText:
    """The text with other words in place of some, wherever it has those as whole words and as whole numbers.

    A mark such as a hyphen, a slash or an apostrophe joins words, and a minus is a part of its number.
    """
    sign = rf"(?<![{_MINUS}])" if words[:1].isdecimal() else ""
    before, after = rf"(?<!\w)(?<!\w[{_JOINS}])(?<!\d[.,]){sign}", rf"(?!\w|[{_JOINS}]\w|[.,]\d)"
    pieces = re.split(f"{before}{re.escape(words)}{after}", text.value)
    if len(pieces) == 1:
        return text
    counts = _tags(value := by.value.join(pieces))
    return RedactedText.restore(value, counts, safe_for_llm=text.safe_for_llm and by.safe_for_llm)


def _restored(text: str, whole: RedactedText) -> RedactedText:
    return RedactedText.restore(text, _tags(text), safe_for_llm=whole.safe_for_llm)


def _tags(text: str) -> dict[str, int]:
    return dict(sorted(Counter(_TAG.findall(text)).items()))


def _strings(content: Any) -> list[str]:
    if isinstance(content, str):
        return [content]
    values = content.values() if isinstance(content, dict) else content if isinstance(content, list) else ()
    return [text for value in values for text in _strings(value)]
