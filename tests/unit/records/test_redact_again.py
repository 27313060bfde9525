"""Stored texts are redacted again: what changes, and what stays."""

from __future__ import annotations

import json
from dataclasses import replace

from server.flows.app_events import DeclaredProperty, PropertyKind
from server.ledger import (
    daily_events,
    event_declarations,
    events,
    recommendations,
    retention,
    sessions,
    stored_texts,
    tag_numbers,
    turns,
    uploads,
)
from server.ledger.columns import Cursor, fetch_all
from server.ledger.embedded import EmbeddedLedger
from server.ledger.event_properties import PropertyValue, TypedValue
from server.ledger.picture_labels import PictureLabel
from server.ledger.record_text import record_text
from server.ledger.types import RecommendationState, SessionRow
from server.llm.record_schema import canonical_json, content_hash
from server.llm.types import OnboardingRecord, RecordField
from server.records import redact_again as module
from tests.unit.ledger.makers import NOW, event, recommendation, session, upload
from tests.unit.ledger.stored import read_now
from tests.unit.records.redact_again_helpers import LATER, everything, fill, redactor, run, stored


def test_every_kind_of_text_gets_the_new_tags(ledger: EmbeddedLedger) -> None:
    row = ledger.write_now(fill)
    tally = run(ledger, redactor())
    assert dict(tally.texts) == {"turn": 2, "reply": 1, "upload": 1, "record": 1, "comment": 1, "event": 2}
    assert dict(tally.changed) == {"turn": 1, "reply": 1, "upload": 1, "record": 1, "comment": 1, "event": 1}
    assert dict(tally.added) == {"NAME": 6}
    texts = read_now(ledger, lambda cursor: stored_texts.of_session(cursor, row.id))
    first, second = texts.turns
    assert first.text == stored("ask [REDACTED_NAME], says [REDACTED_NAME].")
    assert [(w.text.value, w.start_s, w.end_s) for w in first.words] == [
        ("ask", 0.0, 0.5),
        ("[REDACTED_NAME],", 1.0, 2.5),
        ("says", 3.0, 3.5),
        ("[REDACTED_NAME].", 4.0, 4.5),
    ]
    assert first.reply == stored("[REDACTED_NAME] is noted.")
    assert second.text == stored("the door is [REDACTED_NAME] blue", safe=False)
    assert texts.uploads[0].text == stored("Host | [REDACTED_NAME]\n04821.7 m3")
    [record] = texts.records
    assert json.loads(record.record.value)["summary"] == "[REDACTED_NAME] visits."
    assert record.record.counts == {"NAME": 1}
    assert [comment.text for comment in texts.comments] == [stored("Ask [REDACTED_NAME] again.")]
    assert record.state is RecommendationState.PENDING
    [app] = read_now(ledger, lambda cursor: stored_texts.app_events(cursor, "", None, 9))
    assert {name: text.value for name, text in app.properties.items()} == {"host": "[REDACTED_NAME]", "screen": "start"}
    assert "ebedee" not in repr(read_now(ledger, everything)).lower()


def test_labels_of_pictures_are_redacted_again(ledger: EmbeddedLedger) -> None:
    def fill_labels(cursor: Cursor) -> str:
        row, _ = sessions.insert_or_get(cursor, session())
        picture = upload(row.id)
        uploads.insert_upload(cursor, picture)
        labels = [PictureLabel(stored(text), 0.5) for text in ("badge of Zebedee", "brick wall")]
        uploads.set_labels(cursor, picture.id, NOW, labels)
        return picture.id

    upload_id = ledger.write_now(fill_labels)
    tally = run(ledger, redactor())
    assert (tally.texts["label"], tally.changed["label"], dict(tally.added)) == (2, 1, {"NAME": 1})
    again = read_now(ledger, lambda cursor: uploads.get(cursor, upload_id)).labels
    assert again == (PictureLabel(stored("badge of [REDACTED_NAME]"), 0.5), PictureLabel(stored("brick wall"), 0.5))


def test_a_property_is_read_with_its_key_unless_it_has_a_tag(ledger: EmbeddedLedger) -> None:
    def fill_properties(cursor: Cursor) -> None:
        row, _ = sessions.insert_or_get(cursor, session())
        properties = {
            "date_of_birth": stored("1987-05-12"),
            "date": stored("1987-05-12"),
            "dob": stored("[REDACTED_ID]"),
        }
        events.insert_many(cursor, [replace(event(row.id), name="sent", properties=properties)])

    ledger.write_now(fill_properties)
    assert dict(run(ledger, redactor()).added) == {"DOB": 1}
    [app] = read_now(ledger, lambda cursor: stored_texts.app_events(cursor, "", None, 9))
    assert {key: text.value for key, text in app.properties.items()} == {
        "date_of_birth": "[REDACTED_DOB]",
        "date": "1987-05-12",
        "dob": "[REDACTED_ID]",
    }
    assert not run(ledger, redactor()).added


