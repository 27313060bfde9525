"""Settings of the remote LLMs."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr

from server.setting_groups.breakers import BreakerSettings
from server.setting_groups.fields import Url

FieldList = Annotated[str, Field(pattern=r"^([a-z][a-z_]{0,47}(_[0-9])?(,[a-z][a-z_]{0,47}(_[0-9])?)*)?$")]


class UpstreamSettings(BreakerSettings):
    """One OpenAI-compatible endpoint, with its breaker."""

    base_url: Url = Field("", description="OpenAI-compatible endpoint, ends in /v1; empty means none.")
    api_key: SecretStr = Field(SecretStr(""), description="Its key.")
    model: str = Field("gpt-4o-mini", description="Model to ask for.")
    timeout_s: float = Field(30.0, gt=0, description="Bound of one background attempt.")
    interactive_timeout_s: float = Field(8.0, gt=0, description="Bound of the one attempt that a person waits for.")
    failures: int = Field(3, ge=1, description="Failures in a row that open the breaker.")
    reset_s: float = Field(120.0, gt=0, description="How long the breaker stays open.")
    successes: int = Field(2, ge=1, description="Probes that must succeed before it closes.")
    probes: int = Field(1, ge=1, description="Probes at a time while it is half open.")
    slow_s: float = Field(
        20.0,
        ge=0,
        description="A record, or the first word of a reply, that takes longer counts as a failure; 0 turns that off.",
    )


class LlmSettings(UpstreamSettings):
    """The remote LLM. Without a base URL the local fallback answers."""

    turn_s: float = Field(
        8.0, gt=0, description="How long a person waits for all remote LLMs together before the local fallback answers."
    )
    fields: FieldList = Field(
        "",
        description="Names that the fields of a record may have beside the built-in ones, with commas between them; a "
        "model's field with another name becomes field_a, field_b and so on.",
    )

    @property
    def field_names(self) -> tuple[str, ...]:
        """The names of ``fields``."""
        return tuple(self.fields.split(",")) if self.fields else ()
