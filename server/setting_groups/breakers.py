"""Settings of the circuit breakers. Those of the remote LLMs are beside their addresses, in the group ``llm``."""

from __future__ import annotations

from pydantic import BaseModel, Field

from server.breakers.types import BreakerBounds


class BreakerSettings(BaseModel):
    """One breaker and its health probes."""

    failures: int = Field(5, ge=1, description="Failures in a row that open the breaker.")
    reset_s: float = Field(60.0, gt=0, description="How long the breaker stays open.")
    successes: int = Field(3, ge=1, description="Probes that must succeed before it closes.")
    probes: int = Field(2, ge=1, description="Probes at a time while it is half open.")
    slow_s: float = Field(0.0, ge=0, description="An answer that takes longer counts as a failure; 0 turns that off.")
    probe_s: float = Field(
        15.0, ge=0, description="Seconds between two health probes while it is open; 0 turns them off."
    )

    @property
    def bounds(self) -> BreakerBounds:
        """The part that the breaker itself needs."""
        return BreakerBounds(self.failures, self.reset_s, self.successes, self.probes, self.slow_s)


class BreakersSettings(BaseModel):
    """The breakers of the workers on this server."""

    vision_worker: BreakerSettings = Field(BreakerSettings(), description="Reading of pictures.")
    speech_worker: BreakerSettings = Field(BreakerSettings(), description="Speech recognition.")
