"""Literals derived from expressions: a text without them has no match."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.redaction.normalize.view import keyed, original
from models.redaction.patterns.pattern_recognizer import Pattern, PatternRecognizer
from models.redaction.patterns.required_literals import required_pieces
from models.redaction.recognizers.all import ALL


@pytest.mark.parametrize(
    ("expression", "pieces"),
    [
        (r"\d{1,4} (?:Street|Road)", (" road", " street")),
        (r"ab(?:cd|ef)?gh", ("abgh", "abcdgh", "abefgh")),
        (r"(?<!\w)tel[:.]?\d+", ("tel",)),
        (r"(?:calle|[Cc]arrer) \w+", ("calle ", "carrer ")),
        (r"\w+@\w+", ("@",)),
        (r"x?y?\d", ()),
        (r"(?:street|st)", ()),
        (r"(?:abc)*", ()),
        (r"(?:abc){2,5}", ("abc",)),
        (r"gr[a-z]n", ()),
        (r"(?i:BEARER|basic) \S", ("basic ", "bearer ")),
    ],
)
def test_required_literals_of_an_expression(expression: str, pieces: tuple[str, ...]) -> None:
    assert required_pieces(re.compile(expression)) == pieces


@pytest.mark.parametrize("odd", ["\u017fecret", "bearer \u0131d", "P\u0130N 1234"])
def test_letters_that_fold_to_ascii_are_matched(odd: str) -> None:
    regex = re.compile("secret|bearer id|pin 1234", re.IGNORECASE)
    assert regex.search(odd)
    assert original(odd).has_any(required_pieces(regex))


HINTED = [
    pytest.param(p, id=f"{r.name}:{p.name}")
    for r in ALL
    if isinstance(r, PatternRecognizer)
    for p in r.patterns
    if p.hints
]


@pytest.mark.parametrize("pattern", HINTED)
def test_hand_written_literals_cover_the_derived_ones(pattern: Pattern) -> None:
    for piece in required_pieces(pattern.regex):
        assert any(hint in piece for hint in pattern.hints), piece


BY_HAND_ALONE = [case for case in HINTED if not required_pieces(case.values[0].regex)]  # type: ignore[union-attr]


@pytest.mark.parametrize("pattern", BY_HAND_ALONE)
@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data())
def test_every_match_contains_a_hand_written_literal(pattern: Pattern, data: st.DataObject) -> None:
    text = data.draw(st.from_regex(_searchable(pattern.regex)))
    if pattern.regex.search(text):
        assert original(text).has_any(pattern.hints), "the quick test would have skipped a match"


CONTEXTS = [pytest.param(r, id=r.name) for r in ALL if isinstance(r, PatternRecognizer) and r.context_pieces]


@pytest.mark.parametrize("recognizer", CONTEXTS)
@settings(max_examples=5, deadline=None)
@given(data=st.data())
def test_every_context_word_contains_a_required_literal(recognizer: PatternRecognizer, data: st.DataObject) -> None:
    assert recognizer.context is not None
    text = data.draw(st.from_regex(_searchable(recognizer.context)))
    if recognizer.context.search(original(text).lower):
        assert original(text).has_any(recognizer.context_pieces)


def _searchable(regex: re.Pattern[str]) -> re.Pattern[str]:
    """The expression without what looks behind, which the generator can only hope to fulfil."""
    return re.compile(re.sub(r"\(\?<[!=](?:[^()\\]|\\.|\[[^\]]*\])*\)", "", regex.pattern), regex.flags)


@given(st.text(alphabet=string.printable + "\u017f\u0131\u0130ßäÄ", max_size=40))
def test_keyed_texts_are_lower_case(text: str) -> None:
    lower = original(text).keyed
    assert keyed(lower) == lower
    assert not any(c in lower for c in "\u017f\u0131\u0130" + string.ascii_uppercase)
