"""What a guided session leaves in the ledger: answers, events, and what analysts see of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Final

import pytest

from models.errors import Conflict, InvalidInput, NotFound
from models.reasons import Reason
from models.text import RedactedText
from server.flows.catalogue import Flows
from server.flows.loader import parse_flow
from server.flows.progress import FieldState, Progress
from server.ledger import answers, retention, sessions, turns, uploads
from server.ledger.columns import Cursor, fetch_all
from server.ledger.types import SessionRow, SessionState, UploadState
from server.records.guide import Guide
from server.records.session_material import material
from server.services.flow_messages import progress_message
from tests.fakes.guide import GUIDE
from tests.unit.ledger import makers
from tests.unit.ledger.makers import NOW


def opened(cursor: Cursor, flow: str) -> SessionRow:
    row, _ = sessions.insert_or_get(cursor, replace(makers.session(), flow=flow, flow_version=1))
    return row


def say(cursor: Cursor, session: SessionRow, *texts: str | RedactedText) -> Progress:
    progress = GUIDE.progress(cursor, session)
    for number, text in enumerate(texts):
        said = RedactedText.literal(text) if isinstance(text, str) else text
        turn = replace(makers.turn(session.id, number), text=said, source="typed", language="en")
        known = progress.current.field.name if progress.current else ""
        progress = GUIDE.heard(cursor, session, turn, known=known).progress
    return progress


def names(cursor: Cursor, session: SessionRow) -> list[str]:
    rows = fetch_all(cursor, "SELECT name FROM events WHERE session_id = ? ORDER BY server_time, id", [session.id])
    return [row["name"] for row in rows if row["name"] != "stage_entered"]


def test_a_talk_becomes_events_that_a_funnel_counts(cursor: Cursor) -> None:
    session = opened(cursor, "incident_report")
    say(cursor, session, "damage", "The gate hit the fence.", "PMP-0042", "sorry, it is PMP-0043", "yesterday", "here")
    steps = ["step_what", "step_when_and_where", "step_cost"]
    assert sorted(names(cursor, session)) == sorted([*steps, "field_corrected", *["field_answered"] * 5])
    assert [name for name in names(cursor, session) if name.startswith("step_")] == steps
    say(cursor, session, "skip")
    assert names(cursor, session).count("step_skipped") == 1
    assert names(cursor, session).count("step_photographs") == 1
    say(cursor, session, "go back")
    assert names(cursor, session).count("field_reopened") == 1
    assert names(cursor, session).count("step_cost") == 1, "a step is entered once"


@pytest.mark.parametrize(
    ("zone", "came", "yesterday"),
    [
        ("Australia/Sydney", "2026-11-27T12:59Z", "2026-11-26"),
        ("Australia/Sydney", "2026-11-27T13:00Z", "2026-11-27"),
        ("America/Los_Angeles", "2026-11-27T07:59Z", "2026-11-25"),
        ("America/Los_Angeles", "2026-11-27T08:00Z", "2026-11-26"),
        ("UTC", "2026-11-27T23:59Z", "2026-11-26"),
    ],
)
def test_a_day_that_was_told_counts_from_the_day_of_the_session(
    cursor: Cursor, zone: str, came: str, yesterday: str
) -> None:
    row = replace(makers.session(), flow="incident_report", flow_version=1, time_zone=zone)
    sessions.insert_or_get(cursor, row)
    session = sessions.get(cursor, row.id)
    say(cursor, session, "damage", "The gate hit the fence.", "PMP-0042")
    told = replace(
        makers.turn(session.id, 3),
        text=RedactedText.literal("It was yesterday."),
        create_time=datetime.fromisoformat(came),
    )
    turns.insert_turn(cursor, told)
    one = GUIDE.heard(cursor, session, told, known="incident_date").progress.find("incident_date")
    assert one is not None
    assert one.value.value == yesterday
    [item] = material(cursor, session.id).items
    assert item.day == date.fromisoformat(yesterday) + timedelta(days=1), "what models and checks count from"


def test_a_disagreement_is_asked_once(cursor: Cursor) -> None:
    session = opened(cursor, "site_visit")
    say(cursor, session, "I am at the Riverside site", "4821")
    text = RedactedText.literal("WATER METER m3 04812")
    for _ in range(2):
        row = replace(makers.upload(session.id), kind="meter", state=UploadState.DONE, text=text)
        uploads.insert_upload(cursor, row)
        uploads.finish(cursor, row.id, NOW, text=text)
        progress = GUIDE.read(cursor, session, uploads.get(cursor, row.id), NOW).progress
    one = progress.find("meter_reading")
    assert one is not None
    assert (one.state, one.said.value, one.pictured.value) == (FieldState.DISPUTED, "4821", "04812")
    assert names(cursor, session).count("disagreement_asked") == 1


def test_an_app_cannot_give_a_text_that_the_redactor_does_not_vouch_for(cursor: Cursor) -> None:
    session = opened(cursor, "site_visit")
    unsafe = RedactedText.restore("Zanzibar", {}, safe_for_llm=False)
    with pytest.raises(InvalidInput) as refused:
        GUIDE.answer(cursor, session, "site_name", unsafe, NOW)
    assert refused.value.reason is Reason.ANSWER_INVALID
    assert "other words" in refused.value.hint
    assert "Zanzibar" not in str(refused.value)
    say(cursor, session, unsafe)
    assert not any(row.value for row in answers.list_of_session(cursor, session.id))


def test_analysts_see_choices_and_numbers_and_no_words(cursor: Cursor) -> None:
    session = opened(cursor, "incident_report")
    say(cursor, session, "damage", "Zanzibar fell on the fence.", "PMP-0042", "yesterday", "here", "300 euros")
    rows = fetch_all(cursor, "SELECT field, kind, value FROM v_answers WHERE status = 'answered' ORDER BY position")
    assert {row["field"]: row["value"] for row in rows} == {
        "incident_type": "damage",
        "what_happened": None,
        "asset_code": None,
        "incident_date": None,
        "place": None,
        "estimated_cost": "300",
    }


def test_answers_go_with_the_turns_of_ended_sessions(cursor: Cursor) -> None:
    ended, running = opened(cursor, "site_visit"), opened(cursor, "site_visit")
    for session in (ended, running):
        say(cursor, session, "I am at the Riverside site")
    sessions.transition(cursor, ended.id, SessionState.ABANDONED, NOW)
    retention.delete_turns(cursor, NOW + timedelta(days=1000))
    assert answers.list_of_session(cursor, ended.id) == []
    assert answers.list_of_session(cursor, running.id) != []
    assert turns.list_of_session(cursor, ended.id) == []


def test_a_value_of_an_app_is_checked_by_its_field(cursor: Cursor) -> None:
    session = opened(cursor, "staff_onboarding")

    def give(field: str, value: str, counts: Sequence[str] = ()) -> Progress:
        text = RedactedText.restore(value, dict.fromkeys(counts, 1), safe_for_llm=True)
        return GUIDE.answer(cursor, session, field, text, NOW).progress

    assert give("department", "office").done == 1
    assert not GUIDE.answer(cursor, session, "department", RedactedText.literal("office"), NOW).made
    for field, value, counts, problem in (
        ("hours_per_week", "75", (), "must be at most 60"),
        ("start_date", "[REDACTED_DOB]", ("DOB",), "must not be personal"),
        ("document_photo", "1", (), "is answered with photographs"),
        ("full_name", "yes", (), "has nothing that is known as NAME"),
        ("department", "kitchen", (), "must be one of office, workshop, warehouse, field_service"),
    ):
        with pytest.raises(InvalidInput) as refused:
            give(field, value, counts)
        assert [(v.field, v.description) for v in refused.value.violations] == [("value", problem)]
        assert value not in str(refused.value) or value == "1"
    with pytest.raises(NotFound):
        give("drives", "yes")


def test_steps_are_skipped_and_fields_opened_again(cursor: Cursor) -> None:
    session = opened(cursor, "site_visit")
    with pytest.raises(Conflict):
        GUIDE.skip(cursor, session, "meter", NOW)
    with pytest.raises(NotFound):
        GUIDE.skip(cursor, session, "nothing", NOW)
    assert GUIDE.skip(cursor, session, "register", NOW).made
    assert not GUIDE.skip(cursor, session, "register", NOW).made
    say(cursor, session, "I am at the Riverside site")
    progress = GUIDE.reopen(cursor, session, "site_name", NOW).progress
    assert progress.current is not None
    assert progress.current.field.name == "site_name"
    assert not GUIDE.reopen(cursor, session, "site_name", NOW).made


CARE: Final = """
name: care
version: 1
title: Care
steps:
  - name: first
    fields:
      - {name: note, kind: text, required: false, ask: "Anything to note?"}
      - {name: weight, kind: number, ask: "What is the weight?"}
      - {name: remark, kind: text, required: false, ask: "Any remark?"}
      - {name: age, kind: number, ask: "What is the age?"}
      - {name: wish, kind: text, required: false, ask: "Any wish?"}
      - {name: hope, kind: text, required: false, ask: "Any hope?"}
  - name: last
    skippable: true
    fields:
      - {name: height, kind: number, ask: "What is the height?"}
