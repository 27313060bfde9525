"""Settings of the remote LLMs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from models.reasons import Reason
from server.setting_groups.breakers import BreakerSettings
from server.setting_groups.fields import Secret, Url

FieldList = Annotated[str, Field(pattern=r"^([a-z][a-z_]{0,47}(_[0-9])?(,[a-z][a-z_]{0,47}(_[0-9])?)*)?$")]


class UpstreamSettings(BreakerSettings):
    """One OpenAI-compatible endpoint, with its breaker."""

    base_url: Url = Field("", description="OpenAI-compatible endpoint, ends in /v1; empty means none.")
    api_key: Secret = Field(SecretStr(""), description="Its key.")
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


class CheckerSettings(UpstreamSettings):
    """The remote LLM that checks records. Without a base URL the one that writes them does."""

    mode: Literal["on", "off"] = Field("on", description="off: no LLM checks records; code alone judges their fields.")


class LlmSettings(UpstreamSettings):
    """The remote LLMs. Without a base URL the local fallback answers."""

    turn_s: float = Field(
        8.0, gt=0, description="How long a person waits for all remote LLMs together before the local fallback answers."
    )
    fields: FieldList = Field(
        "",
        description="Names that the fields of a record may have beside the built-in ones, with commas between them; a "
        "model's field with another name becomes field_a, field_b and so on.",
    )

    checker: CheckerSettings = CheckerSettings()

    upstreams: dict[Annotated[int, Field(ge=2, le=9)], UpstreamSettings] = Field(
        {},
        description="Further remote LLMs by their place in the order, from 2 to 9. Each has the settings above but "
        "turn_s, fields and checker, for example VESTIBULE_LLM__UPSTREAMS__2__BASE_URL.",
    )

    @model_validator(mode="after")
    def _each_has_an_address(self) -> LlmSettings:
        if not all(upstream.base_url for upstream in self.upstreams.values()):
            raise PydanticCustomError(Reason.INVALID_ARGUMENT, "Each remote LLM with a number needs a base_url.")
        return self

    @property
    def in_order(self) -> dict[int, UpstreamSettings]:
        """The remote LLMs by their place, in the order in which they are asked."""
        return {place: llm for place, llm in sorted({1: self, **self.upstreams}.items()) if llm.base_url}

    @property
    def field_names(self) -> tuple[str, ...]:
        """The names of ``fields``."""
        return tuple(self.fields.split(",")) if self.fields else ()
