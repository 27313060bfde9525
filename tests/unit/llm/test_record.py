"""Records: what is accepted from a model, and the one form that is hashed."""

from __future__ import annotations

import copy
import hashlib
import json
import unicodedata
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import InvalidInput
from server.flows.loader import parse_flow
from server.llm.record_rules import without_ruled_out
from server.llm.record_schema import (
    RECORD_SCHEMA,
    canonical_json,
    content_hash,
    record_from_model,
    stored_record,
    values_of,
    wire_schema,
    with_strings,
)
from server.llm.types import Confidence, Finding, FindingKind, OnboardingRecord, RecordField, Severity
from tests.unit.llm.texts import SITE_VISIT, STAFF

SECRET = "Zanzibar"
GOOD: dict[str, Any] = {
    "summary": "A water meter was read.",
    "fields": [{"name": "meter_reading", "value": "48217", "source_id": "turn-1"}],
}
RECORD = OnboardingRecord("A water meter was read.", (RecordField("meter_reading", "48217", "turn-1"),), ("site_name",))


def changed(**changes: Any) -> str:
    return json.dumps({**copy.deepcopy(GOOD), **changes})


def with_field(name: str, value: Any, source_id: str = "turn-1") -> str:
    return changed(fields=[{"name": name, "value": value, "source_id": source_id}])


def test_accepts_a_good_record() -> None:
    read = record_from_model(json.dumps(GOOD), {"turn-1"}, SITE_VISIT)
    assert (read.summary, read.fields, read.missing) == (RECORD.summary, RECORD.fields, ())


@pytest.mark.parametrize(
    "answer",
    [
        "",
        SECRET,
        f"```json\n{json.dumps(GOOD)}\n```",
        json.dumps(GOOD)[:-9],
        "[]",
        "null",
        "1" * 5000,
        "[" * 100_000,
        changed(summary=""),
        changed(summary="  \n "),
        changed(summary=7),
        changed(summary=SECRET * 100),
        changed(extra=SECRET),
        changed(missing=[SECRET]),
        changed(fields=GOOD["fields"] * 2),
        changed(fields=[{"name": f"f_{i % 10}", "value": "x", "source_id": ""} for i in range(41)]),
        changed(summary="A", fields=[{"name": "note", "value": "€" * 2000, "source_id": ""}] * 9),
        with_field(SECRET, "1"),
        with_field("note\n", "1"),
        with_field("john_4155550132", "1"),
        with_field("site_name", SECRET, "turn-2"),
        with_field("site_name", None),
        json.dumps({"summary": "x"}),
    ],
)
def test_refusals_do_not_quote_the_record(answer: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        record_from_model(answer, {"turn-1"}, SITE_VISIT)
    assert refused.value.reason == "INVALID_RECORD"
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (with_field("meter_reading", "04821.7"), (RecordField("meter_reading", "04821.7", "turn-1"),)),
        (with_field("visitor_count", "  4 "), (RecordField("visitor_count", "4", "turn-1"),)),
        (with_field("note", " "), ()),
        (with_field("note", "a\x00b\u0007", ""), (RecordField("note", "ab", ""),)),
        (with_field("note", "\ud800x", ""), (RecordField("note", "x", ""),)),
        (with_field("line_2", "Cafe\u0301", ""), (RecordField("line_2", "Café", ""),)),
    ],
)
def test_cleans_values(answer: str, expected: tuple[RecordField, ...]) -> None:
    assert record_from_model(answer, {"turn-1"}, SITE_VISIT).fields == expected


def test_canonical_form_and_hash_are_fixed() -> None:
    expected = (
        '{"fields":[{"name":"meter_reading","source_id":"turn-1","value":"48217"}],'
        '"missing":["site_name"],"summary":"A water meter was read."}'
    )
    assert canonical_json(RECORD) == expected
    assert content_hash(RECORD) == hashlib.sha256(expected.encode()).hexdigest()


def test_composed_and_decomposed_letters_hash_alike() -> None:
    composed, decomposed = OnboardingRecord("Café", ()), OnboardingRecord("Cafe\u0301", ())
    assert content_hash(composed) == content_hash(decomposed)
    assert "\\u" not in canonical_json(composed)


TEXTS = st.text(max_size=30).map(lambda text: unicodedata.normalize("NFC", text)).filter(lambda t: t.isprintable())
FINDINGS = st.builds(
    Finding, st.sampled_from(FindingKind), st.sampled_from(Severity), TEXTS, st.just(""), st.just(""), TEXTS
)
FIELDS = st.builds(
    RecordField,
    st.sampled_from(["site_name", "note"]),
    TEXTS,
    st.just(""),
    st.sampled_from([None, *Confidence]),
    st.lists(FINDINGS, max_size=3).map(tuple),
)
RECORDS = st.builds(
    OnboardingRecord,
    TEXTS,
    st.lists(FIELDS, max_size=5).map(tuple),
    st.lists(st.sampled_from(["contact", "meter_reading"]), max_size=2).map(tuple),
)


