"""Settings of stored data: how long it is kept, and how analysts query it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, SecretStr, field_validator
from pydantic_core import PydanticCustomError

from models.reasons import Reason
from server.flows.retention import RetentionPart
from server.setting_groups.fields import MEBIBYTE, DatabaseUrl, Empty, Port, Secret

Days = Empty[Annotated[float, Field(gt=0)]]


class RetentionSettings(BaseModel):
    """How long what is stored is kept, in days from when it was made; empty keeps it until it is erased."""

    turns_days: Days = Field(None, description="Turns, replies and times of words, of sessions that have ended.")
    artifacts_days: Days = Field(
        None,
        description="Redacted pictures and recordings, and what was read in uploads; answers from pictures "
        "once their session has ended.",
    )
    events_days: Days = Field(None, description="Events of the funnel; their counts by day are kept.")
    sealed_days: Days = Field(
        30.0, description="Values that are sealed for another system, of sessions that have ended; released or not."
    )
    letters_days: Days = Field(
        7.0,
        description="Dead letters, open ones too, with the media that they kept, and attempts at jobs that have ended.",
    )
    records_days: Days = Field(
        None,
        description="Whole sessions whose record was approved or rejected, with the record and its reviews; from the "
        "decision.",
    )
    unfinished_days: Days = Field(
        None, description="Whole sessions that ended without a decision about a record; from their end."
    )

    @property
    def limits(self) -> dict[str, float]:
        """Days by name, of those that are set."""
        return {name: days for name, days in self.model_dump().items() if days is not None}

    def with_flow(self, flow: RetentionPart) -> dict[str, float]:
        """Days by name that hold for the sessions of a flow: the shorter where both say some."""
        return {
            name: min(days for days in (self.limits.get(name), flow.limits.get(name)) if days is not None)
            for name in type(self).model_fields
            if name in self.limits or name in flow.limits
        }


class LedgerSettings(BaseModel):
    """Where the ledger is."""

    url: DatabaseUrl = Field(
        SecretStr(""),
        description="Database of PostgreSQL that holds the ledger, as postgresql://USER:PASSWORD@HOST/NAME. Empty for "
        "the embedded DuckDB file.",
    )
    mirror: bool = Field(
        True,
        description="Whether the server keeps a mirror of the database in PostgreSQL. Without one it refuses funnels, "
        "reports, timelines, experiments and risks, makes no weekly report, and serves no analysts. It says nothing "
        "of the embedded file.",
    )

    @property
    def database(self) -> str:
        """The URL with its password; empty for the embedded file."""
        return self.url.get_secret_value()

    @property
    def has_views(self) -> bool:
        """Whether a server has views for reports and analysts: those of the embedded file, or of its mirror."""
        return self.mirror or not self.database


JobKind = Literal["read_picture", "read_recording", "label_picture", "propose_record", "propose_again", "reply"]
"""Kinds of jobs; a test compares them with the handlers."""


class DeadLetterSettings(BaseModel):
    """Dead letters. The keys of what is set by kind are the kinds: read_picture, read_recording, label_picture,
    propose_record, propose_again, reply.
    """

    most: int = Field(1000, ge=1, le=100_000, description="Letters that are kept; beyond, the oldest are deleted.")
    most_by_kind: dict[JobKind, int] = Field(
        {}, description='Letters of one kind of job that are kept, such as {"reply": 200}; others have no bound.'
    )
    redrive_per_s: float = Field(
        10.0, gt=0, le=1000, description="Letters that are redriven in a second when many are redriven at once."
    )
    days_by_kind: dict[JobKind, float] = Field(
        {}, description="Days that letters of one kind are kept, in place of VESTIBULE_RETENTION__LETTERS_DAYS."
    )

    @field_validator("most_by_kind", "days_by_kind")
    @classmethod
    def _each_more_than_nothing(cls, given: dict[JobKind, float]) -> dict[JobKind, float]:
        if any(value <= 0 for value in given.values()):
            raise PydanticCustomError(Reason.INVALID_ARGUMENT, "Each value must be more than 0.")
        return given


Undeclared = Literal["text", "refuse"]
"""What becomes of events that do not fit what their client has declared."""


class EventSettings(BaseModel):
    """Events that apps record."""

    undeclared: Undeclared = Field(
        "text",
        description="What becomes of names and keys that their client has not declared, and of values that do not fit: "
        "text stores the values as redacted text, refuse stores no such event.",
    )
    most_of_session: int = Field(
        10_000,
        ge=100,
        le=100_000,
        description="Events that the app of one session may store; more are refused, because what a funnel costs grows "
        "with the square of the events of a session.",
    )


class QuackSettings(BaseModel):
    """The live endpoint for analysts."""

    enabled: bool = Field(True, description="Whether analysts may attach.")
    port: Port = Field(9494, description="Port on loopback; 0 picks one, which `vestibule status` tells.")
    token: Secret = Field(SecretStr(""), description="Empty generates one into the state folder.")
    query_s: float = Field(
        10.0,
        gt=0,
        description="Most CPU time of one query; one that needs more is refused. On a busy machine it may take five "
        "times as long on the clock.",
    )
    query_bytes: int = Field(
        512 * MEBIBYTE, ge=64 * MEBIBYTE, description="Most memory of one query; one that needs more is refused."
    )
    total_bytes: int = Field(
        1024 * MEBIBYTE, ge=64 * MEBIBYTE, description="Most memory of all queries that run at the same time."
    )
