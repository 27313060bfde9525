"""Whose a personal value is that comes while another field is asked: only the speaker's own counts."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date
from itertools import count

import pytest

from models.text import RedactedText
from server.flows.dialogue import answers_in
from server.flows.loader import parse_flow
from server.flows.progress import AnswerStatus, progress_of
from server.flows.reading.answer_text import AnswerText

FLOW = parse_flow(
    """
name: find
version: 1
languages: [en, de, es, fr, pt, hi]
title: Find
steps:
  - name: animal
    fields:
      - {name: injury, ask: "What is the injury?", kind: text}
  - name: finder
    fields:
      - {name: finder_name, ask: "What is your name?", kind: personal, entities: [NAME], label: name of the finder}
      - {name: finder_phone, ask: "What is your telephone number?", kind: personal, entities: [PHONE], keep: tag,
         label: {en: telephone, de: Telefonnummer, es: teléfono, fr: téléphone, pt: telefone, hi: फ़ोन}}
""",
    "find.yaml",
)

OTHERS = [
    ("en", "my neighbor <NAME> saw it, he is on <PHONE>, no wait, <PHONE>"),
    ("en", "his number is <PHONE>"),
    ("en", "my wife's name is <NAME> and her number is <PHONE>"),
    ("en", "please call my daughter <NAME> on <PHONE>"),
    ("en", "the vet <NAME> looked at it, <PHONE>"),
    ("en", "I gave it to <NAME>"),
    ("en", "I am <NAME>'s neighbour"),
    ("en", "they can be reached at <PHONE>"),
    ("en", "the name on the collar is <NAME> and there is a number, <PHONE>"),
    ("en", "My neighbour saw it. Telephone <PHONE>"),
    ("en", "you can reach him at <PHONE>"),
    ("en", "<NAME> found it"),
    ("de", "seine Nummer ist <PHONE>"),
    ("de", "meine Nachbarin <NAME> hat es gesehen, ihre Nummer ist <PHONE>"),
    ("de", "ihre Tochter heißt <NAME>"),
    ("de", "er ist unter <PHONE> erreichbar"),
    ("de", "das hat mein Bruder <NAME> gesehen"),
    ("es", "su número es <PHONE>"),
    ("es", "mi vecina se llama <NAME>"),
    ("fr", "ma voisine <NAME> l'a vu, son numéro est <PHONE>"),
    ("pt", "o número dele é <PHONE>"),
]
OWN = [
    ("en", "my name is <NAME>", "finder_name"),
    ("en", "I am <NAME> and it bleeds", "finder_name"),
    ("en", "It limps, my number is <PHONE>", "finder_phone"),
    ("en", "you can reach me at <PHONE>", "finder_phone"),
    ("en", "My neighbour saw it too, but my number is <PHONE>", "finder_phone"),
    ("en", "Telephone: <PHONE>", "finder_phone"),
    ("en", "my name is <NAME> and my number is <PHONE>", "finder_name finder_phone"),
    ("en", "my number is <PHONE>, no wait, <PHONE>", "finder_phone"),
    ("de", "mein Name ist <NAME>", "finder_name"),
    ("de", "ich heiße <NAME>, meine Nummer ist <PHONE>", "finder_name finder_phone"),
    ("de", "Sie erreichen mich unter <PHONE>", "finder_phone"),
    ("de", "ich bin <NAME>", "finder_name"),
    ("es", "me llamo <NAME> y mi número es <PHONE>", "finder_name finder_phone"),
    ("fr", "je m'appelle <NAME>", "finder_name"),
    ("pt", "meu nome é <NAME>", "finder_name"),
]


def given(language: str, text: str, *said: str) -> dict[str, str]:
    """What the personal fields have after a text that answers the question for the injury, and after others before."""
    answers = []
    for number, one in enumerate((*said, text)):
        progress = progress_of(FLOW, {}, answers)
        material = AnswerText(_redacted(one), "text", language, date(2026, 11, 28))
        answers += answers_in(progress, material, asked=True, source_id=str(number))
    after = progress_of(FLOW, {}, answers)
    assert all(each.status is not AnswerStatus.SKIPPED for each in answers)
    return {one.field.name: one.value.value for one in after.fields if one.value and one.field.name != "injury"}


def _redacted(text: str) -> RedactedText:
    """The text with a numbered tag for each placeholder."""
    numbers, counts = count(1), Counter(re.findall(r"<(NAME|PHONE)>", text))
    value = re.sub(r"<(NAME|PHONE)>", lambda found: f"[REDACTED_{found[1]}_{next(numbers)}]", text)
    return RedactedText.restore(value, dict(counts), safe_for_llm=True)


@pytest.mark.parametrize(("language", "text"), OTHERS)
def test_another_persons_value_is_no_answer(language: str, text: str) -> None:
    assert given(language, text) == {}


@pytest.mark.parametrize(("language", "text", "fields"), OWN)
def test_the_speakers_own_value_is_an_answer(language: str, text: str, fields: str) -> None:
    assert " ".join(given(language, text)) == fields
