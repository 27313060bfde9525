"""Values of a record, judged by the names of their fields."""

from __future__ import annotations

import pytest

from models.redaction.redactor import LocalRedactor
from models.redaction.types import NO_SCOPE, Redaction, RedactionContext
from models.text import RawText, TextSource
from server.flows.loader import parse_flow, shipped_flows
from server.records.redact_output import redact_values
from tests.fakes.gateway import FakeGateway

SITE_VISIT = next(flow for flow in shipped_flows() if flow.name == "site_visit")

CAR_RETURN = """
name: car_return
version: 1
languages: [en, de]
title: Rental car return
steps:
  - name: car
    fields:
      - {name: mileage, kind: number, unit: km, decimals: 0, ask: "What is the mileage?"}
      - {name: kilometerstand, kind: number, unit: km, decimals: 0, ask: "What does it read?"}
      - {name: agreement, kind: code, format: "MV-[0-9]{6}", ask: "What is the number of your agreement?"}
      - {name: depot, kind: text, ask: "Where is the car?", expect: [Pendlewick]}
      - {name: remarks, kind: text, ask: "Is there anything else?"}
"""


class RedactingGateway(FakeGateway):
    """The fake with the real redactor in it."""

    def __init__(self, redactor: LocalRedactor) -> None:
        super().__init__()
        self._redactor = redactor

    async def redact(self, texts: list[RawText], context: RedactionContext, *, timeout_s: float) -> list[Redaction]:
        """See ``ray_tasks.types.Gateway``."""
        return self._redactor.redact_many(texts, context)


@pytest.mark.models
async def test_digits_are_kept_as_a_reading_and_redacted_as_a_telephone_number(real_redactor: LocalRedactor) -> None:
    gateway = RedactingGateway(real_redactor)
    values = [
        ("meter_reading", "04821"),
        ("phone", "04821"),
        ("visitor_name", "Okwudili"),
        ("meter_reading", "call 415 555 0132"),
        ("site_name", "Riverside"),
    ]
    texts = [text.value for text in await redact_values(gateway, values, "en", NO_SCOPE, SITE_VISIT)]
    assert texts == ["04821", "[REDACTED_PHONE]", "[REDACTED_NAME]", "call [REDACTED_PHONE]", "Riverside"]


@pytest.mark.models
async def test_a_site_is_hidden_in_the_record_if_and_only_if_it_is_in_the_turn(real_redactor: LocalRedactor) -> None:
    said = [
        real_redactor.redact(RawText(text), RedactionContext(TextSource.TYPED)).text
        for text in ("we met at Pendlewick depot", "Ask for Maria Lopez.")
    ]
    assert "Pendlewick depot" in said[0].value
    values = [("site_name", "Pendlewick"), ("site_name", "Maria Lopez"), ("visitor_name", "Pendlewick")]
    texts = await redact_values(RedactingGateway(real_redactor), values, "en", NO_SCOPE, SITE_VISIT, said)
    assert [text.value for text in texts] == ["Pendlewick", "[REDACTED_NAME]", "[REDACTED_NAME]"]
    without = await redact_values(RedactingGateway(real_redactor), values, "en", NO_SCOPE, SITE_VISIT)
    assert without[0].value == "[REDACTED_NAME]", "the sentence makes the difference"


@pytest.mark.models
@pytest.mark.parametrize("language", ["en", "de"])
async def test_the_flow_of_a_session_knows_what_its_fields_ask_for(real_redactor: LocalRedactor, language: str) -> None:
    flow = parse_flow(CAR_RETURN, "car_return.yaml")
    values = [
        ("mileage", "48512"),
        ("mileage", "90210"),
        ("kilometerstand", "10115"),
        ("agreement", "MV-204817"),
        ("depot", "Pendlewick"),
    ]
    gateway = RedactingGateway(real_redactor)
    texts = [text.value for text in await redact_values(gateway, values, language, NO_SCOPE, flow)]
    assert texts == [value for _name, value in values]


@pytest.mark.models
async def test_a_value_that_is_no_answer_to_its_field_is_hidden(real_redactor: LocalRedactor) -> None:
    flow = parse_flow(CAR_RETURN, "car_return.yaml")
    values = [
        ("mileage", "ask Maria Lopez"),
        ("mileage", "0171 2345678"),
        ("agreement", "maria.lopez@example.com"),
        ("remarks", "My number is 415 555 0132."),
        ("depot", "Maria Lopez"),
    ]
    gateway = RedactingGateway(real_redactor)
    texts = [text.value for text in await redact_values(gateway, values, "en", NO_SCOPE, flow)]
    assert texts == [
        "ask [REDACTED_NAME]",
        "[REDACTED_PHONE]",
        "[REDACTED_EMAIL]",
        "My number is [REDACTED_PHONE].",
        "[REDACTED_NAME]",
    ]
