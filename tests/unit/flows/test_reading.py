"""Values read from what people say, by kind and language. Many of the sentences are of real callers of a restaurant."""

from __future__ import annotations

from datetime import date
from typing import Final

import pytest

from models.redaction.commands import Command, says
from models.text import RedactedText
from server.flows.definition import FlowDefinition, Way
from server.flows.fields import PersonalField
from server.flows.loader import shipped_flows
from server.flows.reading.answer_text import AnswerText
from server.flows.reading.reader import Request, read_answer
from tests.unit.llm.texts import METER, REGISTER, redacted

FLOWS: Final = {flow.name: flow for flow in shipped_flows()}
TODAY: Final = date(2026, 11, 28)
"""A Saturday."""


def read(
    field: str,
    text: str | RedactedText,
    language: str = "en",
    *,
    asked: bool = True,
    corrects: bool = False,
    way: Way = "text",
    picture: str = "",
) -> str | None:
    [flow] = [flow for flow in FLOWS.values() if field in flow.fields]
    said = redacted(text) if isinstance(text, str) else text
    material = AnswerText(said, way, language, TODAY, picture)
    found = read_answer(flow.fields[field], flow.step_of(field), material, Request(asked, corrects))
    return None if found is None else found.value


@pytest.mark.parametrize(
    ("language", "text", "value"),
    [
        ("en", "38", "38"),
        ("en", "thirty eight hours", "38"),
        ("en", "about 38 and a half hours a week", "38.5"),
        ("en", "I have 2 kids and work 38 hours", "38"),
        ("en", "from December 1st 2026 with 30 hours", "30"),
        ("en", "not 40, 38", "38"),
        ("en", "forty, no, thirty-eight", "38"),
        ("en", "I'm here to change it from 38 hours to just 20", "20"),
        ("en", "The booking is for eight", "8"),
        ("en", "Seating for nine of us", "9"),
        ("en", "in 17 days", None),
        ("en", "75 hours", None),
        ("en", "part time", None),
        ("de", "zweiundvierzig Stunden", "42"),
        ("de", "38,5 Stunden", "38.5"),
        ("es", "cuarenta horas", "40"),
    ],
)
def test_a_number_of_hours(language: str, text: str, value: str | None) -> None:
    assert read("hours_per_week", text, language) == value


@pytest.mark.parametrize(
    ("language", "text", "value"),
    [
        ("en", "eight hundred and fifty euros", "850"),
        ("en", "1,200 euros", "1200"),
        ("en", "about 1200.50 EUR", "1200.50"),
        ("de", "1.200 Euro", "1200"),
        ("de", "ungefähr 1.200,50 Euro", "1200.50"),
        ("es", "unos 1.200 euros", "1200"),
    ],
)
def test_thousands_and_decimals_are_written_as_the_language_does(language: str, text: str, value: str) -> None:
    assert read("estimated_cost", text, language) == value


@pytest.mark.parametrize(
    ("text", "corrects", "value"),
    [
        ("38 hours", False, "38"),
        ("the hours are 38", False, None),
        ("38", False, None),
        ("no, the hours are 30", True, "30"),
    ],
)
def test_a_number_that_was_not_asked_for_needs_its_unit_or_a_correction(
    text: str, corrects: bool, value: str | None
) -> None:
    assert read("hours_per_week", text, asked=False, corrects=corrects) == value


CAR: Final = {
    "name": "car",
    "version": 1,
    "languages": ["en", "de", "es"],
    "title": "Car",
    "steps": [
        {
            "name": "car",
            "fields": [
                {
                    "name": "mileage",
                    "kind": "number",
                    "unit": "km",
                    "unit_words": {"en": ["kilometres"], "de": ["Kilometer"], "es": ["kilómetros"]},
                    "maximum": 900000,
                    "ask": "How far?",
                },
                {"name": "charge", "kind": "number", "unit": "%", "maximum": 100, "ask": "How full?"},
            ],
        }
    ],
}


