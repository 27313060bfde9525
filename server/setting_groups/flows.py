"""Settings of flows."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, Field

from server.setting_groups.fields import Empty


class FlowSettings(BaseModel):
    """Flows: what an onboarding asks, checks and approves."""

    folder: Empty[Path] = Field(
        None, description="Folder of your flow files (*.yaml); empty means that there are only those that come with it."
    )
    default: str = Field("site_visit", description="Flow of a session that names none.")
