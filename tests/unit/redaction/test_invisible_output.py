"""Invisible characters are removed from the output, because a model would read them."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.redaction.normalize import view
from models.redaction.normalize.invisible import without_invisible
from models.redaction.redacted_text import redacted_prefix
from models.redaction.redactor import LocalRedactor
from models.redaction.streaming.open_tail import TailAwareRedactor
from models.redaction.streaming.partials import PartialRedactor, PartialState
from models.redaction.streaming.segments import redact_segments
from models.redaction.streaming.word_timings import redacted_words
from models.redaction.types import RedactionContext
from models.speech.types import Segment, Transcript, Word
from models.text import RawText, TextSource
from tests.fakes.classifier import WordListClassifier

REDACTOR = LocalRedactor(WordListClassifier({"john": "GIVEN_NAME", "carter": "SURNAME"}))
SPEECH = RedactionContext(TextSource.SPEECH)
CARRIERS = re.compile("[\ud800-\udfff\u200b\u2060-\u2064\ufe00-\ufe0e\ufeff\U000e0000-\U000e0fff]")
HIDDEN = st.characters(min_codepoint=0xE0000, max_codepoint=0xE01EF) | st.sampled_from(
    "\u200b\u200c\u200d\u2060\u2063\u2064\ufe00\ufe0e\ufe0f\ufeff\u00ad\u202e\x07\x1c\x1f\ud800"
)
SHOWN = st.sampled_from(
    ["Hello", " ", " ", ". ", "I am ", "John Carter", "415-555-0132", "the pump", "क", "ष", "\u2764", "\U0001f469", "1"]
)
PIECES = st.lists(SHOWN | HIDDEN, max_size=40)


def tags(text: str) -> str:
    """The text in characters that show nothing."""
    return "".join(chr(0xE0000 + ord(c)) for c in text)


FLAGS = [f"\U0001f3f4{tags(region)}\U000e007f" for region in ("gbeng", "gbsct", "gbwls")]


def split_up(text: str) -> str:
    """The text with a hidden message after every character."""
    return "".join(c + tags("hi") for c in text)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("hello" + tags("jo@example.com"), "hello"),
        (tags("ring 415-555-0132"), ""),
        ("smile \U0001f600" + "".join(chr(0xE0100 + b) for b in b"jo@example.com"), "smile \U0001f600"),
        ("a\u200b\u2060b\u200c\u200dc\ufe0f\ud800\0d", "abcd"),
        ("one\x1c\x1dtwo\u2028three", "one\n\ntwo\nthree"),
        (
            "\u2764\ufe0f \u00a9\ufe0f\ufe0f $\ufe0f 1\ufe0f\u20e3 1\ufe0f",
            "\u2764\ufe0f \u00a9\ufe0f $ 1\ufe0f\u20e3 1",
        ),
        ("\U0001f469\u200d\u2764\ufe0f\u200d\U0001f468", "\U0001f469\u200d\u2764\ufe0f\u200d\U0001f468"),
        ("क्\u200dष क्\u200c\u200d\u200cष \u0645\u06cc\u200c\u062e", "क्\u200dष क्\u200cष \u0645\u06cc\u200c\u062e"),
        ("\u0601\u0661\u0662", "\u0601\u0661\u0662"),
        *((f"at {flag} now", f"at {flag} now") for flag in FLAGS),
        # any other word in tag characters, also after a flag, may be a message
        (f"\U0001f3f4{tags('ustx')}\U000e007f", "\U0001f3f4"),
        (f"\U0001f3f4{tags('gbeng')}", "\U0001f3f4"),
        (f"{FLAGS[0]}{tags('gbeng')}\U000e007f{tags('hi')}", FLAGS[0]),
        (f"\U0001f3f4{tags('gbengsecret')}\U000e007f", "\U0001f3f4"),
        ("tab\tand\r\nline stay, é too", "tab\tand\r\nline stay, é too"),
    ],
)
def test_invisible_characters_are_removed_from_the_output(text: str, written: str) -> None:
    redaction = REDACTOR.redact(RawText(text), RedactionContext())
    assert redaction.text.value == written
    assert redaction.text.safe_for_llm
    assert redaction.entities == ()


@pytest.mark.parametrize("source", TextSource)
def test_invisible_characters_change_no_tag_and_no_count(source: TextSource) -> None:
    plain = "Hello, I am John Carter, ring 415-555-0132 or write to jo@example.com"
    expected = REDACTOR.redact(RawText(plain), RedactionContext(source))
    text = split_up(plain)
    got = REDACTOR.redact(RawText(text), RedactionContext(source))
    assert (got.text.value, got.text.counts) == (expected.text.value, expected.text.counts)
    originals = [view.visible(text[e.start : e.end]).text for e in got.entities]
    assert originals == [plain[e.start : e.end] for e in expected.entities]


@settings(max_examples=60, deadline=None)
@given(PIECES, st.sampled_from(TextSource))
@example(["Hello", *tags("john carter")], TextSource.TYPED)
def test_no_output_holds_invisible_characters(pieces: list[str], source: TextSource) -> None:
    text, context = "".join(pieces), RedactionContext(source)
    redaction = REDACTOR.redact(RawText(text), context)
    behind = TailAwareRedactor(REDACTOR, RawText("my number is " + tags("x"))).redact(RawText(text), context)
    whole, parts = redact_segments([RawText(piece) for piece in pieces], REDACTOR, context)
    for written in (redaction.text, behind.text, whole.text, *parts):
        assert not CARRIERS.search(written.value)
        assert not any(unicodedata.category(c) == "Cc" and c not in "\t\n\r" for c in written.value)


@settings(deadline=None)
@given(PIECES.map("".join), st.data())
def test_removal_is_idempotent_and_prefix_stable(text: str, data: st.DataObject) -> None:
    written = without_invisible(text)
    assert without_invisible(written) == written
    assert view.visible(written).text == view.visible(text).text
    assert written.startswith(without_invisible(text[: data.draw(st.integers(0, len(text)))]))


def test_a_prefix_is_cut_in_the_original() -> None:
    text = split_up("I am John Carter today")
    redaction = REDACTOR.redact(RawText(text), RedactionContext())
    (entity,) = redaction.entities
    prefix = redacted_prefix(text, redaction, entity.end)
    assert (prefix.value, prefix.counts) == ("I am [REDACTED_NAME]", {"NAME": 1})


def test_invisible_characters_do_not_change_partials() -> None:
    def shown(words: list[str]) -> list[str]:
        partials, state = PartialRedactor(REDACTOR), PartialState()
        values = []
        for count in range(1, len(words) + 1):
            text, state = partials.step(state, RawText(" ".join(words[:count])), SPEECH)
            values.append(text.value)
        return values

    said = "the old pump in the cellar leaks since the day before we came here and it is loud"
    words = said.split()
    hidden = [word + tags("jo@example.com") for word in words]
    values = shown(hidden)
    assert not any(map(CARRIERS.search, values))
    assert values[-1]
    assert all("".join(words).startswith(value.replace(" ", "")) for value in values)


def test_timed_words_hold_no_invisible_characters() -> None:
    said = ["Hello", tags("hi"), "I", "am", "John" + tags("hi"), "Carter", "to" + tags("x") + "day"]
    words = tuple(Word(RawText(word), n / 2, n / 2 + 0.4, 0.9) for n, word in enumerate(said))
    heard = Transcript((Segment(RawText(" ".join(said)), 0.0, 4.0, 0.8, words),), "en", 10.0, 0.1)
    timed = redacted_words(heard, REDACTOR.redact(heard.text, SPEECH))
    assert [(w.text.value, w.start_s, w.end_s) for w in timed] == [
        ("Hello", 0.0, 0.4), ("I", 1.0, 1.4), ("am", 1.5, 1.9), ("[REDACTED_NAME]", 2.0, 2.9), ("today", 3.0, 3.4),
    ]  # fmt: skip
