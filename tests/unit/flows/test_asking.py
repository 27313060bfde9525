"""What a question of a flow explains in its answer, and what it must not explain."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.redaction.dialogue_context import DAY, READING, AnswerHints, answering
from models.redaction.redactor import LocalRedactor, build_redactor
from models.redaction.types import RedactionContext
from models.text import RawText, TextSource
from server.cli.flow_examples import useless_examples
from server.flows.asking import answer_hints, asked_for
from server.flows.catalogue import shipped_catalogue

FLOWS = shipped_catalogue()


@pytest.fixture(scope="module")
def redactor(weights_cache: Path) -> LocalRedactor:
    return build_redactor(weights_cache, 1)


def redacted(redactor: LocalRedactor, flow: str, field: str, language: str, said: str) -> str:
    definition = FLOWS.newest(flow)
    asked = definition.fields[field]
    hints = answer_hints(asked, definition.step_of(field), language)
    context = answering(RedactionContext(TextSource.SPEECH, language), asked_for(asked), hints)
    return redactor.redact(RawText(said), context).text.value


@pytest.mark.parametrize(
    ("flow", "field", "asked"),
    [
        ("site_visit", "meter_reading", (READING,)),
        ("site_visit", "contact_given", ("EMAIL", "PHONE")),
        ("staff_onboarding", "start_date", (DAY,)),
        ("staff_onboarding", "department", ()),
        ("incident_report", "asset_code", (READING,)),
    ],
)
def test_what_a_field_asks_for(flow: str, field: str, asked: tuple[str, ...]) -> None:
    assert asked_for(FLOWS.newest(flow).fields[field]) == asked


def test_the_words_of_a_step_are_hints_in_the_language_of_the_person() -> None:
    flow = FLOWS.newest("incident_report")
    hints = answer_hints(flow.fields["asset_code"], flow.step_of("asset_code"), "de")
    assert {"Störung", "kaputt", "Inventarnummer"} <= hints.phrases
    assert "scratch" not in hints.phrases
    assert hints.code_format


@pytest.mark.models
@pytest.mark.parametrize(
    ("flow", "field", "language", "said"),
    [
        ("incident_report", "asset_code", "en", "PMP-0042"),
        ("incident_report", "asset_code", "en", "It is PMP-0042, I think."),
        ("incident_report", "incident_date", "en", "It was on the third of March 2025."),
        ("incident_report", "incident_date", "de", "Am 3. März 2025."),
        ("incident_report", "incident_type", "en", "A dent in the fence, so damage."),
        ("site_visit", "meter_reading", "de", "4821 Kubikmeter"),
        ("staff_onboarding", "start_date", "en", "The first of December 2026."),
        ("staff_onboarding", "hours_per_week", "de", "38,5 Stunden"),
    ],
)
def test_a_plain_answer_stays(redactor: LocalRedactor, flow: str, field: str, language: str, said: str) -> None:
    assert redacted(redactor, flow, field, language, said) == said


@pytest.mark.models
@pytest.mark.parametrize(
    ("flow", "field", "said", "hidden"),
    [
        ("incident_report", "asset_code", "I am Maria Lopez and it is PMP-0042", "Maria Lopez"),
        ("incident_report", "asset_code", "PMP-0042, call me at 415 555 0132", "415 555 0132"),
        ("incident_report", "asset_code", "415-555-0132", "0132"),
        ("incident_report", "asset_code", "4111 1111 1111 1111", "4111"),
        ("incident_report", "asset_code", "Maria", "Maria"),
        ("incident_report", "incident_date", "I was born on the third of March 1985.", "1985"),
        ("incident_report", "injured", "Yes, Tom Baker broke his arm", "Tom Baker"),
        ("site_visit", "meter_reading", "4821, and my number is 415 555 0132", "0132"),
        ("staff_onboarding", "phone", "four one five five five five oh one three two", "five"),
    ],
)
def test_what_is_personal_is_hidden_whatever_was_asked(
    redactor: LocalRedactor, flow: str, field: str, said: str, hidden: str
) -> None:
    assert hidden not in redacted(redactor, flow, field, "en", said)


@pytest.mark.models
@pytest.mark.parametrize(
    ("hints", "said", "hidden"),
    [
        (AnswerHints(code_format="[A-Z0-9-]{4,10}"), "ask Johnson about it", "Johnson"),
        (AnswerHints(frozenset({"Martin Luther King Street"})), "Martin King was there", "Martin King"),
        (AnswerHints(frozenset({"Johnson Controls"})), "ask Johnson", "Johnson"),
    ],
)
def test_a_part_of_a_phrase_and_a_word_in_the_shape_of_a_code_are_names(
    redactor: LocalRedactor, hints: AnswerHints, said: str, hidden: str
) -> None:
    context = answering(RedactionContext(TextSource.SPEECH, "en"), (READING,), hints)
    assert hidden not in redactor.redact(RawText(said), context).text.value


@pytest.mark.models
def test_no_example_of_the_flows_that_come_with_the_server_is_hidden() -> None:
    assert [told for flow in FLOWS for told in useless_examples(flow)] == []
