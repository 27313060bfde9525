"""Settings of experiments."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, Field

from server.setting_groups.fields import Empty


class ExperimentSettings(BaseModel):
    """Experiments: variants of which each session gets one."""

    file: Empty[Path] = Field(None, description="YAML file of the experiments; empty means that there are none.")
