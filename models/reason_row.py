"""What a row of the table of reasons consists of; see ``models.reasons``."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Status(StrEnum):
    """Kind of an error, by the name of the gRPC status code that goes with it."""

    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    FAILED_PRECONDITION = "FAILED_PRECONDITION"
    INTERNAL = "INTERNAL"
    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    NOT_FOUND = "NOT_FOUND"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    UNAVAILABLE = "UNAVAILABLE"


class ReasonRow(StrEnum):
    """A row: the word on the wire, so that it can be compared, stored and sent as text, and what is known of it.

    Attributes:
        status: What the caller can do about it, in gRPC's terms.
        meaning: What the reason means, in one sentence; shown in docs/reference/errors.md.
        hint: What to do, where the hint of the error's class says too little; else empty.
    """

    status: Status
    meaning: str
    hint: str

    def __new__(cls, word: str, status: Status, meaning: str, hint: str = "") -> Self:
        """Make a row of the table."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.status = status
        member.meaning = meaning
        member.hint = hint
        return member
