"""Settings of the vision upstream, which labels redacted pictures."""

from __future__ import annotations

from pydantic import Field, SecretStr

from server.setting_groups.breakers import BreakerSettings
from server.setting_groups.fields import Secret, Url


class LabelSettings(BreakerSettings):
    """The vision upstream, which gets redacted pictures and says what they show. Without a base URL there is none."""

    base_url: Url = Field(
        "", description="OpenAI-compatible endpoint that takes pictures, ends in /v1; empty turns labels off."
    )
    api_key: Secret = Field(SecretStr(""), description="Its key.")
    model: str = Field("gpt-4o-mini", description="Model to ask for.")
    timeout_s: float = Field(30.0, gt=0, le=600, description="Bound of one attempt.")
    wait_s: float = Field(
        3.0, ge=0, le=60, description="Longest time that a record waits for labels once the pictures are read."
    )
    most: int = Field(8, ge=1, le=20, description="Labels of one picture.")
    side_px: int = Field(
        1024, ge=64, le=2048, description="Longest side of the picture that is sent; a larger one is scaled down."
    )
    failures: int = Field(3, ge=1, description="Failures in a row that open the breaker.")
    reset_s: float = Field(120.0, gt=0, description="How long the breaker stays open.")
    successes: int = Field(2, ge=1, description="Probes that must succeed before it closes.")
    probes: int = Field(1, ge=1, description="Probes at a time while it is half open.")
