"""Control and format characters, which a reader does not see: whatever they are put into is found all the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.redaction.explain import explain
from models.redaction.ner.token_pooling import words_of
from models.redaction.normalize import view
from models.redaction.policy.loader import parse_policies
from models.redaction.redactor import LocalRedactor
from models.redaction.types import RedactionContext
from models.text import RawText, TextSource
from tests.fakes.classifier import WordListClassifier
from tests.unit.redaction.helpers import found, patterns_only

BREAKS = "\t\n\r\x0b\x0c\x1c\x1d\x1e\x1f\x85"
INVISIBLE = st.characters(categories=["Cc", "Cf"], exclude_characters=BREAKS) | st.sampled_from("\u034f\ufe0f\u3164")
ANY_TEXT = st.text(st.sampled_from("ab 5@.-\n") | st.characters(categories=["Cc", "Cf", "Mn", "So", "Lu"]), max_size=60)
PERSONAL = "Hello, I am Maria Lopez of 12 Elm Street, ring 415-555-0132 or write to jo.reed@example.com by noon"
PATTERNS = patterns_only()


def redacted(redactor: LocalRedactor, text: str, source: TextSource = TextSource.TYPED) -> str:
    return redactor.redact(RawText(text), RedactionContext(source)).text.value


@st.composite
def with_invisible(draw: st.DrawFn, text: str) -> str:
    """The text with invisible characters in any places."""
    put = draw(st.lists(st.tuples(st.integers(0, len(text)), INVISIBLE), min_size=1, max_size=30))
    for at, char in sorted(put, reverse=True):
        text = text[:at] + char + text[at:]
    return text


@pytest.fixture(scope="module")
def real(real_redactor: LocalRedactor) -> LocalRedactor:
    return real_redactor


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("Jo\u200bhn", "John"),
        ("a\0b\x07c\x7fd\x9fe", "abcde"),
        ("\ufeffso\u00adft\u2060", "soft"),
        ("page\x0cpage\x85line\u2028line\x1ffield", "page\npage\nline\nline\nfield"),
        ("1\ufe0f\u20e3", "1"),
        ("\ud800", ""),
        ("tab\tand\r\nline stay, é too", "tab\tand\r\nline stay, é too"),
    ],
)
def test_the_visible_view_has_the_text_a_reader_sees(text: str, seen: str) -> None:
    assert view.visible(text).text == seen


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("call 415-5\x0055-0132", [("PHONE", "415-5\x0055-0132")]),
        ("mail jo\u200bhn@exa\x07mple.com.", [("EMAIL", "jo\u200bhn@exa\x07mple.com")]),
        ("I saw Mar\u00adia\u200b there", [("NAME", "Mar\u00adia\u200b")]),
        ("Mar\u200bia", [("NAME", "Mar\u200bia")]),
        ("Maria\x0cLopez", [("NAME", "Maria\x0cLopez")]),
        ("no\u200bt", []),
        ("\u200b", []),
    ],
)
def test_offsets_refer_to_the_original_text(text: str, expected: list[tuple[str, str]]) -> None:
    redactor = LocalRedactor(WordListClassifier({"maria": "GIVEN_NAME", "lopez": "SURNAME"}))
    assert found(text, redactor=redactor) == expected


@settings(max_examples=40, deadline=None)
@given(with_invisible(PERSONAL), st.sampled_from(TextSource))
def test_invisible_characters_do_not_prevent_redaction(text: str, source: TextSource) -> None:
    assert view.visible(redacted(PATTERNS, text, source)).text == redacted(PATTERNS, PERSONAL, source)


@settings(deadline=None)
@given(ANY_TEXT, st.sampled_from(TextSource))
def test_no_text_makes_a_pattern_fail(text: str, source: TextSource) -> None:
    redaction = PATTERNS.redact(RawText(text), RedactionContext(source))
    assert all(0 <= e.start < e.end <= len(text) for e in redaction.entities)


def test_explanations_have_offsets_of_the_original_text() -> None:
    policies = parse_policies("default: {entities: [PHONE], allow: [Maria Reed]}")
    redactor = LocalRedactor(WordListClassifier({"maria": "GIVEN_NAME"}), policies=policies)
    text = "\u200bMar\u200bia Reed, 415-555\u200b-0132, jo\u00ad@example.com"
    why = explain(redactor, RawText(text), RedactionContext())
    assert [text[e.entity.start : e.entity.end] for e in why.replaced] == ["415-555\u200b-0132"]
    left = [(text[e.entity.start : e.entity.end], e.left_by) for e in why.left]
    assert left == [("Mar\u200bia", "allow-list"), ("jo\u00ad@example.com", "policy")]


def test_words_that_share_a_token_get_the_same_probabilities() -> None:
    words = words_of("so a\u2603b", [(0, 2), (3, 6)])
    seen = words.pool(np.array([[0.1], [0.7]], dtype=np.float32), np.array([[1.0], [3.0]], dtype=np.float32))
    assert seen.spans == [(0, 2), (3, 4), (5, 6)]
    assert seen.probabilities.ravel().tolist() == pytest.approx([0.1, 0.7, 0.7])
    assert seen.states.ravel().tolist() == [1.0, 3.0, 3.0]


@pytest.mark.models
@pytest.mark.parametrize("char", "\0\x07\x0b\x1f\x7f\x85\u00ad\u200b\ufeff\u2603\U0001f44d\ud800")
def test_a_last_word_with_any_invisible_character_is_handled(real: LocalRedactor, char: str) -> None:
    for text in (f"a{char}b", f"now a{char}b", f"the valve is clo{char}sed", f"I am Maria Lopez a{char}b"):
        assert "Lopez" not in redacted(real, text)
    assert view.visible(redacted(real, f"I am Maria Lopez, not{char}")).text.startswith("I am [REDACTED_NAME], not")


@pytest.mark.models
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_invisible_characters_do_not_prevent_redaction_of_names(real: LocalRedactor, data: st.DataObject) -> None:
    text = data.draw(with_invisible(PERSONAL))
    assert view.visible(redacted(real, text)).text == redacted(real, PERSONAL)
    redacted(real, data.draw(ANY_TEXT))
