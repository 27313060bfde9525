"""Rows beside sessions and jobs: keys, breakers, quotas, reports, sealed values, reviews and erasures."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from models.errors import Conflict, NotFound
from models.sealed_values import SealedValue
from models.text import RedactedText
from server.flows.app_events import DeclaredProperty, PropertyKind
from server.ledger import (
    api_keys,
    breakers,
    daily_events,
    dead_letters,
    erasure,
    event_counts,
    event_declarations,
    events,
    letter_operations,
    needed_media,
    owners,
    participants,
    picture_lines,
    recommendations,
    redactions,
    retention,
    reviews,
    reviews_list,
    sealed_values,
    server_events,
    sessions,
    stored_texts,
    upload_attempts,
    uploads,
    vocabularies,
    waiting_jobs,
    weekly_reports,
)
from server.ledger.api_keys import ApiKeyRow
from server.ledger.breakers import BreakerRow
from server.ledger.columns import Cursor, count, fetch_all, update
from server.ledger.erasure import ErasureScope, ErasureTarget
from server.ledger.letter_filter import EVERY_LETTER, LetterFilter
from server.ledger.letter_operations import LetterOperation
from server.ledger.picture_lines import PictureBox, PictureLine
from server.ledger.reviews import Claim, Claimant
from server.ledger.reviews_list import ClaimFilter, ReviewFilter, ReviewOrder, WaitingRow
from server.ledger.sealed_values import Release
from server.ledger.types import SessionState, UploadState
from server.ledger.upload_attempts import UploadAttempt
from server.ledger.weekly_reports import DeliveryState
from tests.unit.erasure.filled import fill_rows, rows_of
from tests.unit.ledger.makers import NOW, after, event, recommendation, redacted, session, upload

ENDS = (SessionState.COMPLETED, SessionState.REJECTED, SessionState.ABANDONED)
LATER = NOW + timedelta(days=1)


def _key(key_id: str, at: float = 0.0, expires: float | None = None) -> ApiKeyRow:
    expire_time = None if expires is None else after(expires)
    return ApiKeyRow(key_id, "holder", "ab" * 32, "app", ("app", "reviewer"), "", after(at), expire_time)


def test_keys_are_listed_newest_first_and_keep_the_latest_expiry_of_their_holder(cursor: Cursor) -> None:
    for row in (_key("a", 1, 50), _key("b", 2, 90), _key("c", 2, 10)):
        api_keys.insert_key(cursor, row)
    assert [row.id for row in api_keys.list_keys(cursor)] == ["b", "c", "a"]
    assert api_keys.expiry_of_holder(cursor, "holder") == after(90)
    api_keys.insert_key(cursor, never := _key("d", 0))
    assert api_keys.expiry_of_holder(cursor, "holder") is None, "one of them never expires"
    api_keys.set_last_use(cursor, "d", after(5))
    changed = api_keys.set_times(cursor, "d", expire_time=after(7), revoke_time=after(8))
    wanted = replace(never, expire_time=after(7), revoke_time=after(8), last_use_time=after(5))
    assert changed == wanted == api_keys.get(cursor, "d")
    with pytest.raises(NotFound):
        api_keys.get(cursor, "none")


def test_a_breaker_has_its_last_state_and_the_changes_of_a_time_with_the_one_before_it(cursor: Cursor) -> None:
    first, then = BreakerRow("llm", "open", 5, after(1), after(1), after(0)), BreakerRow("llm", "closed", 0)
    for row in (first, then, replace(first, name="asr")):
        breakers.store(cursor, row)
    assert breakers.load(cursor, "llm") == then
    assert [row.name for row in breakers.load_all(cursor)] == ["asr", "llm"]
    for at, new in enumerate(("open", "half-open", "closed", "open")):
        server_events.append(cursor, "breaker_changed", "llm", {"new": new, "cause": "failures"}, after(at))
    changes = breakers.changes_between(cursor, after(2), after(2), 9)
    assert [(change.state, change.time) for change in changes] == [("half-open", after(1)), ("closed", after(2))]
    assert server_events.delete(cursor, after(2)) == 2


def test_attempts_to_upload_are_found_by_client_and_time(cursor: Cursor) -> None:
    for at in range(5):
        upload_attempts.insert_attempt(cursor, UploadAttempt(f"a{at}", "app", after(at), 10))
    upload_attempts.insert_attempt(cursor, UploadAttempt("b", "other", after(2), 10))
    upload_attempts.set_size(cursor, "a2", 7)
    upload_attempts.delete(cursor, "a3")
    found = upload_attempts.list_between(cursor, "app", after(1), after(4))
    assert [(row.id, row.size_bytes) for row in found] == [("a2", 7), ("a4", 10)]
    upload_attempts.delete_until(cursor, after(1))
    assert not upload_attempts.any_until(cursor, after(1)) and upload_attempts.any_until(cursor, after(2))


def test_a_report_is_begun_once_and_the_newest_of_each_channel_is_told(cursor: Cursor) -> None:
    weeks, waits = ["2026-W08", "2026-W09", "2026-W10"], DeliveryState.WAITING
    assert weekly_reports.enqueue(cursor, "mail", weeks, waits, NOW) == 3
    assert weekly_reports.enqueue(cursor, "mail", weeks, waits, NOW) == 0
    weekly_reports.enqueue(cursor, "folder", weeks[:1], waits, NOW, after(9))
    weekly_reports.enqueue(cursor, "folder", weeks[1:], DeliveryState.SKIPPED, NOW)
    weekly_reports.skip_older(cursor, weeks[1], after(1))
    assert weekly_reports.last_weeks(cursor) == {"mail": weeks[2], "folder": weeks[2]}
    assert [row.week for row in weekly_reports.waiting(cursor)] == weeks[1:]
    assert [(row.channel, row.week) for row in weekly_reports.newest(cursor)] == [("mail", weeks[2])]
    row = weekly_reports.waiting(cursor)[0]
    begun = [weekly_reports.begin(cursor, row, after(2), after(60)) for _ in range(2)]
    assert begun == [True, False], "another server has read the same row"
    weekly_reports.end(cursor, row.week, row.channel, DeliveryState.SENT, "", after(3))
    stored = weekly_reports.delivery(cursor, row.week, row.channel)
    assert stored is not None and (stored.state, stored.attempts, stored.end_time) == ("SENT", 1, after(3))


def test_sealed_values_are_stored_once_released_once_and_kept_for_their_source(cursor: Cursor) -> None:
    values = [SealedValue("PHONE", "phone", "crm", bytes([0, 255, at]), f"{at:032x}") for at in range(2)]
    assert sealed_values.store(cursor, "s", "turn", values, NOW) == 2
    assert sealed_values.store(cursor, "s", "turn", values, NOW) == 0
    assert sealed_values.store(cursor, "s", "other", values[:1], NOW) == 1
    assert sealed_values.of_source(cursor, "s", "turn") == values
    assert sealed_values.keep_source(cursor, "s", "phone", "turn") == 1
    wanted = Release("s", frozenset({"phone"}), "r1", "key:a", after(9), {"phone": "turn"})
    rows, repeated = sealed_values.release(cursor, wanted, after(9))
    assert [row.value for row in rows] == values and not repeated
    assert sealed_values.release(cursor, wanted, after(10)) == (sealed_values.list_of_session(cursor, "s"), True)
    with pytest.raises(Conflict):
        sealed_values.release(cursor, replace(wanted, request_id="r2"), after(10))


def _fill(cursor: Cursor, name: str, client_id: str = "app", state: SessionState = SessionState.COMPLETED) -> str:
    row = replace(session(client_id=client_id), state=state, subject_hash=name)
    fill_rows(cursor, row, name)
    return row.id


def test_an_erasure_deletes_every_row_of_its_sessions_and_none_of_others(cursor: Cursor) -> None:
    gone, stays = _fill(cursor, "gone"), _fill(cursor, "stays", "other")
    before = rows_of(cursor, stays)
    assert min(before.values()) > 0
    target = ErasureTarget(ErasureScope.CLIENT, "app")
    found = erasure.sessions_of(cursor, target, "pseudonym")
    assert found == {gone}
    assert erasure.sessions_of(cursor, target, "pseudonym", visible_to="other") == frozenset()
    erasure.keep_counts(cursor, found)
    told = erasure.found(cursor, found)
    assert erasure.erase(cursor, found, frozenset({"other"})).rows == told.rows
    assert len(told.spool_ids) == len(told.stream_ids) == len(told.job_ids) == 1
    assert set(rows_of(cursor, gone).values()) == {0}
    assert rows_of(cursor, stays) == before
    erasure.begin(cursor, "e", target, 1, NOW)
    assert len(erasure.unfinished(cursor)) == 1 and erasure.client_erased_since(cursor, NOW)
    erasure.complete(cursor, erasure.unfinished(cursor), after(1))
    assert not erasure.unfinished(cursor)
    assert len(erasure.artifact_owners(cursor)) == 1


def test_retention_deletes_what_is_old_and_has_ended(cursor: Cursor) -> None:
    ended, goes_on = _fill(cursor, "ended"), _fill(cursor, "goes on", state=SessionState.IN_PROGRESS)
    assert retention.old_sessions(cursor, ENDS, LATER) == {ended}
    assert retention.old_sessions(cursor, ENDS, NOW) == frozenset()
    assert retention.delete_turns(cursor, LATER) == 1
    assert retention.delete_sealed_values(cursor, LATER) == 1
    assert len(retention.clear_artifacts(cursor, LATER)) == 2
    number = count(cursor, "SELECT count(*) FROM events")
    assert retention.delete_events(cursor, LATER) == number
    letters = retention.delete_letters(cursor, LATER)
    assert letters.number == len(letters.spool_ids) == 2
    left = rows_of(cursor, goes_on)
    assert (left["turns"], left["sealed_values"], left["events"], left["dead_letters"]) == (1, 1, 0, 0)


def test_counts_by_day_stay_when_events_go_until_their_client_is_erased(cursor: Cursor) -> None:
    for name in ("s1", "s2"):
        sessions.insert_or_get(cursor, session(name))
        events.insert_many(cursor, [event(name, name="photo_sent") for _ in range(3)])
    retention.delete_events(cursor, LATER)
    counted = "SELECT events, sessions, timed, took_s FROM daily_events WHERE name = 'photo_sent'"
    assert fetch_all(cursor, counted) == [{"events": 6, "sessions": 2, "timed": 6, "took_s": 1.5}]
    assert daily_events.names_of_apps(cursor) == [("app", "photo_sent")]
    daily_events.rename(cursor, [("app", "photo_sent")], "redacted")
    assert daily_events.names_of_apps(cursor) == [("app", "redacted")]
    assert daily_events.number_of(cursor, {"app"}) == 2
    daily_events.erase(cursor, {"app"})
    assert daily_events.number_of(cursor, {"app"}) == 0


def test_a_session_is_counted_when_its_last_event_of_a_kind_goes(cursor: Cursor) -> None:
    events.insert_many(cursor, [event("s", at=at, name="photo_sent") for at in (0, 50)])
    counted = "SELECT sum(events)::BIGINT AS events, sum(sessions)::BIGINT AS sessions FROM daily_events"
    retention.delete_events(cursor, after(20))
    assert fetch_all(cursor, counted) == [{"events": 1, "sessions": 0}]
    retention.delete_events(cursor, LATER)
    assert fetch_all(cursor, counted) == [{"events": 2, "sessions": 1}]


def test_every_text_of_a_session_can_be_read_and_stored_anew(cursor: Cursor) -> None:
    owner = _fill(cursor, "texts")
    assert stored_texts.session_ids(cursor) == [owner]
    texts, new = stored_texts.of_session(cursor, owner), redacted("New [REDACTED_PHONE]")
    stored_texts.replace_upload_text(cursor, texts.uploads[0].id, new)
    stored_texts.replace_upload_name(cursor, texts.uploads[0].id, new)
    stored_texts.replace_labels(cursor, texts.uploads[0].id, [])
    stored_texts.replace_comment(cursor, texts.comments[0].id, new)
    stored_texts.replace_record(cursor, texts.records[0].id, new, "cd" * 32)
    stored_texts.replace_answer(cursor, texts.answers[0][0], new)
    again = stored_texts.of_session(cursor, owner)
    assert [again.uploads[0].text, again.uploads[0].display_name, again.comments[0].text] == [new] * 3
    assert (again.records[0].record, again.records[0].content_hash) == (new, "cd" * 32)
    assert again.answers == [(texts.answers[0][0], new)]
    [sent] = stored_texts.app_events(cursor, "", None, 9)
    assert stored_texts.number_of_app_events(cursor, None) == 1
    stored_texts.replace_events(cursor, [replace(sent, name="redacted", properties={"note": new})])
    [changed] = stored_texts.app_events(cursor, "", None, 9)
    assert (changed.name, changed.properties) == ("redacted", {"note": new})
    assert redactions.last(cursor, owner, "rules") == NOW and redactions.last(cursor, owner, "others") is None


def _waiting(cursor: Cursor, at: int, client_id: str = "app") -> str:
    owner, _ = sessions.insert_or_get(cursor, session(client_id=client_id, at=at))
    for stage in (SessionState.IN_PROGRESS, SessionState.AWAITING_APPROVAL):
        sessions.transition(cursor, owner.id, stage, after(at))
    record = RedactedText.literal('{"fields":[{},{}],"missing":["a"],"summary":"Meter"}')
    row = replace(recommendation(owner.id), record=record, expire_time=after(1000 - at))
    recommendations.insert_recommendation(cursor, row)
    return owner.id


@pytest.mark.parametrize("order", ReviewOrder)
def test_pages_of_what_waits_have_each_record_once_in_their_order(cursor: Cursor, order: ReviewOrder) -> None:
    made = [_waiting(cursor, at) for at in range(5)]
    _waiting(cursor, 9, "other")
    which, token = ReviewFilter(visible_to="app", order=order), ""
    listed: list[WaitingRow] = []
    for _ in range(3):
        page = reviews_list.list_waiting(cursor, which, after(100), 2, token)
        assert page.total == 5
        listed += page.rows
        token = page.next_token
    expected = made if order is ReviewOrder.OLDEST else made[::-1]
    assert [row.session_id for row in listed] == expected and token == ""
    assert {(row.summary, row.fields, row.missing, row.language) for row in listed} == {("Meter", 2, 1, "en")}
    assert reviews_list.number_waiting(cursor, after(100)) == 6


def test_what_waits_is_filtered_by_who_works_on_it(cursor: Cursor) -> None:
    made = [_waiting(cursor, at) for at in range(3)]
    ann, ben = Claimant("key:console", "ann"), Claimant("key:console", "ben")
    for owner, who in zip(made, (ann, ben), strict=False):
        reviews.put_claim(cursor, owner, Claim(who, NOW, after(500)))

    def listed(claim: ClaimFilter) -> list[str]:
        page = reviews_list.list_waiting(cursor, ReviewFilter(claim=claim, who=ann), after(100), 9, "")
        return [row.session_id for row in page.rows]

    assert listed(ClaimFilter.CLAIMED) == made[:2]
    assert listed(ClaimFilter.UNCLAIMED) == made[2:]
    assert listed(ClaimFilter.MINE) == made[:1]


def test_an_operation_on_letters_begins_once_and_tells_how_far_it_is(cursor: Cursor) -> None:
    for name in ("a", "b"):
        _fill(cursor, name)
    operation = LetterOperation("o", "", "discard", "fixed")
    assert letter_operations.preview(cursor, EVERY_LETTER).matched == 2
    which = LetterFilter(client_ids=("app",), kind="read_upload", before=LATER)
    assert letter_operations.begin(cursor, operation, which, NOW)
    assert not letter_operations.begin(cursor, operation, which, NOW)
    first, _ = letter_operations.progress(cursor, operation).open_ids
    dead_letters.close(cursor, first, NOW, dead_letters.DISCARDED)
    told = letter_operations.progress(cursor, operation)
    assert (told.matched, told.done, len(told.open_ids)) == (2, 1, 1)
    with pytest.raises(Conflict):
        letter_operations.begin(cursor, replace(operation, reason="other"), which, NOW)


def test_what_jobs_need_and_who_took_part_is_found(cursor: Cursor) -> None:
    owner = _fill(cursor, "needed")
    assert len(needed_media.needed_spool_ids(cursor)) == 1
    assert needed_media.open_reads(cursor, owner).number == 0
    cursor.execute("UPDATE jobs SET state = 'QUEUED'")
    assert len(needed_media.open_reads(cursor, owner).spool_ids) == 1
    assert waiting_jobs.waiting_jobs(cursor) == {"read_upload": (1, NOW)}
    participants.add(cursor, owner, "key:a")
    participants.add(cursor, owner, "key:a")
    assert participants.took_part(cursor, owner, "key:a") and not participants.took_part(cursor, owner, "key:b")
    assert owners.client_of(cursor, owner) == "app"
    [letter] = dead_letters.list_letters(cursor)[0]
    assert owners.session_of(cursor, "dead_letters", letter.id) == owner


def test_vocabularies_are_sealed_anew_in_the_order_of_their_sessions(cursor: Cursor) -> None:
    for name in ("c", "a", "b"):
        sessions.insert_or_get(cursor, session(name))
    assert vocabularies.sealed_after(cursor, "a", 9) == [("b", "sealed"), ("c", "sealed")]
    vocabularies.replace(cursor, {"b": "anew", "c": "too"})
    assert vocabularies.sealed_after(cursor, "", 9) == [("a", "sealed"), ("b", "anew"), ("c", "too")]


def test_the_lines_of_a_picture_are_found_by_its_upload(cursor: Cursor) -> None:
    row = replace(upload("s"), text=redacted("one | two"))
    left, right = PictureBox(0.1, 0.2, 0.3, 0.4), PictureBox(0.5, 0.2, 0.3, 0.4)
    picture_lines.put(cursor, row.id, "s", [[left, right]])
    lines = [PictureLine("one", left), PictureLine("two", right)]
    assert picture_lines.of_uploads(cursor, [row]) == {row.id: lines}
    picture_lines.put(cursor, row.id, "s", [])
    assert picture_lines.of_uploads(cursor, [row]) == {}


def test_a_declaration_takes_the_place_of_the_one_before(cursor: Cursor) -> None:
    first = {"step": {"number": DeclaredProperty(PropertyKind.NUMBER)}, "old": {}}
    then = {"step": {"kind": DeclaredProperty(PropertyKind.ENUMERATION, ("a", "b"))}}
    for declared in (first, then):
        event_declarations.replace_declaration(cursor, "app", declared, NOW)
    assert event_declarations.all_declarations(cursor) == {"app": then}
    sessions.insert_or_get(cursor, session(client_id="site"))
    assert [event_declarations.knows_client(cursor, name) for name in ("site", "app")] == [True, False]


def test_an_upload_goes_through_its_states(cursor: Cursor) -> None:
    row = upload("s")
    uploads.insert_upload(cursor, row)
    assert uploads.begin_attempt(cursor, row.id, after(1)).attempts == 1
    assert uploads.set_progress(cursor, row.id, after(2), 0.5).progress == 0.5
    assert uploads.undo_attempt(cursor, row.id, after(3)).state is UploadState.ACCEPTED
    assert uploads.fail(cursor, row.id, after(4), "BROKEN_MEDIA").failure_reason == "BROKEN_MEDIA"
    assert uploads.redrive(cursor, row.id, after(5)).failure_reason == ""
    assert uploads.page_of_session(cursor, "s", 1) == ([uploads.get(cursor, row.id)], "")


def test_the_numbers_of_two_sessions_are_stored_beside_each_other(cursor: Cursor) -> None:
    for name in ("a", "b'", "c"):
        sessions.insert_or_get(cursor, session(name))
    event_counts.store(cursor, {"a": 3, "b'": 5}, 1_000_000)
    sql = "SELECT id, event_count, epoch_us(update_time) AS us FROM sessions ORDER BY id"
    rows = [(row["id"], row["event_count"], row["us"] == 1_000_000) for row in fetch_all(cursor, sql)]
    assert rows == [("a", 3, True), ("b'", 5, True), ("c", 0, False)]
    update(cursor, "sessions", "c", {"event_count": 1})
    event_counts.store(cursor, {"c": 7})
    assert count(cursor, "SELECT event_count FROM sessions WHERE id = 'c'") == 7
