"""Values of a record, judged by the names of their fields."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.redaction.redactor import LocalRedactor, build_redactor
from models.redaction.types import NO_SCOPE, Redaction, RedactionContext
from models.text import RawText, TextSource
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


@pytest.mark.models
async def test_a_site_is_hidden_in_the_record_if_and_only_if_it_is_in_the_turn(weights_cache: Path) -> None:
    redactor = build_redactor(weights_cache)
    said = [
        redactor.redact(RawText(text), RedactionContext(TextSource.TYPED)).text
        for text in ("we met at Pendlewick depot", "Ask for Maria Lopez.")
    ]
    assert "Pendlewick depot" in said[0].value
    values = [("site_name", "Pendlewick"), ("site_name", "Maria Lopez"), ("visitor_name", "Pendlewick")]
    texts = await redact_values(RedactingGateway(redactor), values, "en", NO_SCOPE, said)
    assert [text.value for text in texts] == ["Pendlewick", "[REDACTED_NAME]", "[REDACTED_NAME]"]
    without = await redact_values(RedactingGateway(redactor), values, "en", NO_SCOPE)
    assert without[0].value == "[REDACTED_NAME]", "the sentence makes the difference"
