"""A reviewer's values in the summary: put in only where it is certain what they replace."""

from __future__ import annotations

import pytest

from server.ledger.record_text import with_replaced
from server.llm.assistant import OpenAiAssistant
from tests.fakes.gateway import redacted
from tests.unit.jobs.recommendation_helpers import propose
from tests.unit.reviews.conftest import ANN, ReviewWorld, correct, reject
from tests.unit.reviews.sending_back import send_back, summary, write

FIELDS = {"mileage": "48213", "fuel": "eighths_8", "note": "sand", "day": "2026-11-28"}
LISTED = {"mileage": "Mileage 48213 km", "fuel": "Fuel level full", "day": "day 2026-11-28", "note": "note sand"}


@pytest.mark.parametrize(
    ("told", "field", "value"),
    [
        ("The tank is full.", "fuel", "6/8"),
        ("The full price is paid, the tank is eighths_8.", "fuel", "6/8"),
        ("It is back with a full tank.", "fuel", "not known"),
        ("The car has 48213 km, forty-eight thousand two hundred and thirteen.", "mileage", "48214"),
        ("The car has 48213 km (48213.0).", "mileage", "48214"),
        ("The car went from 48213-50000.", "mileage", "48214"),
        ("The car has -48213 km.", "mileage", "48214"),
        ("There is sand, and a sand-coloured stain.", "note", "mud"),
        ("There is Sand; the sand is wet.", "note", "mud"),
        ("There is sand's dust.", "note", "mud"),
        ("Returned on 2026-11-28, or November 28.", "day", "2026-11-29"),
    ],
)
async def test_it_is_a_list_where_something_may_be_left(rental: ReviewWorld, told: str, field: str, value: str) -> None:
    await rental.say("Here is the car.")
    row = await write(rental, summary=told, **FIELDS)
    label, _, unit = LISTED[field].partition(" " + ("full" if field == "fuel" else FIELDS[field]))
    listed = "; ".join((LISTED | {field: f"{label} {value}{unit}"}).values())
    assert summary(await rental.decide(ANN, row, correct(field, value))) == f"Return: {listed}."


@pytest.mark.parametrize(
    ("told", "field", "value", "after"),
    [
        ("The car has 48213 km.", "mileage", "48214", "The car has 48214 km."),
        ("There is sand (sand).", "note", "mud", "There is mud (mud)."),
        ("Returned on 2026-11-28.", "day", "2026-11-29", "Returned on 2026-11-29."),
    ],
)
async def test_it_gets_a_value_that_stands_there_alone(
    rental: ReviewWorld, told: str, field: str, value: str, after: str
) -> None:
    await rental.say("Here is the car.")
    row = await write(rental, summary=told, **FIELDS)
    assert summary(await rental.decide(ANN, row, correct(field, value))) == after


@pytest.mark.parametrize("note", ["Return", "mileage", "Place", "level"])
async def test_a_word_of_the_flow_is_not_replaced(rental: ReviewWorld, note: str) -> None:
    await rental.say("Here is the car.")
    row = await write(
        rental, summary=f"Return of a car, mileage and fuel level noted, place unknown: {note}.", note=note
    )
    assert summary(await rental.decide(ANN, row, correct("note", "sand"))) == "Return: note sand."


async def test_it_is_a_list_without_a_value_that_was_rejected(rental: ReviewWorld) -> None:
    await rental.say("Here is the car.")
    row = await write(rental, summary="There is sand in a car with 48213 km.", note="sand", mileage="48213")
    assert summary(await rental.decide(ANN, row, reject("mileage"))) == "Return: note sand."


async def test_of_a_long_text_a_list_tells_only_the_label(rental: ReviewWorld) -> None:
    await rental.say("Here is the car.")
    row = await write(rental, summary="It is done.", note="sand " * 20 + "everywhere", mileage="48213")
    assert summary(await rental.decide(ANN, row, correct("mileage", "48214"))) == "Return: Mileage 48214 km; note."


async def test_a_summary_of_the_flow_is_written_anew_with_its_labels(rental: ReviewWorld) -> None:
    await rental.say("Here is the car.")
    row = await write(rental, **FIELDS)
    await send_back(rental, row, correct("mileage", "48214"))
    again = await write(rental, **FIELDS | {"note": "leaves"})
    assert summary(again) == "Return: Mileage 48214 km; Fuel level full; day 2026-11-28; note leaves."
    made = await rental.decide(ANN, again, correct("fuel", "eighths_6"), reject("day"))
    assert summary(made) == "Return: Mileage 48214 km; Fuel level 6/8; note leaves."
    made = await rental.decide(ANN, made, correct("note", "mud"), correct("fuel", "not known"))
    assert summary(made) == "Return: Mileage 48214 km; Fuel level not known; note mud."


async def test_a_summary_of_the_fallback_is_one_of_the_flow(rental: ReviewWorld) -> None:
    rental.recommender._builder._assistant = OpenAiAssistant([])
    await rental.say("The mileage is 48213 km and the fuel level is full.")
    row = await propose(rental)
    assert summary(row) == "Return: Mileage 48213 km; Fuel level full."
    assert summary(await rental.decide(ANN, row, correct("fuel", "6/8"))) == "Return: Mileage 48213 km; Fuel level 6/8."


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Riverside-North", "Riverside"),
        ("Riverside/North", "Riverside"),
        ("Riverside's", "Riverside"),
        ("Riverside\u2019s", "Riverside"),
        ("2026-11-28", "2026"),
        ("14:30", "30"),
        ("-180", "180"),
        ("\u2212180", "180"),
        ("1.180", "180"),
        ("180,5", "180"),
        ("x180", "180"),
    ],
)
def test_a_part_of_a_word_or_of_a_number_is_not_replaced(text: str, words: str) -> None:
    assert with_replaced(redacted(text), words, redacted("new")).value == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("at (Riverside).", "Riverside"),
        ("\u201cRiverside\u201d: big", "Riverside"),
        ("180, 5", "180"),
        ("-180", "-180"),
    ],
)
def test_a_word_between_marks_is_replaced(text: str, words: str) -> None:
    assert with_replaced(redacted(text), words, redacted("new")).value == text.replace(words, "new")
