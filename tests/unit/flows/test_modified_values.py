"""A value that is denied, bounded, corrected, or a part of another one is read as what was meant, or not at all."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

import pytest
from pydantic import TypeAdapter

from models.text import RedactedText
from server.flows.fields import ChoiceField, FieldDefinition
from server.flows.reading.answer_text import AnswerText
from server.flows.reading.choices import read_choice
from server.flows.reading.reader import Request, read_value

_TODAY: Final = date(2026, 11, 28)
"""A Saturday."""


def option(value: str, **words: str) -> dict[str, Any]:
    return {"value": value, "words": {code: each.split("|") for code, each in words.items()}}


_FUEL: Final = [
    option("none", en="empty", de="leer", es="vacío"),
    option("quarter", en="a quarter|1/4", de="ein Viertel|1/4", es="un cuarto"),
    option("half", en="half", de="halb|die Hälfte", es="la mitad|medio"),
    option("most", en="three quarters|3/4", de="drei Viertel|drei Vierteln|dreiviertel", es="tres cuartos"),
    option("all", en="full", de="voll", es="lleno"),
]
_CONDITION: Final = [
    option("mint", en="new", de="neu", es="nuevo"),
    option("worn", en="worn|used", de="gebraucht|benutzt", es="usado"),
    option("broken", en="damaged", de="beschädigt", es="dañado"),
]
_FIELDS: Final[dict[str, dict[str, Any]]] = {
    "fuel": {"kind": "choice", "options": _FUEL},
    "condition": {"kind": "choice", "options": _CONDITION},
    "damage": {"kind": "yes_no"},
    "mileage": {"kind": "number", "unit": "km", "minimum": 0, "maximum": 999999},
    "people": {"kind": "number", "minimum": 1, "decimals": 0},
    "weight": {"kind": "number", "unit": "kg", "unit_words": ["kilos", "kilo"], "minimum": 0, "decimals": 3},
    "cost": {"kind": "number", "unit": "EUR", "unit_words": ["euros", "euro"], "decimals": 2},
    "cold": {"kind": "number", "unit": "°C", "unit_words": ["degrees", "Grad", "grados"], "decimals": 1},
    "charge": {"kind": "number", "unit": "%", "maximum": 100},
    "day": {"kind": "date"},
    "hour": {"kind": "time"},
}


def read(name: str, language: str, text: str) -> str | None:
    field = TypeAdapter[FieldDefinition](FieldDefinition).validate_python({"name": name, "ask": "?", **_FIELDS[name]})
    material = AnswerText(RedactedText.literal(text), "speech", language, _TODAY)
    return read_value(field, material, Request(asked=True))


@pytest.mark.parametrize(
    ("language", "text", "value"),
    [
        ("en", "three quarters empty", "quarter"),
        ("en", "a quarter empty", "most"),
        ("en", "half empty", "half"),
        ("de", "zu drei Vierteln leer", "quarter"),
        ("es", "tres cuartos vacío", "quarter"),
        ("en", "three quarters full", "most"),
        ("en", "a quarter is missing", None),
        ("de", "ein Viertel fehlt", None),
        ("es", "le falta un cuarto", None),
        ("en", "at least half", None),
        ("en", "half or a little more", None),
        ("en", "more or less half", "half"),
        ("de", "gut halb voll", None),
        ("de", "noch halb voll", "half"),
        ("de", "weder ganz voll noch ganz leer", None),
        ("es", "está lleno hasta la mitad", None),
        ("en", "full, no wait, three quarters", "most"),
        ("en", "full, well, almost full", None),
        ("de", "voll, äh nein, dreiviertel", "most"),
        ("es", "lleno no, tres cuartos", "most"),
        ("en", "it was full when I got it, now it is half", "half"),
        ("en", "it was full, a quarter is left", None),
    ],
)
def test_parts_of_a_whole(language: str, text: str, value: str | None) -> None:
    assert read("fuel", language, text) == value


@pytest.mark.parametrize(
    ("language", "text", "value"),
    [
        ("en", "hardly worn", None),
        ("en", "barely used", None),
        ("de", "kaum benutzt", None),
        ("es", "apenas usado", None),
        ("en", "as good as new", None),
        ("en", "anything but new", None),
        ("en", "all but new", None),
        ("de", "so gut wie neu", None),
        ("es", "nuevo no es", None),
        ("en", "nothing is damaged", None),
        ("en", "a little worn", "worn"),
        ("en", "worn, no damage", "worn"),
        ("en", "worn rather than damaged", "worn"),
        ("en", "damaged, sorry, I mean worn", "worn"),
        ("en", "I don't think it is actually damaged", None),
        ("de", "Ich glaube nicht, dass es beschädigt ist", None),
        ("es", "no creo que esté dañado", None),
        ("de", "beschädigt, nein Moment, nur gebraucht", "worn"),
        ("es", "dañado, bueno no, más bien usado", "worn"),
    ],
)
def test_options(language: str, text: str, value: str | None) -> None:
    assert read("condition", language, text) == value


@pytest.mark.parametrize(
    ("language", "text", "value"),
    [
        ("en", "I can't say for sure", None),
        ("en", "I wouldn't say no", None),
        ("en", "not that I know", "no"),
        ("de", "das kann ich so nicht sagen", None),
        ("de", "weiß ich ehrlich gesagt nicht", None),
        ("de", "sicher nicht", "no"),
        ("de", "nein, doch, ein Kratzer", None),
        ("es", "no sabría decirle", None),
        ("es", "seguro que no", "no"),
    ],
)
def test_yes_and_no(language: str, text: str, value: str | None) -> None:
    assert read("damage", language, text) == value


@pytest.mark.parametrize(
    ("name", "language", "text", "value"),
    [
        ("mileage", "en", "nearly 50,000", None),
        ("mileage", "de", "ein paar hundert mehr als 51000", None),
        ("mileage", "de", "über 48000 km", None),
        ("mileage", "en", "about 48,000 km", "48000"),
        ("mileage", "de", "1.000 km", "1000"),
        ("mileage", "en", "1.000 km", None),
        ("mileage", "en", "45000\u201346000", None),
        ("mileage", "en", "mileage - 48213", "48213"),
        ("weight", "de", "1.250 kg", None),
        ("weight", "de", "1,250 kg", "1.250"),
        ("weight", "de", "0.500 kg", "0.500"),
        ("weight", "de", "4821.500 kg", "4821.500"),
        ("weight", "en", "four or five kilos", None),
        ("weight", "de", "ein Kilo fünfhundert", None),
        ("weight", "es", "tres kilos y medio", "3.5"),
        ("weight", "en", "one and three quarter kilos", None),
        ("weight", "en", "500 grams", None),
        ("cost", "de", "zwölf Euro fünfzig", None),
        ("cost", "en", "twelve fifty", None),
        ("people", "es", "dos adultos y un niño", None),
        ("people", "de", "in 3 Tagen", None),
        ("people", "en", "it isn't really 4", None),
        ("people", "en", "no it's 4", "4"),
        ("cold", "en", "- 18", None),
        ("cold", "es", "\u201318", "-18"),
        ("cold", "de", "18 Grad unter null", "-18"),
        ("cold", "en", "eighteen degrees below zero", "-18"),
        ("charge", "en", "two thirds", None),
        ("charge", "en", "three quarters", None),
        ("charge", "es", "ochenta por ciento", "80"),
        ("mileage", "de", "Der Kilometerstand ist 52.000, 107 km", None),
        ("mileage", "en", "48,203, 48,213 km", None),
        ("mileage", "de", "48.203, nein, warte, 48.213 km", "48213"),
        ("mileage", "de", "zwei Koffer, 48213 km", "48213"),
    ],
)
def test_numbers(name: str, language: str, text: str, value: str | None) -> None:
    assert read(name, language, text) == value


@pytest.mark.parametrize(
    ("language", "text", "value"),
    [
        ("en", "Dec 3", "2026-12-03"),
        ("en", "5 Jan", "2027-01-05"),
        ("hi", "3 अप्रैल", "2027-04-03"),
        ("en", "Dec 1st or 2nd", None),
        ("en", "Dec 1st, or maybe the 2nd", None),
        ("en", "My first day is Dec 1", "2026-12-01"),
        ("en", "before the 5th of December", None),
        ("de", "bis zum 5. Dezember", None),
        ("es", "entre el 3 y el 5 de diciembre", None),
        ("en", "Dec 3, sorry, Dec 4", "2026-12-04"),
        ("de", "nicht heute, morgen", "2026-11-29"),
        ("de", "nicht morgen", None),
        ("es", "mañana no, pasado mañana", "2026-11-30"),
        ("en", "tomorrow, no, Monday", None),
        ("en", "two weeks from today", "2026-12-12"),
        ("de", "heute in einer Woche", "2026-12-05"),
        ("de", "in einem Monat", "2026-12-28"),
    ],
)
def test_days(language: str, text: str, value: str | None) -> None:
    assert read("day", language, text) == value


@pytest.mark.parametrize(
    ("language", "text", "value"),
    [
        ("en", "not before 9 am", None),
        ("de", "nach 18 Uhr", None),
        ("de", "zwischen 8 und 9 Uhr", None),
        ("de", "viertel 8 Uhr", None),
        ("de", "zehn vor halb acht", "07:20"),
        ("es", "a las ocho menos diez", "07:50"),
        ("es", "a las doce de la noche", None),
        ("en", "6 pm, sorry, at 7", None),
        ("en", "at 5, sorry, 6 pm", "18:00"),
        ("en", "at 8 or at 9:30", None),
    ],
)
def test_times(language: str, text: str, value: str | None) -> None:
    assert read("hour", language, text) == value


@pytest.mark.parametrize(
    "text", ["drei vierte voll", "noch zu 3-4 den voll", "Der Tank ist, hm, ungefähr drei vierte voll."]
)
@pytest.mark.parametrize("asked", [True, False])
def test_a_label_beside_a_word_for_another_option_names_neither(text: str, asked: bool) -> None:
    options = [{"value": "full", "label": "voll"}, {"value": "most", "words": ["drei vierte", "3-4"]}]
    field = ChoiceField.model_validate({"name": "fuel", "ask": "Wie voll?", "kind": "choice", "options": options})
    assert read_choice(field, AnswerText(RedactedText.literal(text), "speech", "de", _TODAY), asked=asked) is None
