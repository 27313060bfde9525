"""`vestibule flows`: what it lists, checks, shows and writes."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from click.testing import CliRunner, Result

from server.cli.flow_examples import personal_words, useless_examples
from server.cli.flow_starter import starter
from server.cli.main import cli
from server.flows.catalogue import shipped_catalogue
from server.flows.loader import load_flow, parse_flow


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(cli, ["flows", *arguments])
    assert result.exit_code == code, result.output
    return result


def test_a_new_flow_is_whole_and_fits_the_schema(tmp_path: Path) -> None:
    file = tmp_path / "flows" / "car_return.yaml"
    run("new", "car_return", "--out", str(file))
    assert load_flow(file).label == "car_return@1"
    schema = json.loads(run("schema").stdout)
    jsonschema.validate(yaml.safe_load(file.read_text()), schema)
    assert "car_return@1 is a flow" in run("check", "--no-examples", str(file)).stdout
    assert "is there already" in run("new", "car_return", "--out", str(file), code=2).stderr
    assert run("new", "car_return").stdout == file.read_text()


def test_a_name_that_is_none_is_told() -> None:
    assert "name (line 5): string should match" in run("new", "Car return", code=1).stderr


def test_a_folder_adds_to_what_comes_with_the_server(tmp_path: Path) -> None:
    run("new", "car_return", "--out", str(tmp_path / "car.yaml"))
    listed = json.loads(run("list", "--folder", str(tmp_path), "--json").stdout)
    assert {row["flow"]: row["from"] for row in listed} == {
        "incident_report": "the server",
        "site_visit": "the server",
        "staff_onboarding": "the server",
        "car_return": str(tmp_path),
    }


def test_every_file_is_checked_although_the_first_is_wrong(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    run("new", "good", "--out", str(good))
    bad.write_text("name: bad\nversion: 1\ntitle: Bad\n")
    result = run("check", "--no-examples", str(bad), str(good), code=1)
    assert "  steps (line 1): field required\n" in result.stderr
    assert "flows check FILE" not in result.stderr
    assert "good@1 is a flow" in result.stdout


def test_an_outline_names_steps_fields_and_conditions() -> None:
    told = run("show", "incident_report@1", "--language", "de").stdout
    for part in ("Vorfallmeldung", "Personen (if incident_type is accident)", "2 photographs of site", "below 100"):
        assert part in told
    assert "1 photographs" not in told + run("show", "site_visit").stdout
    assert "The flow has no such version. [FLOW_NOT_FOUND]" in run("show", "incident_report@9", code=1).stderr
    assert "There is no such flow. [FLOW_NOT_FOUND]" in run("show", "incident@9", code=1).stderr
    assert json.loads(run("show", "site_visit", "--json").stdout)["name"] == "site_visit"


def test_a_language_that_a_flow_lacks_is_refused() -> None:
    refused = run("show", "incident_report", "--language", "xx", code=2)
    assert "--language: incident_report@" in refused.stderr
    assert "has texts in en, de, es only" in refused.stderr
    german = run("show", "incident_report", "--language", "de").stdout
    assert run("show", "incident_report", "--language", "de-AT").stdout == german
    assert run("show", "incident_report").stdout == run("show", "incident_report", "--language", "en").stdout


def test_an_outline_has_the_rule_of_each_check_beside_its_message() -> None:
    told = run("show", "incident_report").stdout
    assert "  error injured_only_in_accidents: incident_type is accident (if injured is yes)\n" in told
    assert "    Somebody was injured, so it is an accident.\n" in told


def test_warnings_are_counted_beside_the_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "good.yaml"
    run("new", "good", "--out", str(file))
    hidden = "the redactor hides the example of mileage in en as NAME."
    for warnings, verdict in {(): "", (hidden,): ", with 1 warning", (hidden, hidden): ", with 2 warnings"}.items():
        monkeypatch.setattr("server.cli.flow_examples.useless_examples", lambda _flow, told=warnings: list(told))
        monkeypatch.setattr("server.cli.flow_examples.personal_words", lambda _flow: [])
        result = run("check", str(file))
        assert result.stdout == f"{file}: good@1 is a flow{verdict}.\n"
        assert result.stderr.count(f"Warning: {file}: {hidden}") == len(warnings)


def test_a_stage_that_is_no_known_event_is_told(tmp_path: Path) -> None:
    file = tmp_path / "good.yaml"
    file.write_text(
        starter("good") + "\nfunnel: {stages: [STARTED, record_propsed, stage_entered, upload_read, COMPLETED]}\n"
    )
    result = run("check", "--no-examples", str(file))
    assert result.stdout == f"{file}: good@1 is a flow, with 2 warnings.\n"
    for stage in ("record_propsed", "stage_entered"):
        assert f"Warning: {file}: {stage} in funnel.stages is no event of the server" in result.stderr
    file.write_text(starter("good") + "\nfunnel: {stages: [step_nowhere, foo, foo]}\n")
    wrong = run("check", "--no-examples", str(file), code=1).stderr
    line = len(file.read_text().splitlines())
    assert f"funnel.stages.0 (line {line}): the flow has no step nowhere" in wrong
    assert f"funnel.stages.2 (line {line}): foo is a stage before" in wrong


@pytest.mark.models
def test_an_example_that_the_redactor_hides_is_told() -> None:
    flow = shipped_catalogue().newest("site_visit")
    fields = [
        {"name": "callback", "kind": "code", "format": "[0-9-]{8,14}", "ask": "Which?", "example": "415-555-0132"}
    ]
    steps = [{"name": "person", "fields": fields}]
    wrong = parse_flow(yaml.safe_dump({"name": "calls", "version": 1, "title": flow.title["en"], "steps": steps}))  # type: ignore[index]  # given by language
    [told] = useless_examples(wrong)
    assert "callback" in told
    assert "[PHONE]" in told
    assert "415" not in told


@pytest.mark.models
def test_an_example_in_which_the_redactor_does_not_find_the_value_is_told() -> None:
    fields = [
        {"name": name, "kind": "personal", "entities": ["PHONE"], "ask": "Which number?", "example": example}
        for name, example in {"wrong": "hello", "right": "415-555-0132"}.items()
    ]
    steps = [{"name": "person", "fields": fields}]
    flow = parse_flow(yaml.safe_dump({"name": "calls", "version": 1, "title": "Calls", "steps": steps}))
    [told] = useless_examples(flow)
    assert told.startswith("the redactor finds no PHONE in the example of wrong in en.")
    assert "hello" not in told


@pytest.mark.models
def test_a_word_of_an_event_that_may_name_a_person_is_told() -> None:
    plain = starter("car_return").partition("\n# Events that")[0]
    events = {"maria_lopez_came": None, "form_sent": {"channel": ["web", "A-1042"]}}
    [told] = personal_words(parse_flow(f"{plain}\n{yaml.safe_dump({'events': events})}"))
    assert told.startswith("maria_lopez_came in events may name a person")
    assert personal_words(parse_flow(starter("car_return"))) == []
