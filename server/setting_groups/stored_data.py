"""Settings of stored data: how long it is kept, and how analysts query it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, SecretStr

from server.setting_groups.fields import MEBIBYTE, Empty, Port

Days = Empty[Annotated[float, Field(gt=0)]]


class RetentionSettings(BaseModel):
    """How long what is stored is kept, in days from when it was made; empty keeps it until it is erased."""

    turns_days: Days = Field(None, description="Turns, replies and times of words, of sessions that have ended.")
    artifacts_days: Days = Field(None, description="Redacted pictures and recordings, and what was read in uploads.")
    events_days: Days = Field(None, description="Events of the funnel.")
    letters_days: Days = Field(7.0, description="Dead letters, open ones too, with the media that they kept.")


class QuackSettings(BaseModel):
    """The live endpoint for analysts."""

    enabled: bool = Field(True, description="Whether analysts may attach.")
    port: Port = Field(9494, description="Port on loopback.")
    token: SecretStr = Field(SecretStr(""), description="Empty generates one into the state folder.")
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
