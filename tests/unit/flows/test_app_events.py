"""A flow declares events of apps, by the form and the rules of `vestibule events declare`."""

from __future__ import annotations

import json
import re

import jsonschema
import protovalidate
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from vestibule.v1 import funnel_pb2

from models.errors import InvalidInput
from server.cli.events_file import parse_events
from server.cli.flow_outline import outline
from server.cli.flow_starter import starter
from server.flows.app_events import KINDS, DeclaredProperty, PropertyKind, declaration_of, violations
from server.flows.definition import FlowDefinition
from server.flows.json_schema import flow_schema
from server.flows.loader import parse_flow
from server.services.event_messages import declaration_of as declaration_of_request
from tests.unit.flows.problems import told_of

PLAIN = starter("car_return").partition("\n# Events that")[0]
EVENTS = """
events:
  photo_opened:
  form_sent:
    amount: number
    to: [app, 'no']
    note: text
"""
NAMES = st.text("ab_9-A", max_size=4) | st.sampled_from(["a" * 64, "a" * 65, "b\n"])
VALUES = st.text("aZ9 .:/+-_?", max_size=4) | st.sampled_from(["a" * 64, "a" * 65, "b\n"])


def flow_with(events: str) -> FlowDefinition:
    return parse_flow(f"{PLAIN}{events}")


def fits_the_protos(name: str, key: str, values: list[str]) -> bool:
    given = funnel_pb2.DeclaredProperty(key=key, kind=funnel_pb2.PROPERTY_KIND_ENUMERATION, values=values)
    request = funnel_pb2.DeclareEventsRequest(events=[funnel_pb2.DeclaredEvent(name=name, properties=[given])])
    try:
        protovalidate.validate(request)
        declaration_of_request(request.events)
    except (protovalidate.ValidationError, InvalidInput):
        return False
    return True


def fits_the_schema(events: object) -> bool:
    whole = {**yaml.safe_load(PLAIN), "events": events}
    return bool(jsonschema.Draft202012Validator(flow_schema()).is_valid(whole))


@given(NAMES, NAMES, st.lists(VALUES, max_size=3))
def test_the_rules_of_files_are_those_of_the_protos(name: str, key: str, values: list[str]) -> None:
    events = {name: {key: values}}
    assert (not list(violations(events))) == fits_the_protos(name, key, values)


@pytest.mark.parametrize(("events", "properties", "values"), [(500, 50, 2000), (501, 1, 1), (1, 51, 1), (1, 1, 2001)])
def test_the_bounds_of_files_are_those_of_the_protos(events: int, properties: int, values: int) -> None:
    listed = [f"v{number}" for number in range(values)]
    named = {f"e{at}": {f"k{n}": listed if at == n == 0 else "text" for n in range(properties)} for at in range(events)}
    request = funnel_pb2.DeclareEventsRequest()
    for name, given_properties in named.items():
        event = request.events.add(name=name)
        for key, kind in given_properties.items():
            enumerated = isinstance(kind, list)
            number = funnel_pb2.PROPERTY_KIND_ENUMERATION if enumerated else funnel_pb2.PROPERTY_KIND_TEXT
            event.properties.add(key=key, kind=number, values=kind if enumerated else [])
    fits = not protovalidate.collect_violations(request)
    assert (not list(violations(named))) == fits == fits_the_schema(named) == (values == 2000)


def test_a_flow_and_a_file_of_the_command_say_the_same() -> None:
    flow = flow_with(EVENTS)
    assert flow.declared_events == declaration_of_request(parse_events(EVENTS))
    assert flow.declared_events["form_sent"]["to"] == DeclaredProperty(PropertyKind.ENUMERATION, ("app", "no"))
    assert fits_the_schema(yaml.safe_load(EVENTS)["events"])
    again = FlowDefinition.model_validate_json(flow.content)
    assert {name: dict(given) for name, given in again.declared_events.items()} == flow.declared_events
    assert "events" not in json.loads(parse_flow(PLAIN).content)


@pytest.mark.parametrize(
    ("events", "told"),
    [
        ("{opened: number}", "events: .*: opened must be empty, or have its properties"),
        ("{opened: {amount: numbre}}", "events: .*: opened.amount must be number, boolean, time, code"),
        ("{opened: {agreed: [yes, no]}}", "opened.agreed value 1 is read as true: it must be a word"),
        ("{opened: {agreed: [app, app]}}", "opened.agreed must have different values"),
        ("{Opened: }", "events: they do not fit: Opened must be 1 to 64 small letters"),
        ("{opened: {1: text}, on: }", "opened.1 must be a word; .*True must be a word"),
        ("[opened]", "events: input should be a valid dictionary"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(events: str, told: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        flow_with(f"events: {events}\n")
    assert re.search(told, "; ".join(told_of(each) for each in refused.value.violations))


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_can_be_declared(kind: str) -> None:
    assert declaration_of({"sent": {"it": kind}}) == {"sent": {"it": DeclaredProperty(PropertyKind(kind))}}


def test_the_outline_names_the_events() -> None:
    assert "Events of apps: photo_opened, form_sent (amount: number, to: [app, no], note: text)" in outline(
        flow_with(EVENTS), "en"
    )
