"""What the LLM side takes and gives. Only redacted text goes in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from models.text import RedactedText
from server.ledger.types import Origin


@dataclass(frozen=True, slots=True)
class SourceItem:
    """One thing that the record can be built from.

    Attributes:
        id: UUID of the turn or upload.
        kind: ``turn``, ``visitor_register``, ``meter``, ...
        text: Redacted and ``safe_for_llm``; anything else is left out by the caller.
    """

    id: str
    kind: str
    text: RedactedText


@dataclass(frozen=True, slots=True)
class Exchange:
    """An earlier turn: what the person said, and what was answered."""

    said: RedactedText
    answered: RedactedText | None


@dataclass(frozen=True, slots=True)
class RecordField:
    """One field of a record."""

    name: str
    value: str
    source_id: str = ""


@dataclass(frozen=True, slots=True)
class OnboardingRecord:
    """A proposed record; validated against the schema."""

    summary: str
    fields: tuple[RecordField, ...]
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReplyStream:
    """A stream of pieces and who writes them; known before the first piece."""

    pieces: AsyncIterator[str]
    origin: Origin


@dataclass(frozen=True, slots=True)
class WrittenRecord:
    """A record and who wrote it."""

    record: OnboardingRecord
    origin: Origin


class Assistant(Protocol):
    """Answers and proposes.

    With ``fallback=True`` (a person waits) one bounded attempt is made, and if it fails, or the breaker is open, or no
    upstream is set, the deterministic fallback answers at once; nothing is raised. With ``fallback=False`` (a
    background job) one attempt is made and its error raised: UpstreamFailed, BreakerOpen, Overloaded (with
    ``retry_after_s``), DeadlineExceeded.
    """

    @property
    def configured(self) -> bool:
        """Whether there is an upstream at all."""
        ...

    async def reply(self, said: RedactedText, history: list[Exchange], *, language: str, fallback: bool) -> ReplyStream:
        """Answer one utterance; the first piece has arrived when this returns."""
        ...

    async def propose(self, items: list[SourceItem], *, language: str, fallback: bool) -> WrittenRecord:
        """Build a record from everything so far."""
        ...
