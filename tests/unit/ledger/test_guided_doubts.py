"""An answer that breaks a check of its flow, as the ledger and the app have it while the person is asked about it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from vestibule.v1 import flow_pb2 as pb

from models.text import RedactedText
from server.ledger import answers, sessions
from server.ledger.columns import Cursor
from server.ledger.types import SessionRow
from server.records.answered_fields import answered_fields
from server.services.flow_messages import progress_message
from tests.fakes.guide import GUIDE
from tests.unit.ledger import makers
from tests.unit.ledger.makers import NOW
from tests.unit.ledger.test_guided_sessions import names

BROKEN = "meter_reading?not_below_last_reading"


@pytest.fixture
def session(cursor: Cursor) -> SessionRow:
    row = replace(makers.session(), flow="site_visit", flow_version=1, facts={"last_reading": "5000"})
    return sessions.insert_or_get(cursor, row)[0]


def say(cursor: Cursor, session: SessionRow, *texts: str) -> str:
    """Say something to whatever is asked; returns what is asked then."""
    for number, text in enumerate(texts):
        turn = replace(makers.turn(session.id, number), text=RedactedText.literal(text), source="typed", language="en")
        GUIDE.heard(cursor, session, turn, known=GUIDE.progress(cursor, session).asks)
    return GUIDE.progress(cursor, session).asks


def test_an_app_shows_what_is_wrong_and_lets_the_answer_be_left(cursor: Cursor, session: SessionRow) -> None:
    assert say(cursor, session, "I am at the Riverside site", "4821") == BROKEN
    told = progress_message(GUIDE.progress(cursor, session), "en")
    assert told.question.text.value == "The reading is below the last one. You said 4821. What does the meter read?"
    assert told.question.text.safe_for_llm
    assert (told.question.field.name, told.question.skippable) == ("meter_reading", True)
    assert not told.question.HasField("disagreement")
    reading = next(field for field in told.fields if field.name == "meter_reading")
    assert (reading.state, reading.value.value) == (pb.FIELD_STATE_ANSWERED, "4821")
    assert told.done == 1, "the reading is in question"


def test_the_answer_is_in_the_record_although_nobody_has_confirmed_it(cursor: Cursor, session: SessionRow) -> None:
    say(cursor, session, "I am at the Riverside site", "4821")
    progress = GUIDE.progress(cursor, session)
    assert "meter_reading" not in [one.field.name for one in progress.missing]
    stored = answers.list_of_session(cursor, session.id)
    assert answered_fields(progress.flow, session.facts, stored)["meter_reading"].value.value == "4821"


@pytest.mark.parametrize("again", ["yes", "4821", "skip"])
def test_an_answer_that_stays_is_no_correction(cursor: Cursor, session: SessionRow, again: str) -> None:
    assert say(cursor, session, "I am at the Riverside site", "4821", again) == "meter_unit"
    assert not {"field_corrected", "step_skipped"} & set(names(cursor, session))
    assert names(cursor, session).count("field_answered") == 2


def test_another_answer_is_a_correction(cursor: Cursor, session: SessionRow) -> None:
    assert say(cursor, session, "I am at the Riverside site", "4821", "5001") == "meter_unit"
    assert names(cursor, session).count("field_corrected") == 1


def test_an_app_that_skips_the_step_leaves_the_answer(cursor: Cursor, session: SessionRow) -> None:
    say(cursor, session, "I am at the Riverside site, in cubic metres", "4821")
    assert GUIDE.progress(cursor, session).asks == BROKEN
    progress = GUIDE.skip(cursor, session, "meter", NOW).progress
    assert progress.asks != BROKEN
    one = progress.find("meter_reading")
    assert one is not None
    assert one.value.value == "4821"
    assert not GUIDE.skip(cursor, session, "meter", NOW).made


def test_an_app_that_gives_the_value_again_confirms_it(cursor: Cursor, session: SessionRow) -> None:
    assert say(cursor, session, "I am at the Riverside site", "4821") == BROKEN
    change = GUIDE.answer(cursor, session, "meter_reading", RedactedText.literal("4821"), NOW)
    assert change.progress.asks == "meter_unit"
