"""Mention propagation: a name that was found once in a text is a name at every other place in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from models.redaction.normalize.words import WORD
from models.redaction.recognizers.person.introduced_name import NOT_NAMES
from models.text import Entity

_MIN_LETTERS = 4
"""Shorter parts ("Al", "May") are too often words."""

_MAX_PARTS = 200
_SURE = 0.6


def other_mentions(text: str, found: Iterable[Entity]) -> Iterator[Entity]:
    """The other places of the parts of names; capitals count, so that "rose" is no Rose."""
    parts: dict[str, float] = {}
    for entity in found:
        if entity.type != "NAME" or entity.score < _SURE or entity.recognizer == "spelled":
            continue
        for match in WORD.finditer(text, entity.start, entity.end):
            part = match.group()
            if (
                len(part) >= _MIN_LETTERS
                and part[0].isupper()
                and part.lower() not in NOT_NAMES
                and len(parts) < _MAX_PARTS
            ):
                parts[part] = max(parts.get(part, 0.0), entity.score)
    if not parts:
        return
    for match in WORD.finditer(text):
        if match.group() in parts:
            yield Entity("NAME", match.start(), match.end(), parts[match.group()], "repeated-name")
