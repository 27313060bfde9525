"""Settings of the remote LLM."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, SecretStr

from server.setting_groups.fields import Url

FieldList = Annotated[str, Field(pattern=r"^([a-z][a-z_]{0,47}(_[0-9])?(,[a-z][a-z_]{0,47}(_[0-9])?)*)?$")]


class LlmSettings(BaseModel):
    """The remote LLM. Without a base URL the local fallback answers."""

    base_url: Url = Field("", description="OpenAI-compatible endpoint, ends in /v1; empty means none.")
    api_key: SecretStr = Field(SecretStr(""), description="Its key.")
    model: str = Field("gpt-4o-mini", description="Model to ask for.")
    timeout_s: float = Field(30.0, gt=0, description="Bound of one background attempt.")
    interactive_timeout_s: float = Field(8.0, gt=0, description="Bound of the one attempt that a person waits for.")
    failures: int = Field(3, ge=1, description="Failures in a row that open the breaker.")
    reset_s: float = Field(120.0, gt=0, description="How long the breaker stays open.")
    successes: int = Field(2, ge=1, description="Probes that must succeed before it closes.")
    fields: FieldList = Field(
        "",
        description="Names that the fields of a record may have beside the built-in ones, with commas between them; a "
        "model's field with another name becomes field_a, field_b and so on.",
    )

    @property
    def field_names(self) -> tuple[str, ...]:
        """The names of ``fields``."""
        return tuple(self.fields.split(",")) if self.fields else ()
