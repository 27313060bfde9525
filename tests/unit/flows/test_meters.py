"""Numbers with ``reader: meter``, in cubic metres and in any other unit."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

import pytest
import yaml

from server.flows.definition import FlowDefinition
from server.flows.dialogue import answers_in
from server.flows.loader import parse_flow, shipped_flows
from server.flows.progress import Answer, FieldState, progress_of
from server.flows.reading.answer_text import AnswerText
from server.flows.reading.reader import Request, read_answer
from server.llm.fallback import fallback_record
from server.llm.types import SourceItem
from tests.unit.llm.texts import redacted

KM: dict[str, Any] = {"unit": "km", "unit_words": ["kilometres"], "minimum": 0, "decimals": 0}


def flow_of(**more: Any) -> FlowDefinition:
    field = {"name": "value", "kind": "number", "reader": "meter", "ask": "Which?", **more}
    steps = [{"name": "one", "pictures": ["meter", "site"], "fields": [field]}]
    return parse_flow(yaml.safe_dump({"name": "meters", "version": 1, "title": "Meters", "steps": steps}))


def read(flow: FlowDefinition, text: str, picture: str = "meter") -> str | None:
    material = AnswerText(redacted(text), "picture" if picture else "text", "en", date(2026, 11, 28), picture)
    found = read_answer(flow.fields["value"], flow.steps[0], material, Request())
    return None if found is None else found.value


@pytest.mark.parametrize(
    ("more", "text", "value"),
    [
        (KM, "ODO 48 213 km", "48213"),
        (KM, "48213 km", "48213"),
        (KM, "RANGE\n12:30 21.5 C\n48213 km\n185 kWh", "48213"),
        (KM, "ODO 48213 km TRIP 213 km", None),
        (KM, "No. 48213", None),
        ({"unit": "°C"}, "Return flow 38.5 °C", "38.5"),
        ({"unit": "kWh"}, "No. 99817 04821 kWh", "04821"),
        ({"unit": "m³"}, "No. 99817 04821 m3", "04821"),
        ({}, "No. 99817 04821 m3", "04821"),
    ],
)
def test_a_meter_is_read_in_any_unit(more: dict[str, Any], text: str, value: str | None) -> None:
    flow = flow_of(**more)
    assert read(flow, text) == value


@pytest.mark.parametrize(("more", "text", "value"), [(KM, "48213 km", "48213"), ({}, "No. 99817 04821 m3", "04821")])
def test_the_record_has_what_was_read(more: dict[str, Any], text: str, value: str) -> None:
    flow = flow_of(**more)
    record = fallback_record([SourceItem("upload-1", "meter", redacted(text))], flow=flow, language="en").record
    assert [field.value for field in record.fields] == [value]


def test_a_number_with_this_reader_is_read_in_no_other_picture() -> None:
    assert read(flow_of(**KM), "48213 km", picture="site") is None
    assert read(flow_of(**KM), "The car has 48213 km", picture="") == "48213"


[SITE_VISIT] = (flow for flow in shipped_flows() if flow.name == "site_visit")
_BEFORE: Final = {
    "en": ("the Riverside site", "it reads 04821 cubic metres"),
    "de": ("Standort Nordtor", "der Zähler zeigt 04821 Kubikmeter"),
    "es": ("la planta Norte", "marca 04821 metros cúbicos"),
    "fr": ("le site Nord", "il affiche 04821 mètres cubes"),
    "pt": ("a planta Norte", "marca 04821 metros cúbicos"),
}
"""What is said until the question of the visitors is open."""


def said_to_visitors(language: str, text: str) -> dict[str, tuple[FieldState, str]]:
    """The fields of a site visit after a text that was said to the question of the visitors."""
    rows: list[Answer] = []
    for number, turn in enumerate((*_BEFORE[language], text)):
        material = AnswerText(redacted(turn), "text", language, date(2026, 12, 1))
        rows += answers_in(progress_of(SITE_VISIT, {}, rows), material, asked=True, source_id=f"turn-{number}")
    fields = progress_of(SITE_VISIT, {}, rows).fields
    return {one.field.name: (one.state, one.value.value) for one in fields}


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "The meter at house 12 reads 4830"),
        ("en", "The meter reads 4821 cubic metres"),
        ("en", "Does the meter read 4830?"),
        ("en", "Last month the meter read 4700"),
        ("en", "The meter is in room 204"),
        ("en", "The water meter has serial 99817"),
        ("de", "Der Zähler steht nun bei 4830 laut Anzeige"),
        ("pt", "O medidor está em 4830"),
        ("fr", "Le compteur affiche 4830 mètres cubes."),
        ("en", "the display reads 4830"),
        ("de", "Die Anzeige steht auf 4830"),
    ],
)
def test_a_reading_is_no_number_of_visitors(language: str, text: str) -> None:
    fields = said_to_visitors(language, text)
    assert fields["visitor_count"] == (FieldState.MISSING, "")
    assert fields["meter_reading"] == (FieldState.ANSWERED, "04821")


@pytest.mark.parametrize(
    ("language", "text", "unit"),
    [
        ("en", "The meter reads 4830", "m3"),
        ("en", "The meter reads 4830 kWh.", "kWh"),
        ("de", "Der Zähler zeigt 4830 Kubikmeter.", "m3"),
        ("es", "El contador marca 4830 metros cúbicos.", "m3"),
        ("pt", "O medidor marca 4830 metros cúbicos.", "m3"),
    ],
)
def test_a_text_with_nothing_but_the_reading_and_its_unit_changes_them(language: str, text: str, unit: str) -> None:
    fields = said_to_visitors(language, text)
    assert fields["visitor_count"] == (FieldState.MISSING, "")
    assert (fields["meter_reading"][1], fields["meter_unit"][1]) == ("4830", unit)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "120"),
        ("en", "120 visitors"),
        ("en", "The register shows 120"),
        ("en", "Yes, it shows 120"),
        ("en", "The register near the meter shows 120"),
        ("en", "The register shows 120 visitors"),
        ("de", "Das Buch zeigt 120"),
        ("de", "120 Leute"),
        ("es", "El registro marca 120"),
        ("fr", "Le registre indique 120"),
    ],
)
def test_a_number_that_names_no_meter_answers_the_question(language: str, text: str) -> None:
    fields = said_to_visitors(language, text)
    assert fields["visitor_count"] == (FieldState.ANSWERED, "120")
    assert fields["meter_reading"] == (FieldState.ANSWERED, "04821")
