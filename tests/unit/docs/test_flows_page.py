"""The page about flows shows a flow that can be used."""

from __future__ import annotations

import re

from server.flows.loader import parse_flow, shipped_flows
from tests.source_tree import ROOT

PAGE = (ROOT / "docs" / "concepts" / "flows.md").read_text(encoding="utf-8")


def test_the_flow_on_the_page_is_one() -> None:
    [shown] = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert list(parse_flow(shown).fields) == ["mileage", "fuel"]


def test_every_flow_that_comes_with_the_server_is_named() -> None:
    assert all(f"`{flow.name}`" in PAGE for flow in shipped_flows())
