"""A field of a record has a declared name, or a neutral one."""

from __future__ import annotations

import re

import pytest

from server.llm.field_names import DECLARED, WORDS, FieldNames
from server.llm.record_schema import WORD
from server.llm.types import OnboardingRecord, RecordField
from tests.unit.llm.texts import INCIDENT, SITE_VISIT


def test_every_word_is_a_name_by_itself() -> None:
    assert all(DECLARED.declares(word) and re.fullmatch(WORD, word) for word in WORDS)


@pytest.mark.parametrize("name", ["meter_reading", "meter_serial_number", "phone_2", "date"])
def test_names_of_declared_words_are_kept(name: str) -> None:
    assert DECLARED.declares(name)


@pytest.mark.parametrize(
    "name",
    [
        "hieronymus_blatherwick",
        "maria_lopez_555_123_4567",
        "meter_of_hieronymus",
        "visitor_lopez",
        "xqzt",
        "visitor_name_4567",
        "date_of_visit",
        "room_२",
        "",
    ],
)
def test_any_other_word_makes_a_name_unknown(name: str) -> None:
    assert not DECLARED.declares(name)


def test_a_record_keeps_its_values_and_loses_unknown_names() -> None:
    names = ("site_name", "hieronymus_blatherwick", "meter_serial", "lopez")
    record = OnboardingRecord(
        "A visit.", tuple(RecordField(name, f"value of {name}") for name in names), ("contact", "floor")
    )
    safe = DECLARED.apply(record, SITE_VISIT)
    assert [field.name for field in safe.fields] == ["site_name", "field_a", "meter_serial", "field_b"]
    assert [field.value for field in safe.fields] == [f"value of {name}" for name in names]
    assert safe.missing == ("contact", "floor")


def test_names_of_the_flow_are_kept() -> None:
    record = OnboardingRecord("An incident.", (RecordField("injured_count", "2"),))
    assert not DECLARED.declares("injured_count")
    assert DECLARED.apply(record, INCIDENT) == record


def test_an_operator_declares_whole_names() -> None:
    declared = FieldNames(["klingelschild", "badge_colour"])
    assert declared.declares("klingelschild")
    assert not declared.declares("klingelschild_lopez")
    assert "badge_colour, klingelschild" in declared.for_prompt(SITE_VISIT).value
    assert declared.for_prompt(SITE_VISIT).safe_for_llm
    with pytest.raises(ValueError, match="1 of the declared"):
        FieldNames(["Not A Name"])


def test_the_model_is_told_every_declared_word() -> None:
    told = DECLARED.for_prompt(SITE_VISIT).value
    assert all(f" {word}" in told for word in WORDS)
    assert DECLARED.for_prompt(INCIDENT).value == "Add no other fields.", "this flow lets a model add none"
