"""Settings of the funnel report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError

from models.reasons import Reason
from server.setting_groups.fields import Empty

Rate = Annotated[float, Field(gt=0, le=1)]


class FunnelReportSettings(BaseModel):
    """The funnel report: what is severe, and its texts."""

    high_rate: Rate = Field(0.30, description="Drop-off rate from which on a step is high.")
    critical_rate: Rate = Field(0.50, description="Drop-off rate from which on a step is critical.")
    least_sessions: int = Field(
        20,
        ge=2,
        description="Fewest sessions of a step that are judged; with fewer, the report says so.",
    )
    texts: Empty[Path] = Field(
        None, description="YAML file with the texts of the recommendations; empty means those of the package."
    )

    @model_validator(mode="after")
    def _critical_is_worse(self) -> Self:
        if self.critical_rate < self.high_rate:
            raise PydanticCustomError(Reason.INVALID_ARGUMENT, "critical_rate must not be below high_rate.")
        return self
