"""What the assistant takes and returns. It takes redacted text only."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from models.text import RedactedText
from server.flows.briefing import Briefing
from server.ledger.types import Origin

PICTURE_LABELS: Final = "picture_labels"
"""Kind of the labels of a picture. They are guesses, so rules read no values from them."""


@dataclass(frozen=True, slots=True)
class SourceItem:
    """A turn or an upload from which a record can be built.

    Attributes:
        id: UUID of the turn or upload; the labels of a picture have that of its upload.
        kind: ``turn``, ``visitor_register``, ``meter``, ...; ``PICTURE_LABELS`` for what a vision upstream saw.
        text: Redacted and ``safe_for_llm``; the caller leaves out everything else.
    """

    id: str
    kind: str
    text: RedactedText


@dataclass(frozen=True, slots=True)
class Exchange:
    """An earlier turn: what the person said, and the reply.

    Attributes:
        cut: Whether the person interrupted the reply, or it broke off.
    """

    said: RedactedText
    answered: RedactedText | None
    cut: bool = False


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
class ReviewedField:
    """What a person decided about one field; all three are machine words.

    Attributes:
        decision: ``rejected`` or ``corrected``.
        reason: May be empty.
    """

    name: str
    decision: str
    reason: str


@dataclass(frozen=True, slots=True)
class RejectedRecord:
    """A record that a person sent back.

    Attributes:
        record: Its canonical JSON, redacted; None if the redactor does not vouch for it.
        reason: Why, a machine word; empty for none.
        fields: What the person had decided about single fields before; the record has its corrections.
    """

    record: RedactedText | None
    reason: str
    fields: tuple[ReviewedField, ...] = ()


@dataclass(frozen=True, slots=True)
class ReplyStream:
    """A reply as a stream of pieces, and who writes it.

    Attributes:
        pieces: Read it within ``aclosing``. A reply that breaks off raises its error, also for a person who waits.
    """

    pieces: AsyncGenerator[str, None]
    origin: Origin


@dataclass(frozen=True, slots=True)
class WrittenRecord:
    """A record, and who wrote it."""

    record: OnboardingRecord
    origin: Origin


class Assistant(Protocol):
    """Answers and proposes.

    ``fallback=True`` is for a person who waits: one bounded attempt is made. If it fails, if the breaker is open or if
    no upstream is set, the deterministic fallback answers at once, and nothing is raised.

    ``fallback=False`` is for a background job: one attempt is made, and its error is raised: UpstreamFailed,
    BreakerOpen, Overloaded (with ``retry_after_s``), DeadlineExceeded. ``retry`` says that it repeats a failed one.
    """

    @property
    def configured(self) -> bool:
        """Whether an upstream is configured."""
        ...

    async def reply(
        self,
        said: RedactedText,
        history: list[Exchange],
        *,
        language: str,
        fallback: bool,
        retry: bool = False,
        instruction: RedactedText | None = None,
        briefing: Briefing | None = None,
    ) -> ReplyStream:
        """Answer one utterance; the first piece has arrived when this returns.

        Args:
            said: The utterance.
            history: What came before it.
            language: Of the reply.
            fallback: See above.
            retry: See above.
            instruction: Told to the model after the server's own, where an experiment tries one.
            briefing: What the flow says of the reply; None where there is none.
        """
        ...

    async def propose(
        self,
        items: list[SourceItem],
        *,
        language: str,
        fallback: bool,
        retry: bool = False,
        rejected: Sequence[RejectedRecord] = (),
        again: bool = False,
    ) -> WrittenRecord:
        """Build a record from everything so far.

        Args:
            items: Oldest first.
            language: Of the texts in it.
            fallback: See above.
            retry: See above.
            rejected: Records that a person sent back; the model is told not to write them again.
            again: Whether it has just written one of them again.
        """
        ...