"""


def test_a_step_can_be_skipped_whenever_its_question_says_so(cursor: Cursor) -> None:
    guide = Guide(Flows([parse_flow(CARE, "care.yaml")], "care"))
    session, _ = sessions.insert_or_get(cursor, replace(makers.session(), flow="care", flow_version=1))
    skipped, answered = [], []
    while (current := (progress := guide.progress(cursor, session)).current) is not None:
        asked = progress_message(progress, "en").question
        assert asked.field.name == current.field.name
        if asked.skippable:
            before = {one.field.name for one in progress.fields if one.open}
            after = guide.skip(cursor, session, asked.step, NOW).progress
            skipped.append(before - {one.field.name for one in after.fields if one.open})
        else:
            with pytest.raises(Conflict):
                guide.skip(cursor, session, asked.step, NOW)
            guide.answer(cursor, session, asked.field.name, RedactedText.literal("7"), NOW)
            answered.append(asked.field.name)
    assert skipped == [{"note"}, {"remark"}, {"wish", "hope"}, {"height"}]
    assert answered == ["weight", "age"]


def test_a_picture_that_is_sent_twice_counts_once(cursor: Cursor) -> None:
    session = opened(cursor, "incident_report")
    values = []
    for number, content in enumerate(("one", "one", "other")):
        row = replace(
            makers.upload(session.id), kind="site", sha256=content, create_time=NOW + timedelta(seconds=number)
        )
        uploads.insert_upload(cursor, row)
        read = uploads.finish(cursor, row.id, NOW, text=None)
        one = GUIDE.read(cursor, session, read, NOW).progress.find("photos")
        assert one is not None
        values.append((one.state, one.value.value))
    assert values == [(FieldState.MISSING, "1"), (FieldState.MISSING, "1"), (FieldState.ANSWERED, "2")]
