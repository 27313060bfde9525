"""Settings of the weekly report."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from server.setting_groups.fields import Empty, TimeZone
from server.setting_groups.sending import MailAddresses, SendingSettings
from server.times import DEFAULT_ZONE

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


class ReportSettings(SendingSettings):
    """The weekly funnel report. It is sent to what is set: a folder, a webhook, mail. Nothing is set by default."""

    day: Weekday = Field("monday", description="Day on which the report of the week before is sent.")
    hour: int = Field(8, ge=0, le=23, description="Hour of that day.")
    time_zone: TimeZone = Field(
        DEFAULT_ZONE, description="Of the day and the hour, and of the week, which begins on Monday at midnight."
    )
    language: Literal["en", "de", "es"] = Field("en", description="ISO 639-1 code of the language of the report.")
    folder: Empty[Path] = Field(
        None, description="Existing folder for the report as HTML, text and JSON; empty turns it off."
    )
    mail_to: MailAddresses = Field(
        "", description="Who gets the report by e-mail, up to 20 addresses with commas; empty turns it off."
    )
