"""Which field a personal value is sealed for where several may have it, and what a correction leaves of it."""

from __future__ import annotations

import pytest

from server.ledger import audit
from server.ledger.columns import Cursor
from tests.unit.sealed.guided_helpers import GuidedSession

FLOW = """
name: booking
version: 1
title: Booking
steps:
  - name: own
    pictures: [document]
    fields:
      - {name: phone, ask: "Your telephone number?", kind: personal, entities: [PHONE], keep: sealed, seal_to: crm,
         from_pictures: true, label: your number}
      - {name: boxes, ask: "How many boxes?", kind: number, unit: boxes}
  - name: other
    pictures: [document]
    fields:
      - {name: deputy, ask: "Whom else can we call?", kind: personal, entities: [PHONE], keep: sealed, seal_to: crm,
         from_pictures: true, label: the other number}
      - {name: remark, ask: "Anything else?", kind: text, required: false}
"""
_DEPUTY = "entities: [PHONE], keep: sealed, seal_to: crm,\n         from_pictures: true, label: the other number"
ALONE = FLOW.replace(_DEPUTY, "entities: [NAME], keep: tag")
FIRST, SECOND, THIRD = "415-555-0132", "415-555-0177", "415-555-0148"


@pytest.mark.parametrize(
    "words",
    ["no, the number is {}", "Sorry, it is {}", "No, your number should be {}", "I meant {}"],
)
def test_a_correction_leaves_the_last_value_alone(cursor: Cursor, words: str) -> None:
    talk = GuidedSession(cursor, ALONE)
    talk.say(FIRST)
    assert (talk.sealed(), talk.asked) == ({"phone": [FIRST]}, "boxes")
    talk.say(words.format(SECOND))
    assert talk.sealed() == {"phone": [SECOND]}
    assert talk.record()["phone"] == "sealed"
    assert [(row.action, row.reason) for row in audit.rows_after(cursor, 0, 9)] == [("sealed_superseded", "phone")]


def test_a_second_number_that_is_not_said_to_be_ones_own_is_not_kept(cursor: Cursor) -> None:
    talk = GuidedSession(cursor, ALONE)
    talk.say(FIRST)
    talk.say(f"5 boxes, and my office has {SECOND}")
    assert talk.sealed() == {"phone": [FIRST]}
    assert audit.rows_after(cursor, 0, 9) == []


def test_a_number_belongs_to_the_field_that_was_asked_for(cursor: Cursor) -> None:
    talk = GuidedSession(cursor, FLOW)
    talk.say(FIRST)
    assert (talk.sealed(), talk.record(), talk.asked) == ({"phone": [FIRST]}, {"phone": "sealed"}, "boxes")
    talk.say("5")
    talk.say(SECOND)
    assert talk.sealed() == {"phone": [FIRST], "deputy": [SECOND]}
    assert talk.record() == {"phone": "sealed", "deputy": "sealed"}


def test_a_correction_goes_to_the_field_that_it_names(cursor: Cursor) -> None:
    talk = GuidedSession(cursor, FLOW)
    for text in (FIRST, "5", SECOND):
        talk.say(text)
    talk.say(f"Sorry, your number is {THIRD}")
    assert talk.sealed() == {"phone": [THIRD], "deputy": [SECOND]} or talk.sealed() == {
        "deputy": [SECOND],
        "phone": [THIRD],
    }


def test_without_a_question_a_number_is_of_the_step_that_is_asked(cursor: Cursor) -> None:
    talk = GuidedSession(cursor, FLOW)
    talk.say(f"Call {FIRST}", asked=False)
    assert talk.sealed() == {"phone": [FIRST]}


@pytest.mark.parametrize(("turns", "field"), [((), "phone"), ((FIRST, "5"), "deputy")])
def test_a_picture_gives_its_number_to_the_step_that_is_asked(
    cursor: Cursor, turns: tuple[str, ...], field: str
) -> None:
    talk = GuidedSession(cursor, FLOW)
    for text in turns:
        talk.say(text)
    talk.photograph(f"Tel. {THIRD}", "document")
    assert talk.sealed()[field] == [THIRD]
    assert talk.record()[field] == "sealed"


def test_a_picture_that_is_read_late_counts_for_the_step_in_which_it_was_sent(cursor: Cursor) -> None:
    talk = GuidedSession(cursor, FLOW)
    talk.say(FIRST)
    talk.say("5")
    talk.photograph(f"Tel. {FIRST}", "document", sent=0)
    assert talk.asked == "deputy"
    assert set(talk.sealed()) == {"phone"}
    assert talk.record() == {"phone": "sealed"}


def test_a_picture_of_another_kind_gives_nothing(cursor: Cursor) -> None:
    talk = GuidedSession(cursor, FLOW)
    talk.photograph(f"Tel. {THIRD}", "meter")
    assert (talk.sealed(), talk.record(), talk.asked) == ({}, {}, "phone")


def test_where_it_is_not_certain_a_picture_gives_its_number_to_none_and_the_person_is_asked(cursor: Cursor) -> None:
    one_step = FLOW.replace("  - name: other\n    pictures: [document]\n    fields:\n", "")
    talk = GuidedSession(cursor, one_step)
    talk.photograph(f"Tel. {THIRD}", "document")
    assert (talk.sealed(), talk.record(), talk.asked) == ({}, {}, "phone")
    talk.say(FIRST)
    assert (talk.sealed(), talk.asked) == ({"phone": [FIRST]}, "boxes")
