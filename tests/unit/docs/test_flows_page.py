"""The page about flows shows a flow that can be used."""

from __future__ import annotations

import re
from functools import reduce
from operator import or_

import yaml

from server.flows.loader import parse_flow, shipped_flows
from tests.source_tree import ROOT

PAGE = (ROOT / "docs" / "concepts" / "flows.md").read_text(encoding="utf-8")


def test_the_flow_on_the_page_is_one_and_takes_the_parts_that_are_shown_later() -> None:
    shown, *parts = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert list(parse_flow(shown).fields) == ["mileage", "fuel"]
    whole = parse_flow(yaml.safe_dump(reduce(or_, map(yaml.safe_load, [shown, *parts]))))
    assert whole.retention.limits["turns_days"] == 90
    assert whole.facts[1].options == ["vienna", "leeds_north"]
    assert str(whole.declared_events["form_sent"]["channel"]) == "[app, web, branch]"


def test_every_flow_that_comes_with_the_server_is_named() -> None:
    assert all(f"`{flow.name}`" in PAGE for flow in shipped_flows())