@given(RECORDS)
def test_texts_can_be_extracted_and_replaced(record: OnboardingRecord) -> None:
    assert stored_record(canonical_json(record)) == record
    assert with_strings(record, [record.summary, *(value for _name, value in values_of(record))]) == record


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("meter_reading", "[REDACTED_PHONE]"),
        ("meter_reading", SECRET),
        ("meter_reading", "4" * 13),
        ("meter_reading", "4,821"),
        ("meter_reading", "4,8"),
        ("visitor_count", "four"),
        ("contact_given", SECRET),
        ("contact_given", "no"),
        ("meter_unit", SECRET),
    ],
)
def test_a_value_that_is_none_of_its_kind_is_left_out(name: str, value: str) -> None:
    assert record_from_model(with_field(name, value), {"turn-1"}, SITE_VISIT).fields == ()


@pytest.mark.parametrize("name", ["full_name", "document_photo", "meter_reading", "note"])
def test_fields_of_other_flows_and_those_that_code_sets_are_left_out(name: str) -> None:
    assert record_from_model(with_field(name, "yes"), {"turn-1"}, STAFF).fields == ()


@pytest.mark.parametrize("strings", [["only the summary"], ["one", "two", "three"]])
def test_the_number_of_strings_must_match(strings: list[str]) -> None:
    with pytest.raises(ValueError, match=r"zip|more texts"):
        with_strings(RECORD, strings)


def test_the_wire_schema_is_strict_and_pins_the_sources() -> None:
    schema = wire_schema(["turn-1"], SITE_VISIT)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator.check_schema(RECORD_SCHEMA)
    text = json.dumps(schema)
    assert not [word for word in ("maxLength", "minLength", "maxItems", "pattern") if word in text]
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid(GOOD)
    assert not validator.is_valid(json.loads(with_field("note", "x", "turn-2")))
    assert schema["required"] == ["summary", "fields"]
    names = wire_schema(["turn-1"], STAFF)["properties"]["fields"]["items"]["properties"]["name"]["enum"]
    assert names == ["department", "start_date", "hours_per_week", "phone", "home_address", "drives"]


APPLYING = """
name: visit
version: 1
title: Visit
facts:
  - {name: kind, kind: word, options: [car, van]}
steps:
  - name: damage
    fields:
      - {name: damaged, kind: yes_no, ask: "Damage?"}
      - {name: where, kind: text, ask: "Where?", when: {field: damaged, is: true}}
      - {name: repaired, kind: text, ask: "Repaired?", when: {field: where, given: true}}
  - name: van
    when: {field: kind, is: van}
    fields:
      - {name: ramp, kind: yes_no, ask: "Ramp?"}
"""


@pytest.mark.parametrize(
    ("facts", "values", "guessed", "left"),
    [
        ({}, {"damaged": "no", "where": "left", "repaired": "not"}, {"damaged", "where", "repaired"}, "all"),
        ({}, {"damaged": "no", "where": "left", "repaired": "not"}, {"where", "repaired"}, "damaged"),
        ({}, {"damaged": "no", "repaired": "not"}, {"repaired"}, "damaged"),
        ({}, {"damaged": "no", "where": "left"}, {"damaged"}, "damaged"),
        ({}, {"damaged": "no", "where": "left"}, (), "damaged"),
        ({}, {"damaged": "yes", "where": "left", "repaired": "not"}, (), "all"),
        ({}, {"where": "left"}, {"where"}, "where"),
        ({}, {"ramp": "yes"}, {"ramp"}, "ramp"),
        ({"kind": "car"}, {"damaged": "no", "ramp": "yes"}, {"damaged", "ramp"}, "damaged"),
        ({"kind": "van"}, {"damaged": "no", "ramp": "yes"}, (), "all"),
        ({}, {"damaged": "no", "of_no_flow": "1"}, (), "all"),
    ],
)
def test_what_does_not_apply_goes_unless_a_model_alone_says_so(
    facts: dict[str, str], values: dict[str, str], guessed: set[str], left: str
) -> None:
    flow = parse_flow(APPLYING, "visit.yaml")
    record = OnboardingRecord("", tuple(RecordField(name, value) for name, value in values.items()))
    kept = [field.name for field in without_ruled_out(record, flow, facts, guessed=guessed, shown=()).fields]
    assert kept == (list(values) if left == "all" else [left])
