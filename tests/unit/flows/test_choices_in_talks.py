"""Choices in a talk: a no may be one of their options, and two choices may have the same ones."""

from __future__ import annotations

import json
from datetime import date
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.text import RedactedText
from server.flows.dialogue import answers_in
from server.flows.loader import parse_flow, shipped_flows
from server.flows.progress import Answer, FieldState, progress_of
from server.flows.reading.answer_text import AnswerText
from server.flows.texts import text_in

_TODAY: Final = date(2026, 11, 28)
_NO: Final = {"en": "no", "de": "nein", "es": "no", "fr": "non", "pt": "não", "hi": "नहीं"}
_SCRATCH: Final = {"en": "scratch", "de": "Kratzer", "es": "rasguño", "fr": "rayure", "pt": "risco", "hi": "खरोंच"}


def damage(name: str, **changes: Any) -> dict[str, Any]:
    options: list[dict[str, Any]] = [
        {"value": "none", "words": {code: [word] for code, word in _NO.items()}},
        {"value": "scratch", "words": {code: [word] for code, word in _SCRATCH.items()}},
        {"value": "dent"},
    ]
    return {"name": name, "kind": "choice", "ask": f"Damage, {name}?", "options": options, **changes}


def after(fields: list[dict[str, Any]], *texts: str, language: str = "en") -> list[str]:
    """What becomes of the fields when each text is said to the question that is open then."""
    content = {"name": "talk", "version": 1, "title": "Talk", "steps": [{"name": "one", "fields": fields}]}
    flow = parse_flow(json.dumps({**content, "languages": list(_NO)}), "talk.json")
    rows: list[Answer] = []
    for number, text in enumerate(texts):
        material = AnswerText(RedactedText.literal(text), "text", language, _TODAY)
        rows += answers_in(progress_of(flow, {}, rows), material, asked=True, source_id=f"turn-{number}")
    fields_now = progress_of(flow, {}, rows).fields
    return [one.value.value if one.state is FieldState.ANSWERED else one.state.value for one in fields_now]


FRONT, REAR = damage("front"), damage("rear")
KEYS: Final = {"name": "keys", "kind": "number", "ask": "How many keys are there?"}


@pytest.mark.parametrize("language", _NO)
def test_no_is_the_option_that_is_called_so(language: str) -> None:
    no, scratch = _NO[language].capitalize() + ".", _SCRATCH[language].capitalize() + "."
    assert after([FRONT, REAR], scratch, language=language) == ["scratch", "missing"]
    assert after([FRONT, REAR], scratch, no, language=language) == ["scratch", "none"]
    assert after([FRONT, REAR], no, scratch, language=language) == ["none", "scratch"]
    assert after([damage("front", required=False)], no, language=language) == ["none"]


@pytest.mark.parametrize(
    ("said", "front", "rear"),
    [
        ("None.", "scratch", "none"),
        ("No, nothing there.", "scratch", "none"),
        ("no damage", "scratch", "none"),
        ("No, I meant a dent", "dent", "missing"),
        ("Sorry, a dent", "dent", "missing"),
        ("Sorry, I meant none", "none", "missing"),
    ],
)
def test_more_than_a_no_is_read_with_what_it_says(said: str, front: str, rear: str) -> None:
    assert after([FRONT, REAR], "A scratch.", said) == [front, rear]


def test_a_bare_no_to_another_question_does_not_change_a_choice() -> None:
    assert after([FRONT, KEYS], "A scratch.", "No.") == ["scratch", "missing"]
    assert after([FRONT, {**KEYS, "required": False}], "A scratch.", "No.") == ["scratch", "skipped"]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from(["none", "scratch", "dent", "no"]), min_size=1, max_size=4))
def test_each_of_several_like_choices_has_what_was_said_to_its_own_question(said: list[str]) -> None:
    fields = [damage(f"side_{number}", required=number % 2 == 0) for number in range(4)]
    told = ["none" if word == "no" else word for word in said]
    assert after(fields, *said) == told + ["missing"] * (4 - len(told))


def test_every_option_of_every_flow_is_what_it_is_called_to_its_question() -> None:
    for flow in shipped_flows():
        for language in flow.languages:
            for field in (each for each in flow.fields.values() if each.kind == "choice"):
                step = flow.step_of(field.name)
                alone = flow.model_copy(update={"steps": [step.model_copy(update={"fields": [field], "when": None})]})
                for option in field.options:
                    label = option.value if option.label is None else text_in(option.label, language)
                    material = AnswerText(RedactedText.literal(label), "text", language, _TODAY)
                    [row] = answers_in(progress_of(alone, {}, []), material, asked=True, source_id="turn")
                    assert row.value.value == option.value
