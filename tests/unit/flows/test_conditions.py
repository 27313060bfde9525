"""Conditions hold for what is known, and never because something is not."""

from __future__ import annotations

from itertools import product
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from server.flows.conditions import Condition
from server.flows.definition import Check

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


NAMES: Final = ("a", "b", "c")
_NAME: Final = st.sampled_from(NAMES)
_LEAVES: Final = st.one_of(
    st.builds(lambda name, value: {"field": name, "is": value}, _NAME, st.booleans()),
    st.builds(lambda name, value: {"field": name, "given": value}, _NAME, st.booleans()),
    st.builds(lambda name, other: {"field": name, "is": {"field": other}}, _NAME, _NAME),
)
CONDITIONS: Final = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.builds(lambda parts: {"all": parts}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda parts: {"any": parts}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda part: {"not": part}, inner),
    ),
    max_leaves=5,
)


@settings(deadline=None)
@given(CONDITIONS, st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["yes", "no"])))
def test_what_is_true_stays_true_when_more_is_known(content: dict[str, Any], known: dict[str, str]) -> None:
    condition = Condition.model_validate(content)
    truth, unknown = condition.truth(known), [name for name in NAMES if name not in known]
    if not unknown:
        assert truth is condition.holds(known)
    if truth is None or "given" in str(content):
        return
    for values in product(["yes", "no"], repeat=len(unknown)):
        assert condition.holds({**known, **dict(zip(unknown, values, strict=True))}) is truth


@pytest.mark.parametrize(
    ("condition", "truth"),
    [
        ({"any": [{"field": "phone", "given": True}, {"field": "email", "given": True}]}, False),
        ({"any": [{"field": "place", "given": True}, {"field": "email", "given": True}]}, True),
        ({"any": [{"field": "unit", "is": "kWh"}, {"field": "nothing", "is": 1}]}, None),
        ({"all": [{"field": "unit", "is": "kWh"}, {"field": "nothing", "is": 1}]}, False),
        ({"not": {"field": "nothing", "above": 1}}, None),
        ({"field": "nothing", "given": True}, False),
    ],
)
def test_what_is_unknown_is_no_answer_but_given_always_has_one(condition: dict[str, Any], truth: bool | None) -> None:
    assert Condition.model_validate(condition).truth(KNOWN) is truth


def test_every_name_is_known_of_a_nested_condition() -> None:
    nested = {"all": [{"not": {"field": "a", "is": 1}}, {"any": [{"field": "b", "above": {"field": "c"}}]}]}
    assert Condition.model_validate(nested).names() == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        ({"all": [{"field": "a", "given": True}, {"field": "b", "below": 10}]}, {"a"}),
        ({"any": [{"field": "a", "given": True}, {"not": {"field": "b", "given": False}}]}, {"a", "b"}),
        ({"all": [{"not": {"field": "a", "given": True}}, {"field": "b", "given": True}]}, {"b"}),
        ({"all": [{"field": "a", "given": False}, {"field": "b", "below": 10}]}, set()),
        ({"not": {"any": [{"field": "a", "given": False}, {"not": {"field": "b", "given": True}}]}}, {"a", "b"}),
    ],
)
def test_what_a_condition_forbids_is_not_to_be_given(condition: dict[str, Any], names: set[str]) -> None:
    assert Condition.model_validate(condition).given_names() == names


@pytest.mark.parametrize(("damage", "fails"), [(None, False), ("none", False), ("dent", True)])
def test_a_check_applies_where_its_own_condition_is_known_to_hold(damage: str | None, fails: bool) -> None:
    when = {"not": {"field": "damage", "is": "none"}}
    content = {"name": "noted", "when": when, "require": {"field": "note", "given": True}, "message": "Tell of it."}
    assert Check.model_validate(content).fails({} if damage is None else {"damage": damage}) is fails