def test_names_that_give_a_person_away_become_neutral(ledger: EmbeddedLedger) -> None:
    def fill_names(cursor: Cursor) -> SessionRow:
        row, _ = sessions.insert_or_get(cursor, session())
        record = OnboardingRecord("A visit.", (RecordField("badge_of_zebedee", "blue"),), ("zebedee_seen", "contact"))
        parts = [stored("A visit."), stored("blue")]
        proposed = replace(recommendation(row.id), record=record_text(canonical_json(record), parts))
        recommendations.insert_recommendation(cursor, proposed)
        properties = {"zebedee": stored("yes"), "screen": stored("start")}
        events.insert_many(cursor, [replace(event(row.id), name="zebedee_came", properties=properties)])
        return row

    row = ledger.write_now(fill_names)
    counted = run(ledger, redactor(), dry_run=True)
    tally = run(ledger, redactor())
    assert (counted, tally.renamed) == (tally, 4)
    [record] = read_now(ledger, lambda cursor: recommendations.list_of_session(cursor, row.id))
    shown = json.loads(record.record.value)
    assert ([field["name"] for field in shown["fields"]], shown["missing"]) == (["field_a"], ["contact"])
    [app] = read_now(ledger, lambda cursor: stored_texts.app_events(cursor, "", None, 9))
    assert (app.name, sorted(app.properties)) == ("redacted", ["redacted", "screen"])
    assert "ebedee" not in repr(read_now(ledger, everything))


def test_names_in_counts_by_day_become_neutral_too(ledger: EmbeddedLedger) -> None:
    def fill_counts(cursor: Cursor) -> None:
        row, _ = sessions.insert_or_get(cursor, session())
        named = [replace(event(row.id), name=name) for name in ("zebedee_came", "branch")]
        events.insert_many(cursor, named)
        retention.delete_events(cursor, LATER)

    ledger.write_now(fill_counts)
    assert run(ledger, redactor(), dry_run=True).renamed == 1
    assert read_now(ledger, daily_events.names_of_apps) == [("app", "branch"), ("app", "zebedee_came")]
    assert run(ledger, redactor()).renamed == 1
    assert read_now(ledger, daily_events.names_of_apps) == [("app", "branch"), ("app", "redacted")]
    assert read_now(ledger, lambda cursor: daily_events.number_of(cursor, ["app"])) == 3


def test_typed_values_and_declared_words_stay_as_they_are(ledger: EmbeddedLedger) -> None:
    number = TypedValue("12345678901234567890.10")
    typed: dict[str, PropertyValue] = {
        "zebedee": number,
        "colour": TypedValue("Zebedee", "enumeration"),
        "new": TypedValue("true"),
    }

    def fill_typed(cursor: Cursor) -> None:
        row, _ = sessions.insert_or_get(cursor, session())
        declaration = {"zebedee_came": {"zebedee": DeclaredProperty(PropertyKind.NUMBER)}}
        event_declarations.replace_declaration(cursor, "app", declaration, NOW)
        properties: dict[str, PropertyValue] = {**typed, "note": stored("Zebedee")}
        events.insert_many(cursor, [replace(event(row.id), name="zebedee_came", properties=properties)])

    ledger.write_now(fill_typed)
    run(ledger, redactor())
    [app] = read_now(ledger, lambda cursor: stored_texts.app_events(cursor, "", None, 9))
    assert app.name == "zebedee_came"
    assert app.properties == {**typed, "note": stored("[REDACTED_NAME]")}
    [row] = read_now(ledger, lambda c: fetch_all(c, "SELECT properties FROM events WHERE name = 'zebedee_came'"))
    assert number.value in row["properties"], "no digit is lost when the text beside it is stored anew"


def test_a_word_that_one_client_declared_is_not_declared_for_another(ledger: EmbeddedLedger) -> None:
    """Neither in its events nor in its counts by day."""

    def fill_both(cursor: Cursor) -> None:
        declaration = {"zebedee_came": {"zebedee": DeclaredProperty(PropertyKind.NUMBER)}}
        event_declarations.replace_declaration(cursor, "app", declaration, NOW)
        properties: dict[str, PropertyValue] = {"zebedee": TypedValue("1")}
        for client in ("app", "other"):
            row, _ = sessions.insert_or_get(cursor, session(f"of-{client}", client_id=client))
            made = replace(event(row.id), client_id=client, name="zebedee_came", properties=properties)
            events.insert_many(cursor, [replace(made, id=f"{client}-1")])
        retention.delete_events(cursor, LATER)
        for client in ("app", "other"):
            made = replace(event(f"of-{client}"), client_id=client, name="zebedee_came", properties=properties)
            events.insert_many(cursor, [replace(made, id=f"{client}-2")])

    ledger.write_now(fill_both)
    run(ledger, redactor())
    assert read_now(ledger, daily_events.names_of_apps) == [("app", "zebedee_came"), ("other", "redacted")]
    kept = read_now(ledger, lambda cursor: stored_texts.app_events(cursor, "", None, 9))
    assert [(app.client_id, app.name, *app.properties) for app in kept] == [
        ("app", "zebedee_came", "zebedee"),
        ("other", "redacted", "redacted"),
    ]