def read_of_car(field: str, text: str, language: str = "en") -> str | None:
    flow = FlowDefinition.model_validate(CAR)
    material = AnswerText(redacted(text), "text", language, TODAY)
    found = read_answer(flow.fields[field], flow.step_of(field), material, Request(asked=True))
    return None if found is None else found.value


@pytest.mark.parametrize(
    ("language", "text", "value"),
    [
        ("en", "45,000km", "45000"),
        ("en", "45000KM", "45000"),
        ("en", "it has 9 1 2 0 7 on it", "91207"),
        ("en", "4 5 0 0 0", "45000"),
        ("en", "It says 45000 km, I repeat: 45000", "45000"),
        ("en", "it is 46200 now, it was 45000 when I took it", "46200"),
        ("en", "45000, sorry, 46000", "46000"),
        ("de", "jetzt 46200, vorher 45000", "46200"),
        ("de", "45.000 km", "45000"),
        ("es", "ahora son 46200, eran 45000", "46200"),
        ("en", "in 3 days, 45000 kilometres", "45000"),
        ("en", "28000 miles", None),
        ("en", "28000miles", None),
        ("en", "1 million km", None),
        ("en", "two million", None),
        ("en", "3 hundred", None),
        ("en", "45k", None),
        ("de", "45 tausend", None),
        ("es", "45 mil", None),
        ("en", "45000 or 46000", None),
        ("en", "45000-46000", None),
        ("en", "it was 45000 km when I took it, now it is 46200", None),
    ],
)
def test_a_number_is_read_whole_or_asked_again(language: str, text: str, value: str | None) -> None:
    assert read_of_car("mileage", text, language) == value


def test_the_percentage_of_now_counts() -> None:
    assert read_of_car("charge", "it is 80 % now, before 20 %") == "80"
    assert read_of_car("charge", "20 % or 30 %") is None


def test_the_meter_is_read_by_its_own_rule() -> None:
    assert read("meter_reading", "It reads 4821 cubic metres") == "4821"
    assert read("meter_reading", "four eight two one") == "4821"
    assert read("meter_reading", "forty eight twenty one") == "4821"
    assert read("meter_reading", METER, way="picture", picture="meter", asked=False) == "04821.7"
    assert read("meter_unit", METER, way="picture", picture="meter", asked=False) == "m3"
    assert read("meter_reading", REGISTER, way="picture", picture="visitor_register", asked=False) is None
    assert read("visitor_count", REGISTER, way="picture", picture="visitor_register", asked=False) == "4"


@pytest.mark.parametrize(
    ("language", "text", "value"),
    [
        ("en", "In the workshop.", "workshop"),
        ("en", "not in the office", None),
        ("en", "not in the office, in the warehouse", "warehouse"),
        ("en", "office or workshop", None),
        ("en", "I'll be on the road mostly", "field_service"),
        ("en", "the garage", "workshop"),
        ("de", "nicht im Büro, sondern im Lager", "warehouse"),
        ("de", "im Außendienst", "field_service"),
        ("es", "en el almacén", "warehouse"),
    ],
)
def test_a_choice(language: str, text: str, value: str | None) -> None:
    assert read("department", text, language) == value


def test_a_clause_does_not_hide_an_option_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.hash", lambda _: 0, raising=False)
    assert read("department", "office, field service") is None
    assert read("department", "field service, or the office") is None


def test_the_label_of_an_option_counts_more_than_other_words_for_it() -> None:
    assert read("incident_type", "An accident, the fence is damaged.") == "accident"
    assert read("incident_type", "no accident, just damage") == "damage"
    assert read("incident_type", "It is broken", asked=False) is None
    assert read("incident_type", "There was an accident", asked=False) == "accident"


