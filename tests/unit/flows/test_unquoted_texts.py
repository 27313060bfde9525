"""Texts of a flow file that YAML reads as something else: each is told once, with what to do."""

from __future__ import annotations

from typing import Final

import pytest

from models.errors import InvalidInput
from server.flows.loader import parse_flow

FILE: Final = """\
name: car
version: 1
languages: [de, en]
title: {de: Auto, en: Car}
steps:
  - name: one
    fields:
      - name: mileage
        kind: number
        ask: ASK
        example: EXAMPLE
"""


def refused(ask: str = "{de: Wie weit, en: How far}", example: str = "viel") -> InvalidInput:
    with pytest.raises(InvalidInput) as told:
        parse_flow(FILE.replace("ASK", ask).replace("EXAMPLE", example))
    return told.value


@pytest.mark.parametrize(
    "text",
    [
        "{de: Damit wir wissen, welches Auto es ist, en: So that we know}",
        "{de: Ja, bitte, en: Yes please}",
        "{de: Gut, en: Good, or not so good}",
        "{de: Gut, oder auch: sehr gut, en: Good}",
    ],
)
def test_a_comma_within_braces_is_told_once(text: str) -> None:
    error = refused(text)
    assert [each.field for each in error.violations] == ["steps.0.fields.0.ask (line 10)"]
    assert "put it in quotes" in error.violations[0].description
    assert "in one place" in error.message


@pytest.mark.parametrize("text", ["{de: Bitte: so, en: Please}", "{de: Wie?, en: How?}", "{de: Nr #1, en: No}"])
def test_other_marks_are_told_once_in_the_hint(text: str) -> None:
    error = refused(text)
    assert "no YAML in line 1" in error.message
    assert "quotes" in error.hint
    assert not error.violations


@pytest.mark.parametrize(
    ("text", "read"),
    [("204815", "a number"), ("48.5", "a number"), ("yes", "yes or no"), ("2026-11-28", "a date")],
)
@pytest.mark.parametrize("form", ["{}", "{{de: {}, en: text}}"])
def test_a_text_that_yaml_takes_for_something_else_is_to_be_quoted(text: str, read: str, form: str) -> None:
    [told] = refused(example=form.format(text)).violations
    assert told.field.startswith("steps.0.fields.0.example")
    assert told.description == f"without quotes it is {read}: put it in quotes"


def test_a_text_that_is_wrong_in_one_language_is_told_for_that_language() -> None:
    [told] = refused("{de: [eins], en: one}").violations
    assert told.field == "steps.0.fields.0.ask.de (line 10)"


def test_conditions_and_events_within_braces_are_no_texts() -> None:
    whole = FILE.replace("ASK", "{de: a, en: b}").replace("EXAMPLE", "viel")
    parse_flow(
        f"{whole}        when: {{field: known, is: yes}}\nevents: {{photo_opened, form_sent}}\n"
        "facts: [{name: known, kind: yes_no}]\n"
    )
