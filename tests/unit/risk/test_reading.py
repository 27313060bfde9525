"""What is read of a running session, and that a past one was seen alike at each of its moments."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from server.ledger import sessions
from server.ledger.columns import DuckDb
from server.ledger.event_order import ORDER_BY, ORDER_TIME
from server.ledger.types import SessionState as S
from server.risk.features import Known
from server.risk.properties import Value, property_feature
from server.risk.reading import read_past, read_running
from server.risk.states import draw_states
from tests.unit.funnel.stored import bulk, event_row, session_row
from tests.unit.ledger.makers import after

IDLE_S = 1800.0
ERRORS = property_feature("app", "errors")
FEW = 5


def own(number: object, at: float, name: str, stage: S | None = None) -> Any:
    return event_row("", number, name, after(at), stage=stage, event_time=after(at)) | {"device_time": None}


def app(number: object, at: float, happened: float, sequence: int, name: str = "screen", **given: object) -> Any:
    times = {"event_time": after(happened), "device_time": after(happened)}
    return event_row("", number, name, after(at)) | times | {"sequence": sequence, "properties": json.dumps(given)}


def store(cursor: DuckDb, key: str, state: S, events: list[dict[str, Any]], ended: float = 0.0) -> None:
    bulk(cursor, "sessions", [session_row(key, state, opened=after(0), ended=after(ended))])
    bulk(cursor, "events", [row | {"id": f"{key}/{row['id']}", "session_id": key} for row in events])


def running(cursor: DuckDb, key: str) -> Known:
    return read_running(cursor, sessions.get(cursor, key))


def moments(cursor: DuckDb) -> list[dict[str, Value]]:
    """What training knows at the moments of the sessions that have ended in STARTED or IN_PROGRESS."""
    past = read_past(cursor, after(10**6), 90, IDLE_S)
    found = draw_states(past.sessions, past.events, IDLE_S, 10**6)
    return [part.known(row) for part in found.values() for row in range(len(part.session))]


OPENED = own("opened", 0, "stage_entered", S.STARTED)


@pytest.mark.parametrize(
    "batch",
    [
        [app(n, 100, n, n, errors=n) for n in (5, 11, 3, 1, 12, 2, 4, 6, 7, 8, 9, 10)],
        [app(n, 100, n, 0, errors=n) for n in (5, 12, 3)],
        [app(n, 100, 50, n, errors=n) for n in (12, 5, 3)],
        # The clock was set back: what the app counted last is last.
        [app(n, 100, 60 - n, n, errors=n) for n in (5, 12, 3)],
    ],
    ids=["both", "times", "numbers", "times against numbers"],
)
def test_the_last_value_of_a_batch_is_that_of_the_last_event(cursor: DuckDb, batch: list[dict[str, Any]]) -> None:
    store(cursor, "run", S.STARTED, [OPENED, *batch])
    store(cursor, "past", S.ABANDONED, [OPENED, *batch], ended=100 + IDLE_S)
    assert running(cursor, "run").last.values == {ERRORS: 12.0}
    assert {known[ERRORS] for known in moments(cursor) if known["app_events"]} == {12.0}


def test_what_the_server_learnt_last_is_last(cursor: DuckDb) -> None:
    late = app("late", 200, 1, 1, errors=1)
    store(cursor, "run", S.STARTED, [OPENED, late, app("first", 100, 50, 2, errors=2)])
    assert running(cursor, "run").last.values == {ERRORS: 1.0}


def test_many_events_of_the_app_hide_none_of_the_server(cursor: DuckDb) -> None:
    events = [OPENED, own("stage", 60, "stage_entered", S.IN_PROGRESS), own("speech", 61, "no_speech")]
    store(cursor, "run", S.IN_PROGRESS, [*events, *(app(n, 100 + n / 10, 100, n, errors=n) for n in range(1, 2501))])
    known = running(cursor, "run")
    found = known.at(after(400).timestamp())
    expected = {"time_in_stage_s": 340.0, "time_in_started_s": 60.0, "no_speech": 1.0, "app_events": 2000.0}
    assert {name: found[name] for name in expected} == expected
    assert (known.stage, found[ERRORS]) == (S.IN_PROGRESS, 2500.0)


def test_a_past_session_was_seen_at_each_moment_as_one_that_runs(
    cursor: DuckDb, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches that came in any order, ties, events of the server between, and more events than count."""
    for module in ("features", "properties", "reading"):
        monkeypatch.setattr(f"server.risk.{module}.MOST_APP_EVENTS", FEW)
    monkeypatch.setattr("server.risk.properties.MOST_KEPT", 3)
    draw = random.Random(7)
    events = [OPENED, own("stage", 20, "stage_entered", S.IN_PROGRESS), own("speech", 30, "no_speech")]
    for number in range(60):
        given = {f"key_{draw.randrange(6)}": number for _ in range(draw.randrange(3))}
        sequence, name = draw.choice([0, number, 60 - number]), f"step_{draw.randrange(4)}"
        happened, at = draw.randrange(8), 10.0 * draw.randrange(1, 8)
        events.append(app(number, at, happened, sequence, name, **given))
    store(cursor, "past", S.ABANDONED, events, ended=100 + IDLE_S)
    begin = after(0).timestamp()
    found = moments(cursor)
    assert len(found) > 20
    for place, then in enumerate(found):
        stage, since = then["time_in_stage_s"], then["time_in_started_s"]
        assert isinstance(stage, float)
        moment = stage + (since if isinstance(since, float) else 0.0)
        known = [row for row in events if row["server_time"] <= after(moment)]
        store(cursor, f"run{place}", S.STARTED, draw.sample(known, len(known)))
        assert running(cursor, f"run{place}").at(begin + moment) == pytest.approx(then, abs=1e-3, nan_ok=True)


def test_events_of_one_receipt_are_in_the_order_of_the_ledger(cursor: DuckDb) -> None:
    draw = random.Random(11)
    numbered = [(number, draw.choice([0, draw.randrange(1, 9)])) for number in range(80)]
    events = [app(number, 100, draw.randrange(6), sequence, f"e{number}") for number, sequence in numbered]
    store(cursor, "run", S.STARTED, draw.sample(events, len(events)))
    ordered = cursor.execute(
        f"SELECT name FROM (SELECT *, {ORDER_TIME} AS order_time FROM events) ORDER BY {ORDER_BY}"
    ).fetchall()
    expected = [name for (name,) in ordered]
    assert expected != sorted(expected)
    names = list(running(cursor, "run")._app_names.values)
    assert names == expected
