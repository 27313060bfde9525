"""A stored text is redacted again with what was asked for before it, so no answer is hidden that was not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from models.redaction.redactor import LocalRedactor
from models.text import RedactedText
from server.flows.progress import Answer, AnswerStatus
from server.ledger import answers, sessions, stored_texts, turns
from server.ledger.columns import Cursor
from server.ledger.embedded import EmbeddedLedger
from server.ledger.types import SessionRow
from tests.fakes.classifier import WordListClassifier
from tests.fakes.guide import FLOWS
from tests.unit.ledger.makers import session, turn
from tests.unit.ledger.stored import read_now
from tests.unit.records.redact_again_helpers import LATER, run, stored

CODES = LocalRedactor(WordListClassifier({"pmp": "SURNAME"}), worker_key=bytes(32))
"""Takes the letters of the code for a name."""


def tell(ledger: EmbeddedLedger, asked_field: str, text: str = "PMP-0042") -> SessionRow:
    def write(cursor: Cursor) -> SessionRow:
        row, _ = sessions.insert_or_get(cursor, replace(session(), flow="incident_report", flow_version=1))
        said = replace(turn(row.id, 0, row.id), text=stored(text), source="typed", asked_field=asked_field)
        turns.insert_turn(cursor, said)
        return row

    return ledger.write_now(write)


@pytest.mark.parametrize(
    ("asked_field", "expected"),
    [("asset_code", "PMP-0042"), ("", "[REDACTED_NAME]-0042"), ("gone", "[REDACTED_NAME]-0042")],
)
def test_an_answer_is_read_with_its_question(ledger: EmbeddedLedger, asked_field: str, expected: str) -> None:
    row = tell(ledger, asked_field)
    run(ledger, CODES)
    [said] = read_now(ledger, lambda cursor: turns.list_of_session(cursor, row.id))
    assert said.text.value == expected


def test_a_question_clears_no_name_beside_its_answer(ledger: EmbeddedLedger) -> None:
    row = tell(ledger, "asset_code", "PMP-0042, ask Mr Pmp")
    run(ledger, CODES)
    [said] = read_now(ledger, lambda cursor: turns.list_of_session(cursor, row.id))
    assert said.text.value.startswith("PMP-0042, ask ")
    assert "Pmp" not in said.text.value


def test_a_session_with_a_new_answer_of_its_app_is_redacted_again(ledger: EmbeddedLedger) -> None:
    row = tell(ledger, "")
    run(ledger, CODES)
    given = Answer("what", "what_happened", AnswerStatus.ANSWERED, RedactedText.literal("Pmp fell"), "app", "answer-1")

    def write(cursor: Cursor) -> None:
        answers.append(cursor, row.id, FLOWS.get("incident_report", 1), [given], 0, LATER + timedelta(days=1))

    ledger.write_now(write)
    run(ledger, CODES)
    texts = read_now(ledger, lambda cursor: stored_texts.of_session(cursor, row.id)).answers
    assert [text.value for _, text in texts] == ["[REDACTED_NAME] fell"]
