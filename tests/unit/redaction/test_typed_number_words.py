"""Numbers that somebody types in words: they are read as they would be in speech."""

from __future__ import annotations

import pytest

from models.redaction.redactor import LocalRedactor
from models.redaction.slots.entities import SlotBars, slot_entities
from models.redaction.slots.types import SlotWord
from models.redaction.types import RedactionContext
from models.text import RawText, TextSource
from tests.unit.redaction.helpers import found


@pytest.fixture(scope="module")
def redactor(real_redactor: LocalRedactor) -> LocalRedactor:
    return real_redactor


def _redacted(redactor: LocalRedactor, text: str, language: str) -> str:
    return redactor.redact(RawText(text), RedactionContext(TextSource.TYPED, language)).text.value


HIDDEN = [
    ("en", "oh-one-three-treble-six then four-oh-nine then five-five-two", "oh one three treble six four nine five"),
    ("en", "call oh-one-six-one, four-nine-six, oh-double-three-two tonight", "oh one six four nine double three two"),
    ("en", "zero seven one eight eight, sorry, zero seven one eight nine, four four two six five oh",
     "zero seven one eight nine four two six five oh"),
    ("en", "two one two five, no wait, two one two six, five five five oh one nine nine", "two one five six oh nine"),
    ("en", "customer reference is four four one seven oh two eight", "four one seven oh two eight"),
    ("en", "staff badge seven one double oh three", "seven one double oh three"),
    ("en", "alarm is two oh six six then enter", "two oh six"),
    ("en", "the key box: one nine six one", "one nine six"),
    ("en", "policy number K T slash seven seven one oh five", "K T slash seven one oh five"),
    ("en", "and the three on the back are four oh nine", "four oh nine"),
    ("en", "the back of the card says four one nine", "four one nine"),
    ("en", "tel. two one six, five five five, oh one four four ext. sixty one", "two one six five oh four sixty"),
    ("de", "meine Nummer ist null-eins-sieben-zwei-fünf-fünf-null-vier-acht", "null eins sieben zwei fünf vier acht"),
    ("de", "Kundenreferenz vier vier eins acht null zwei", "vier eins acht null zwei"),
    ("fr", "mon numéro: zéro-six douze-trente-quatre cinquante-six-soixante-dix-huit", "zéro six douze trente"),
    ("es", "los tres dígitos de atrás son cuatro uno nueve", "cuatro uno nueve"),
    ("it", "il mio cellulare è tre-tre-tre quattro-uno-due otto-otto-zero-sette", "tre quattro uno due otto zero"),
    ("pt", "o meu número é nove-um-dois três-quatro-cinco seis-sete-oito", "nove um dois três quatro cinco seis sete"),
    ("hi", "मेरा नंबर नौ-आठ-दो-शून्य-एक-पाँच-पाँच-चार-चार-तीन है", "नौ आठ दो शून्य पाँच चार तीन"),
]  # fmt: skip


@pytest.mark.models
@pytest.mark.parametrize(("language", "text", "words"), HIDDEN)
def test_a_typed_number_in_words_is_hidden(redactor: LocalRedactor, language: str, text: str, words: str) -> None:
    redacted = _redacted(redactor, text, language)
    shown = set(redacted.replace("-", " ").replace(",", " ").split())
    assert "[REDACTED_" in redacted
    # "the three on the back" is talk, and so is "sorry": only words of the value are listed.
    assert shown & set(words.split()) == set()


HARMLESS = [
    ("en", "the meter reads four-eight-two-one point seven"),
    ("en", "there are twenty-five chairs and thirty-one tables"),
    ("en", "press one, then two, then three and wait"),
    ("en", "our order two two one four seven arrived broken"),
    ("en", "invoice four four one oh two is too high"),
    ("en", "serial number seven seven one two eight four"),
    ("en", "room two oh six is cold and room two oh eight too"),
    ("en", "error code seven one six again"),
    ("en", "the house was built in nineteen oh six"),
    ("en", "we need one-hundred-and-twenty metres of pipe"),
    ("en", "the warranty expires in september twenty eight"),
    ("de", "der Zählerstand ist vier acht zwei eins sieben"),
    ("fr", "le compteur indique quatre huit deux un sept"),
    ("es", "la lectura es cuatro ocho dos uno siete"),
    ("it", "la lettura è quattro otto due uno sette"),
    ("pt", "a leitura é quatro oito dois um sete"),
    ("hi", "मीटर की रीडिंग चार आठ दो एक सात है"),
]


@pytest.mark.models
@pytest.mark.parametrize(("language", "text"), HARMLESS)
def test_a_harmless_number_in_words_stays(redactor: LocalRedactor, language: str, text: str) -> None:
    assert _redacted(redactor, text, language) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("my number is double-oh-seven-nine-treble-four-two", "double-oh-seven-nine-treble-four-two"),
        ("my phone: oh-one-three-double-six then nine-two-eight", "oh-one-three-double-six then nine-two-eight"),
        ("my number is double - oh seven nine one eight four", "oh seven nine one eight four"),
    ],
)
def test_a_hyphen_may_stand_between_double_and_its_digit(text: str, value: str) -> None:
    assert [hidden for _label, hidden in found(text)] == [value]


@pytest.mark.parametrize(
    ("language", "text", "value"),
    [
        ("en", "client reference 5501238", "5501238"),
        ("en", "my membership ref no 5501238", "5501238"),
        ("en", "badge no. five five oh one two", "five five oh one two"),
        ("en", "staff no. 55012", "55012"),
        ("en", "he wears badge 4471", "4471"),
        ("en", "badge: 4471", "4471"),
        ("en", "the guard with badge four four seven one", "four four seven one"),
        ("de", "Kundenkennung: 5501238", "5501238"),
        ("es", "referencia del cliente 5501238", "5501238"),
        ("fr", "ma référence client est 5501238", "5501238"),
        ("it", "riferimento cliente 5501238", "5501238"),
        ("pt", "referência do cliente 5501238", "5501238"),
    ],
)
def test_the_reference_of_a_customer_and_the_number_of_a_badge_are_hidden(language: str, text: str, value: str) -> None:
    assert found(text, language=language) == [("ID", value)]


@pytest.mark.parametrize(
    "text",
    [
        "reference 5501238",
        "staff of 1200 people",
        "badge reader error 4410",
        "the badge reader has 1200 users",
        "badge 12 of 40",
        "badge printer 4471 is broken",
        "we printed 1200 badges",
    ],
)
def test_other_references_and_badges_stay(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize("text", ["the key safe is 4417", "lock box: 4417", "keybox four four one seven"])
def test_the_code_of_a_box_for_keys_is_hidden_without_the_word_code(text: str) -> None:
    assert [label for label, _value in found(text)] == ["SECRET"]


def test_a_box_for_keys_may_have_a_year_beside_it() -> None:
    assert found("the lockbox is broken since 2019") == []


def test_a_number_word_of_a_typed_text_has_a_bar_of_its_own() -> None:
    bars = SlotBars(sure=0.8, number_word=0.6)
    typed = SlotWord(0, 5, "SECRET", 0.7)
    assert list(slot_entities([typed], bars)) == []
    assert [(e.start, e.end) for e in slot_entities([typed._replace(number_word=True)], bars)] == [(0, 5)]
