"""Rows of the ledger as values. Text columns hold redacted text only, and the types say so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum

from models.speech.types import RedactedWord
from models.text import RedactedText
from server.ledger.event_properties import PropertyValue
from server.ledger.picture_labels import PictureLabel
from server.times import DEFAULT_ZONE, day_in_zone

Clock = Callable[[], datetime]
"""Returns the time now, aware, in UTC. Passed in everywhere, so that tests advance it by hand."""


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


class SessionState(StrEnum):
    """Stages of a session; the first four are the default funnel."""

    STARTED = "STARTED"
    IN_PROGRESS = "IN_PROGRESS"
    AWAITING_APPROVAL = "AWAITING_APPROVAL"
    COMPLETED = "COMPLETED"
    ABANDONED = "ABANDONED"
    REJECTED = "REJECTED"

    @property
    def ended(self) -> bool:
        """Whether the session has ended."""
        return self in (SessionState.COMPLETED, SessionState.ABANDONED, SessionState.REJECTED)


class UploadState(StrEnum):
    """State of an upload."""

    ACCEPTED = "ACCEPTED"
    PROCESSING = "PROCESSING"
    DONE = "DONE"
    FAILED = "FAILED"


class JobState(StrEnum):
    """State of a job. A ``DEAD`` job has a dead letter."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    DONE = "DONE"
    DEAD = "DEAD"


class RecommendationState(StrEnum):
    """State of a recommendation."""

    PENDING = "PENDING"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    SUPERSEDED = "SUPERSEDED"


