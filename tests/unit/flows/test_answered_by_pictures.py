"""Fields that pictures alone answer: those that no picture ever answers are refused, and no others."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any, Final

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import InvalidInput
from server.flows.code_format import may_have_letter
from server.flows.consistency import why_never_in_picture
from server.flows.definition import FlowDefinition
from server.flows.dialogue import answers_of_picture
from server.flows.loader import parse_flow, shipped_flows
from server.flows.photographs import Photograph, answers_of_photograph
from server.flows.progress import progress_of
from server.flows.reading.answer_text import AnswerText
from tests.unit.flows.problems import told_of
from tests.unit.llm.texts import METER, REGISTER, redacted

_NAME: Final = {"kind": "personal", "entities": ["NAME"], "from_pictures": True}
_OPTIONS: Final = [{"value": "car"}, {"value": "bicycle"}]
NEVER: Final[list[dict[str, Any]]] = [
    {"kind": "text"},
    {"kind": "yes_no"},
    {"kind": "personal", "entities": ["PHONE"]},
    {"kind": "code", "format": "[0-9]{4}"},
    {"kind": "code", "format": r"\d{2}-\d{3,4}"},
]
READ: Final[list[tuple[dict[str, Any], list[str], Any]]] = [
    ({"kind": "text", "reader": "site_name"}, ["site"], redacted("Site: Riverside")),
    ({"kind": "number", "reader": "meter"}, ["meter"], METER),
    ({"kind": "number", "reader": "register_rows"}, ["visitor_register"], REGISTER),
    ({"kind": "number", "unit": "kWh"}, ["site"], redacted("4821 kWh")),
    ({"kind": "choice", "options": _OPTIONS}, ["site"], redacted("Hire of a bicycle")),
    ({"kind": "date", "label": "delivery"}, ["document"], redacted("Delivery: 2026-12-01")),
    ({"kind": "time", "label": "departure"}, ["document"], redacted("Departure 14:30")),
    ({"kind": "code", "format": "[A-Z]{2}-[0-9]{4}"}, ["site"], redacted("AB-1234")),
    (
        {"kind": "personal", "entities": ["NAME"], "from_pictures": True},
        ["document"],
        redacted("[REDACTED_NAME]", NAME=1),
    ),
    ({"kind": "photo", "pictures": ["site"]}, ["site"], redacted("")),
]
WORDS: Final = ("yes", "no", "4821", "12-3456", "[REDACTED_PHONE]", "kWh", "AB-1234", "asked", "the gate", "2026-12-01")


def content(field: dict[str, Any], pictures: list[str], ways: tuple[str, ...] = ("picture",)) -> str:
    step = {"name": "one", "ways": list(ways), "pictures": pictures}
    fields = [{"name": "asked", "ask": "Which?", **field}]
    return yaml.safe_dump({"name": "talk", "version": 1, "title": "Talk", "steps": [{**step, "fields": fields}]})


def answered(flow: FlowDefinition, text: Any, kind: str) -> bool:
    picture = AnswerText(text, "picture", "en", date(2026, 11, 28), kind)
    progress = progress_of(flow, {}, [])
    counted = answers_of_photograph(
        progress, [Photograph("upload", kind, "hash", datetime(2026, 11, 28, tzinfo=UTC))], "upload"
    )
    return bool([*counted, *answers_of_picture(progress, [picture], "upload", step=progress.step)])


@pytest.mark.parametrize("field", NEVER, ids=str)
def test_what_no_picture_answers_is_refused_with_its_place(field: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_flow(content(field, ["site"]))
    [told] = map(told_of, refused.value.violations)
    assert told.startswith("steps.0.fields.0: ")
    assert "never read in a picture: add speech or text" in told
    parse_flow(content(field, ["site"], ("text", "picture")))


@settings(deadline=None)
@given(st.sampled_from(NEVER), st.lists(st.sampled_from(WORDS), max_size=5))
def test_no_picture_answers_what_is_refused(field: dict[str, Any], words: list[str]) -> None:
    flow = parse_flow(content(field, ["site"], ("text", "picture")))
    assert not answered(flow, redacted(" ".join(words), PHONE=words.count("[REDACTED_PHONE]")), "site")


@pytest.mark.parametrize(("field", "pictures", "text"), READ, ids=lambda part: str(part)[:40])
def test_what_a_picture_answers_is_no_problem(field: dict[str, Any], pictures: list[str], text: Any) -> None:
    assert answered(parse_flow(content(field, pictures)), text, pictures[0])


@pytest.mark.parametrize(
    ("field", "pictures", "told"),
    [
        ({"kind": "choice", "options": _OPTIONS}, [], "its step names no pictures"),
        ({"kind": "number", "reader": "meter"}, ["site"], "pictures of the kind meter alone"),
    ],
)
def test_the_kinds_of_pictures_count(field: dict[str, Any], pictures: list[str], told: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_flow(content(field, pictures))
    assert any(told in told_of(each) for each in refused.value.violations)


def test_every_field_of_every_flow_can_be_answered() -> None:
    for flow in shipped_flows():
        for step in flow.steps:
            for field in step.fields:
                assert set(step.ways) != {"picture"} or not why_never_in_picture(field, step.pictures)


@given(
    st.from_regex(r"(\[[A-Z0-9]{1,3}\]|[A-Z0-9-]|\\d|\(\?:[A-Z0-9]{1,2}\)|[A-Z0-9]\{1,3\}){1,4}", fullmatch=True),
    st.data(),
)
def test_a_format_has_letters_where_one_of_its_codes_has(pattern: str, data: st.DataObject) -> None:
    code = data.draw(st.from_regex(pattern, fullmatch=True))
    assert may_have_letter(pattern) or not any(character.isalpha() for character in code)
