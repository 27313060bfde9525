"""Every view of a text maps back to the original characters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.redaction.itn.view import spoken_view
from models.redaction.normalize import view as views
from models.redaction.normalize.transliterate import transliterate_word, transliterated


@pytest.mark.parametrize(
    ("language", "text", "normal"),
    [
        ("en", "double five five, oh one two", "555 012"),
        ("en", "triple seven one two three", "777123"),
        ("en", "forty five twenty two nineteen", "452219"),
        ("en", "one eight hundred five five five", "1800555"),
        ("en", "write to john dot carter at example dot com.", "write to john.carter@example.com."),
        ("en", "sue underscore 84 at mail dot example dot org", "sue_84@mail.example.org"),
        ("fr", "le zéro six quarante et un quinze", "le 064115"),
        ("de", "neunundvierzig eins zwei drei", "49123"),
        ("es", "cuarenta y tres noventa y uno", "4391"),
    ],
)
def test_spoken_text_is_normalized(language: str, text: str, normal: str) -> None:
    view = spoken_view(text, language)
    assert view is not None
    assert view.text == normal


@pytest.mark.parametrize(
    "text", ["", "a table for four at seven", "I am at the shop", "2019, 2020, 2021", "10,000,000"]
)
def test_a_text_without_spoken_numbers_has_no_view(text: str) -> None:
    assert spoken_view(text, "en") is None


def test_spelled_words_are_marked() -> None:
    view = spoken_view("it is K as in King, R, Z", "en")
    assert view is not None
    assert [view.text[a:b] for a, b in view.spelled] == ["krz"]
    assert view.original_span(*view.spelled[0]) == (6, 24)


@pytest.mark.parametrize(
    ("word", "latin"), [("शर्मा", "sharma"), ("राहुल", "rahul"), ("गांधी", "gandhi"), ("नीतीश", "nitish")]
)
def test_words_are_transliterated(word: str, latin: str) -> None:
    assert transliterate_word(word) == latin


def test_the_transliterated_view_keeps_other_words() -> None:
    view = transliterated("call राहुल now")
    assert view is not None
    assert view.text == "call rahul now"
    assert view.original_span(5, 10) == (5, 10)
    assert transliterated("nothing here") is None


SPOKEN_BITS = st.sampled_from(
    [
        "one",
        "double",
        "oh",
        "five",
        "dot",
        "at",
        "gmail",
        "com",
        "dash",
        "a",
        "B",
        "john",
        ",",
        ".",
        "P as in Peter",
        "@",
        "12",
    ]
)


@given(st.one_of(st.text(max_size=80), st.lists(SPOKEN_BITS, max_size=25).map(" ".join)))
def test_offset_maps_are_in_range_and_monotonic(text: str) -> None:
    readings = [
        views.original(text),
        views.visible(text),
        views.folded(text),
        views.ocr_corrected(text),
        transliterated(text),
    ]
    readings += [spoken_view(text, language) for language in ("en", "es", "fr", "de", "hi")]
    for view in readings:
        if view is None:
            continue
        assert len(view.text) == len(view.starts) == len(view.ends) == len(view.lower)
        assert all(0 <= a < b <= len(text) for a, b in zip(view.starts, view.ends, strict=True))
        assert list(view.starts) == sorted(view.starts)


@pytest.mark.parametrize(
    ("written", "read"),
    [("jo\uff20acme\uff0eorg", "jo@acme.org"), ("jo\ufe6bacme\u3002org", "jo@acme.org"), ("\u2202", "d")],
)
def test_signs_that_resemble_ascii_are_read_as_ascii(written: str, read: str) -> None:
    view = views.folded(written)
    assert view is not None
    assert view.text == read
