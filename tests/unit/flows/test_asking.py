"""What a question of a flow explains in its answer, and what it must not explain."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.redaction.dialogue_context import DAY, READING, AnswerHints, answering
from models.redaction.redactor import LocalRedactor
from models.redaction.types import RedactionContext
from models.text import RawText, TextSource
from server.cli.flow_examples import useless_examples
from server.flows.asking import answer_hints, asked_for
from server.flows.catalogue import shipped_catalogue
from server.flows.loader import load_flow

FLOWS = shipped_catalogue()
CAR_RETURN = load_flow(Path(__file__).parent / "car_return.yaml")


@pytest.fixture(scope="module")
def redactor(real_redactor: LocalRedactor) -> LocalRedactor:
    return real_redactor


def redacted(redactor: LocalRedactor, flow: str, field: str, language: str, said: str) -> str:
    definition = FLOWS.newest(flow)
    asked = definition.fields[field]
    hints = answer_hints(asked, definition, language)
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
    hints = answer_hints(flow.fields["asset_code"], flow, "de")
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


def said_in_car_return(redactor: LocalRedactor, field: str, language: str, said: str) -> str:
    """A typed text while a field is asked; with an empty name nothing is open any more."""
    asked = CAR_RETURN.fields.get(field)
    hints = answer_hints(asked, CAR_RETURN, language)
    context = answering(RedactionContext(TextSource.TYPED, language), asked_for(asked) if asked else (), hints)
    return redactor.redact(RawText(said), context).text.value


@pytest.mark.models
@pytest.mark.parametrize("field", ["mileage", "fuel", "damaged", "damage_description", ""])
@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("de", "der Kilometerstand ist 48213"),
        ("de", "es sind 48.213 Kilometer"),
        ("en", "the mileage is 48213"),
    ],
)
def test_a_number_of_the_flow_stays_where_it_is_named_later(
    redactor: LocalRedactor, field: str, language: str, said: str
) -> None:
    assert said_in_car_return(redactor, field, language, said) == said


@pytest.mark.models
@pytest.mark.parametrize(
    ("language", "said"),
    [("de", "nein, 48213"), ("de", "Nein, es sind 48213."), ("en", "no, 48213"), ("en", "sorry, it is 48213")],
)
def test_a_bare_number_is_a_correction_of_the_number_right_before_alone(
    redactor: LocalRedactor, language: str, said: str
) -> None:
    for field in ("mileage", "fuel"):
        assert said_in_car_return(redactor, field, language, said) == said
    for field in ("damaged", "damage_description", ""):
        assert "48213" not in said_in_car_return(redactor, field, language, said), "it may be a postcode"


@pytest.mark.models
@pytest.mark.parametrize("field", ["fuel", "damage_description", ""])
@pytest.mark.parametrize(
    ("language", "said", "hidden"),
    [
        ("de", "nein, hier in 48213", "48213"),
        ("de", "Nein, in 48213 Münster", "48213"),
        ("de", "nein, die PLZ ist 48213", "48213"),
        ("de", "nein, 0171 4821388", "4821388"),
        ("de", "der Kilometerstand und meine Postleitzahl ist 48213", "48213"),
        ("de", "Kilometerstand weiß ich nicht, ich wohne in 48213", "48213"),
        ("en", "no, I am in 48213", "48213"),
        ("en", "no, Detroit 48213", "48213"),
        ("en", "the mileage is 4111 1111 1111 1111", "4111"),
    ],
)
def test_an_address_or_an_identifier_is_no_number_of_the_flow(
    redactor: LocalRedactor, field: str, language: str, said: str, hidden: str
) -> None:
    assert hidden not in said_in_car_return(redactor, field, language, said)


def test_a_bare_number_corrects_nothing_before_the_first_number_or_where_something_personal_is_asked() -> None:
    flow = FLOWS.newest("site_visit")
    first = next(iter(flow.fields.values()))
    assert not answer_hints(first, flow, "en").after_number
    hints = AnswerHints(after_number=True)
    assert answering(RedactionContext(), (READING,), hints).after_number
    assert not answering(RedactionContext(), ("ADDRESS",), hints).after_number


@pytest.mark.models
def test_no_example_of_the_flows_that_come_with_the_server_is_hidden() -> None:
    assert [told for flow in FLOWS for told in useless_examples(flow)] == []
