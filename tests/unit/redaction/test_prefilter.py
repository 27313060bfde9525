"""The prefilter of all recognizers finds what they find one by one."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.redaction.normalize.view import TextView, original
from models.redaction.patterns.pattern_recognizer import Pattern, PatternRecognizer
from models.redaction.patterns.prefilter import Prefilter
from models.redaction.patterns.regex_analysis import begins_with_digit
from models.redaction.recognizers.all import ALL
from models.redaction.types import RedactionContext
from models.text import Entity, TextSource

PREFILTER = Prefilter(ALL)
SAID = (
    "my name is ana rivas", "12 Elm Street", "415-555-0132", "536 22 1234", "4111 1111 1111 1111",
    "ana at example dot com",
    "born on 4 March 1984", "the door code is 4821", "B-MW 4821", "GB82 WEST 1234 5698 7654 32", "plot 12 sector 7",
    "calle mayor 5", "Hauptstraße 12", "DE-10115 Berlin", "मेरा नंबर ९८७६५ ४३२१०", "0x12", "ref.", "\u017fecret",
    "_99", "9" * 17,
    "MRN 00482113", "\ud800", "", "94 years old", "aged 101", "00:1B:44:11:3A:B7", "12.03.2019", "call me",
)  # fmt: skip


def one_by_one(view: TextView, context: RedactionContext) -> list[tuple[str, Entity]]:
    return [(r.name, entity) for r in ALL for entity in r.find(view, context)]


@given(
    st.lists(st.sampled_from(SAID), max_size=6), st.sampled_from(list(TextSource)), st.sampled_from([" ", ", ", "\n"])
)
@settings(max_examples=200, deadline=None)
def test_the_prefilter_gives_the_same_matches_in_the_same_order(
    said: list[str], source: TextSource, between: str
) -> None:
    view, context = original(between.join(said)), RedactionContext(source)
    assert [(r.name, e) for r, e in PREFILTER.find(view, context)] == one_by_one(view, context)


@given(st.text(alphabet="019 .-/+aAbZ_é५", max_size=40))
def test_matches_at_digits_are_those_of_the_expression(text: str) -> None:
    view = original(text)
    for recognizer in ALL:
        for pattern in recognizer.patterns if isinstance(recognizer, PatternRecognizer) else ():
            found = [match.span() for match in pattern.finditer(view)]
            assert found == [match.span() for match in pattern.regex.finditer(text)], pattern.regex.pattern


@pytest.mark.parametrize(
    ("expression", "begins"),
    [
        (r"(?<!\w)\d{9}", True),
        (r"(?<![\w.-])(?<!\d[ -])(?:[12] ?\d{2}|\d{7})(?!\w)", True),
        (r"(?<![^\W_])(?P<value>9\d)", True),
        (r"\d{9}", False),  # may begin within a longer number
        (r"(?<![.-])\d{9}", False),
        (r"(?<!\w)\d?[A-Z]\d", False),
        (r"(?<!\w)(?:\d{3}|[A-Z]{3})", False),
        (r"(?<!\w)[\dA]\d", False),
        (r"(?<!\w )\d", False),
        (r"(?<![^\d])\d", False),
    ],
)
def test_expressions_that_begin_with_a_digit_are_recognized(expression: str, begins: bool) -> None:
    assert begins_with_digit(re.compile(expression)) is begins


@pytest.mark.parametrize("answer", [None, [], [0]])
@pytest.mark.parametrize("text", ["a tall order", "nothing"])
def test_without_an_automaton_no_expression_is_skipped(answer: list[int] | None, text: str) -> None:
    class GivesUp:
        def Match(self, _text: bytes) -> list[int] | None:
            return answer

    tall = PatternRecognizer(
        "ID", "tall", (Pattern(re.compile("tall order"), 0.9), Pattern(re.compile("order of"), 0.9))
    )
    prefilter, view = Prefilter([tall]), original(text)
    prefilter._search._automaton = GivesUp()
    assert prefilter._search.may_match(view.keyed) == [0, 1]
    assert [entity for _, entity in prefilter.find(view, RedactionContext())] == list(
        tall.find(view, RedactionContext())
    )


def test_most_expressions_are_not_run_over_a_sentence() -> None:
    """Else the prefilter is of no use; a sentence without digits needs few."""
    view = original("We need a new pump before the end of the month, otherwise the north basement stays closed.")
    asked = len(PREFILTER._by_digits[0]) + len(PREFILTER._search.may_match(view.keyed))
    assert asked < len(PREFILTER._tasks) / 4
