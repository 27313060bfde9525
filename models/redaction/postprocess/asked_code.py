"""The code of a thing that was asked for: a guess inside it names nobody.

The classifier takes the letters of "PMP-0042" for a name. Where a flow asks for a code and gives its format, what has
that format is the code. What must NOT be dropped: whatever a pattern or a checksum found by itself, such as a telephone
or a card number of the same shape.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from models.redaction.slots.entities import RECOGNIZER as SLOT
from models.redaction.types import CLASSIFIER
from models.text import Entity

_GUESSES: Final = (CLASSIFIER, SLOT, "number", "repeated-name", "answer")


def asked_codes(text: str, code_format: str) -> list[tuple[int, int]]:
    """Where a text has codes of the format, as offsets; none without a format.

    Args:
        text: The answer.
        code_format: Regular expression for a whole code. It is sought in any letter case.
    """
    return [match.span() for match in _pattern(code_format).finditer(text)] if code_format else []


def is_of_code(entity: Entity, codes: Sequence[tuple[int, int]]) -> bool:
    """Whether an entity is only a guess, and lies inside a code."""
    inside = any(start <= entity.start and entity.end <= end for start, end in codes)
    return inside and entity.recognizer.startswith(_GUESSES)


def is_spelled_code(entity: Entity) -> bool:
    """Whether an entity is only that letters and digits are spelled. They may be the code of a thing."""
    return entity.type == "ID" and entity.recognizer == "spelled"


@lru_cache(maxsize=128)
def _pattern(code_format: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![^\W_])(?:{code_format})(?![^\W_])", re.IGNORECASE)
