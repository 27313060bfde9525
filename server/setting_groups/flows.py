"""Settings of flows."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, Field

from server.setting_groups.fields import Empty, TimeZone
from server.times import DEFAULT_ZONE


class FlowSettings(BaseModel):
    """Flows: what an onboarding asks, checks and approves."""

    folder: Empty[Path] = Field(
        None, description="Folder of your flow files (*.yaml); empty means that there are only those that come with it."
    )
    default: str = Field("site_visit", description="Flow of a session that names none.")
    time_zone: TimeZone = Field(
        DEFAULT_ZONE,
        description="Time zone of a session that names none, such as Europe/Berlin; words such as tomorrow count from "
        "the day there.",
    )