def test_uploads_are_read_in_the_language_of_their_session(ledger: EmbeddedLedger) -> None:
    def fill_german(cursor: Cursor) -> SessionRow:
        row, _ = sessions.insert_or_get(cursor, replace(session(), language="de"))
        recording = replace(upload(row.id), media_type="audio/wav")
        uploads.insert_upload(cursor, recording)
        uploads.finish(
            cursor, recording.id, NOW, text=stored("Meine Nummer ist null eins fünf eins zwei drei vier fünf")
        )
        return row

    row = ledger.write_now(fill_german)
    run(ledger, redactor())
    [recording] = read_now(ledger, lambda cursor: stored_texts.of_session(cursor, row.id)).uploads
    assert recording.text is not None
    assert "null eins" not in recording.text.value


def test_display_names_are_redacted_again_without_their_extensions(ledger: EmbeddedLedger) -> None:
    def fill_names(cursor: Cursor) -> SessionRow:
        row, _ = sessions.insert_or_get(cursor, session())
        for name in ("Passport Zebedee Quillfeather.jpg", "meter.jpg"):
            uploads.insert_upload(cursor, replace(upload(row.id), display_name=stored(name)))
        return row

    row = ledger.write_now(fill_names)
    counted = run(ledger, redactor(), dry_run=True)
    tally = run(ledger, redactor())
    assert (counted, tally.texts["name"], tally.changed["name"]) == (tally, 2, 1)
    names = [u.display_name for u in read_now(ledger, lambda cursor: uploads.list_of_session(cursor, row.id))]
    assert {name.value for name in names if name} == {"Passport [REDACTED_NAME].jpg", "meter.jpg"}


def test_the_hash_of_a_record_is_that_of_what_is_shown_now(ledger: EmbeddedLedger) -> None:
    row = ledger.write_now(fill)
    [before] = read_now(ledger, lambda cursor: recommendations.list_of_session(cursor, row.id))
    run(ledger, redactor())
    [after] = read_now(ledger, lambda cursor: recommendations.list_of_session(cursor, row.id))
    assert after.content_hash != before.content_hash
    shown = OnboardingRecord("[REDACTED_NAME] visits.", (RecordField("site_name", "Dock 4"),), ("contact",))
    assert after.content_hash == content_hash(shown)


def test_a_changed_session_has_an_event_that_says_how_much(ledger: EmbeddedLedger) -> None:
    row = ledger.write_now(fill)
    run(ledger, redactor())
    told = read_now(
        ledger,
        lambda cursor: fetch_all(
            cursor, "SELECT session_id, properties FROM v_session_timeline WHERE name = ?", [module.REDACTED_AGAIN]
        ),
    )
    assert [(t["session_id"], json.loads(t["properties"])) for t in told] == [
        (row.id, {"texts": 5, "entities": 5}),
        (row.id, {"texts": 1, "entities": 1}),
    ]


def test_the_policy_of_the_client_counts_and_nothing_is_restored(ledger: EmbeddedLedger) -> None:
    numbered = ledger.write_now(lambda cursor: fill(cursor, "counts"))
    kept = ledger.write_now(lambda cursor: fill(cursor, "keeps"))
    run(ledger, redactor("clients: {counts: {operators: {NAME: number}}, keeps: {operators: {NAME: keep}}}"))

    def texts(row: SessionRow) -> list[str]:
        return [t.text.value for t in read_now(ledger, lambda c: turns.list_of_session(c, row.id))]

    assert texts(numbered)[0] == "ask [REDACTED_NAME_1], says [REDACTED_NAME]."
    assert texts(kept) == ["ask Zebedee Quillfeather, says [REDACTED_NAME].", "the door is [REDACTED_NAME] blue"]
    assert len(read_now(ledger, lambda cursor: tag_numbers.known(cursor, numbered.id))) == 2
    unsafe = [t.text.safe_for_llm for t in read_now(ledger, lambda c: turns.list_of_session(c, kept.id))]
    assert unsafe == [False, False]
