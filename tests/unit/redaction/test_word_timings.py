"""Words with times say no more than the text that they belong to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.redaction.redactor import LocalRedactor
from models.redaction.streaming.word_timings import redacted_words
from models.redaction.types import RedactionContext
from models.speech.types import RedactedWord, Segment, Transcript, Word
from models.text import RawText, TextSource
from tests.fakes.classifier import WordListClassifier

SPEECH = RedactionContext(TextSource.SPEECH)
REDACTOR = LocalRedactor(WordListClassifier({"john": "GIVEN_NAME", "carter": "SURNAME"}))


def segment(text: str, begin_s: float = 0.0, *, timed: bool = True, lost: tuple[int, ...] = ()) -> Segment:
    """Half a second a word; the words at the places in ``lost`` have no time."""
    words = tuple(
        Word(RawText(word), begin_s + n / 2, begin_s + n / 2 + 0.4, 0.5 + n / 100)
        for n, word in enumerate(text.split())
        if timed and n not in lost
    )
    return Segment(RawText(text), begin_s, begin_s + len(text.split()) / 2, 0.8, words)


def timed(*segments: Segment) -> tuple[str, tuple[RedactedWord, ...]]:
    heard = Transcript(segments, "en", 10.0, 0.1)
    redaction = REDACTOR.redact(heard.text, SPEECH)
    return redaction.text.value, redacted_words(heard, redaction)


def test_a_tag_is_one_word_with_the_times_of_all_its_words() -> None:
    text, words = timed(segment("Hello, I am John Carter. Call four one five, five five five, oh one three two today."))
    assert text == "Hello, I am [REDACTED_NAME]. Call [REDACTED_PHONE] today."
    assert [w.text.value for w in words] == text.split()
    name = words[3]
    assert (name.start_s, name.end_s, name.confidence) == (1.5, 2.4, 0.53)
    phone = words[5]
    assert (phone.start_s, phone.end_s, phone.confidence) == (3.0, 7.9, 0.56)
    assert phone.text.counts == {"PHONE": 1}
    assert [w.start_s for w in words] == sorted(w.start_s for w in words)


def test_repeated_words_keep_their_order_across_segments() -> None:
    text, words = timed(segment("the pump is the old one"), segment("the pump leaks", 10.0))
    assert " ".join(w.text.value for w in words) == text
    assert [w.start_s for w in words] == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 10.0, 10.5, 11.0]


@pytest.mark.parametrize(
    ("lost", "start_s", "end_s"),
    [((1,), 0.4, 1.0), ((0,), 0.0, 0.5), ((2,), 0.9, 1.5)],
)
def test_a_word_without_a_time_lies_between_its_neighbours(lost: tuple[int, ...], start_s: float, end_s: float) -> None:
    _text, words = timed(segment("seven old pumps", lost=lost))
    assert [w.text.value for w in words] == ["seven", "old", "pumps"]
    word = words[lost[0]]
    assert (word.start_s, word.end_s, word.confidence) == (start_s, end_s, 0.8)


def test_words_of_a_removed_loop_are_left_out() -> None:
    whole = segment("no no no no no the pump is old")
    cut = Segment(RawText("no the pump is old"), 0.0, 4.5, 0.8, whole.words)
    text, words = timed(cut)
    assert " ".join(w.text.value for w in words) == text == "no the pump is old"
    assert words[1].start_s == 2.5


def test_a_removed_word_is_not_matched_inside_another_word() -> None:
    whole = segment("no no no the another pump")
    cut = Segment(RawText("no the another pump"), 0.0, 3.0, 0.8, whole.words)
    text, words = timed(cut)
    assert [w.text.value for w in words] == text.split()
    assert [w.start_s for w in words] == [0.0, 1.5, 2.0, 2.5]


@given(
    st.lists(
        st.lists(st.sampled_from(("john", "carter,", "four", "one", "five", "pump", "my name is", "the")), min_size=1),
        min_size=1,
        max_size=4,
    ),
    st.data(),
)
def test_words_joined_are_the_text(parts: list[list[str]], data: st.DataObject) -> None:
    texts = [" ".join(part) for part in parts]
    lost = tuple(data.draw(st.sets(st.integers(0, 6))))
    text, words = timed(*(segment(t, 100.0 * n, lost=lost) for n, t in enumerate(texts)))
    # A tag may end within a word, whose rest then sticks to it.
    assert "".join(w.text.value for w in words).replace(" ", "") == text.replace(" ", "")
    assert all(word.start_s <= word.end_s for word in words)
