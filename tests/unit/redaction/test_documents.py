from __future__ import annotations

import pytest

from models.redaction.normalize import view
from models.redaction.postprocess.document_rules import doubt_from_digits, is_explained
from models.redaction.redactor import LocalRedactor
from models.redaction.types import RedactionContext
from models.text import Entity, RawText, TextSource
from tests.fakes.classifier import WordListClassifier

METER = RedactionContext(TextSource.OCR, document_type="meter")
REGISTER = RedactionContext(TextSource.OCR, document_type="visitor_register")


@pytest.mark.parametrize(
    ("text", "part", "kind", "recognizer", "explained"),
    [
        ("048217", "048217", "PHONE", "ner:phone", True),
        ("Q3 2.5 DN 15 30 bar", "2.5 DN 15", "ADDRESS", "ner:building_number", True),
        ("x0.01", "x0.01", "LICENCE", "ner:drivers_license", True),
        ("No. 7316 2048", "7316 2048", "ID", "number", True),
        # What must stay redacted on a meter.
        ("Li Wu", "Li", "NAME", "ner:given_name", False),
        ("31 Willow Court", "31 Willow Court", "ADDRESS", "ner:street_name", False),
        ("31 Willow Court", "31 Willow Court", "ADDRESS", "street:number-name-kind", False),
        ("4155550132", "4155550132", "ID", "number", False),
        ("555-0132", "555-0132", "PHONE", "ner:phone", False),
        ("(415) 5550", "(415) 5550", "PHONE", "ner:phone", False),
        ("Tel 5550132", "5550132", "PHONE", "ner:phone", False),
        ("5550132", "5550132", "PHONE", "phone", False),
    ],
)
def test_print_on_a_meter_is_explained_only_for_meters(
    text: str, part: str, kind: str, recognizer: str, explained: bool
) -> None:
    start = text.index(part)
    entity = Entity(kind, start, start + len(part), 0.9, recognizer)
    assert is_explained(entity, view.original(text), METER) is explained
    assert not is_explained(entity, view.original(text), REGISTER)


@pytest.mark.parametrize(
    ("text", "part", "recognizer", "score", "explained"),
    [
        ("Held: 4/17/93-5/2/93", "4/17/93-5/2/93", "phone", 0.65, True),
        ("Held: 4/17/93", "/17/93", "case-number", 0.7, False),
        ("Held: 4/17/93", "4/17/93", "case-number", 0.7, True),
        ("7731 (8-91) 250", "7731 (8-91) 250", "phone", 0.65, True),
        ("6/30/91 31.226", "6/30/91 31.226", "phone", 0.65, True),
        # What must stay redacted.
        ("Tel 6/30/91 31.226", "6/30/91 31.226", "phone", 0.9, False),
        ("317 555 0132", "317 555 0132", "phone", 0.65, False),
        ("(317) 555-0132", "(317) 555-0132", "phone", 0.65, False),
        ("317.555.0132", "317.555.0132", "phone", 0.65, False),
        ("0431.5550132", "0431.5550132", "phone", 0.65, False),
        ("3 1 7 5 5 5 0 1 3 2", "3 1 7 5 5 5 0 1 3 2", "phone", 0.65, False),
        ("Born 4/17/93", "4/17/93", "announced-birth-date", 0.9, False),
    ],
)
def test_dates_and_amounts_on_a_form_are_no_telephone_numbers(
    text: str, part: str, recognizer: str, score: float, explained: bool
) -> None:
    start = text.index(part)
    entity = Entity("PHONE", start, start + len(part), score, recognizer)
    form = RedactionContext(TextSource.OCR, document_type="form")
    assert is_explained(entity, view.original(text), form) is explained
    assert not is_explained(entity, view.original(text), RedactionContext(TextSource.OCR))


def test_a_long_reading_on_a_meter_does_not_make_the_text_doubtful() -> None:
    assert doubt_from_digits(7, METER) == 10
    assert doubt_from_digits(7, REGISTER) == 7


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("reading 04821.7 m3", []),
        ("the Meter: 286.153", []),
        ("Dr. Meter came", ["NAME"]),
    ],
)
def test_a_label_before_a_number_is_not_a_name(text: str, found: list[str]) -> None:
    names = WordListClassifier({"reading": "STREET_NAME" if "04821" in text else "SURNAME", "meter": "SURNAME"})
    redaction = LocalRedactor(names).redact(RawText(text), RedactionContext())
    assert [e.type for e in redaction.entities] == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("the next visit, on Mar 9th at 12 30", []),
        ("the night shift ends at 4 50, then tea", []),
        ("he lives at 12 Elm", ["ADDRESS"]),
        ("the house, 12 30 Elm", ["ADDRESS"]),
    ],
)
def test_a_time_is_not_a_house_number(text: str, found: list[str]) -> None:
    numbers = dict.fromkeys(("12", "30", "4", "50"), "BUILDING_NUMBER")
    guesses = WordListClassifier({**numbers, "mar": "STREET_NAME", "9th": "STREET_NAME", "elm": "STREET_NAME"})
    redaction = LocalRedactor(guesses).redact(RawText(text), RedactionContext())
    assert [e.type for e in redaction.entities] == found


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("04821", "04821"),
        ("unit 4821 and 48217", "unit 4821 and 48217"),
        ("415 555 0132", "[REDACTED_PHONE]"),
        ("555 0132", "[REDACTED_PHONE]"),
    ],
)
def test_a_few_digits_are_not_a_telephone_number(text: str, redacted: str) -> None:
    words = WordListClassifier({word: "PHONE" for word in text.split() if word.isdigit()})
    assert LocalRedactor(words, ()).redact(RawText(text), RedactionContext()).text.value == redacted


@pytest.mark.parametrize("plate", ["M-XY 4821", "HH AB 12E", "AB12 CDE", "AB-123-CD", "1234 BCD", "AB 123 CD"])
def test_a_plate_alone_on_a_line_is_hidden_in_a_photograph_of_a_site(plate: str) -> None:
    redactor = LocalRedactor(WordListClassifier())
    site = RedactionContext(TextSource.OCR, document_type="site")
    redaction = redactor.redact(RawText(f"Loading bay\n{plate}\nExit"), site)
    assert redaction.text.value == "Loading bay\n[REDACTED_PLATE]\nExit"


@pytest.mark.parametrize("label", ["PMP-0042", "BAY 101", "Room 214", "Gate 3", "MV-204817", "4821 kWh", "2026-11-28"])
def test_labels_of_things_in_a_photograph_of_a_site_are_no_plates(label: str) -> None:
    redactor = LocalRedactor(WordListClassifier())
    site = RedactionContext(TextSource.OCR, document_type="site")
    assert "PLATE" not in redactor.redact(RawText(label), site).text.counts
