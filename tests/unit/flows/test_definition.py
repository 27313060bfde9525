"""Flow files: those that come with the server, and what is refused with the place that is wrong."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import InvalidInput, NotFound
from models.reasons import Reason
from server.flows.catalogue import Flows, shipped_catalogue
from server.flows.code_format import problem_of_format
from server.flows.conditions import as_number
from server.flows.consistency import MAX_STAGES, STEP_PREFIX
from server.flows.definition import FlowDefinition, pictures_of
from server.flows.fields import NumberField
from server.flows.json_schema import flow_schema
from server.flows.loader import load_folder, parse_flow, shipped_files, shipped_flows
from server.flows.texts import text_in
from server.ledger.funnel_steps import MOST_STEPS
from server.records import event_catalogue
from tests.unit.flows.problems import told_of

CAR: dict[str, Any] = {
    "name": "car",
    "version": 3,
    "title": "Car",
    "facts": [{"name": "last_mileage", "kind": "number"}],
    "steps": [
        {
            "name": "car",
            "fields": [
                {"name": "mileage", "kind": "number", "ask": "What is the mileage?", "unit": "km", "maximum": 900000},
                {
                    "name": "fuel",
                    "kind": "choice",
                    "ask": "How full is the tank?",
                    "options": [{"value": "full"}, {"value": "half"}],
                },
            ],
        },
        {
            "name": "refuel",
            "when": {"field": "fuel", "is": "half"},
            "fields": [{"name": "paid", "kind": "yes_no", "ask": "Shall we refuel it?"}],
        },
    ],
    "checks": [
        {
            "name": "runs_forward",
            "require": {"field": "mileage", "at_least": {"field": "last_mileage"}},
            "message": "The mileage is below the last one.",
        }
    ],
}


def car(**changes: Any) -> str:
    return yaml.safe_dump({**CAR, **changes})


def test_the_flows_that_come_with_the_server_fit_together_and_the_schema() -> None:
    flows = shipped_flows()
    assert [flow.name for flow in flows] == ["incident_report", "site_visit", "staff_onboarding"]
    validator = jsonschema.Draft202012Validator(flow_schema())
    for name, text in shipped_files().items():
        assert name == f"{parse_flow(text).name}.yaml"
        assert not list(validator.iter_errors(yaml.safe_load(text)))


def test_a_flow_is_the_same_after_the_ledger() -> None:
    for flow in shipped_flows():
        again = FlowDefinition.model_validate_json(flow.content)
        assert (again, again.digest) == (flow, flow.digest)


def test_a_changed_copy_has_a_digest_and_fields_of_its_own() -> None:
    flow = parse_flow(car())
    known = (flow.digest, flow.content, list(flow.fields), flow.declared_events)
    step = flow.steps[0].model_copy(update={"fields": flow.steps[0].fields[:1]})
    changed = flow.model_copy(update={"steps": [step]})
    again = FlowDefinition.model_validate_json(changed.content)
    assert (changed.digest, list(changed.fields)) == (again.digest, list(again.fields))
    assert changed.digest != flow.digest
    assert (flow.digest, flow.content, list(flow.fields), flow.declared_events) == known


def test_fields_steps_and_pictures_are_found() -> None:
    flow = parse_flow(car())
    assert list(flow.fields) == ["mileage", "fuel", "paid"]
    assert flow.step_of("paid").name == "refuel"
    assert pictures_of(shipped_catalogue().newest("site_visit").steps) == {"meter", "visitor_register"}
    with pytest.raises(KeyError):
        flow.step_of("nothing")


def test_the_stages_of_its_funnel_are_those_of_the_file_or_its_steps() -> None:
    when = {"field": "mileage", "above": 100}
    often = {**CAR["steps"][1], "name": "wash", "when": when, "fields": [{**CAR["steps"][1]["fields"][0], "name": "w"}]}
    last = {**often, "name": "tyres", "when": None, "fields": [{**often["fields"][0], "name": "t", "when": when}]}
    steps = [*CAR["steps"], often, last]
    flow = parse_flow(car(steps=steps))
    assert flow.stages() == (
        *("STARTED", "step_car", "step_refuel", "step_wash", "step_tyres"),
        *("AWAITING_APPROVAL", "COMPLETED"),
    )
    assert flow.optional_stages() == ("step_refuel", "step_wash", "step_tyres")  # of the last no field may come up
    stages = ["step_wash", "photo_sent", "step_tyres", "step_skipped", "record_proposed"]
    flow = parse_flow(car(steps=steps, funnel={"stages": stages}))
    assert flow.stages() == tuple(stages)
    assert flow.optional_stages() == ("step_tyres",), "the first stage counts who comes to it"
    declared = parse_flow(car(events={"step_in": None}, funnel={"stages": ["step_in", "COMPLETED"]}))
    assert declared.stages() == ("step_in", "COMPLETED"), "an event of the app"


def test_a_funnel_has_as_many_stages_as_can_be_counted() -> None:
    steps = [{"name": f"s{n}", "fields": [{"name": f"f{n}", "kind": "text", "ask": "What?"}]} for n in range(40)]
    stages = parse_flow(car(steps=steps, checks=[])).stages()
    assert stages == ("STARTED", *(f"step_s{n}" for n in range(9)), "AWAITING_APPROVAL", "COMPLETED")
    assert len(stages) == MAX_STAGES == MOST_STEPS
    assert STEP_PREFIX == event_catalogue.STEP_PREFIX


@pytest.mark.parametrize(
    "stages", [["step_car"], ["foo", "foo"], ["step_nowhere", "foo"], [f"e{n}" for n in range(20)]]
)
def test_stages_that_an_earlier_version_took_are_still_read_from_a_ledger(stages: list[str]) -> None:
    content = {**CAR, "funnel": {"stages": stages}}
    assert FlowDefinition.model_validate_json(json.dumps(content)).stages() == tuple(stages)


def test_a_text_is_in_the_language_of_the_person_or_in_the_first() -> None:
    meter = shipped_catalogue().newest("site_visit").fields["meter_reading"]
    assert text_in(meter.ask, "de-CH") == "Was zeigt der Zähler an?"
    assert text_in(meter.ask, "sv") == "What does the meter read?"
    assert parse_flow(car()).fields["paid"].label_in("de") == "paid"


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("4821", ""),
        ("0", ""),
        ("900001", "must be at most 900000"),
        ("-1", ""),
        ("12.3456789", "must be a number"),
        ("4821 km", "must be a number"),
        ("1,000", "must be a number without commas; decimals come after a point"),
        ("48,5", "must be a number without commas; decimals come after a point"),
        ("NaN", "must be a number"),
        ("", "must be a number"),
    ],
)
def test_a_value_fits_its_field(value: str, problem: str) -> None:
    field = parse_flow(car()).fields["mileage"]
    assert isinstance(field, NumberField)
    assert field.problem(value) == problem


def test_a_large_bound_is_told_in_digits() -> None:
    field = parse_flow(car()).fields["mileage"].model_copy(update={"maximum": 9999999.0})
    assert field.problem("10000000") == "must be at most 9999999"
    assert field.expected.endswith("at most 9999999, in km")


@settings(deadline=None)
@given(st.decimals(-(10**6), 10**6, places=3), st.sampled_from(["{:,}", "{:,.2f}", "{:.1f}", "{}"]))
def test_only_digits_with_a_point_are_a_number_and_it_is_the_one_that_was_written(
    number: Decimal, written: str
) -> None:
    field = parse_flow(car()).fields["mileage"].model_copy(update={"maximum": None})
    value = written.format(number)
    if not field.problem(value):
        assert as_number(value) == Decimal(value)
        assert "," not in value
    else:
        assert "," in value
    assert not field.equal(value, written.format(number + 1))


def test_a_check_fails_only_for_what_is_known() -> None:
    [check] = parse_flow(car()).checks
    assert check.fails({"mileage": "10", "last_mileage": "20"})
    assert not check.fails({"mileage": "20", "last_mileage": "20"})
    assert not check.fails({"mileage": "10"})


def test_a_check_may_ask_for_one_of_two_fields() -> None:
    either = {"any": [{"field": "fuel", "given": True}, {"field": "paid", "given": True}]}
    check = {"name": "either", "require": either, "message": "Fuel or payment?"}
    flow = parse_flow(car(checks=[check]))
    assert flow.checks[0].fails({"mileage": "10"})
    assert not flow.checks[0].fails({"paid": "no"})


STEP = CAR["steps"][0]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"name": "My Car"}, "name: string should match"),
        ({"version": 0}, "version: input should be greater"),
        ({"steps": []}, "steps: list should have at least 1 item"),
        ({"colour": "red"}, "colour: extra inputs are not permitted"),
        ({"retention": {"texts_days": 3}}, "retention.texts_days: extra inputs are not permitted"),
        ({"steps": [STEP, STEP]}, "steps: two steps are called car"),
        ({"facts": [{"name": "fuel", "kind": "word"}]}, "two fields and facts are called fuel"),
        (
            {"checks": [{"name": "a", "require": {"field": "speed", "is": 1}, "message": "No."}]},
            "checks.0.require: it names speed, which is no field and no fact",
        ),
        (
            {"steps": [STEP, {**CAR["steps"][1], "when": {"field": "fuel", "is": "empty"}}]},
            "steps.1.when: it compares fuel with a value that is none of its options",
        ),
        ({"funnel": {"stages": ["step_car", "step_nowhere"]}}, "funnel.stages.1: the flow has no step nowhere"),
        ({"funnel": {"stages": ["foo", "COMPLETED", "foo"]}}, "funnel.stages.2: foo is a stage before"),
        ({"funnel": {"stages": ["step_car"]}}, "funnel.stages: one stage is no funnel"),
        ({"funnel": {"stages": [f"e{n}" for n in range(13)]}}, "funnel.stages: a funnel has at most 12 stages"),
        ({"funnel": {"stages": ["step_car", "approved!"]}}, "funnel.stages.1: string should match"),
        ({"languages": ["en", "de"], "title": {"en": "Car"}}, "title: it has no text in de"),
        (
            {
                "steps": [
                    {"name": "a", "fields": [{"name": "b", "kind": "personal", "ask": "Who?", "entities": ["CAT"]}]}
                ]
            },
            "steps.0.fields.0.entities: no such entity: CAT; docs/reference/entities.md lists them",
        ),
        (
            {"steps": [{"name": "a", "fields": [{"name": "b", "kind": "code", "ask": "Which?", "format": "["}]}]},
            "is no regular expression",
        ),
        ({"steps": [{"name": "a", "fields": [{"name": "b", "kind": "song", "ask": "Which?"}]}]}, "steps.0.fields.0"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_flow(car(**changes), "car.yaml")
    assert refused.value.reason == Reason.FLOW_INVALID
    [found, *_] = [each for each in refused.value.violations if told in told_of(each)]
    place, _, line = found.field.removesuffix(")").partition(" (line ")
    key = place.rpartition(".")[2]
    assert (f"{key}:" if key.isidentifier() else "- ") in car(**changes).splitlines()[int(line) - 1]
    assert "car.yaml" in refused.value.message


def asks(**field: Any) -> dict[str, Any]:
    """Changes of the flow to one step with one question."""
    return {"steps": [{"name": "a", "fields": [{"name": "b", "ask": "Which?", **field}]}], "checks": []}


def requires(condition: dict[str, Any]) -> dict[str, Any]:
    return {"checks": [{"name": "a", "require": condition, "message": "No."}]}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (requires({"field": "paid", "at_least": 3}), "paid is of the kind yes_no, which has no order"),
        (requires({"not": {"field": "fuel", "below": "half"}}), "fuel is of the kind choice, which has no order"),
        (requires({"field": "paid", "is": "true"}), "it compares paid with a value that is neither yes nor no"),
        (requires({"field": "paid", "in": ["yes", 1]}), "it compares paid with a value that is neither yes nor no"),
        (requires({"field": "mileage", "above": "many"}), "it compares mileage with a value that is no number"),
        (requires({"field": "mileage", "below": "1,000"}), "it compares mileage with a value that is no number"),
        (requires({"field": "mileage", "is": {"field": "paid"}}), "it compares mileage with paid, which is of the"),
        (
            {"steps": [{**CAR["steps"][1], "when": {"field": "mileage", "above": 1}}, STEP]},
            "mileage is not asked in an",
        ),
        ({"steps": [STEP, {**CAR["steps"][1], "when": {"field": "paid", "given": False}}]}, "paid is not asked in an"),
        (asks(kind="text", when={"field": "b", "given": True}), "b is not asked earlier"),
        (
            asks(kind="choice", options=[{"value": "on", "words": ["Lit"]}, {"value": "off", "words": ["lit"]}]),
            "'lit' mea",
        ),
        (
            asks(kind="choice", options=[{"value": "on", "words": ["off"]}, {"value": "off"}]),
            "'off' means both on and off",
        ),
        (asks(kind="code", format="ab-[0-9]{4}"), "codes are compared in capitals"),
    ],
)
def test_what_can_never_work_is_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_flow(car(**changes), "car.yaml")
    assert any(told in told_of(each) for each in refused.value.violations), refused.value.violations


@pytest.mark.parametrize(
    "condition",
    [
        *({"field": "paid", "is": value} for value in ("yes", True)),
        {"field": "paid", "in": ["yes"]},
        {"field": "mileage", "at_least": "20"},
        {"field": "mileage", "below": {"field": "last_mileage", "plus": 100}},
    ],
)
def test_what_can_work_is_no_problem(condition: dict[str, Any]) -> None:
    [check] = parse_flow(car(**requires(condition))).checks
    assert check.require.holds({"paid": "yes", "mileage": "50", "last_mileage": "40"})


def test_ten_problems_are_told_and_how_many_there_are() -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_flow(car(**{f"key_{letter}": 1 for letter in "abcdefghijklm"}))
    assert "13 places, of which these are the first 10" in refused.value.message
    assert len(refused.value.violations) == 10


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("name: car\ntitle: Car: mine\n", "quotes"),
        ("name: car\n  version: 1\n", "Indent the line"),
        ("steps:\n  - name: a\n   title: b\n", "Indent the line"),
        ("steps:\n\t- name: a\n", "no tabs"),
        ("name: car\nsteps:\n- name: a\n  why: b\n  name: c\n", "name is in lines 3 and 5"),
        ('name: "car\nversion: 1\n', "not closed"),
    ],
)
def test_the_hint_fits_what_is_no_yaml(text: str, hint: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_flow(text)
    assert hint in refused.value.hint


def test_a_question_mark_within_braces_is_told_with_the_line(tmp_path: Path) -> None:
    (tmp_path / "car.yaml").write_text("name: car\nversion: 1\ntitle: {en: Which car?, de: Welches?}\n")
    with pytest.raises(InvalidInput) as refused:
        load_folder(tmp_path)
    assert "line 3" in refused.value.message
    assert "quotes" in refused.value.hint


def test_the_newest_version_is_for_new_sessions_and_each_keeps_its_own(tmp_path: Path) -> None:
    for version in (3, 10):
        (tmp_path / f"car.{version}.yaml").write_text(car(version=version))
    (tmp_path / "notes.txt").write_text("not a flow")
    gone = parse_flow(car(version=2))
    flows = Flows([*shipped_flows(), *load_folder(tmp_path)], "car", [gone])
    assert flows.default.version == 10
    assert flows.choose("car", 3).version == 3
    assert flows.get("car", 2) is gone
    for name, version in (("car", 2), ("bike", 0)):
        with pytest.raises(NotFound):
            flows.choose(name, version)
    with pytest.raises(NotFound):
        flows.get("car", 1)


def test_files_that_do_not_fit_together_are_refused() -> None:
    flow = parse_flow(car())
    with pytest.raises(InvalidInput, match="Two files have the flow car@3"):
        Flows([flow, flow], "car")
    with pytest.raises(InvalidInput, match="default flow bike"):
        Flows([flow], "bike")


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("[A-Z]{2,4}-?[0-9]{3,6}", ""),
        ("(?:[A-Z]{1,2}-)?[0-9]{4}|X[0-9]", ""),
        ("([A-Z0-9]+-?)+X", "greatest length"),
        ("([A-Z0-9]{1,8}-?){1,7}", "must not repeat"),
        ("(?i)[a-z]{2}-[0-9]{4}", "has flags"),
        ("[A-Z0-9-]{4,10}", "ask for a digit"),
        ("[A-Z]{3}", "ask for a digit"),
        ("[A-Za-z]{2}[0-9]{4}", ""),
        ("(?:x|y)[0-9]{4}", "capitals"),
    ],
)
def test_a_format_of_a_code_is_short_bounded_and_has_a_digit(pattern: str, told: str) -> None:
    assert told in problem_of_format(pattern, 64)
    assert bool(told) == bool(problem_of_format(pattern, 64))
