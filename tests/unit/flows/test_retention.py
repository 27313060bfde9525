"""A flow says how long what is stored of its sessions is kept, by the names of the settings."""

from __future__ import annotations

import pytest
from vestibule.v1 import flow_pb2

from models.errors import InvalidInput
from server.cli.flow_outline import outline
from server.cli.flow_starter import starter
from server.flows.catalogue import SITE_VISIT, Flows
from server.flows.definition import FlowDefinition
from server.flows.loader import parse_flow, shipped_flows
from server.flows.retention import RetentionPart
from server.setting_groups import RetentionSettings
from tests.unit.flows.problems import told_of

PLAIN = starter("car_return").partition("\n# Events that")[0]


def parsed(retention: str) -> FlowDefinition:
    return parse_flow(f"{PLAIN}\nretention: {{{retention}}}\n")


def test_a_flow_and_the_settings_and_the_messages_have_the_same_names() -> None:
    names = set(RetentionPart.model_fields)
    assert set(RetentionSettings.model_fields) == names
    assert {field.name for field in flow_pb2.FlowRetention.DESCRIPTOR.fields} == names


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("turns_days: 0", "retention.turns_days: input should be greater than 0"),
        ("turns_days: -3", "retention.turns_days: input should be greater than 0"),
        ("turns_days: 100000", "retention.turns_days: input should be less than or equal to 36500"),
        ("turns_days: forever", "retention.turns_days: input should be a valid number"),
        ("pictures_days: 3", "retention.pictures_days: extra inputs are not permitted"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(given: str, told: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parsed(given)
    assert any(told_of(each).startswith(told) for each in refused.value.violations)


def test_the_shorter_of_both_wins() -> None:
    settings = RetentionSettings(turns_days=30, artifacts_days=5, letters_days=None, sealed_days=None)
    flow = parsed("turns_days: 7.5, artifacts_days: 90, records_days: 365")
    assert settings.with_flow(flow.retention) == {"turns_days": 7.5, "artifacts_days": 5, "records_days": 365}
    assert settings.with_flow(parse_flow(PLAIN).retention) == settings.limits


def test_a_flow_without_limits_has_the_content_that_it_had() -> None:
    plain = parse_flow(PLAIN)
    assert "retention" not in plain.content
    assert parsed("").digest == plain.digest
    assert parsed("turns_days: 7").digest != plain.digest
    again = FlowDefinition.model_validate_json(parsed("turns_days: 7").content)
    assert again.retention.limits == {"turns_days": 7}


def test_the_outline_says_how_long() -> None:
    assert "Kept: turns 7 days, or as the settings say" in outline(parsed("turns_days: 7"), "en")
    assert "Kept: as the settings say" in outline(parse_flow(PLAIN), "en")


def test_earlier_versions_are_known_and_each_once() -> None:
    flows = shipped_flows()
    [visit] = (flow for flow in flows if flow.name == SITE_VISIT)
    earlier = [visit.model_copy(update={"version": 7}), visit.model_copy(update={"title": "Another"})]
    known = Flows(flows, SITE_VISIT, earlier).known
    assert sorted(flow.label for flow in known) == sorted([*(flow.label for flow in flows), "site_visit@7"])
