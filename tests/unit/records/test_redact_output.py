"""Values of a record, judged by the names of their fields."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.redaction.redactor import LocalRedactor, build_redactor
from models.redaction.types import NO_SCOPE, Redaction, RedactionContext
from models.text import RawText
from server.records.redact_output import redact_values
from tests.fakes.gateway import FakeGateway


class RedactingGateway(FakeGateway):
    """The fake with the real redactor in it."""

    def __init__(self, redactor: LocalRedactor) -> None:
        super().__init__()
        self._redactor = redactor

    async def redact(self, texts: list[RawText], context: RedactionContext, *, timeout_s: float) -> list[Redaction]:
        """See ``ray_tasks.types.Gateway``."""
        return self._redactor.redact_many(texts, context)


@pytest.mark.models
async def test_digits_are_kept_as_a_reading_and_redacted_as_a_telephone_number(weights_cache: Path) -> None:
    gateway = RedactingGateway(build_redactor(weights_cache))
    values = [
        ("meter_reading", "04821"),
        ("phone", "04821"),
        ("visitor_name", "Okwudili"),
        ("meter_reading", "call 415 555 0132"),
        ("site_name", "Riverside"),
    ]
    texts = [text.value for text in await redact_values(gateway, values, "en", NO_SCOPE)]
    assert texts == ["04821", "[REDACTED_PHONE]", "[REDACTED_NAME]", "call [REDACTED_PHONE]", "Riverside"]
