"""The rest of a name that was announced."""

from __future__ import annotations

import pytest

from models.redaction.normalize.view import original
from models.redaction.postprocess.whole_names import rest_of_names
from models.redaction.redactor import LocalRedactor
from models.redaction.types import RedactionContext, Suspect
from models.text import Entity, RawText, TextSource


def grown(text: str, *names: str, suspects: tuple[str, ...] = (), source: TextSource = TextSource.TYPED) -> list[str]:
    """The names that grew, where these were found and these words are suspected."""
    found = [Entity("NAME", text.index(name), text.index(name) + len(name), 0.9, "ner:surname") for name in names]
    suspected = [Suspect(text.index(word), text.index(word) + len(word)) for word in suspects]
    rest = rest_of_names(original(text), found, suspected, RedactionContext(source))
    return [text[entity.start : entity.end] for entity in rest]


@pytest.mark.parametrize(
    ("text", "found", "suspects", "whole"),
    [
        ("my name is nguyen thi hoa", "nguyen thi", (), "nguyen thi hoa"),
        ("name: le thi hoa, flat 3", "le thi", (), "le thi hoa"),
        ("name: le thi hoa\nflat 3", "le thi", (), "le thi hoa"),
        ("my surname is tran van duc mai.", "tran van", (), "tran van duc mai"),
        ("put me down as nguyen thi hoa", "nguyen", (), "nguyen thi hoa"),
        ("my name is nguyen thi hoa and i live here", "nguyen thi", ("hoa",), "nguyen thi hoa"),
        ("my name is nguyen thi hoa reporting a leak", "nguyen thi", ("hoa",), "nguyen thi hoa"),
        ("this is park ji hoon speaking", "park", ("hoon",), "park ji hoon"),
        ("i am nguyen thi hoa", "nguyen", ("hoa",), "nguyen thi hoa"),
        ("ask for mrs nguyen thi hoa", "nguyen", ("hoa",), "nguyen thi hoa"),
        ("this is mrs nguyen thi hoa from the office", "nguyen", ("hoa",), "nguyen thi hoa"),
        ("my name is mrs nguyen thi hoa", "nguyen thi", (), "nguyen thi hoa"),
        ("my name is ali al saud from acme", "ali", ("saud",), "ali al saud"),
        ("my name is le thi phuonganh", "le thi", ("phuonganh",), "le thi phuonganh"),
    ],
)
def test_an_announced_name_grows_by_the_words_that_follow(
    text: str, found: str, suspects: tuple[str, ...], whole: str
) -> None:
    for source in (TextSource.TYPED, TextSource.SPEECH):
        assert grown(text, found, suspects=suspects, source=source) == [whole]


def test_what_was_found_may_begin_with_the_announcement() -> None:
    assert grown("my name's kim min ji", "name's kim", suspects=("min", "ji")) == ["name's kim min ji"]


def test_names_that_overlap_grow_together() -> None:
    assert grown("my name is nguyen thi hoa", "nguyen", "nguyen thi") == ["nguyen thi hoa"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("my name is anna and i live here", "anna"),
        ("my name is kim from the office", "kim"),
        ("my name is anna smith reporting a leak", "anna smith"),
        ("my name is anna smith roof leaking", "anna smith"),  # the clause goes on
        ("my name is anna smith roof is wet", "anna smith"),
        ("my name is anna smith plumbing", "anna smith"),  # no short word
        ("my name is anna smith pls", "anna smith"),
        ("my name is anna smith boiler broken", "anna smith"),
        ("name: anna smith tel: 4821", "anna smith"),
        ("name: anna smith tel 4821", "anna smith"),
        ("my name is anna smith anna@example.com", "anna smith"),
        ("my name is anna smith example.com", "anna smith"),
        ("this is anna smith gas", "anna smith"),  # not sure, and nothing is suspected
        ("i saw anna smith gas", "anna smith"),
        ("My name is Anna Smith pal", "Anna Smith"),  # the writer uses capitals
        ("my name is anna. roof wet", "anna"),
        ("my name is anna, roof wet", "anna"),
    ],
)
def test_harmless_words_after_a_name_stay(text: str, found: str) -> None:
    assert grown(text, found) == []


@pytest.mark.parametrize(
    ("text", "found", "suspect"),
    [
        ("Frau Schmidt aus dem Erdgeschoss", "Schmidt", "Erdgeschoss"),  # the writer uses capitals
        ("can mrs pemberton pick ellie up", "pemberton", "pick"),  # a title alone, and the clause goes on
        ("my name is kim from the tower", "kim", "tower"),
    ],
)
def test_a_suspected_word_of_the_sentence_stays(text: str, found: str, suspect: str) -> None:
    assert grown(text, found, suspects=(suspect,)) == []


def test_a_suspected_word_without_an_announcement_stays() -> None:
    assert grown("we saw nguyen thi hoa", "nguyen", suspects=("hoa",)) == []


def test_a_name_does_not_grow_in_print() -> None:
    assert grown("name: le thi hoa", "le thi", suspects=("hoa",), source=TextSource.OCR) == []


def test_a_name_does_not_grow_into_another_value() -> None:
    text = "my name is anna smith flat b"
    found = [Entity("NAME", 11, 21, 0.9, "ner:surname"), Entity("ADDRESS", 22, 28, 0.9, "street")]
    assert list(rest_of_names(original(text), found, [Suspect(22, 26)], RedactionContext())) == []


@pytest.mark.models
@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "my name is nguyen thi hoa"),
        ("en", "Name: nguyen thi hoa"),
        ("en", "name: le thi hoa"),
        ("en", "name: kim min ji"),
        ("en", "my name is vo van kiet"),
        ("en", "i am called nguyen thi hoa"),
        ("es", "me llamo nguyen thi hoa"),
        ("fr", "mon nom est nguyen thi hoa"),
        ("de", "mein name ist nguyen thi hoa"),
        ("pt", "meu nome é nguyen thi hoa"),
    ],
)
@pytest.mark.parametrize("source", [TextSource.TYPED, TextSource.SPEECH])
def test_no_word_of_an_announced_name_in_small_letters_stays(
    real_redactor: LocalRedactor, language: str, text: str, source: TextSource
) -> None:
    value = real_redactor.redact(RawText(text), RedactionContext(source, language)).text.value
    assert value.endswith("[REDACTED_NAME]")


@pytest.mark.models
@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("my name is nguyen thi hoa and i live here", " and i live here"),
        ("my name is anna and i live here", " and i live here"),
        ("my name is kim from the office", " from the office"),
        ("my name is nguyen thi hoa reporting a leak", " reporting a leak"),
    ],
)
def test_the_harmless_rest_stays(real_redactor: LocalRedactor, text: str, rest: str) -> None:
    value = real_redactor.redact(RawText(text), RedactionContext(TextSource.TYPED)).text.value
    assert value == f"my name is [REDACTED_NAME]{rest}"
