"""What the assistant just asked for, read from its redacted reply.

A bare answer is ambiguous: "nine nine three eight" may be a meter reading or the end of a telephone number, and "dawn"
a time of day or a person. The question resolves it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from models.redaction.entities import labels_where
from models.redaction.lexicons.loader import alternatives
from models.redaction.types import RedactionContext

READING: Final = "READING"
"""Not an entity: the assistant asked for a number of a thing, so a bare number in the answer may stay."""

DAY: Final = "DAY"
"""Not an entity: the assistant asked for a day that is no birth date, so a date alone may stay."""

_NUMERIC: Final = labels_where(lambda entity: entity.answers_with_number)

LONGEST_REPLY_CHARS: Final = 600
"""Characters that are read at the end of a reply. The question comes last."""


def _words(name: str, *more: str) -> re.Pattern[str]:
    """A pattern of the whole words of one list in all languages, or of any of ``more``."""
    return re.compile("|".join([*more, rf"(?<![^\W_])(?:{alternatives('questions', name)})(?![^\W_])"]))


_SUBJECTS: Final = {kind: _words(kind) for kind in ("PHONE", "EMAIL", "NAME", "DOB", "ADDRESS", "ID", READING)}
_REQUEST: Final = _words("request", "[?？]")
_SENTENCE = re.compile(r"[^.!?？।\n]+[.!?？।\n]*")


def asked_for(reply: str) -> tuple[str, ...]:
    """The entity types that a reply asks for, sorted; ``READING`` where it asks for the number of a thing.

    Args:
        reply: What the assistant said last, redacted, in any of the languages.
    """
    found: set[str] = set()
    for sentence in _SENTENCE.findall(reply[-LONGEST_REPLY_CHARS:].lower()):
        if not _REQUEST.search(sentence):
            continue
        found |= {kind for kind, pattern in _SUBJECTS.items() if pattern.search(sentence)}
    if "EMAIL" in found and not _plain_address(reply):
        found.discard("ADDRESS")
    return tuple(sorted(found))


def _plain_address(reply: str) -> bool:
    """Whether the reply asks for a postal address, and not only for an e-mail address."""
    rest = _SUBJECTS["EMAIL"].sub(" ", reply[-LONGEST_REPLY_CHARS:].lower())
    return _SUBJECTS["ADDRESS"].search(rest) is not None


def personal(asked: tuple[str, ...]) -> tuple[str, ...]:
    """The asked types that identify a person."""
    return tuple(kind for kind in asked if kind not in (READING, DAY))


def numeric(asked: tuple[str, ...]) -> tuple[str, ...]:
    """The asked types that identify a person and contain digits."""
    return tuple(kind for kind in asked if kind in _NUMERIC)


def is_reading(asked: tuple[str, ...]) -> bool:
    """Whether the reply asked for the number of a thing and for no personal number. A bare number may then stay."""
    return READING in asked and not numeric(asked)


def is_day(asked: tuple[str, ...]) -> bool:
    """Whether a day was asked for that is no birth date. A date alone may then stay."""
    return DAY in asked and "DOB" not in asked


@dataclass(frozen=True, slots=True)
class AnswerHints:
    """What an answer to a question of a flow may consist of besides what the question asks for.

    Attributes:
        phrases: Words and phrases that the flow itself uses: options, units, labels. Each names nobody as a whole.
        code_format: Regular expression for the code of a thing, in capitals; empty for none.
        number_names: Labels and units of the numbers of the flow. A number beside one of them is no postcode.
        after_number: Whether a number was asked for before, which "no, 48213" may correct.
    """

    phrases: frozenset[str] = frozenset()
    code_format: str = ""
    number_names: frozenset[str] = frozenset()
    after_number: bool = False


NO_HINTS: Final = AnswerHints()


def answering(context: RedactionContext, asked: tuple[str, ...], hints: AnswerHints = NO_HINTS) -> RedactionContext:
    """The context for redacting an answer. After a question for a reading it is the context of a meter."""
    return replace(
        context,
        asked_for=asked,
        document_type="meter" if is_reading(asked) else context.document_type,
        code_format=hints.code_format,
        expected_phrases=hints.phrases,
        number_names=hints.number_names,
        after_number=hints.after_number and not personal(asked),
    )
