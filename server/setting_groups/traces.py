"""Settings of the traces."""

from __future__ import annotations

import re
from typing import Self
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, field_validator, model_validator
from pydantic_core import PydanticCustomError

from models.reasons import Reason
from server.setting_groups.fields import Secret, Url
from server.validators import is_private_url

_HEADER = r"[\w-]+=[!-+\--<>-~][ -+\--~]*"
_HEADERS = re.compile(rf"{_HEADER}(, ?{_HEADER})*", re.ASCII)


class TraceSettings(BaseModel):
    """Traces by OpenTelemetry, which are off until an endpoint is set. Variables that begin with OTEL_ are not read."""

    endpoint: Url = Field(
        "",
        description="Base URL of a collector that takes OTLP over HTTP, such as http://127.0.0.1:4318; empty turns "
        "traces off.",
    )
    headers: Secret = Field(
        SecretStr(""),
        description="Headers that the collector asks for, NAME=VALUE, with commas between them; the endpoint must "
        "then be https or on loopback.",
    )
    ratio: float = Field(
        1.0, ge=0, le=1, description="Share of calls, and of jobs that no such call began, with spans."
    )

    @field_validator("endpoint")
    @classmethod
    def _is_a_base(cls, endpoint: str) -> str:
        parts = urlsplit(endpoint)
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise PydanticCustomError(
                Reason.INVALID_ARGUMENT,
                "endpoint takes no password, no query and no fragment. A password is for headers.",
            )
        return endpoint

    @model_validator(mode="after")
    def _headers_are_usable(self) -> Self:
        headers = self.headers.get_secret_value()
        if not (headers and self.endpoint):
            return self
        if not _HEADERS.fullmatch(headers):
            raise PydanticCustomError(Reason.INVALID_ARGUMENT, "headers must be NAME=VALUE, with commas between them.")
        if not is_private_url(self.endpoint):
            raise PydanticCustomError(
                Reason.INVALID_ARGUMENT, "With headers, endpoint must begin with https://, unless it is on loopback."
            )
        return self

    @property
    def header_pairs(self) -> tuple[tuple[str, str], ...]:
        """Name and value of each header."""
        given = self.headers.get_secret_value() if self.endpoint else ""
        pairs = (pair.partition("=") for pair in given.split(",")) if given else ()
        return tuple((name.strip(), value.strip()) for name, _, value in pairs)
