"""Only the speaker's own values are sealed and hashed where another field was asked, and the last one counts."""

from __future__ import annotations

import pytest

from server.ledger import audit, sealed_values
from server.ledger.columns import Cursor
from tests.unit.sealed.guided_helpers import GuidedSession

FLOW = """
name: find
version: 1
languages: [en, de, es]
title: Find
steps:
  - name: animal
    fields:
      - {name: injury, ask: "What is the injury?", kind: text}
  - name: finder
    fields:
      - {name: phone, ask: "What is your telephone number?", kind: personal, entities: [PHONE], keep: sealed,
         seal_to: crm, label: {en: telephone, de: Telefonnummer, es: teléfono}}
"""
HASHED = FLOW.replace("keep: sealed,\n         seal_to: crm", "keep: hash")
TAGGED = FLOW.replace("keep: sealed,\n         seal_to: crm", "keep: tag")
FIRST, SECOND, THIRD = "415-555-0132", "415-555-0177", "415-555-0148"


@pytest.mark.parametrize("flow", [FLOW, HASHED, TAGGED])
@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", f"my neighbor Tarn Quist saw it, he is on {FIRST}, no wait, {SECOND}"),
        ("de", f"meine Nachbarin hat es gesehen, ihre Nummer ist {FIRST}"),
        ("es", f"mi vecina lo vio, su número es {FIRST}"),
    ],
)
def test_the_number_of_a_neighbour_is_kept_nowhere(cursor: Cursor, flow: str, language: str, text: str) -> None:
    talk = GuidedSession(cursor, flow, language=language)
    talk.say(text)
    assert (talk.sealed(), talk.record(), talk.asked) == ({}, {}, "phone")
    talk.say(THIRD)
    assert "phone" in talk.record()
    assert len(sealed_values.list_of_session(cursor, talk.session.id)) == (flow is not TAGGED)


def test_of_two_numbers_the_own_one_is_sealed(cursor: Cursor) -> None:
    talk = GuidedSession(cursor, FLOW)
    talk.say(f"It limps. My number is {FIRST}. You can reach him at {SECOND}")
    assert talk.sealed() == {"phone": [FIRST]}


def test_the_last_own_number_replaces_the_one_before(cursor: Cursor) -> None:
    talk = GuidedSession(cursor, FLOW)
    talk.say("It limps")
    talk.say(FIRST)
    talk.say(f"My number is {SECOND}.", asked=False)
    assert talk.sealed() == {"phone": [SECOND]}
    assert talk.record() == {"phone": "sealed"}
    assert [(row.action, row.reason) for row in audit.rows_after(cursor, 0, 9)] == [("sealed_superseded", "phone")]
    talk.say(f"My number is {THIRD}")
    assert talk.sealed() == {"phone": [THIRD]}


@pytest.mark.parametrize("text", ["His number is {}", "Sorry, his number is {}", "No, my sister is on {}"])
def test_another_persons_number_corrects_nothing(cursor: Cursor, text: str) -> None:
    talk = GuidedSession(cursor, FLOW)
    talk.say("It limps")
    talk.say(FIRST)
    talk.say(text.format(SECOND))
    assert talk.sealed() == {"phone": [FIRST]}


@pytest.mark.parametrize("words", ["{}, no wait, {}", "my number is {}, sorry, {}"])
def test_of_a_number_that_is_corrected_in_the_same_breath_the_last_one_is_sealed(cursor: Cursor, words: str) -> None:
    talk = GuidedSession(cursor, FLOW)
    talk.say("It limps")
    talk.say(words.format(FIRST, SECOND))
    assert talk.sealed() == {"phone": [SECOND]}


def test_a_question_about_somebody_else_is_answered_by_their_number(cursor: Cursor) -> None:
    talk = GuidedSession(cursor, FLOW.replace("What is your telephone number?", "What is the number of the owner?"))
    talk.say("It limps")
    talk.say(f"her number is {FIRST}")
    assert talk.sealed() == {"phone": [FIRST]}
