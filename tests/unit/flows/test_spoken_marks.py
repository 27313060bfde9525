"""A minus and a decimal point that are said as words belong to their number, in every language of the guide."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.text import RedactedText
from server.flows.extraction import meter_reading
from server.flows.fields import NumberField
from server.flows.reading.answer_text import AnswerText
from server.flows.reading.numbers import read_number
from server.llm.written_values import numbers_in

_TEMPERATURE: Final = NumberField(kind="number", name="temperature", ask="How warm is it?", unit="°C", decimals=4)
_WORDS: Final = {
    "en": ("minus", "point", "zero one two three four five six seven eight nine"),
    "de": ("minus", "Komma", "null eins zwei drei vier fünf sechs sieben acht neun"),
    "es": ("menos", "coma", "cero uno dos tres cuatro cinco seis siete ocho nueve"),
    "fr": ("moins", "virgule", "zéro un deux trois quatre cinq six sept huit neuf"),
    "pt": ("menos", "vírgula", "zero um dois três quatro cinco seis sete oito nove"),
    "hi": ("माइनस", "दशमलव", "शून्य एक दो तीन चार पाँच छह सात आठ नौ"),
}


def read(text: str, language: str, field: NumberField = _TEMPERATURE) -> str | None:
    material = AnswerText(RedactedText.literal(text), "speech", language, date(2026, 11, 28))
    return read_number(field, material, asked=True)


@settings(deadline=None)
@given(
    st.sampled_from(sorted(_WORDS)),
    st.booleans(),
    st.integers(0, 9999),
    st.text("0123456789", max_size=4),
    st.booleans(),
)
def test_the_number_is_the_one_that_was_said(
    language: str, negative: bool, whole: int, decimals: str, in_words: bool
) -> None:
    minus, point, names = _WORDS[language]
    digits = [names.split()[int(digit)] for digit in decimals] if in_words else [decimals]
    said = " ".join([*[minus] * negative, str(whole), *([point, *digits] if decimals else [])])
    meant = Decimal(f"{'-' * negative}{whole}{'.' * bool(decimals)}{decimals}")
    found = read(said, language)
    if found is None:
        assert decimals == "1" and in_words, (
            "a lone word for one is an article, too, and then the number is asked again"
        )
        return
    assert Decimal(found) == meant
    stated = numbers_in(said, language)
    assert meant in stated
    assert -meant not in stated or not meant


@pytest.mark.parametrize(
    ("language", "text", "value"),
    [
        ("en", "minus eighteen degrees", "-18"),
        ("en", "thirty eight point five", "38.5"),
        ("de", "achtunddreißig Komma fünf Grad", "38.5"),
        ("fr", "moins dix-huit virgule cinq", "-18.5"),
        ("es", "menos dieciocho grados", "-18"),
        ("es", "más o menos dieciocho", "18"),
        ("es", "al menos dieciocho", None),
        ("fr", "au moins dix-huit", None),
        ("en", "plus or minus 18", "18"),
        ("en", "40 minus 2", None),
        ("en", "point five", None),
        ("en", "38 point five point two", None),
        ("en", "38 point something", None),
        ("fr", "1 000 virgule 5", "1000.5"),
        ("de", "minus 1 000 Komma 5", "-1000.5"),
        ("fr", "mille virgule cinq", "1000.5"),
        ("en", "at this point 48215", "48215"),
        ("de", "an diesem Punkt 48215", "48215"),
        ("es", "en este punto 48215", "48215"),
        ("fr", "à ce point 48215", "48215"),
        ("pt", "neste ponto 48215", "48215"),
        ("en", "point 3: it was 48215 °C", "48215"),
        ("de", "Punkt 8, es waren 48215 °C", "48215"),
        ("en", "it is point five", None),
    ],
)
def test_a_number_with_words_around_it(language: str, text: str, value: str | None) -> None:
    assert read(text, language) == value


_ABOUT: Final = {
    "en": ("more or less", "plus or minus"),
    "de": ("plus minus", "plus oder minus", "mehr oder weniger"),
    "es": ("nada menos", "más o menos", "mas o menos", "ni más ni menos", "más menos"),
    "fr": ("plus ou moins", "ni plus ni moins", "plus moins"),
    "pt": ("nada menos", "mais ou menos", "nem mais nem menos"),
    "hi": ("प्लस माइनस",),
}
_BOUNDS: Final = {
    "en": ("at least", "no less than", "more than", "less than", "at most", "nearly", "just over", "up to"),
    "de": ("mindestens", "wenigstens", "höchstens", "mehr als", "weniger als", "knapp", "über", "bis zu", "gut"),
    "es": (
        *("al menos", "por lo menos", "a lo menos", "lo menos", "cuando menos", "cuanto menos"),
        *("creo que por lo menos", "más de", "menos de", "casi", "como mucho", "hasta"),
    ),
    "fr": ("au moins", "du moins", "tout le moins", "pour le moins", "plus de", "presque"),
    "pt": ("pelo menos", "ao menos", "quando menos", "mais de", "quase"),
    "hi": ("कम से कम",),
}
_BELOW_ZERO: Final = {
    "en": ("minus", "it is minus", "about minus", "well, minus"),
    "de": ("minus", "es sind minus", "ungefähr minus", "also, minus"),
    "es": ("menos", "es menos", "está a menos", "hace menos", "una temperatura de menos", "bueno, menos"),
    "fr": ("moins", "il fait moins", "c'est moins", "à moins", "une température de moins", "bon, moins"),
    "pt": ("menos", "é menos", "está a menos", "faz menos", "uma temperatura de menos", "bem, menos"),
    "hi": ("माइनस", "तापमान माइनस"),
}


@pytest.mark.parametrize(("language", "words"), [(code, words) for code in _ABOUT for words in _ABOUT[code]])
def test_about_is_no_minus(language: str, words: str) -> None:
    assert read(f"{words} 18", language) == "18"
    assert numbers_in(f"{words} 18", language) == {Decimal(18)}


@pytest.mark.parametrize(("language", "words"), [(code, words) for code in _BOUNDS for words in _BOUNDS[code]])
def test_the_bound_of_a_number_is_not_the_number(language: str, words: str) -> None:
    assert read(f"{words} 18", language) is None
    assert numbers_in(f"{words} 18", language) == {Decimal(18)}


@pytest.mark.parametrize(("language", "words"), [(code, each) for code in _BELOW_ZERO for each in _BELOW_ZERO[code]])
def test_a_minus_that_begins_a_number_is_its_sign(language: str, words: str) -> None:
    assert read(f"{words} 18", language) == "-18"
    assert numbers_in(f"{words} 18", language) == {Decimal(-18)}


@pytest.mark.parametrize(
    ("language", "text"), [("es", "todos menos 18"), ("fr", "il y a moins 18"), ("pt", "todos menos 18")]
)
def test_a_word_that_may_be_less_or_minus_gives_no_number(language: str, text: str) -> None:
    assert read(text, language) is None
    assert not numbers_in(text, language)


@pytest.mark.parametrize("text", ["1 000.5", "1 000,5", "12 345 678,25", "-1 000.5"])
def test_digits_that_are_grouped_by_spaces_keep_their_decimals(text: str) -> None:
    assert Decimal(text.replace(" ", "").replace(",", ".")) in numbers_in(text, "fr")


def test_a_minus_that_the_field_does_not_allow_is_asked_again() -> None:
    assert read("minus 18", "en", _TEMPERATURE.model_copy(update={"minimum": 0.0})) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("four eight two one point five cubic metres", "4821.5"),
        ("Der Zähler zeigt 4821 Komma fünf Kubikmeter", "4821.5"),
        ("four eight two one point twenty five cubic metres", None),
        ("the meter reads minus 4821 cubic metres", None),
        ("four eight two one cubic metres, that is the point", "4821"),
        ("el contador marca por lo menos 4821 kWh", "4821"),
        ("the meter reads 48,215.5 kWh", "48215.5"),
        ("the meter reads 48,215 point 5 kWh", "48215.5"),
        ("Zähler 48.215,5 kWh", "48215.5"),
        ("le compteur affiche 48 215,5 kWh", "48215.5"),
        ("the meter reads 1,248,215.25 kWh", "1248215.25"),
        ("the meter reads 48,215. 5 kWh were added", "48215"),
        ("the meter reads 4 8 2 1 5.5 kWh", None),
        ("at this point the meter reads 4821 kWh", "4821"),
    ],
)
def test_a_meter_reading_has_its_decimals(text: str, value: str | None) -> None:
    reading = meter_reading(text)
    assert (None if reading is None else reading.value) == value