class Origin(StrEnum):
    """Who wrote a reply or a record."""

    MODEL = "MODEL"
    FALLBACK = "FALLBACK"


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One session; ``sealed_vocabulary`` is opened by ``server.records.vocabulary`` alone.

    Attributes:
        flow: Name of its flow.
        flow_version: Version of its flow.
        facts: What the app knew before, by name; never personal.
        time_zone: IANA name.
        stage_time: When it entered its stage; None for its creation.
    """

    id: str
    client_id: str
    request_id: str
    state: SessionState
    create_time: datetime
    update_time: datetime
    language: str = ""
    sealed_vocabulary: str = ""
    variant: str = ""
    turn_count: int = 0
    subject_hash: str = ""
    flow: str = "site_visit"
    flow_version: int = 1
    facts: Mapping[str, str] = field(default_factory=dict)
    time_zone: str = DEFAULT_ZONE
    stage_time: datetime | None = field(default=None, compare=False)

    def day(self, when: datetime) -> date:
        """The day of a time in its time zone."""
        return day_in_zone(when, self.time_zone)


@dataclass(frozen=True, slots=True)
class TurnRow:
    """One utterance or typed text, and the assistant's reply once it is there.

    Attributes:
        words: With times in seconds of the stream, if the client asked for them; only ``list_of_stream`` reads them.
        reply_cut: Stable reason why the reply is not whole; empty for a whole one.
        asked_field: Field of the flow that the person was asked for; empty for none.
    """

    id: str
    session_id: str
    stream_id: str
    utterance: int
    source: str
    text: RedactedText
    create_time: datetime
    confidence: float = 1.0
    language: str = ""
    start_s: float = 0.0
    end_s: float = 0.0
    compute_s: float = 0.0
    words: tuple[RedactedWord, ...] = ()
    reply: RedactedText | None = None
    reply_origin: Origin | None = None
    reply_cut: str = ""
    asked_field: str = ""


@dataclass(frozen=True, slots=True)
class Artifact:
    """The redacted picture or recording that was made of an upload.

    Attributes:
        path: Relative to the folder of artifacts.
        width: Of a picture, in pixels; 0 for a recording.
        height: Of a picture, in pixels; 0 for a recording.
        painted: Places that were painted over in a picture, words that were muted in a recording.
    """

    path: str
    media_type: str
    size_bytes: int
    painted: int
    width: int = 0
    height: int = 0

    @property
    def is_recording(self) -> bool:
        """Whether it is a recording; otherwise it is a picture."""
        return self.media_type.startswith("audio/")


@dataclass(frozen=True, slots=True)
class UploadRow:
    """One file.

    Attributes:
        artifact: None while there is no redacted picture or recording.
        display_name: Name for people, as the app gave it, cleaned and redacted; None when it gave none.
        given_id: Id that its client gave. The row has another id where a second client gave the same one.
        labels: Of a picture, the most certain first; None while nobody has labelled it.
    """

    id: str
    session_id: str
    kind: str
    state: UploadState
    size_bytes: int
    sha256: str
    media_type: str
    create_time: datetime
    update_time: datetime
    progress: float = 0.0
    attempts: int = 0
    failure_reason: str = ""
    text: RedactedText | None = None
    artifact: Artifact | None = None
    display_name: RedactedText | None = None
    given_id: str = ""
    labels: tuple[PictureLabel, ...] | None = None

    @property
    def shown_id(self) -> str:
        """The id by which its client knows it."""
        return self.given_id or self.id


@dataclass(frozen=True, slots=True)
class JobRow:
    """Work that was accepted.

    Attributes:
        key: Idempotency key, unique; queueing the same key twice gives one job.
        payload: Ids only, never content.
        lease_until: Until then the owner holds the job.
        claim_time: When the last attempt began.
        correlation_id: Of the call that brought the work; empty when no call did.
    """

    id: str
    kind: str
    key: str
    session_id: str
    payload: dict[str, str]
    state: JobState
    policy: str
    create_time: datetime
    next_attempt_time: datetime
    attempts: int = 0
    first_attempt_time: datetime | None = None
    lease_owner: str = ""
    lease_until: datetime | None = None
    last_reason: str = ""
    claim_time: datetime | None = None
    correlation_id: str = ""


@dataclass(frozen=True, slots=True)
class Approval:
    """One of several approvals.

    Attributes:
        subject: Credential that approved.
        decided_by: Staff id as the console stated it.
    """

    subject: str
    decided_by: str
    time: datetime


@dataclass(frozen=True, slots=True)
class RecommendationRow:
    """A proposed record.

    Attributes:
        record: Its canonical JSON, every string in it redacted.
        decided_by: Who decided, as a console stated it.
        decided_subject: Credential that decided.
        decide_reason: Why it was rejected, a machine word; empty for none.
        expire_time: From when on it cannot be approved any more.
        approvals_needed: Each of another credential; 0 means that nobody has to approve.
        approvals: Of exactly this content so far, oldest first, where it needs more than one.
    """

    id: str
    session_id: str
    state: RecommendationState
    record: RedactedText
    content_hash: str
    origin: Origin
    create_time: datetime
    decide_time: datetime | None = None
    decided_by: str = ""
    decided_subject: str = ""
    expire_time: datetime | None = None
    approvals_needed: int = 1
    approvals: tuple[Approval, ...] = ()
    decide_reason: str = ""


@dataclass(frozen=True, slots=True)
class EventRow:
    """Something that happened; ``stage`` is set when the session entered it.

    Attributes:
        took_s: Seconds in the stage before, for a change of stage; duration of the thing otherwise.
        properties: Machine words and numbers as text, redacted values, or values of a declared kind.
        event_time: When it happened, see ``server.ledger.device_clock``; None means at ``server_time``.
        clock: Where ``event_time`` is from: device, corrected or server.
    """

    id: str
    session_id: str
    client_id: str
    name: str
    server_time: datetime
    stage: SessionState | None = None
    device_time: datetime | None = None
    sequence: int = 0
    variant: str = ""
    took_s: float | None = None
    properties: Mapping[str, PropertyValue] = field(default_factory=dict)
    event_time: datetime | None = None
    clock: str = "server"


@dataclass(frozen=True, slots=True)
class DeadLetterRow:
    """A job that failed permanently. ``message`` is a fixed sentence without personal text.

    Attributes:
        policy: Retry policy that was exhausted; empty when the failure was permanent.
        closed_reason: Why it was redriven or discarded, a machine word.
        correlation_id: Of the call that brought the work; empty when no call did.
        build: Version of the server that wrote the letter.
    """

    id: str
    job_id: str
    kind: str
    session_id: str
    reason: str
    message: str
    attempts: int
    policy: str
    create_time: datetime
    closed_time: datetime | None = None
    closed_as: str = ""
    closed_reason: str = ""
    correlation_id: str = ""
    build: str = ""
