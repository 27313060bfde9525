"""Whose a personal value is that comes while another field is asked: only the speaker's own counts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import date
from itertools import count

import pytest

from models.text import RedactedText
from server.flows.dialogue import answers_in
from server.flows.loader import parse_flow
from server.flows.progress import Answer, AnswerStatus, progress_of
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
    ("en", "the dog belongs to <NAME>"),
    ("en", "my husband took it to <NAME>, you can call them at <PHONE>"),
    ("en", "She said her name was <NAME>"),
    ("en", "the owner is <NAME> and the tag says <PHONE>"),
    ("en", "My friend's number is <PHONE>"),
    ("en", "I called <PHONE> and nobody answered"),
    ("en", "I think it is the cat of my neighbour, <NAME>"),
    ("en", "A man called <NAME> hit it with his car"),
    ("en", "My boss, <NAME>, can be reached at <PHONE>"),
    ("en", "I was with my sister <NAME>"),
    ("en", "ask <NAME>, <PHONE>"),
    ("en", "it was seen by <NAME>, phone <PHONE>, and by me"),
    ("de", "Frau <NAME> hat es gesehen, sie ist unter <PHONE> zu erreichen"),
    ("de", "Der Besitzer heißt <NAME>"),
    ("de", "Ich habe <NAME> angerufen"),
    ("de", "mein Mann hat die <PHONE>"),
    ("de", "Sie erreichen ihn unter <PHONE>"),
    ("es", "mi hermano <NAME> lo vio, llámelo al <PHONE>"),
    ("fr", "il s'appelle <NAME>"),
    ("pt", "minha irmã se chama <NAME>"),
    ("hi", "उसका नाम <NAME> है"),
    ("hi", "मेरे भाई का नंबर <PHONE> है"),
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
    ("en", "I'm <NAME>", "finder_name"),
    ("en", "My name's <NAME>, it limps", "finder_name"),
    ("en", "call me on <PHONE>", "finder_phone"),
    ("en", "my phone number is <PHONE>", "finder_phone"),
    ("en", "My mobile is <PHONE> and my neighbour has <PHONE>", "finder_phone"),
    ("en", "I am called <NAME>", "finder_name"),
    ("en", "he bit me. I am <NAME>, <PHONE>", "finder_name finder_phone"),
    ("de", "Meine Telefonnummer lautet <PHONE>", "finder_phone"),
    ("de", "rufen Sie mich unter <PHONE> an", "finder_phone"),
    ("de", "Ich bin Frau <NAME>", "finder_name"),
    ("es", "soy <NAME>", "finder_name"),
    ("es", "mi teléfono es <PHONE>", "finder_phone"),
    ("fr", "mon numéro est le <PHONE>", "finder_phone"),
    ("pt", "sou <NAME>", "finder_name"),
    ("hi", "मेरा नाम <NAME> है", "finder_name"),
    ("en", "The telephone is <PHONE>", "finder_phone"),
    ("en", "this is my number: <PHONE>", "finder_phone"),
    ("hi", "मेरा नंबर <PHONE> है", "finder_phone"),
    ("en", "the name of the finder is <NAME>", "finder_name"),
]


def given(language: str, *said: str) -> dict[str, str]:
    """What the personal fields have after some texts. The first one answers the question for the injury."""
    answers: list[Answer] = []
    numbers = count(1)
    for number, one in enumerate(said):
        progress = progress_of(FLOW, {}, answers)
        material = AnswerText(_redacted(one, numbers), "text", language, date(2026, 11, 28))
        answers += answers_in(progress, material, asked=True, source_id=str(number))
    after = progress_of(FLOW, {}, answers)
    assert all(each.status is not AnswerStatus.SKIPPED for each in answers)
    return {one.field.name: one.value.value for one in after.fields if one.value and one.field.name != "injury"}


def _redacted(text: str, numbers: Iterator[int]) -> RedactedText:
    """The text with a numbered tag for each placeholder."""
    counts = Counter(re.findall(r"<(NAME|PHONE)>", text))
    value = re.sub(r"<(NAME|PHONE)>", lambda found: f"[REDACTED_{found[1]}_{next(numbers)}]", text)
    return RedactedText.restore(value, dict(counts), safe_for_llm=True)


@pytest.mark.parametrize(("language", "text"), OTHERS)
def test_another_persons_value_is_no_answer(language: str, text: str) -> None:
    assert given(language, text) == {}


@pytest.mark.parametrize(("language", "text", "fields"), OWN)
def test_the_speakers_own_value_is_an_answer(language: str, text: str, fields: str) -> None:
    assert " ".join(given(language, text)) == fields


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "my neighbour <NAME>"),
        ("en", "her name is <NAME>"),
        ("de", "meine Frau <NAME>"),
        ("es", "ella es <NAME>"),
    ],
)
def test_asked_for_it_the_name_of_somebody_else_is_asked_again(language: str, text: str) -> None:
    assert given(language, "fractura", text) == {}
    assert given(language, "fractura", text, "<NAME>") == {"finder_name": "yes"}


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "<NAME>"),
        ("en", "I'm the neighbor, <NAME>"),
        ("de", "Frau <NAME>"),
        ("de", "<NAME>, ja"),
        ("es", "soy <NAME>"),
    ],
)
def test_asked_for_it_every_other_name_counts(language: str, text: str) -> None:
    assert given(language, "fractura", text) == {"finder_name": "yes"}


def test_of_several_values_only_the_own_one_is_kept() -> None:
    text = "my number is <PHONE>, and the number of my sister is <PHONE>"
    assert given("en", text) == {"finder_phone": "[REDACTED_PHONE_1]"}
    assert given("en", "my number is <PHONE>, no wait, <PHONE>") == {"finder_phone": "[REDACTED_PHONE_2]"}


@pytest.mark.parametrize(
    ("language", "text"),
    [("en", "Thank you. My number is <PHONE>"), ("de", "Meine Nummer ist <PHONE>"), ("es", "mi número es <PHONE>")],
)
def test_a_later_own_value_replaces_the_one_before(language: str, text: str) -> None:
    said = ("fractura", "<NAME>", "<PHONE>")
    assert given(language, *said)["finder_phone"] == "[REDACTED_PHONE_2]"
    assert given(language, *said, text)["finder_phone"] == "[REDACTED_PHONE_3]"


@pytest.mark.parametrize(
    ("language", "text"),
    [("en", "Sorry, his number is <PHONE>"), ("de", "nein, seine Nummer ist <PHONE>"), ("es", "su número es <PHONE>")],
)
def test_another_persons_value_replaces_nothing(language: str, text: str) -> None:
    assert given(language, "fractura", "<NAME>", "<PHONE>", text)["finder_phone"] == "[REDACTED_PHONE_2]"
