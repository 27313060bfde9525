"""The page about flows shows a flow that can be used."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import reduce
from operator import or_

import pytest
import yaml

from server.flows.loader import parse_flow, shipped_flows
from server.llm.record_rules import missing_in
from server.llm.types import OnboardingRecord, RecordField
from tests.source_tree import ROOT
from tests.unit.flows.test_dialogue import FLOWS, Talk
from tests.unit.llm.texts import redacted

PAGE = (ROOT / "docs" / "concepts" / "flows.md").read_text(encoding="utf-8")


def test_the_flow_on_the_page_is_one_and_takes_the_parts_that_are_shown_later() -> None:
    shown, *parts = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert list(parse_flow(shown).fields) == ["mileage", "fuel"]
    whole = parse_flow(yaml.safe_dump(reduce(or_, map(yaml.safe_load, [shown, *parts]))))
    assert whole.retention.limits["turns_days"] == 90
    assert whole.facts[1].options == ["vienna", "leeds_north"]
    assert str(whole.declared_events["form_sent"]["channel"]) == "[app, web, branch]"


def test_of_a_contract_number_and_a_plate_the_second_is_asked_for_only_if_the_first_was_skipped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown, *parts = (yaml.safe_load(part) for part in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
    flow = parse_flow(yaml.safe_dump(shown | next(part for part in parts if "steps" in part)))
    monkeypatch.setitem(FLOWS, flow.name, flow)
    assert [Talk(flow.name).open, Talk(flow.name).say("MV-204817")] == ["contract", ""]
    talk = Talk(flow.name)
    assert talk.say("skip") == "plate"
    assert talk.say(redacted("It is [REDACTED_PLATE]", PLATE=1)) == ""
    for known, missing in ((), ("contract", "plate")), (("plate",), ()), (("contract",), ()):
        record = OnboardingRecord("", tuple(RecordField(name, "yes", "turn") for name in known))
        assert missing_in(record, flow, {}) == missing


@pytest.mark.parametrize(
    ("flow", "text", "answered"),
    [
        ("site_visit", "It reads 4821 m3.", ["meter_reading", "meter_unit"]),
        ("site_visit", "I have 4821.", []),
        ("staff_onboarding", "I am in field service.", ["department"]),
        ("staff_onboarding", "I start tomorrow.", []),
        ("staff_onboarding", "My first day is tomorrow.", ["start_date"]),
        ("staff_onboarding", "Yes, I drive.", []),
    ],
)
def test_some_kinds_need_their_question(flow: str, text: str, answered: list[str]) -> None:
    talk = Talk(flow, asked=False)
    talk.say(text)
    assert [row.field for row in talk.rows] == answered


def test_only_what_is_surely_redacted_counts() -> None:
    talk = Talk("staff_onboarding")
    unsure = replace(redacted("In field service."), safe_for_llm=False)
    assert [talk.say(unsure), talk.say("In field service.", "tomorrow", "38")] == ["department", "full_name"]
    assert talk.say(replace(redacted("I am [REDACTED_NAME_1]", NAME=1), safe_for_llm=False)) == "phone"


def test_every_flow_that_comes_with_the_server_is_named() -> None:
    assert all(f"`{flow.name}`" in PAGE for flow in shipped_flows())
