"""Features of sessions: what was known before they went on or left, and nothing that came later."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from server.funnel import feature_table, properties
from server.funnel.feature_table import read_table
from server.funnel.features import OWN
from server.funnel.selection import Selection
from server.funnel.step_counts import count_steps, end_of_observation, outcome_parameters
from server.funnel.texts import load_texts
from server.funnel.types import SessionTable
from server.ledger.columns import DuckDb
from server.ledger.types import SessionState as S
from tests.unit.funnel.quarter import Quarter
from tests.unit.funnel.stored import STAGES, bulk, event_row, fill, session_row
from tests.unit.ledger.makers import NOW, after

Happening = tuple[float, str, dict[str, Any]]


def table(cursor: DuckDb, at: float | None = None) -> SessionTable:
    until = end_of_observation(cursor, None if at is None else after(at))
    parameters = outcome_parameters(Selection(), until, timedelta(minutes=30))
    found = read_table(cursor, parameters, count_steps(cursor, parameters))
    assert found is not None
    return found


def store(
    cursor: DuckDb, entered: tuple[float, ...], *happened: Happening, key: str = "one", app: bool = False
) -> None:
    """One session: seconds at which it entered the stages after the first, and what happened when."""
    state = S.COMPLETED if len(entered) == 3 else S.ABANDONED
    bulk(cursor, "sessions", [session_row(key, state, ended=after(10_000))])
    if state is S.ABANDONED:
        happened += ((10_000.0, "stage_entered", {"reason": "idle"}),)
    rows = [
        event_row(key, f"s{k}", "stage_entered", after(at), stage=stage, event_time=after(at))
        for k, (at, stage) in enumerate(zip((0.0, *entered), STAGES, strict=False))
    ]
    for k, (at, name, given) in enumerate(happened):
        meta = {word: {"kind": "enumeration"} for word in given if word.startswith("kind_")}
        row = event_row(key, k, name, after(at), event_time=after(at), took_s=given.get("took_s"))
        row |= {"properties": json.dumps(given), "properties_meta": json.dumps(meta)}
        row |= {"stage": S.ABANDONED if given.get("reason") == "idle" else None}
        rows.append(row | {"device_time": after(at) if app else None})
    for row in rows:
        row.setdefault("took_s", None)
        row.setdefault("device_time", None)
    bulk(cursor, "events", rows)


def value(found: SessionTable, name: str) -> Any:
    [only] = found.features[name].tolist()
    return only


@pytest.mark.parametrize(
    ("at", "first", "second"), [(5.0, True, True), (15.0, False, True), (25.0, False, False), (10.0, False, True)]
)
def test_a_thing_counts_until_the_stage_is_left_and_not_after(
    cursor: DuckDb, at: float, first: bool, second: bool
) -> None:
    store(cursor, (10.0, 20.0), (at, "no_speech", {"utterance": 0}))
    found = table(cursor)
    assert (value(found, "no_speech"), value(found, "no_speech@2")) == (first, second)
    assert (found.known_at["no_speech"], found.known_at["no_speech@2"]) == (1, 2)


def test_numbers_of_turns_are_those_of_the_first(cursor: DuckDb) -> None:
    said = {"source": "speech", "confidence_percent": "80", "language": "es", "entities": "1"}
    store(
        cursor,
        (10.0, 30.0, 90.0),
        (11.0, "turn_finished", said | {"took_s": 0.5}),
        (14.0, "replied", {"origin": "FALLBACK"}),
        (
            15.0,
            "turn_finished",
            said | {"took_s": 9.0, "delay_ms": 1500, "confidence_percent": "60", "language": "en", "entities": "3"},
        ),
        (20.0, "replied", {"origin": "MODEL"}),
        (40.0, "turn_finished", said | {"took_s": 90.0}),
    )
    found = table(cursor)
    expected = {
        "recognition_delay_s": 0.5,
        "recognition_confidence": 0.8,
        "language_spoken": "es",
        "redactions": 1.0,
        "wait_for_reply_s": 3.0,
        "fallback_reply": True,
        "first_input": "speech",
        "time_in_started_s": 10.0,
        "time_in_progress_s": 20.0,
    }
    assert {name: value(found, name) for name in expected} == pytest.approx(expected)


def test_what_grows_with_the_session_explains_only_what_comes_after_the_stage(cursor: DuckDb) -> None:
    known_at = table_of_a_quarter(cursor).known_at
    assert {
        known_at[name]
        for name in ("talk_s", "turns", "time_in_progress_s", "document", "upload_read_s")
        if name in known_at
    } == {3}
    assert known_at["time_in_started_s"] == 2


def test_sessions_of_one_person_are_known_as_such(cursor: DuckDb) -> None:
    for key in ("one", "two", "three", "four"):
        store(cursor, (10.0, 20.0), key=key)
    assert table(cursor).persons is None
    cursor.execute("UPDATE sessions SET subject_hash = 'a person' WHERE id IN ('one', 'three')")
    persons = table(cursor).persons
    assert persons is not None
    assert sorted(np.bincount(persons).tolist()) == [1, 1, 2]


def table_of_a_quarter(cursor: DuckDb, sessions: int = 300) -> SessionTable:
    Quarter(sessions).store(cursor)
    return table(cursor)


@pytest.mark.parametrize(("at", "seen"), [(8000.0, True), (8300.0, False)])
def test_what_happens_after_a_session_went_idle_does_not_count(cursor: DuckDb, at: float, seen: bool) -> None:
    """The server ended it after 10,000 s, so the person had left 1,800 s before."""
    store(cursor, (10.0,), (at, "replied_late", {"origin": "MODEL"}))
    assert value(table(cursor), "late_reply") is seen


def test_a_session_that_the_app_ended_was_left_at_that_moment(cursor: DuckDb) -> None:
    store(cursor, (10.0,), (9_999.0, "replied_late", {"origin": "MODEL"}))
    cursor.execute("UPDATE events SET properties = '{\"reason\": \"user_left\"}' WHERE stage = 'ABANDONED'")
    assert value(table(cursor), "late_reply") is True


def test_uploads_and_records(cursor: DuckDb) -> None:
    store(
        cursor,
        (10.0, 30.0, 90.0),
        (5.0, "upload_refused", {"reason": "format_unsupported"}),
        (11.0, "upload_accepted", {"kind": "meter"}),
        (12.0, "upload_failed", {"reason": "worker_killed"}),
        (13.0, "upload_accepted", {"kind": "id"}),
        (30.0, "record_proposed", {"origin": "FALLBACK"}),
    )
    found = table(cursor)
    expected = {
        "upload_refused": True,
        "refusal": "format_unsupported",
        "upload_failed": True,
        "document": "meter",
        "first_input": "meter",
        "fallback_record": True,
        "step_repeated": False,
    }
    assert {name: value(found, name) for name in expected} == expected


def test_a_step_that_was_done_again(cursor: DuckDb) -> None:
    store(cursor, (10.0, 30.0, 90.0))
    again = event_row("one", "again", "stage_entered", after(40), stage=S.IN_PROGRESS, event_time=after(40))
    bulk(cursor, "events", [again])
    assert value(table(cursor), "step_repeated") is True


@pytest.mark.parametrize(("begin", "end", "seen"), [(0, 5, (1,)), (15, 16, (2,)), (5, 500, (1, 2)), (300, 400, ())])
def test_a_breaker_that_was_open_while_the_session_was_in_the_stage(
    cursor: DuckDb, begin: float, end: float, seen: tuple[int, ...]
) -> None:
    """The session left 200 s after it began; the server ended it 30 minutes later."""
    store(cursor, (10.0,))
    cursor.execute("UPDATE sessions SET stage_time = ?", [after(2000).replace(tzinfo=None)])
    for time, new in ((begin, "open"), (end, "closed")):
        row = {
            "id": new,
            "time": after(time),
            "name": "breaker_changed",
            "subject": "llm",
            "properties": f'{{"new": "{new}"}}',
        }
        bulk(cursor, "server_events", [row])
    found = table(cursor)
    stages = {1: "breaker_open", 2: "breaker_open@2", 3: "breaker_open@3"}
    assert tuple(k for k, name in stages.items() if value(found, name)) == seen


def test_declared_properties_have_the_first_value_of_the_session(cursor: DuckDb) -> None:
    given = {"kind_network": "3g", "battery": 12.5, "font_large": True, "note": "free text"}
    store(cursor, (10.0, 20.0), (1.0, "opened", given), (2.0, "seen", given | {"kind_network": "wifi"}), app=True)
    found = table(cursor)
    assert value(found, "app.kind_network") == "3g"
    assert value(found, "app.battery") == 12.5
    assert value(found, "app.font_large") is True
    assert "app.note" not in found.features


def test_a_property_that_came_later_explains_only_later_steps(cursor: DuckDb) -> None:
    store(cursor, (10.0, 20.0), (15.0, "opened", {"battery": 50}), app=True)
    store(cursor, (10.0, 20.0), (25.0, "opened", {"battery": 60}), key="two", app=True)
    found = table(cursor)
    assert [name for name in found.features if name.startswith("app.")] == ["app.battery", "app.battery@3"]
    assert (found.known_at["app.battery"], found.known_at["app.battery@3"]) == (2, 3)


@pytest.mark.parametrize(("usual", "other"), [(50, True), (True, 50)])
def test_a_property_is_of_the_kind_that_most_sessions_have(cursor: DuckDb, usual: Any, other: Any) -> None:
    """A value of another kind is unknown: that of a number is a gap, that of a flag means that nothing happened."""
    for number in range(5):
        given = {"battery": other if number == 0 else usual}
        store(cursor, (10.0,), (1.0, "opened", given), key=f"session-{number}", app=True)
    found = table(cursor)
    values = found.features["app.battery"][found.seen("app.battery")].tolist()
    assert sorted(values) == ([50.0] * 4 if usual == 50 else [False, True, True, True, True])


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([True, True, False, True, None], True),
        ([True, True, True, None, None], False),
        ([False, True, None, None, None, None], False),
    ],
)
def test_a_boolean_that_comes_both_ways_in_most_sessions_is_told_and_has_gaps(
    cursor: DuckDb, values: list[bool | None], told: bool
) -> None:
    for number, given in enumerate(values):
        happened = [] if given is None else [(1.0, "opened", {"font_large": given})]
        store(cursor, (10.0,), *happened, key=f"session-{number}", app=True)
    found = table(cursor)
    assert ("app.font_large" not in found.happens) is told
    assert ("app.font_large" in found.gaps) is told
    if not told:
        assert found.features["app.font_large"].sum() == values.count(True)


def test_that_a_thing_of_the_server_did_not_happen_explains_only_later_steps(cursor: DuckDb) -> None:
    store(cursor, (10.0, 20.0), (5.0, "no_speech", {}))
    found = table(cursor)
    flags = {name for name, column in found.features.items() if column.dtype.kind == "b"}
    assert found.happens == flags >= {"no_speech", "no_speech@2", "field_corrected"}


@pytest.mark.parametrize(
    ("at", "decision", "field"),
    [
        (40.0, "corrected", "meter_number"),
        (40.0, "rejected", "meter_number"),
        (40.0, "accepted", ""),
        (95.0, "corrected", ""),
    ],
)
def test_what_a_reviewer_corrects_before_the_decision_is_known(
    cursor: DuckDb, at: float, decision: str, field: str
) -> None:
    given = {"field": "meter_number", "decision": decision}
    later = {"field": "name", "decision": "corrected"}
    store(cursor, (10.0, 30.0, 90.0), (at, "field_decided", given), (at + 100.0, "field_decided", later))
    found = table(cursor)
    assert (value(found, "field_corrected"), value(found, "corrected_field")) == (bool(field), field)
    assert found.known_at["field_corrected"] == found.known_at["corrected_field"] == 3


@pytest.mark.parametrize(
    ("key", "values", "kept"),
    [
        ("kind_x", [("web", "enumeration"), ("call Frau Hieronymus please", "")], ["web"]),
        ("kind_x", [("web", "enumeration"), ("A-1042", "code"), ("2026-11-27T08:15:00Z", "time")], ["web"]),
        ("kind_x", [("Frau Hieronymus", ""), ("web", "enumeration")], ["web"]),
        ("battery", [(50, ""), ("555", "code"), ("90", "")], [50.0]),
        ("font_large", [(True, ""), ("true", ""), ("1", "code")], [True]),
    ],
)
def test_a_value_counts_only_where_it_is_of_the_kind_itself(
    cursor: DuckDb, key: str, values: list[tuple[Any, str]], kept: list[Any]
) -> None:
    """Each value is of a client of its own: what one declares says nothing of the text of another."""
    for number, (given, kind) in enumerate(values):
        store(cursor, (10.0,), (1.0, "opened", {key: given}), key=f"session-{number}", app=True)
        meta = json.dumps({key: {"kind": kind} if kind else {"safe": False}})
        changed = (
            "UPDATE events SET client_id = ?, properties_meta = ? WHERE session_id = ? AND device_time IS NOT NULL"
        )
        cursor.execute(changed, [f"client-{number}", meta, f"session-{number}"])
    found = table(cursor)
    assert [each for each in found.features[f"app.{key}"][found.seen(f"app.{key}")].tolist() if each] == kept


def test_a_property_that_a_newer_app_sends_is_found_in_a_large_ledger(
    cursor: DuckDb, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(properties, "SAMPLE", 40)
    for number in range(80):
        given = {"battery": number} if number < 60 else {"signal": number}
        store(cursor, (10.0,), (1.0, "opened", given), key=f"session-{number}", app=True)
    assert {"app.battery", "app.signal"} <= table(cursor).features.keys()


def test_a_table_knows_which_values_were_seen(cursor: DuckDb) -> None:
    given: tuple[dict[str, Any], ...] = ({"battery": 50, "kind_x": "a"}, {"battery": 60}, {"kind_x": "b"}, {})
    for number, properties_given in enumerate(given):
        store(cursor, (10.0,), (1.0, "opened", properties_given), key=f"session-{number}", app=True)
    found = table(cursor)
    assert found.seen("app.battery").sum() == found.seen("app.kind_x").sum() == 2
    assert set(found.features["app.battery"][found.seen("app.battery")].tolist()) == {50.0, 60.0}
    assert found.seen("no_speech").all()  # that a thing did not happen was seen, too


def test_a_session_whose_end_would_not_be_known_yet_is_under_way_for_the_search(cursor: DuckDb) -> None:
    fill(cursor, 30, 30)
    fill(cursor, 0, 10, name="new-", at=50_000.0)
    fill(cursor, 5, state=S.STARTED, name="open-", at=50_000.0)
    found = table(cursor)
    assert int(found.at_risk(1).sum()) == 60
    assert int((found.reached == 2).sum()) == 30


def test_a_large_ledger_is_sampled_the_same_way_each_time(cursor: DuckDb, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(cursor, 200, 200)
    monkeypatch.setattr(feature_table, "MOST_SESSIONS", 100)
    first, second = table(cursor), table(cursor)
    assert 50 < first.sessions < 150
    assert first.sessions == second.sessions


def test_no_session_no_table(cursor: DuckDb) -> None:
    parameters = outcome_parameters(Selection(), NOW.replace(tzinfo=None), timedelta(minutes=30))
    assert read_table(cursor, parameters, count_steps(cursor, parameters)) is None


def test_every_feature_has_its_text() -> None:
    assert load_texts().causes.keys() == {*(feature.name for feature in OWN), "property", "time_to_step", "together"}
