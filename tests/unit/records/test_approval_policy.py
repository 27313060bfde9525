"""Nobody has to approve a record only where everything that its flow asks for is certain."""

from __future__ import annotations

from typing import Any, Final

import pytest
import yaml

from server.flows.definition import FlowDefinition
from server.flows.loader import parse_flow
from server.llm.record_rules import missing_in
from server.llm.types import Confidence, OnboardingRecord, RecordField
from server.records.approval_policy import is_enough

_EITHER: Final = {"any": [{"field": "phone", "given": True}, {"field": "email", "given": True}]}


def flow(none_when: dict[str, Any], *checks: dict[str, Any]) -> FlowDefinition:
    fields = [
        {"name": "cost", "kind": "number", "ask": "What does it cost?", "required": False},
        *(
            {"name": name, "kind": "personal", "entities": [name.upper()], "ask": "How?", "required": False}
            for name in ("phone", "email")
        ),
    ]
    content = {
        "name": "repair",
        "version": 1,
        "title": "Repair",
        "steps": [{"name": "one", "fields": fields}],
        "checks": [{"name": f"check_{n}", "require": check, "message": "No."} for n, check in enumerate(checks)],
        "approval": {"none_when": none_when},
    }
    return parse_flow(yaml.safe_dump(content))


def record(**values: str) -> OnboardingRecord:
    fields = (RecordField(name, value, "turn-1", Confidence.SURE) for name, value in values.items())
    return OnboardingRecord("A repair.", tuple(fields))


@pytest.mark.parametrize(
    ("values", "enough"),
    [({"cost": "20"}, True), ({"cost": "2000"}, False), ({}, False), ({"phone": "yes"}, False)],
)
@pytest.mark.parametrize("none_when", [{"field": "cost", "below": 100}, {"not": {"field": "cost", "at_least": 100}}])
def test_what_is_unknown_never_approves(none_when: dict[str, Any], values: dict[str, str], enough: bool) -> None:
    assert is_enough(flow(none_when), {}, record(**values)) is enough


def test_a_check_that_wants_one_of_two_fields_names_both_as_missing() -> None:
    wanting = flow({"field": "cost", "below": 100}, _EITHER)
    assert missing_in(record(cost="20"), wanting, {}) == ("phone", "email")
    assert not is_enough(wanting, {}, record(cost="20"))
    assert missing_in(record(cost="20", email="yes"), wanting, {}) == ()
    assert is_enough(wanting, {}, record(cost="20", email="yes"))
