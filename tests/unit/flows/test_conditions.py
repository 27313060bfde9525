"""Conditions hold for what is known, and never because something is not."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from server.flows.conditions import Condition

KNOWN = {
    "reading": "4821.50",
    "last": "4790",
    "unit": "m3",
    "day": "2026-11-28",
    "hurt": "yes",
    "place": "North Gate",
    "cost": "1,000",
}


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"field": "reading", "is": 4821.5}, True),
        ({"field": "reading", "is": "4821,5"}, False),
        ({"field": "cost", "below": 100}, False),
        ({"field": "cost", "above": 0}, False),
        ({"field": "reading", "at_least": {"field": "last"}}, True),
        ({"field": "last", "at_least": {"field": "reading"}}, False),
        ({"field": "reading", "above": {"field": "last", "plus": 31.5}}, False),
        ({"field": "reading", "at_most": {"field": "last", "plus": 31.5}}, True),
        ({"field": "unit", "in": ["kWh", "m3"]}, True),
        ({"field": "hurt", "is": True}, True),
        ({"field": "hurt", "is": False}, False),
        ({"field": "place", "is": " north gate"}, True),
        ({"field": "day", "below": "2026-12-01"}, True),
        ({"field": "day", "above": "2026-12-01"}, False),
        ({"field": "day", "above": 4}, False),
        ({"field": "day", "given": True}, True),
        ({"field": "nothing", "given": False}, True),
        ({"field": "nothing", "is": 1}, False),
        ({"field": "nothing", "below": 1}, False),
        ({"field": "reading", "below": {"field": "nothing"}}, False),
        ({"not": {"field": "unit", "is": "kWh"}}, True),
        ({"all": [{"field": "hurt", "is": True}, {"field": "unit", "is": "kWh"}]}, False),
        ({"any": [{"field": "hurt", "is": False}, {"field": "unit", "is": "m3"}]}, True),
    ],
)
def test_what_holds(condition: dict[str, Any], holds: bool) -> None:
    assert Condition.model_validate(condition).holds(KNOWN) is holds


@pytest.mark.parametrize(
    "condition",
    [
        {},
        {"field": "a"},
        {"is": 1},
        {"field": "a", "is": 1, "below": 2},
        {"field": "a", "is": 1, "all": [{"field": "a", "is": 1}]},
        {"all": []},
        {"field": "A", "is": 1},
        {"field": "a", "equals": 1},
    ],
)
def test_what_is_no_condition(condition: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Condition.model_validate(condition)


def test_every_name_is_known_of_a_nested_condition() -> None:
    nested = {"all": [{"not": {"field": "a", "is": 1}}, {"any": [{"field": "b", "above": {"field": "c"}}]}]}
    assert Condition.model_validate(nested).names() == {"a", "b", "c"}
