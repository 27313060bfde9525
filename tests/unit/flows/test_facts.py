"""Facts are stored readable: which values they may have."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from models.errors import InvalidInput
from models.reasons import Reason
from server.cli.flow_starter import starter
from server.flows.fact_values import Fact
from server.flows.facts import check_facts, words_in_facts
from server.flows.loader import parse_flow
from tests.fakes.guide import FLOWS


@pytest.mark.parametrize(
    "value",
    [
        "436641234567",  # telephone numbers
        "4155550132",
        "-4155550132",
        "4111111111111111",  # cards, also with a point
        "371449635.398431",
        "4222222222222",
        "1234567890",
        "٤٨٢١",  # digits of another script, which no condition compares
        "48 190",
        "48,190",  # a comma may group digits or begin decimals
        "48190,5",
        "",
    ],
)
def test_a_number_is_too_short_for_a_telephone_number_or_a_card(value: str) -> None:
    assert Fact(name="last", kind="number").problem(value)


@pytest.mark.parametrize("value", ["0", "-12", "4821", "999999999", "48190.5", "123456789.123", "1.000001"])
def test_readings_and_amounts_fit(value: str) -> None:
    assert Fact(name="last", kind="number").problem(value) == ""


@pytest.mark.parametrize(
    ("word", "fits"), [("pool_car", True), ("line_7", True), ("t_4155550132", False), ("a415_555_0132", False)]
)
def test_a_word_has_few_digits(word: str, fits: bool) -> None:
    assert (Fact(name="contact", kind="word").problem(word) == "") is fits


def test_the_redactor_reads_words_only() -> None:
    facts = {"a": "anna_maier", "b": "4821", "c": "yes", "d": "2026-11-28", "e": "Meier", "f": "pool_car"}
    assert words_in_facts(facts) == ["anna_maier", "pool_car"]


OPTIONS = Fact(name="station", kind="word", options=["vienna", "leeds_north"])
FLOW = FLOWS.default.model_copy(update={"facts": [OPTIONS, Fact(name="car", kind="word")]})


def test_an_option_is_taken_although_the_redactor_finds_a_place_in_it() -> None:
    check_facts(FLOW, {"station": "vienna", "car": "pool_car"}, personal={"vienna", "leeds_north"})


@pytest.mark.parametrize(
    ("facts", "message", "hint"),
    [
        ({"station": "paris"}, "The fact station must be one of its options.", "vienna, leeds_north"),
        ({"station": "anna_maier"}, "The fact station must be one of its options.", "vienna, leeds_north"),
        ({"car": "anna_maier"}, "A fact of the session may name a person or a place.", "list them as its options"),
        ({"car": "vienna"}, "A fact of the session may name a person or a place.", "list them as its options"),
        ({"bus": "vienna"}, "does not have one of these facts", "Its facts: station, car."),
    ],
)
def test_any_other_word_is_refused_without_repeating_it(facts: dict[str, str], message: str, hint: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_facts(FLOW, facts, personal={"vienna", "anna_maier"})
    assert caught.value.reason is Reason.FACT_INVALID
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert not {"paris", "anna_maier"} & {*caught.value.message.split(), *caught.value.hint.split()}


def test_the_violation_names_the_fact_and_not_its_value() -> None:
    with pytest.raises(InvalidInput) as caught:
        check_facts(FLOW, {"car": "pool_car", "station": "paris"})
    [violation] = caught.value.violations
    assert (violation.field, violation.description) == ('facts["station"]', "must be one of its options")


@pytest.mark.parametrize(
    ("kind", "options", "told"),
    [
        ("number", ["one"], "only a word has options"),
        ("word", ["one", "one"], "two options are the same"),
        ("word", ["t_4155550132"], "more than 9 digits"),
        ("word", ["Vienna"], "should match pattern"),
    ],
)
def test_options_are_different_words(kind: str, options: list[str], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Fact.model_validate({"name": "station", "kind": kind, "options": options})


def test_a_condition_compares_a_fact_with_its_options_only() -> None:
    plain = starter("car_return").replace("kind: number}      #", "kind: word, options: [old, new]} #", 1)
    assert "last_reading, kind: word" in plain
    usual = "require: {field: reading, at_least: {field: last_reading}}"
    parse_flow(plain.replace(usual, "require: {field: last_reading, is: old}"))
    with pytest.raises(InvalidInput) as refused:
        parse_flow(plain.replace(usual, "require: {field: last_reading, is: brand_new}"))
    [problem] = refused.value.violations
    assert "compares last_reading with a value that is none of its options" in problem.description
