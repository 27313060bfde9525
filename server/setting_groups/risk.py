"""Settings of the risk of a running session."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError

from models.reasons import Reason

Share = Annotated[float, Field(gt=0, lt=1)]


class RiskSettings(BaseModel):
    """The risk that a running session is abandoned: when it is learnt, from what, and what is high."""

    train_every_h: float = Field(24.0, ge=0, description="Hours from one model to the next; 0 learns none.")
    days: int = Field(90, ge=1, le=3650, description="Sessions of so many days are learnt from.")
    least_sessions: int = Field(
        200,
        ge=50,
        description="Fewest sessions seen in a stage that were abandoned, and fewest that were not; with fewer, the "
        "risk of that stage is unknown.",
    )
    cpu_seconds: int = Field(120, ge=10, le=3600, description="CPU time that learning may take.")
    medium: Share = Field(0.3, description="Risk from which on the level is medium.")
    high: Share = Field(0.6, description="Risk from which on the level is high.")

    @model_validator(mode="after")
    def _high_is_higher(self) -> Self:
        if self.high < self.medium:
            raise PydanticCustomError(Reason.INVALID_ARGUMENT, "high must not be below medium.")
        return self
