"""Numbers with ``reader: meter``, in cubic metres and in any other unit."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
import yaml

from server.flows.definition import FlowDefinition
from server.flows.loader import parse_flow
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
