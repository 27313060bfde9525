"""The word lists that ship with the package are whole, and a broken one is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.redaction.itn.lexicon import lexicon_for
from models.redaction.lexicons import loader
from models.redaction.lexicons.accents import with_optional_accents
from models.redaction.lexicons.loader import (
    LexiconInvalid,
    across,
    alternatives,
    checked,
    languages,
    word_lists,
    word_tables,
    words,
)
from models.redaction.lexicons.schema import SUBJECTS, Form, Subject
from models.redaction.normalize.view import original
from models.redaction.slots import announcements
from models.redaction.slots.announcements import SUBJECT, announcements_of


def test_words_that_yaml_would_parse_as_booleans_stay_words() -> None:
    assert checked("lists: no on y 12\n", "test")["lists"] == ("no", "on", "y", "12")


def test_entries_of_a_list_may_hold_spaces() -> None:
    assert checked("cues:\n  - 'call me on'\n  - up\n", "test")["cues"] == ("call me on", "up")


@pytest.mark.parametrize(
    "text", ["", "- a\n", "a: {b: c}\n", "a: []\n", "a: ''\n", "a: [[b]]\n", "a: b b\n", "a: ['é', 'é']\n", "a: [b\n"]
)
def test_a_broken_list_is_refused(text: str) -> None:
    with pytest.raises(LexiconInvalid, match="test"):
        checked(text, "test")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("all: a\nshort: [b\n", "months.yaml is no YAML"),
        ("all: a\n\nal: b\n", "months.yaml, line 3: al is no list of this file; it has all, short"),
        ("all: a\nall: b\n", "months.yaml, line 2: all is there twice"),
        ("short: a\n", "months.yaml lacks all"),
        ("all:\n  - a\n  - a\n", "months.yaml, line 2: all has a twice"),
        ("all: a\nshort: '('\n", "months.yaml, line 2: short: \\( is no regular expression"),
    ],
)
def test_a_message_names_file_line_and_list(text: str, message: str) -> None:
    subject = Subject("", Form.EXPRESSIONS, {"all": "", "short": ""}, ("all",))
    with pytest.raises(LexiconInvalid, match=f"^xx/{message}"):
        checked(text, "xx/months.yaml", subject)


def test_a_list_across_languages_has_each_entry_once_and_english_first() -> None:
    months = across("months", "all")
    assert months[0] == "january"
    assert {"enero", "janvier", "april"} <= set(months)
    assert len(months) == len(set(months))
    assert alternatives("months", "all").split("|")[0] == with_optional_accents(max(months, key=len))


def test_a_language_without_a_list_has_none() -> None:
    assert word_lists("xx", SUBJECT) == {}
    assert {"de", "en", "es", "fr", "hi", "it", "pt"} <= set(languages(SUBJECT))


def test_announcements_without_a_required_list_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    lists = {name: entries for name, entries in word_lists("it", SUBJECT).items() if name not in {"stops", "verbs"}}
    monkeypatch.setattr(announcements, "word_lists", lambda language, subject: lists)
    with pytest.raises(LexiconInvalid, match="announcements lacks verbs, stops"):
        announcements_of.__wrapped__("it")


@pytest.mark.parametrize("language", [*languages(SUBJECT), "xx", ""])
def test_announcements_of_every_language_compile_and_know_english(language: str) -> None:
    found = list(announcements_of(language).of(original("my number is")))
    assert [(a.type, a.told) for a in found] == [("PHONE", True)]


FILES = sorted(Path(loader.__file__).parent.rglob("*.yaml"))


def test_every_file_of_a_language_has_a_subject() -> None:
    assert {file.stem for file in FILES if file.parent.name != loader.ANY} <= set(SUBJECTS)


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_every_lexicon_file_loads(file: Path) -> None:
    assert (
        word_tables(file.parent.name, file.stem) if file.stem == "spoken" else word_lists(file.parent.name, file.stem)
    )


def test_a_missing_list_gives_an_empty_set() -> None:
    assert words("xx", "stopwords") == words("de", "stopwords", "xx") == frozenset()
    assert "wasserhahn" in words("DE-at", "stopwords")


@pytest.mark.parametrize("language", languages("spoken"))
def test_number_words_of_every_language_are_parsed(language: str) -> None:
    for digits, entries in word_tables(language, "spoken")["numbers"].items():
        for word in entries:
            assert lexicon_for(language).numbers[word] == digits


def test_a_table_gives_the_words_of_a_value() -> None:
    assert word_tables("en", "spoken")["numbers"]["4"] == ("four", "for")
    assert word_tables("xx", "spoken") == {}
    assert lexicon_for("de").numbers["zweihundertfünfunddreißig"] == "235"
    assert "hundert" not in lexicon_for("de").numbers