@pytest.mark.parametrize(
    ("language", "text", "value"),
    [
        ("en", "Yes, I do", "yes"),
        ("en", "yes, I don't mind", "yes"),
        ("en", "of course not", "no"),
        ("en", "I don't have one", "no"),
        ("en", "nobody was hurt", "no"),
        ("en", "Not yet", "no"),
        ("en", "maybe", None),
        ("en", "there were no injuries", "no"),
        ("en", "there was nobody hurt", "no"),
        ("en", "There is no damage.", "no"),
        ("en", "nothing", "no"),
        ("en", "of course nobody", "no"),
        ("en", "right, none of them was hurt", "no"),
        ("en", "no problem, yes", "yes"),
        ("en", "yes, no damage", "yes"),
        ("en", "Yes, there were injuries", "yes"),
        ("en", "there was", "yes"),
        ("en", "there were injuries", None),
        ("en", "it is the red one", None),
        ("en", "No. Sorry, yes.", None),
        ("en", "yeah, no", None),
        ("en", "I'm not sure", None),
        ("en", "nothing wrong", None),
        ("de", "nichts passiert", "no"),
        ("de", "natürlich keine", "no"),
        ("de", "Kein Problem, ja", "yes"),
        ("es", "nada", "no"),
        ("es", "no hubo heridos", "no"),
        ("es", "hubo", "yes"),
        ("fr", "rien", "no"),
        ("fr", "une personne est blessée", None),
        ("hi", "जी नहीं", "no"),
        ("de", "Ja, habe ich", "yes"),
        ("de", "Nein, niemand.", "no"),
        ("de", "natürlich nicht", "no"),
        ("es", "Sí, lo tengo", "yes"),
        ("es", "No, nadie", "no"),
    ],
)
def test_yes_and_no(language: str, text: str, value: str | None) -> None:
    assert read("drives", text, language) == value
    assert read("drives", text, language, asked=False) is None


@pytest.mark.parametrize(
    ("language", "text", "value"),
    [
        ("en", "the first of December 2026", "2026-12-01"),
        ("en", "first of december twenty twenty six", "2026-12-01"),
        ("en", "Yes, August 8th for 1 person.", "2026-08-08"),
        ("en", "Reserve it for May 17, 2018 please.", "2018-05-17"),
        ("en", "I was hoping to book for the 8th of January please", "2027-01-08"),
        ("en", "On 2018/05/07.", "2018-05-07"),
        ("en", "2026-12-01", "2026-12-01"),
        ("en", "12/25/2026", "2026-12-25"),
        ("en", "01/12/2026", None),
        ("en", "tomorrow", "2026-11-29"),
        ("en", "the day after tomorrow", "2026-11-30"),
        ("en", "next Friday", "2026-12-04"),
        ("en", "Sunday", None),
        ("en", "5 days from now, please,", "2026-12-03"),
        ("en", "I would like a table in 3 weeks.", "2026-12-19"),
        ("en", "the 1st or the 2nd of May 2026, or the 3rd of May 2026", None),
        ("en", "the 31st of February 2026", None),
        ("de", "am ersten Dezember 2026", "2026-12-01"),
        ("de", "1. Dezember 2026", "2026-12-01"),
        ("de", "01.12.2026", "2026-12-01"),
        ("de", "morgen", "2026-11-29"),
        ("de", "heute Morgen", "2026-11-28"),
        ("de", "nächsten Montag", "2026-11-30"),
        ("es", "el uno de diciembre de 2026", "2026-12-01"),
        ("es", "mañana por la mañana", "2026-11-29"),
        ("es", "pasado mañana", "2026-11-30"),
        ("es", "esta mañana", "2026-11-28"),
        ("es", "esta tarde", "2026-11-28"),
        ("es", "No sé, la puerta está rota.", None),
        ("es", "cada mañana", None),
        ("de", "an diesem Morgen", None),
        ("fr", "cet après-midi", "2026-11-28"),
        ("pt", "esta tarde", "2026-11-28"),
        ("pt", "amanhã de manhã", "2026-11-29"),
        ("hi", "आज", "2026-11-28"),
        ("hi", "परसों", None),
    ],
)
def test_a_day(language: str, text: str, value: str | None) -> None:
    assert read("start_date", text, language) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("PMP-0042", "PMP-0042"),
        ("pmp 0042", "PMP-0042"),
        ("P M P zero zero four two", "PMP-0042"),
        ("Papa Mike Papa dash zero zero four two", "PMP-0042"),
        ("I think it's p m p 0 0 4 2", "PMP-0042"),
        ("it says PMP dash 0042", "PMP-0042"),
        ("it is 2026", None),
        ("there is none", None),
    ],
)
def test_a_code(text: str, value: str | None) -> None:
    assert read("asset_code", text) == value


