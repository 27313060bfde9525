"""What a reviewer writes for a text is redacted as the answer of a visitor is, in a form or in a sentence."""

from __future__ import annotations

import pytest

from models.redaction.redactor import LocalRedactor
from models.redaction.types import NO_SCOPE
from server.flows.definition import FlowDefinition
from server.flows.loader import parse_flow
from server.ledger.reviews_decisions import FieldDecision
from server.records.keyed_texts import label_prefix
from server.records.reviews_values import FieldChoice, redact_corrections
from tests.unit.records.test_redact_output import SITE_VISIT, RedactingGateway

UNLABELLED = """
name: rounds
version: 1
languages: [en, de]
title: Rounds
steps:
  - name: one
    fields:
      - {name: site_name, kind: text, reader: site_name, ask: "Which site?"}
      - {name: driver_name, kind: text, ask: "Who drove?"}
      - {name: born, kind: text, label: {en: date of birth, de: Geburtsdatum}, ask: "When?"}
"""


async def corrected(
    redactor: LocalRedactor, name: str, written: str, flow: FlowDefinition = SITE_VISIT, language: str = "en"
) -> str:
    """What is stored of a correction."""
    choice = FieldChoice(name, FieldDecision.CORRECTED, written, "misread")
    redacted = await redact_corrections(RedactingGateway(redactor), [choice], language, NO_SCOPE, flow, ())
    return redacted[name].value


@pytest.mark.models
@pytest.mark.parametrize(
    ("language", "written"),
    [
        ("en", "Riverside depot"),
        ("en", "riverside depot"),
        ("en", "Riverside"),
        ("en", "Pump station 7"),
        ("en", "the pumping station"),
        ("en", "Building 4"),
        ("de", "Pumpwerk 7"),
        ("de", "das alte Umspannwerk"),
        ("es", "Estación de bombeo 7"),
        ("fr", "Station de pompage 7"),
        ("pt", "Estação de bombeamento 7"),
    ],
)
async def test_a_plain_site_that_a_reviewer_writes_stays(
    real_redactor: LocalRedactor, language: str, written: str
) -> None:
    assert await corrected(real_redactor, "site_name", written, language=language) == written


@pytest.mark.models
async def test_a_flow_without_labels_keeps_the_name_of_a_site(real_redactor: LocalRedactor) -> None:
    """Its field is called "site name", and "name:" introduces a person."""
    flow = parse_flow(UNLABELLED, "rounds.yaml")
    assert await corrected(real_redactor, "site_name", "Riverside depot", flow) == "Riverside depot"


@pytest.mark.models
@pytest.mark.parametrize(
    ("written", "hidden"),
    [
        ("Maria Lopez", "Lopez"),
        ("Riverside depot, ask for Maria Lopez", "Lopez"),
        ("the depot of Mr Abernathy", "Abernathy"),
        ("Riverside depot, 07700 900 987", "900"),
        ("Riverside depot, jonny@example.com", "jonny"),
        ("Riverside depot 4111 1111 1111 1111", "1111"),
    ],
)
async def test_what_is_personal_in_a_reviewers_text_is_hidden(
    real_redactor: LocalRedactor, written: str, hidden: str
) -> None:
    stored = await corrected(real_redactor, "site_name", written)
    assert hidden not in stored
    assert "[REDACTED_" in stored


@pytest.mark.models
async def test_a_label_still_tells_what_a_value_alone_does_not(real_redactor: LocalRedactor) -> None:
    flow = parse_flow(UNLABELLED, "rounds.yaml")
    assert await corrected(real_redactor, "driver_name", "Riverside depot", flow) == "[REDACTED_NAME] depot"
    assert await corrected(real_redactor, "born", "1987-05-12", flow) == "[REDACTED_DOB]"


@pytest.mark.models
async def test_a_field_that_the_flow_has_not_is_read_behind_its_name(real_redactor: LocalRedactor) -> None:
    assert await corrected(real_redactor, "date_of_birth", "1987-05-12") == "[REDACTED_DOB]"


def test_the_key_of_a_text_is_its_label_and_a_site_has_none() -> None:
    flow = parse_flow(UNLABELLED, "rounds.yaml")
    assert label_prefix(flow.fields["born"], "de", "x") == "Geburtsdatum: "
    assert label_prefix(flow.fields["driver_name"], "de", "x") == "driver name: "
    assert label_prefix(flow.fields["site_name"], "en", "x") == ""
