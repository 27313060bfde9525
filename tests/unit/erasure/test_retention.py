"""What is older than the settings allow is deleted, once a day, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from models.text import RedactedText
from server.access.audit import AuditTrail
from server.erasure.eraser import Eraser
from server.erasure.retention import Retention
from server.flows.definition import FlowDefinition
from server.flows.progress import Answer, AnswerStatus, FieldState
from server.ledger import answers, dead_letters, job_attempts, jobs, sessions, uploads
from server.ledger.columns import Cursor, Row, fetch_all
from server.ledger.integrity import catalogue
from server.ledger.integrity.problems import Check
from server.ledger.integrity.run import check_ledger
from server.ledger.types import JobState, SessionState
from server.setting_groups import RetentionSettings
from tests.fakes.guide import FLOWS, GUIDE
from tests.unit.erasure.filled import Store, mark_of
from tests.unit.ledger import makers
from tests.unit.ledger.makers import NOW
from tests.unit.ledger.migrated import newest_schema

EVERYTHING = RetentionSettings(turns_days=30, artifacts_days=30, events_days=30, letters_days=30)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path)
    yield made
    made.ledger.close()


def retention(
    store: Store,
    settings: RetentionSettings,
    letter_days: Mapping[str, float] | None = None,
    flows: Sequence[FlowDefinition] = (),
) -> Retention:
    audit = AuditTrail(bytes(32), bytes(32), lambda: store.now)
    eraser = Eraser(store.ledger, store.spool, store.pictures, store, lambda: store.now, audit)
    return Retention(
        store.ledger, store.spool, store.pictures, settings, lambda: store.now, eraser, letter_days, lambda: flows
    )


def at(store: Store, days: float) -> None:
    store.now = NOW + timedelta(days=days)


def test_nothing_is_deleted_before_its_time(store: Store) -> None:
    session_id = store.fill("kept")
    before = store.rows(session_id)
    at(store, 29.9)
    assert asyncio.run(retention(store, EVERYTHING).round()) == 0
    assert store.rows(session_id) == before
    assert len(store.marks("kept")) == 7


def test_everything_that_has_a_limit_goes_with_its_bytes(store: Store) -> None:
    session_id = store.fill("old")
    at(store, 30.1)
    assert asyncio.run(retention(store, EVERYTHING).round()) == 6
    left = {table for table, number in store.rows(session_id).items() if number}
    reviewed = {"reviews", "field_decisions", "review_comments", "approvals", "picture_lines"}
    assert left == reviewed | {
        *("sessions", "streams", "uploads", "recommendations", "tag_numbers", "participants", "redactions"),
    }
    assert not store.spool.ids(), "the media that the letter kept"
    # The record that was decided stays, so its text does; of the event its name and how often it came.
    assert store.marks("old") == {mark_of("old"), mark_of("old-variant"), mark_of("old-tag"), mark_of("old-event")}


@pytest.mark.parametrize(
    ("setting", "gone"),
    [
        ("turns_days", {"turns", "turn_words", "answers", "model_comparisons"}),
        ("artifacts_days", set()),
        ("events_days", {"events"}),
        ("sealed_days", {"sealed_values"}),
        ("letters_days", {"dead_letters", "job_attempts", "jobs"}),
    ],
)
def test_each_kind_has_its_own_limit(store: Store, setting: str, gone: set[str]) -> None:
    session_id = store.fill("old")
    at(store, 31)
    asyncio.run(retention(store, RetentionSettings(**{"letters_days": None, "sealed_days": None, setting: 30})).round())
    assert {table for table, number in store.rows(session_id).items() if not number} == gone
    assert bool(list(store.pictures.iterdir())) == (setting != "artifacts_days")


@pytest.mark.parametrize("setting", ["", "turns_days", "artifacts_days", "events_days", "sealed_days", "letters_days"])
def test_what_is_left_breaks_no_rule_of_the_ledger(store: Store, setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "made_anew", newest_schema)
    store.fill("old")
    at(store, 30.1)
    settings = RetentionSettings.model_validate({setting: 30}) if setting else EVERYTHING
    assert asyncio.run(retention(store, settings).round()) > 0
    store.ledger.close()
    problems = check_ledger(store.ledger.path).problems
    assert [problem for problem in problems if problem.check is not Check.VIEWS] == [], "its record is no JSON"


def test_a_session_that_is_open_keeps_its_turns(store: Store) -> None:
    session_id = store.fill("open", state=SessionState.STARTED)
    at(store, 31)
    asyncio.run(retention(store, RetentionSettings(turns_days=30)).round())
    assert store.rows(session_id)["turns"] == 1


def test_it_is_applied_once_a_day(store: Store) -> None:
    applied = retention(store, RetentionSettings(turns_days=1, letters_days=None, sealed_days=None))
    at(store, 10)
    assert asyncio.run(applied.round()) == 0
    at(store, 10.5)
    store.fill("old")
    assert asyncio.run(applied.round()) == 0
    at(store, 11)
    assert asyncio.run(applied.round()) == 1


def test_the_status_says_what_is_kept(store: Store) -> None:
    assert (
        retention(store, RetentionSettings(letters_days=None, sealed_days=None)).component.detail
        == "Everything is kept until it is erased."
    )
    limited = retention(store, RetentionSettings(turns_days=30, events_days=0.5, letters_days=None, sealed_days=None))
    assert limited.component.detail == "Kept: turns 30 days, events 0.5 days; not applied yet."
    asyncio.run(limited.round())
    assert limited.component.detail == "Kept: turns 30 days, events 0.5 days; last applied 2026-03-01 12:00 UTC."


@pytest.mark.parametrize(
    ("usual_days", "apart", "days", "left"),
    [
        (7, {"read_upload": 3}, 4, 0),
        (3, {"read_upload": 7}, 4, 1),
        (None, {"read_upload": 3}, 4, 0),
        (3, {"reply": 7}, 4, 0),
    ],
)
def test_letters_of_one_kind_are_kept_for_days_of_their_own(
    store: Store, usual_days: float | None, apart: dict[str, float], days: float, left: int
) -> None:
    session_id = store.fill("old")
    at(store, days)
    asyncio.run(retention(store, RetentionSettings(letters_days=usual_days), apart).round())
    rows = store.rows(session_id)
    assert (rows["dead_letters"], rows["job_attempts"], rows["jobs"]) == (left, left, left)
    assert len(store.spool.ids()) == left


def test_a_job_that_failed_again_after_a_redrive_is_kept_as_long_as_its_newest_letter(store: Store) -> None:
    session_id = store.fill("again")

    def fail_again(cursor: Cursor) -> None:
        (first,), _ = dead_letters.list_letters(cursor)
        dead_letters.close(cursor, first.id, store.now, dead_letters.REDRIVEN)
        dead_letters.insert_letter(cursor, replace(first, id=makers.new_id(), create_time=NOW + timedelta(days=5)))

    store.ledger.write_now(fail_again)
    at(store, 8)
    asyncio.run(retention(store, RetentionSettings()).round())
    rows = store.rows(session_id)
    assert (rows["dead_letters"], rows["job_attempts"], rows["jobs"], len(store.spool.ids())) == (1, 1, 1, 1)
    at(store, 13)
    asyncio.run(retention(store, RetentionSettings()).round())
    rows = store.rows(session_id)
    assert (rows["dead_letters"], rows["job_attempts"], rows["jobs"], len(store.spool.ids())) == (0, 0, 0, 0)


def test_attempts_at_jobs_that_have_ended_go_with_the_letters_age(store: Store) -> None:
    done, waiting = makers.job("s"), makers.job("s")

    def write(cursor: Cursor) -> None:
        for row, state in ((done, JobState.DONE), (waiting, JobState.QUEUED)):
            jobs.enqueue(cursor, replace(row, state=state))
            job_attempts.insert_attempt(cursor, row, NOW, "retry", "WORKER_LOST")

    store.ledger.write_now(write)
    at(store, 8)
    asyncio.run(retention(store, RetentionSettings()).round())
    kept = asyncio.run(store.ledger.read(lambda cursor: [row["job_id"] for row in _attempts(cursor)]))
    assert kept == [waiting.id]


def _attempts(cursor: Cursor) -> list[Row]:
    return fetch_all(cursor, "SELECT job_id FROM job_attempts")


def read_from_picture(store: Store, session_id: str, given_id: str) -> None:
    """Store an answer of the picture of a session that ``Store.fill`` made."""

    def write(cursor: Cursor) -> None:
        cursor.execute("UPDATE uploads SET given_id = ? WHERE session_id = ?", [given_id, session_id])
        [upload] = uploads.list_of_session(cursor, session_id)
        value = RedactedText.restore("4821", {}, safe_for_llm=True)
        read = Answer("meter", "meter_reading", AnswerStatus.ANSWERED, value, "picture", upload.shown_id)
        answers.append(cursor, session_id, FLOWS.default, [read], 1, NOW)

    store.ledger.write_now(write)


def values_of(store: Store, session_id: str) -> dict[str, str]:
    rows = asyncio.run(store.ledger.read(lambda cursor: answers.list_of_session(cursor, session_id)))
    return {row.field: row.value.value for row in rows}


@pytest.mark.parametrize("given_id", ["", "11111111-1111-4111-8111-111111111111"])
def test_what_was_read_in_a_picture_goes_with_it_once_the_session_has_ended(store: Store, given_id: str) -> None:
    kept = RetentionSettings(artifacts_days=30, letters_days=None, sealed_days=None)
    ended, still_open = store.fill("ended"), store.fill("open", state=SessionState.IN_PROGRESS)
    for session_id in (ended, still_open):
        read_from_picture(store, session_id, given_id)
    applied = retention(store, kept)
    at(store, 29)
    asyncio.run(applied.round())
    assert values_of(store, ended)["meter_reading"] == "4821"
    at(store, 31)
    asyncio.run(applied.round())
    assert values_of(store, ended) == {"site_name": mark_of("ended"), "meter_reading": ""}
    assert values_of(store, still_open)["meter_reading"] == "4821", "a session needs its answers"
    shown = asyncio.run(store.ledger.read(lambda cursor: fetch_all(cursor, "SELECT * FROM v_answers")))
    assert {row["value"] for row in shown if row["session_id"] == ended} == {None}
    progress = asyncio.run(store.ledger.read(lambda cursor: GUIDE.progress(cursor, sessions.get(cursor, ended))))
    [one] = [each for each in progress.fields if each.field.name == "meter_reading"]
    assert (one.state, one.value) == (FieldState.ANSWERED, RedactedText.literal("")), "that it was read stays"
    store.ledger.write_now(
        lambda cursor: cursor.execute("UPDATE sessions SET state = 'ABANDONED' WHERE id = ?", [still_open])
    )
    at(store, 33)
    asyncio.run(applied.round())
    assert values_of(store, still_open)["meter_reading"] == ""