def test_a_personal_value_is_read_from_its_tag_alone() -> None:
    named = redacted("I am [REDACTED_NAME_1]", NAME=1)
    assert read("full_name", named) == "[REDACTED_NAME_1]"
    assert read("phone", redacted("it is [REDACTED_PHONE]", PHONE=1)) == "yes"
    assert read("phone", named) is None
    assert read("full_name", named, way="picture", picture="document") is None, "a picture shows anybody's name"


@pytest.mark.parametrize(
    ("entities", "found", "asked", "value"),
    [
        (["PLATE"], "PLATE", False, "yes"),
        (["PLATE"], "ID", True, "yes"),
        (["PLATE"], "ID", False, None),
        (["PLATE"], "NAME", True, None),
        (["NAME"], "ID", True, None),
        (["PHONE", "EMAIL"], "ID", True, None),
    ],
)
def test_asked_for_a_number_of_a_person_one_of_no_closer_type_counts(
    entities: list[str], found: str, asked: bool, value: str | None
) -> None:
    field = PersonalField(kind="personal", name="which", ask="Which?", entities=entities)
    step = FLOWS["site_visit"].steps[0]
    said = AnswerText(RedactedText.tag(found), "text", "en", TODAY)
    read = read_answer(field, step, said, Request(asked=asked))
    assert (None if read is None else read.value) == value


def test_only_personal_fields_are_read_from_text_that_the_redactor_does_not_vouch_for() -> None:
    unsafe = redacted("I am [REDACTED_NAME], 38 hours in the workshop from 2026-12-01", safe=False, NAME=1)
    found = {field: read(field, unsafe) for field in FLOWS["staff_onboarding"].fields}
    assert {field for field, value in found.items() if value} == {"full_name"}
    assert read("what_happened", redacted("Something of Zanzibar", safe=False)) is None


def test_free_text_is_what_was_said_when_it_was_asked_for() -> None:
    assert read("what_happened", "The gate hit the fence.") == "The gate hit the fence."
    assert read("what_happened", "The gate hit the fence.", asked=False) is None
    for nothing in ("Hello", "What do you mean?", "...", "skip", "go back"):
        assert read("what_happened", nothing) is None
    assert read("site_name", "I'm at the Riverside plant") == "Riverside"
    assert read("site_name", "Riverside") == "Riverside"


@pytest.mark.parametrize(
    ("kind", "language", "text"),
    [
        ("skip", "en", "I don't know"),
        ("skip", "en", "Please skip this one, thanks."),
        ("skip", "en", "Can we skip that question?"),
        ("skip", "de", "Das weiß ich leider nicht."),
        ("skip", "de", "Weiter bitte"),
        ("skip", "es", "No lo sé."),
        ("skip", "fr", "Je ne sais pas."),
        ("skip", "pt", "Pular, por favor"),
        ("skip", "hi", "पता नहीं"),
        ("back", "en", "Can we go back?"),
        ("back", "en", "Oh, go back please."),
        ("back", "de", "Können wir bitte zurück?"),
        ("back", "es", "Volver atrás"),
        ("back", "hi", "वापस जाओ"),
    ],
)
def test_asking_to_skip_or_to_go_back(kind: Command, language: str, text: str) -> None:
    assert says(kind, text, language)


@pytest.mark.parametrize(
    "text", ["I go back to the depot at five", "the next meter reads 12", "I know the back door is broken", "", "forty"]
)
def test_a_sentence_that_says_more_neither_skips_nor_goes_back(text: str) -> None:
    assert not says("skip", text, "en")
    assert not says("back", text, "en")
