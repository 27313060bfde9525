"""What people say to a question that was put to them, in the six languages of the guide.

``said_to_questions.tsv`` was written before the reader was looked at. Rows whose text has an odd CRC-32 were used to
tune it, the others were not.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Final, NamedTuple
from zlib import crc32

import pytest

from models.text import RedactedText
from server.flows.dialogue import answers_in
from server.flows.loader import parse_flow
from server.flows.progress import Answer, AnswerStatus, FieldState, progress_of
from server.flows.reading.answer_text import AnswerText

_TODAY: Final = date(2026, 11, 28)
_FIELDS: Final = {
    "text!": "ask: 'What happened?', kind: text",
    "text?": "ask: 'Anything else?', kind: text, required: false",
    "number!": "ask: 'What does it read?', kind: number",
    "number?": "ask: 'How many are there?', kind: number, required: false",
    "yesno!": "ask: 'Was anybody injured?', kind: yes_no",
    "yesno?": "ask: 'Was anybody injured?', kind: yes_no, required: false",
}


class Said(NamedTuple):
    """A row: ``=`` takes the text itself, ``again`` asks again, ``skip`` goes on without it, all else is the value."""

    language: str
    kind: str
    text: str
    expected: str

    @property
    def tuned(self) -> bool:
        return crc32(self.text.encode()) % 2 == 1


def rows() -> list[Said]:
    lines = Path(__file__).with_name("said_to_questions.tsv").read_text(encoding="utf-8").splitlines()
    return [Said(*line.split("\t")) for line in lines]


def outcome(said: Said) -> str:
    """What a guided session makes of it, in the words of the table."""
    fields = f"[{{name: asked, {_FIELDS[said.kind]}}}, {{name: later, ask: 'And then?', kind: text}}]"
    flow = parse_flow(f"{{name: talk, version: 1, title: Talk, steps: [{{name: one, fields: {fields}}}]}}", "talk.yaml")
    material = AnswerText(RedactedText.literal(said.text), "text", said.language, _TODAY)
    for row in answers_in(progress_of(flow, {}, []), material, asked=True, source_id="turn"):
        if row.field == "asked":
            value = "=" if row.value.value == said.text else row.value.value
            return {AnswerStatus.SKIPPED: "skip", AnswerStatus.REOPENED: "again"}.get(row.status, value)
    return "again"


def talk(*texts: str) -> list[str]:
    """What becomes of the fields when these are said one after the other, to an optional number after a text."""
    fields = "[{name: story, ask: 'What?', kind: text}, {name: age, ask: 'How old?', kind: number, required: false}]"
    flow = parse_flow(f"{{name: talk, version: 1, title: Talk, steps: [{{name: one, fields: {fields}}}]}}", "talk.yaml")
    found: list[Answer] = []
    for number, text in enumerate(texts):
        material = AnswerText(RedactedText.literal(text), "text", "en", _TODAY)
        found += answers_in(progress_of(flow, {}, found), material, asked=True, source_id=f"turn-{number}")
    progress = progress_of(flow, {}, found)
    return [one.value.value if one.state is FieldState.ANSWERED else one.state.value for one in progress.fields]


def test_a_no_that_tells_more_is_not_passed_over() -> None:
    assert talk("The gate fell on the car") == ["The gate fell on the car", "missing"]
    assert talk("The gate fell on the car", "No, the wall fell on the car") == ["the wall fell on the car", "missing"]
    assert talk("The gate fell on the car", "No, a big lorry came") == ["The gate fell on the car", "missing"]
    assert talk("The gate fell on the car", "No, there is none") == ["The gate fell on the car", "skipped"]
    assert talk("The gate fell on the car", "No") == ["The gate fell on the car", "skipped"]


def test_a_bare_no_to_a_required_text_is_asked_about_once() -> None:
    assert talk("No") == ["missing", "missing"]
    assert talk("No", "No") == ["No", "missing"]
    assert talk("No", "No, the wall fell")[0].endswith("the wall fell")
    assert talk("No", "The wall fell", "No") == ["The wall fell", "skipped"]


def test_an_optional_question_that_nobody_answered_is_asked_once_more() -> None:
    assert talk("The gate fell", "Hm, let me look at it") == ["The gate fell", "missing"]
    assert talk("The gate fell", "Hm, let me look at it", "It is over there") == ["The gate fell", "skipped"]
    assert talk("The gate fell", "Hm, let me look at it", "17") == ["The gate fell", "17"]
    assert talk("The gate fell", "It is not there") == ["The gate fell", "skipped"]
    assert talk("The gate fell", "I can't read it") == ["The gate fell", "skipped"]


def test_an_optional_question_is_passed_at_once_where_another_field_is_answered() -> None:
    fields = "[{name: age, ask: 'How old?', kind: number, unit: years, required: false}, "
    fields += "{name: weight, ask: 'How much does it weigh?', kind: number, unit: kg}]"
    flow = parse_flow(f"{{name: talk, version: 1, title: Talk, steps: [{{name: one, fields: {fields}}}]}}", "talk.yaml")
    material = AnswerText(RedactedText.literal("It weighs 5 kg"), "text", "en", _TODAY)
    found = answers_in(progress_of(flow, {}, []), material, asked=True, source_id="turn")
    assert [one.state for one in progress_of(flow, {}, found).fields] == [FieldState.SKIPPED, FieldState.ANSWERED]


def test_the_other_half_of_the_table_is_understood_nearly_as_well() -> None:
    others = [row for row in rows() if not row.tuned]
    assert sum(outcome(row) == row.expected for row in others) >= 0.9 * len(others)


@pytest.mark.parametrize("said", [row for row in rows() if row.tuned], ids=lambda row: f"{row.kind} {row.text}")
def test_what_is_said_to_a_question_is_understood(said: Said) -> None:
    assert outcome(said) == said.expected
