"""What the assistant takes and returns. It takes redacted text only."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Final, Protocol

from models.text import RedactedText
from server.flows.briefing import Briefing
from server.flows.definition import FlowDefinition
from server.ledger.types import Origin

PICTURE_LABELS: Final = "picture_labels"
"""Kind of the labels of a picture. They are guesses, so rules read no values from them."""

ANSWER: Final = "answer"
"""Kind of a value that the app gave for one field."""


@dataclass(frozen=True, slots=True)
class SourceItem:
    """A turn, an upload or an answer of the app from which a record can be built.

    Attributes:
        id: UUID of the turn, upload or answer; the labels of a picture have that of its upload.
        kind: ``turn``, ``visitor_register``, ``meter``, ...; ``PICTURE_LABELS`` for what a vision upstream saw, and
            ``ANSWER`` for a value of the app.
        text: Redacted and ``safe_for_llm``; the caller leaves out everything else.
        field: The one field that an answer of the app is about; empty for all others.
        day: On which it came, in the session's time zone, for "yesterday"; None where that is not known.
        language: ISO 639-1 code of a turn; empty where it is that of the session.
    """

    id: str
    kind: str
    text: RedactedText
    field: str = ""
    day: date | None = None
    language: str = ""


@dataclass(frozen=True, slots=True)
class Exchange:
    """An earlier turn: what the person said, and the reply.

    Attributes:
        cut: Whether the person interrupted the reply, or it broke off.
    """

    said: RedactedText
    answered: RedactedText | None
    cut: bool = False


class Confidence(StrEnum):
    """How sure a value of a record is."""

    SURE = "sure"
    """Found in the material by code or by a rule, confirmed by the checker where there is one, and nothing is against
    it."""
    UNSURE = "unsure"


class Severity(StrEnum):
    """Whether a finding lowers the confidence of its field."""

    ERROR = "error"
    WARNING = "warning"
    """It is only shown."""


class FindingKind(StrEnum):
    """What was found about a value."""

    RULE = "rule"
    """It breaks a rule of its field: a range, a format."""
    CHECK = "check"
    """A check of the flow fails."""
    UNSUPPORTED = "unsupported"
    """No source that may give it has it."""
    INSTRUCTION = "instruction"
    """Only a sentence has it that speaks to the machine and not of the matter."""
    CONTRADICTED = "contradicted"
    """Another source gives another value, or the checker says so."""
    SOURCE_MOVED = "source_moved"
    """The source that was named does not have it; another one does and is named now."""
    NOT_CONFIRMED = "not_confirmed"
    """The checker is not sure, or said nothing about it."""
    UNCHECKED = "unchecked"
    """The checker could not be asked."""
    REDACTED = "redacted"
    """Redaction hid a part of a free text, or changed what a reviewer wrote."""
    REVIEWED = "reviewed"
    """A reviewer gave the value for an earlier record of the session. It needs no source."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a reviewer should know about a field.

    Attributes:
        message: One sentence, in the language of the session. It holds no value.
        check: Name of the check of the flow; empty for other kinds.
        source_id: Turn, upload or answer that gives another value; empty when there is none.
        value: The other value, redacted; empty when there is none.
    """

    kind: FindingKind
    severity: Severity
    message: str
    check: str = ""
    source_id: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class RecordField:
    """One field of a record.

    Attributes:
        source_id: Turn, upload or answer that it comes from; empty when it comes from several, or from a reviewer.
        confidence: None when nobody has judged it: a person gave it.
    """

    name: str
    value: str
    source_id: str = ""
    confidence: Confidence | None = None
    findings: tuple[Finding, ...] = ()


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
        decision: ``rejected``, ``corrected`` or ``removed``.
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
class ProposedValue:
    """A field of a proposed record as the checker may see it."""

    name: str
    value: RedactedText
    source_id: str


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


class Verdict(StrEnum):
    """What the checker says about a field."""

    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True)
class FieldVerdict:
    """The checker's word about one field.

    Attributes:
        source_id: The source that supports or contradicts the value; empty when it named none.
        other_value: What a contradicting source says, as the model wrote it; empty when it says nothing.
    """

    verdict: Verdict
    source_id: str = ""
    other_value: str = ""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """The checker's word about a record.

    Attributes:
        by_field: A field that it left out is not confirmed.
        unavailable: Whether it could not be asked, or gave no usable answer.
    """

    by_field: Mapping[str, FieldVerdict] = field(default_factory=dict)
    unavailable: bool = False


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
        flow: FlowDefinition,
        language: str,
        fallback: bool,
        retry: bool = False,
        rejected: Sequence[RejectedRecord] = (),
        again: bool = False,
    ) -> WrittenRecord:
        """Build a record of a flow from everything so far.

        Args:
            items: Oldest first.
            flow: Says which fields it has.
            language: Of the texts in it.
            fallback: See above.
            retry: See above.
            rejected: Records that a person sent back; the model is told not to write them again.
            again: Whether it has just written one of them again.
        """
        ...

    async def check(
        self,
        items: list[SourceItem],
        proposed: list[ProposedValue],
        *,
        flow: FlowDefinition,
        fallback: bool,
    ) -> Verdicts | None:
        """Have a proposed record checked against the material, with one call at most. Nothing is raised.

        Args:
            items: What the record was built from.
            proposed: Its fields, redacted.
            flow: Says what the fields mean.
            fallback: See above; it only bounds the time.

        Returns:
            None where no checker is set.
        """
        ...
