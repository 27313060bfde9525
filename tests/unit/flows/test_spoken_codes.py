"""Codes that a flow asks for, as people say them and as speech recognition writes them down, of which it is unsure."""

from __future__ import annotations

from datetime import date
from typing import Final

import pytest

from models.redaction.dialogue_context import answering
from models.redaction.flow_words import spellings
from models.redaction.redactor import LocalRedactor
from models.redaction.streaming.open_tail import NO_TAIL, TailAwareRedactor, open_tail_of
from models.redaction.types import RedactionContext, RedactionScope
from models.text import RawText, Recognition, RecognizedWord, RedactedText, TextSource
from server.flows.asking import answer_hints, asked_for, flow_words
from server.flows.definition import FlowDefinition
from server.flows.loader import parse_flow
from server.flows.reading.answer_text import AnswerText
from server.flows.reading.codes import read_code

FLOW: Final = """
name: rental
version: 1
title: {en: Rental, de: Miete}
languages: [en, de]
steps:
  - name: contract
    fields:
      - name: contract
        kind: code
        format: "MV[- ]?[0-9]{6}"
        ask: {en: "What is the number of your contract?", de: "Wie lautet die Nummer Ihres Vertrags?"}
        example: MV-204817
      - {name: tag, kind: code, format: "SH[0-9]{2}-[0-9]{4}", ask: {en: "The code?", de: "Der Code?"}}
"""


@pytest.fixture(scope="module")
def flow() -> FlowDefinition:
    return parse_flow(FLOW)


@pytest.fixture(scope="module")
def redactor(real_redactor: LocalRedactor) -> LocalRedactor:
    return real_redactor


def context_of(flow: FlowDefinition, field: str, language: str) -> RedactionContext:
    scope = RedactionScope("c", "s", None, flow_words(flow))
    asked = flow.fields[field]
    context = RedactionContext(TextSource.SPEECH, language, scope=scope)
    return answering(context, asked_for(asked), answer_hints(asked, flow, language))


def heard(text: str, confidence: float = 0.2) -> RawText:
    """A text of which recognition is not sure."""
    return RawText(text, Recognition((RecognizedWord(0, len(text), confidence),), (), confidence))


@pytest.mark.parametrize(
    ("field", "said", "code"),
    [
        ("contract", "The contract is MV 310942", "MV-310942"),
        ("contract", "The contract is MV-204-817.", "MV-204817"),
        ("contract", "MV-20481-7", "MV-204817"),
        ("contract", "M V, three one zero, nine four two.", "MV-310942"),
        ("contract", "It is MV310942", "MV310942"),
        ("contract", "It is MV-31042", None),
        ("contract", "It is MV 204 817 or MV 204 818", None),
        ("tag", "The code on the tag is SH-26-0417.", "SH26-0417"),
        ("tag", "S H two six, dash, zero six one two.", "SH26-0612"),
        ("tag", "S H two six zero six one two", "SH26-0612"),
        ("tag", "SH26 0612.", "SH26-0612"),
        ("tag", "I have no code 12", None),
    ],
)
def test_a_code_is_read_as_it_is_said(flow: FlowDefinition, field: str, said: str, code: str | None) -> None:
    material = AnswerText(RedactedText.literal(said), "speech", "en", date(2026, 11, 28))
    assert read_code(flow.fields[field], material, asked=True) == code  # type: ignore[arg-type]


def test_a_code_is_written_with_marks_at_its_bounds_and_between_digits() -> None:
    found = set(spellings("SH260417"))
    assert {"SH260417", "SH-260417", "SH26-0417", "SH-26-0417", "SH26 0417"} <= found
    assert "S-H260417" not in found
    assert len(found) < 100


@pytest.mark.models
@pytest.mark.parametrize(
    ("field", "language", "said"),
    [
        ("contract", "de", "Die Vertragsnummer ist MV 310942."),
        ("contract", "de", "Die Vertragsnummer ist MV-204-817."),
        ("contract", "de", "MV-20481-7"),
        ("tag", "en", "The intake code is SH26-0612"),
        ("tag", "en", "The code on the tag is SH-26-0417."),
    ],
)
def test_a_code_that_was_asked_for_counts_though_recognition_is_unsure_of_it(
    redactor: LocalRedactor, flow: FlowDefinition, field: str, language: str, said: str
) -> None:
    text = redactor.redact(heard(said), context_of(flow, field, language)).text
    assert (text.value, text.safe_for_llm) == (said, True)


@pytest.mark.models
@pytest.mark.parametrize("said", ["Die Nummer ist 310942.", "Die Vertragsnummer ist MV 310942 und 0176 481."])
def test_another_number_of_which_recognition_is_unsure_does_not_reach_the_llm(
    redactor: LocalRedactor, flow: FlowDefinition, said: str
) -> None:
    text = redactor.redact(heard(said), context_of(flow, "contract", "de")).text
    assert not text.safe_for_llm or said.rsplit(maxsplit=1)[-1] not in text.value


@pytest.mark.models
@pytest.mark.parametrize("said", ["Mein Passwort ist MV-204-817", "Meine Passnummer ist MV 204 817."])
def test_a_code_that_is_called_something_personal_is_hidden(
    redactor: LocalRedactor, flow: FlowDefinition, said: str
) -> None:
    assert "817" not in redactor.redact(heard(said, 0.95), context_of(flow, "contract", "de")).text.value


@pytest.mark.models
def test_what_is_said_after_a_code_does_not_depend_on_it(redactor: LocalRedactor, flow: FlowDefinition) -> None:
    context, tail = context_of(flow, "contract", "de"), NO_TAIL
    for said in ("Die Vertragsnummer ist MV-204-817.", "48.203 km, nein, warte, 48.213.", "Nein."):
        text = RawText(said)
        redaction = TailAwareRedactor(redactor, tail).redact(text, context)
        assert (redaction.text.value, redaction.text.safe_for_llm) == (said, True)
        tail = open_tail_of(text, redaction.entities, context, tail)


@pytest.mark.models
def test_a_number_that_a_pause_cut_is_open_for_the_next_utterance(
    redactor: LocalRedactor, flow: FlowDefinition
) -> None:
    context = context_of(flow, "contract", "de")
    text = RawText("Der Vertrag ist MV-204-817. Meine Telefonnummer ist null eins sieben sechs")
    redaction = redactor.redact(text, context)
    tail = open_tail_of(text, redaction.entities, context, NO_TAIL).reveal()
    assert "null eins sieben sechs" in tail
    assert "204" not in tail
