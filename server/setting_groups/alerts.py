"""Settings of the alerts about dead letters."""

from __future__ import annotations

from pydantic import Field

from server.setting_groups.sending import MailAddress, SendingSettings
from server.setting_groups.stored_data import JobKind


class AlertSettings(SendingSettings):
    """Alerts about dead letters of critical kinds. They are in the log and the metrics always."""

    kinds: list[JobKind] = Field(
        ["read_picture", "read_recording", "propose_record", "propose_again"],
        description="Critical kinds of jobs. A late reply is none: the person has an answer already.",
    )
    every_s: float = Field(60.0, ge=1, description="Time between two alerts; letters that come meanwhile are in one.")
    mail_to: MailAddress = Field("", description="Who gets alerts by e-mail; empty turns it off.")
