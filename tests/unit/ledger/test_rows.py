"""Every row comes back as it went in; streams, turns, uploads, recommendations, events, breakers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from models.errors import Conflict, InvalidInput, NotFound
from models.speech.types import RedactedWord
from server.ledger import breakers, events, recommendations, sessions, streams, turns, uploads
from server.ledger.app_events import AppendEvents
from server.ledger.breakers import BreakerRow
from server.ledger.columns import Cursor, fetch_all
from server.ledger.events import AppendResult
from server.ledger.transactional import TransactionalLedger
from server.ledger.types import Artifact, Origin, RecommendationState, SessionState, UploadRow, UploadState
from tests.unit.ledger.makers import after, event, new_id, recommendation, redacted, session, stream, turn, upload
from tests.unit.ledger.stored import events_of_session, read_now


def test_streams_are_stored_and_closed(cursor: Cursor) -> None:
    row = stream("s")
    streams.insert_stream(cursor, row)
    assert streams.get(cursor, row.id) == row
    streams.save_progress(cursor, row.id, after(1), sealed_state=b"\x00sealed\xff")
    streams.save_progress(cursor, row.id, after(2), finalized_samples=7, next_utterance=2)
    saved = replace(
        row,
        finalized_samples=7,
        next_utterance=2,
        sealed_state=b"\x00sealed\xff",
        update_time=after(2),
    )
    assert streams.get(cursor, row.id) == saved
    streams.close(cursor, row.id, after(3), 3_000_000_000)
    closed = replace(saved, next_offset=3_000_000_000, sealed_state=b"", open=False, update_time=after(3))
    assert streams.get(cursor, row.id) == closed
    for call in (lambda: streams.get(cursor, "x"), lambda: streams.save_progress(cursor, "x", after(1))):
        with pytest.raises(NotFound):
            call()


def test_turns_count_in_their_session_once(cursor: Cursor) -> None:
    owner, _ = sessions.insert_or_get(cursor, session())
    first, second = turn(owner.id, 0), replace(turn(owner.id, 1), text=redacted("odd", safe=False))
    assert turns.insert_turn(cursor, second) and turns.insert_turn(cursor, first)
    assert not turns.insert_turn(cursor, replace(first, id=new_id()))
    assert turns.list_of_session(cursor, owner.id) == [first, second]
    assert turns.find_utterance(cursor, "stream", 1) == second
    assert turns.find_utterance(cursor, "stream", 2) is None
    assert sessions.get(cursor, owner.id).turn_count == 2
    answered = turns.set_reply(cursor, first.id, redacted("Thanks"), Origin.FALLBACK)
    assert answered == replace(first, reply=redacted("Thanks"), reply_origin=Origin.FALLBACK)
    shown = fetch_all(cursor, "SELECT text, redactions, reply FROM v_turns ORDER BY utterance")
    assert [(r["text"], r["reply"]) for r in shown] == [(first.text.value, "Thanks"), (None, None)]
    with pytest.raises(NotFound):
        turns.set_reply(cursor, "x", redacted(), Origin.MODEL)


def test_uploads_are_stored_and_updated(cursor: Cursor) -> None:
    row = upload("s")
    uploads.insert_upload(cursor, row)
    assert uploads.get(cursor, row.id) == row
    begun = uploads.begin_attempt(cursor, row.id, after(1))
    assert (begun.state, begun.attempts) == (UploadState.PROCESSING, 1)
    assert uploads.set_progress(cursor, row.id, after(2), 0.5).progress == 0.5
    failed = uploads.fail(cursor, row.id, after(3), "BROKEN_MEDIA")
    assert (failed.state, failed.failure_reason) == (UploadState.FAILED, "BROKEN_MEDIA")
    assert uploads.redrive(cursor, row.id, after(4)).state == UploadState.ACCEPTED
    artifact = Artifact("a.jpg", "image/jpeg", size_bytes=10, painted=2, width=4, height=3)
    done = uploads.finish(
        cursor,
        row.id,
        after(5),
        text=redacted(),
        artifact=artifact,
    )
    assert done == replace(
        row,
        state=UploadState.DONE,
        update_time=after(5),
        progress=1.0,
        attempts=1,
        text=redacted(),
        artifact=artifact,
    )
    assert uploads.list_of_session(cursor, "s") == [done]


def test_uploads_of_a_session_come_in_pages_the_newest_first(cursor: Cursor) -> None:
    stored = [replace(upload("s"), create_time=after(i // 3)) for i in range(10)]
    for row in (*stored, upload("other")):
        uploads.insert_upload(cursor, row)
    pages: list[list[UploadRow]] = []
    token = ""
    while not pages or token:
        page, token = uploads.page_of_session(cursor, "s", 4, token)
        pages.append(page)
    assert [len(page) for page in pages] == [4, 4, 2]
    assert [row for page in reversed(pages) for row in page] == uploads.list_of_session(cursor, "s")
    assert uploads.page_of_session(cursor, "s", 10) == (uploads.list_of_session(cursor, "s"), "")
    assert uploads.page_of_session(cursor, "nobody's", 10) == ([], "")
    with pytest.raises(InvalidInput):
        uploads.page_of_session(cursor, "s", 4, "yesterday")


def test_a_newer_recommendation_supersedes(cursor: Cursor) -> None:
    first, second = recommendation("s"), recommendation("s", at=1)
    other = recommendation("other")
    for row in (first, other, second):
        assert recommendations.insert_recommendation(cursor, row)
    assert recommendations.get(cursor, first.id).state == RecommendationState.SUPERSEDED
    with pytest.raises(Conflict) as caught:
        recommendations.check_pending(cursor, recommendations.get(cursor, first.id))
    assert caught.value.message == "The record is superseded."
    assert caught.value.hint == f"{second.id} took its place: `vestibule reviews show {second.id}`."
    with pytest.raises(NotFound, match="There is no such record") as unknown:
        recommendations.get(cursor, "s")  # the id of its session
    assert unknown.value.reason == "RECOMMENDATION_NOT_FOUND"
    assert "`vestibule reviews list`" in unknown.value.hint
    assert recommendations.get(cursor, other.id) == other
    assert recommendations.latest_of_session(cursor, "s") == second
    assert recommendations.supersede_pending(cursor, "s") == 1
    assert recommendations.latest_of_session(cursor, "s") is None


def test_a_decision_needs_the_hash_of_the_shown_record(cursor: Cursor) -> None:
    row = recommendation("s")
    recommendations.insert_recommendation(cursor, row)

    def decide(to: RecommendationState, content_hash: str = row.content_hash) -> RecommendationState:
        return recommendations.decide(
            cursor, row.id, to, after(9), decided_by="ann", subject="key:1", content_hash=content_hash
        ).state

    with pytest.raises(Conflict) as caught:
        decide(RecommendationState.APPROVED, "00")
    assert caught.value.reason == "CONTENT_CHANGED"
    assert decide(RecommendationState.APPROVED) == RecommendationState.APPROVED
    assert decide(RecommendationState.APPROVED) == RecommendationState.APPROVED
    with pytest.raises(Conflict) as caught:
        decide(RecommendationState.REJECTED)
    assert caught.value.reason == "WRONG_STATE"
    stored = recommendations.get(cursor, row.id)
    assert (stored.decided_by, stored.decide_time, stored.record) == ("ann", after(9), row.record)


def test_events_count_once_by_id(cursor: Cursor) -> None:
    first, second, third = event("s", at=1), event("s", at=2), event("s", at=0)
    assert events.insert_many(cursor, []) == AppendResult(0, 0)
    assert events.insert_many(cursor, [first, second, first]) == AppendResult(2, 1)
    assert events.insert_many(cursor, [second, third]) == AppendResult(1, 1)
    assert events_of_session(cursor, "s") == [third, first, second]


@pytest.mark.parametrize("number", [1, 2, 500])
def test_batches_of_every_size_are_stored_unchanged(cursor: Cursor, number: int) -> None:
    rows = [event("s", at=at, name="q\"uo'te\\é") for at in range(number)]
    rows[0] = replace(rows[0], device_time=None, took_s=None, stage=SessionState.STARTED, properties={})
    assert events.insert_many(cursor, rows) == AppendResult(number, 0)
    assert events.insert_many(cursor, rows) == AppendResult(0, number)
    assert events_of_session(cursor, "s") == rows


def test_events_of_apps_take_client_and_variant_from_the_session(cursor: Cursor) -> None:
    owner, _ = sessions.insert_or_get(cursor, session(client_id="site-9"))
    mine = event(owner.id)
    recorded = AppendEvents([mine, event("nobody"), mine])(cursor)
    assert recorded == AppendResult(new=1, duplicates=1, unknown_sessions=1)
    stored = events_of_session(cursor, owner.id)
    assert stored[1] == replace(mine, id=stored[1].id, client_id="site-9", variant="b")


def test_append_events_stores_each_id_once(ledger: TransactionalLedger[Any]) -> None:
    owner, _ = ledger.write_now(lambda c: sessions.insert_or_get(c, session(client_id="site-9")))
    first, second, third = (event(owner.id, at=at) for at in (1, 2, 3))
    assert ledger.write_now(AppendEvents([first, second, event("nobody")])) == AppendResult(2, 0, 1)
    assert ledger.write_now(AppendEvents([second, third])) == AppendResult(1, 1)
    assert ledger.write_now(AppendEvents([third, third])) == AppendResult(0, 2)
    assert ledger.write_now(AppendEvents([])) == AppendResult(0, 0)
    stored = [e for e in read_now(ledger, lambda c: events_of_session(c, owner.id)) if e.name == first.name]
    assert [e.server_time for e in stored] == [first.server_time, second.server_time, third.server_time]


def test_an_event_id_of_one_client_does_not_stand_for_that_of_another(ledger: TransactionalLedger[Any]) -> None:
    mine, _ = ledger.write_now(lambda c: sessions.insert_or_get(c, session(client_id="site-9")))
    other, _ = ledger.write_now(lambda c: sessions.insert_or_get(c, session(client_id="site-8")))
    seen = event(mine.id)
    taken = replace(seen, session_id=other.id)
    assert ledger.write_now(AppendEvents([taken], "site-8")) == AppendResult(1, 0)
    assert ledger.write_now(AppendEvents([seen], "site-9")) == AppendResult(1, 0)
    assert ledger.write_now(AppendEvents([seen], "site-9")) == AppendResult(0, 1)
    assert ledger.write_now(AppendEvents([seen], "site-8")) == AppendResult(0, 0, 1)
    assert ledger.write_now(AppendEvents([seen, taken, seen], "site-8")) == AppendResult(0, 1, 2)


def test_the_timeline_lists_every_kind_of_row(cursor: Cursor) -> None:
    owner, _ = sessions.insert_or_get(cursor, session())
    sessions.transition(cursor, owner.id, SessionState.IN_PROGRESS, after(4))
    turns.insert_turn(cursor, turn(owner.id, 5))
    uploads.insert_upload(cursor, replace(upload(owner.id), create_time=after(6)))
    recommendations.insert_recommendation(cursor, recommendation(owner.id, at=7))
    rows = fetch_all(cursor, "SELECT kind, name, detail FROM v_session_timeline ORDER BY time")
    assert [tuple(row.values()) for row in rows] == [
        ("event", "stage_entered", "STARTED"),
        ("event", "stage_entered", "IN_PROGRESS"),
        ("turn", "speech", ""),
        ("upload", "meter", "ACCEPTED"),
        ("recommendation", "FALLBACK", "PENDING"),
    ]


def test_breakers_are_stored_and_replaced(cursor: Cursor) -> None:
    assert breakers.load(cursor, "llm_api") is None
    for row in (BreakerRow("llm_api", "open", 3, after(1)), BreakerRow("llm_api", "closed", 0)):
        breakers.store(cursor, row)
        assert breakers.load(cursor, "llm_api") == row
    assert breakers.load(cursor, "another") is None


def test_words_are_stored_with_their_turn(cursor: Cursor) -> None:
    owner, _ = sessions.insert_or_get(cursor, session())
    words = (RedactedWord(redacted("Call"), 1.0, 1.25, 0.9), RedactedWord(redacted("[REDACTED_PHONE]"), 1.5, 2.5, 0.4))
    timed = replace(turn(owner.id), words=words)
    later = replace(turn(owner.id, 2), words=words[:1])
    for row in (later, timed, turn(owner.id, 1)):
        assert turns.insert_turn(cursor, row)
    first, second, third = turns.list_of_stream(cursor, "stream", 0)
    assert [(w.text.value, w.start_s, w.end_s, w.confidence) for w in first.words] == [
        ("Call", 1.0, 1.25, 0.9),
        ("[REDACTED_PHONE]", 1.5, 2.5, 0.4),
    ]
    assert second.words == ()
    assert [w.text.value for w in third.words] == ["Call"]
    assert turns.list_of_stream(cursor, "stream", 3) == []
