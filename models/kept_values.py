"""What a record keeps of a personal value: that it was given, its tag, its keyed hash, or that it is sealed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from models.redaction.spans.operators import hashed_tag, tag
from models.text import RedactedText

if TYPE_CHECKING:
    from models.sealed_values import SealedValue


class Keep(StrEnum):
    """How a personal value is kept. The value itself is never stored readable and never sent."""

    GIVEN = "given"
    """That it was given: ``yes``."""
    TAG = "tag"
    """Its tag, which tells two people of a session apart, such as ``[REDACTED_NAME_1]``."""
    HASH = "hash"
    """A keyed hash, equal for equal values of a session."""
    SEALED = "sealed"
    """Encrypted to a public key of an entitled system; the server cannot open it."""


GIVEN: Final = "yes"
"""The value of a field that keeps only that something was given."""

SEALED: Final = "sealed"
"""The value of a field whose values are sealed for another system."""

BETWEEN: Final = ", "
"""Between the tags of several values of a field."""


def kept(
    entity_type: str, mode: Keep, text: RedactedText, values: Sequence[SealedValue] = (), field: str = ""
) -> str | None:
    """What a field keeps of the values of one type in a text. It never holds a part of a value.

    Args:
        entity_type: Such as ``PHONE``.
        mode: How it is kept.
        text: The text, with numbers in its tags if it was stored.
        values: What came with the text (``Redaction.sealed``, ``SpeechStep.sealed``, ...).
        field: Which of ``values`` belong to the field; empty takes all of the type.

    Returns:
        ``yes``, tags with a comma between them, or ``sealed``; None where the text has no value of this type, or none
        that was sealed or hashed is left. It is no tag then: the system that it is for would get nothing.
    """
    if not text.counts.get(entity_type):
        return None
    if mode is Keep.GIVEN:
        return GIVEN
    own = [value for value in values if value.type == entity_type and field in ("", value.field)]
    if mode is Keep.SEALED:
        return SEALED if any(value.ciphertext for value in own) else None
    if mode is Keep.HASH:
        return _joined(hashed_tag(entity_type, value.hash) for value in own) or None
    return _joined(_tags_in(entity_type, text.value) or [tag(entity_type)])


def _tags_in(entity_type: str, text: str) -> list[str]:
    """The tags of a type, also numbered or hashed ones. A mask is none: it shows a part of the value."""
    return re.findall(rf"\[REDACTED_{re.escape(entity_type)}(?:_(?:[0-9a-f]{{8}}|[1-9][0-9]{{0,3}}))?\]", text)


def _joined(tags: Iterable[str]) -> str:
    return BETWEEN.join(dict.fromkeys(tags))
