"""Meter readings as people say and type them: both spellings of a unit, and numbers that are no reading."""

from __future__ import annotations

import pytest

from models.redaction.dialogue_context import answering
from models.redaction.redactor import LocalRedactor
from models.redaction.types import RedactionContext, RedactionScope
from models.text import RawText, TextSource
from server.flows.asking import answer_hints, asked_for, flow_words
from server.flows.progress import FieldState
from tests.unit.flows.test_dialogue import FLOWS, Talk

ANSWERED, SKIPPED = FieldState.ANSWERED, FieldState.SKIPPED
SITE = FLOWS["site_visit"]


@pytest.mark.parametrize(
    ("language", "text", "unit"),
    [
        ("en", "The meter reads 31704 cubic meters", "m3"),
        ("en", "48217 cubic meters", "m3"),
        ("en", "It shows 48217 cubic metres", "m3"),
        ("en", "4830 kilowatt hours", "kWh"),
        ("en", "4830 m³", "m3"),
        ("en", "4830m3", "m3"),
        ("en", "4830kWh", "kWh"),
        ("de", "Der Zähler zeigt 31704 Kubikmeter", "m3"),
        ("fr", "Le compteur indique 4821 mètres cubes", "m3"),
    ],
)
def test_a_unit_beside_the_reading_answers_the_question_for_it(language: str, text: str, unit: str) -> None:
    talk = Talk("site_visit", language)
    talk.say("Pump station 7")
    assert talk.say(text) == "visitor_count"
    assert talk.value("meter_unit") == (ANSWERED, unit)


@pytest.mark.models
@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ("meter_reading", "4830 m3"),
        ("meter_unit", "4830 m3"),
        ("meter_unit", "31704 m3"),
        ("visitor_count", "4830 m3"),
        ("meter_reading", "4821 kWh"),
        ("meter_unit", "kWh"),
    ],
)
def test_the_units_of_a_meter_are_no_secrets_and_no_names(real_redactor: LocalRedactor, asked: str, text: str) -> None:
    assert _redacted(real_redactor, asked, text) == text


@pytest.mark.models
@pytest.mark.parametrize("text", ["My password is 4830 m3", "my PIN is 4830 m3", "4155550132 m3"])
def test_a_unit_makes_no_secret_readable(real_redactor: LocalRedactor, text: str) -> None:
    assert "[REDACTED_" in _redacted(real_redactor, "meter_unit", text)


def _redacted(redactor: LocalRedactor, asked: str, text: str) -> str:
    field = SITE.fields[asked]
    context = RedactionContext(TextSource.TYPED, "en", scope=RedactionScope(flow_words=flow_words(SITE)))
    hints = answer_hints(field, SITE, "en")
    return redactor.redact(RawText(text), answering(context, asked_for(field), hints)).text.value


def after_reading(*texts: str, language: str = "en") -> Talk:
    """A talk in which the site and a reading in kWh were given, and these are said to the question for visitors."""
    talk = Talk("site_visit", language)
    talk.say("7", {"en": "The meter reads 4821 kWh", "de": "Der Zähler zeigt 4821 kWh"}[language], *texts)
    return talk


@pytest.mark.parametrize(
    ("language", "text", "reading", "unit"),
    [
        ("en", "The meter reads 4830", "4830", "kWh"),
        ("en", "The meter reads 4830 kWh", "4830", "kWh"),
        ("en", "The meter reads 4830 cubic meters", "4830", "m3"),
        ("en", "the meter reading is 4830 kWh", "4830", "kWh"),
        ("de", "Der Zähler zeigt 4830", "4830", "kWh"),
        ("de", "Der Zähler zeigt 4830 kWh", "4830", "kWh"),
        ("en", "the display reads 4830", "4821", "kWh"),
        ("en", "we used 200 kWh", "4821", "kWh"),
    ],
)
def test_a_reading_said_to_a_later_question_leaves_that_open(language: str, text: str, reading: str, unit: str) -> None:
    talk = after_reading(text, language=language)
    assert talk.value("meter_reading") == (ANSWERED, reading)
    assert talk.value("meter_unit") == (ANSWERED, unit)
    assert talk.value("visitor_count") == (FieldState.MISSING, "")
    assert talk.open == "visitor_count"


@pytest.mark.parametrize(("text", "count"), [("7", "7"), ("7 visitors", "7"), ("the register shows 12", "12")])
def test_visitors_are_still_counted(text: str, count: str) -> None:
    assert after_reading(text).value("visitor_count") == (ANSWERED, count)


@pytest.mark.parametrize(
    ("text", "reading"),
    [
        ("tel. [REDACTED_PHONE], ext. forty two", ""),
        ("[REDACTED_PHONE] extension 4201", ""),
        ("my account is [REDACTED_ID] 123", ""),
        ("4830, and my telephone is [REDACTED_PHONE]", "4830"),
        ("my telephone is [REDACTED_PHONE], the meter reads 4830", "4830"),
        ("[REDACTED_NAME] here, 4830", "4830"),
    ],
)
def test_a_number_after_a_telephone_number_is_no_reading(text: str, reading: str) -> None:
    talk = Talk("site_visit")
    talk.say("7", text)
    assert talk.value("meter_reading") == ((ANSWERED, reading) if reading else (FieldState.MISSING, ""))
