"""Readings of a meter that contradict the one of a proposed record."""

from __future__ import annotations

import pytest

from server.llm.other_readings import with_other_readings
from server.llm.record_schema import KNOWN_FIELDS
from server.llm.types import OnboardingRecord, RecordField, SourceItem
from tests.unit.llm.texts import redacted


def said(name: str, text: str) -> SourceItem:
    return SourceItem(name, "turn", redacted(text))


def photographed(name: str, text: str) -> SourceItem:
    return SourceItem(name, "meter", redacted(f"WATER METER\n{text}"))


PICTURE = photographed("picture", "00730 m3")


def others(items: list[SourceItem], *more: RecordField) -> list[tuple[str, str, str]]:
    """What is added to a record whose reading is that of ``PICTURE``."""
    fields = (RecordField("site_name", "Ikeja"), RecordField("meter_reading", "00730", "picture"), *more)
    record = with_other_readings(OnboardingRecord("A visit.", fields, ("contact",)), items)
    kept = tuple(field for field in record.fields if field in fields)
    assert (kept, record.summary, record.missing) == (fields, "A visit.", ("contact",))
    assert record.fields[:2] == fields[:2], "the others stand right after it"
    return [(field.name, field.value, field.source_id) for field in record.fields if field not in fields]


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ([said("turn", "The meter reads 750."), PICTURE], [("other_meter_reading", "750", "turn")]),
        ([said("turn", "It shows 730 cubic metres."), PICTURE], []),
        ([said("turn", "The meter reads 730.0"), PICTURE], []),
        ([said("old", "The meter reads 750."), said("new", "Sorry, the meter reads 730."), PICTURE], []),
        ([said("turn", "I passed a meter and walked 750 steps."), PICTURE], []),
        ([said("turn", "The meter reads 750 kilowatt hours."), PICTURE], []),
        ([SourceItem("list", "visitor_register", redacted("The meter reads 750 m3")), PICTURE], []),
        (
            [said("turn", "The meter reads 750."), photographed("second", "00912 m3"), PICTURE],
            [("other_meter_reading", "750", "turn"), ("other_meter_reading_2", "00912", "second")],
        ),
    ],
)
def test_other_readings_are_fields_beside_the_one_of_the_record(
    items: list[SourceItem], expected: list[tuple[str, str, str]]
) -> None:
    found = others(items, RecordField("meter_unit", "m3", "picture"))
    assert found == expected
    assert {name for name, _, _ in found} <= KNOWN_FIELDS, "the model did not make them up"


def test_a_reading_that_is_not_the_one_of_the_source_that_it_names_is_contradicted() -> None:
    fields = (RecordField("meter_reading", "750", "picture"),)
    record = with_other_readings(OnboardingRecord("", fields, ()), [said("turn", "The meter reads 750."), PICTURE])
    assert [(f.name, f.value, f.source_id) for f in record.fields[1:]] == [("other_meter_reading", "00730", "picture")]


def test_what_the_model_added_itself_stays() -> None:
    already = RecordField("other_meter_reading", "751", "turn")
    assert others([said("turn", "The meter reads 750."), PICTURE], already) == []


def test_a_record_without_a_reading_stays_as_it_is() -> None:
    record = OnboardingRecord("A visit.", (RecordField("site_name", "Ikeja"),))
    assert with_other_readings(record, [PICTURE]) == record
