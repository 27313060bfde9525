"""Facts are stored readable: which values they may have."""

from __future__ import annotations

import pytest

from server.flows.fact_values import Fact
from server.flows.facts import words_in_facts


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
        "",
    ],
)
def test_a_number_is_too_short_for_a_telephone_number_or_a_card(value: str) -> None:
    assert Fact(name="last", kind="number").problem(value)


@pytest.mark.parametrize("value", ["0", "-12", "4821", "999999999", "48190,5", "123456789.123", "1.000001"])
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
