"""Moments of past sessions, and what was known at them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from itertools import chain
from typing import Any

import numpy as np
import pytest

from server.ledger.columns import DuckDb
from server.ledger.types import SessionState as S
from server.risk.reading import PastSessions, read_past
from server.risk.states import StageStates, draw_states
from tests.unit.funnel.stored import STAGES, bulk, event_row, session_row
from tests.unit.ledger.makers import NOW, after

IDLE_S = 1800.0


def stored(cursor: DuckDb, key: str, state: S, times: list[float], ended: float, stages: int = 1) -> None:
    """A session with an event at each time; its last stages are entered at the first times."""
    store(cursor, [made(key, state, times, ended, stages)])


def store(cursor: DuckDb, found: Iterable[tuple[Any, list[Any]]]) -> None:
    """Many sessions at once, which is far faster than one after the other."""
    rows, events = zip(*found, strict=True)
    bulk(cursor, "sessions", rows)
    bulk(cursor, "events", list(chain.from_iterable(events)))


def made(key: str, state: S, times: list[float], ended: float, stages: int = 1) -> tuple[Any, list[Any]]:
    """The rows of such a session, and of its events."""
    rows = [
        event_row(key, place, "stage_entered" if place < stages else "no_speech", after(at))
        | {"stage": STAGES[place] if place < stages else None}
        for place, at in enumerate(times)
    ]
    if state in {S.ABANDONED, S.REJECTED, S.COMPLETED}:
        rows.append(event_row(key, "end", "stage_entered", after(ended), stage=state))
    return session_row(key, state, opened=after(times[0]), ended=after(ended)), rows


def past(cursor: DuckDb, at: float = 1_000_000.0, days: float = 90) -> PastSessions:
    return read_past(cursor, after(at), days, IDLE_S)


def drawn(cursor: DuckDb, most: int = 10**6) -> dict[S, StageStates]:
    found = past(cursor)
    return draw_states(found.sessions, found.events, IDLE_S, most)


def test_a_moment_sees_nothing_that_comes_after_it(cursor: DuckDb) -> None:
    times = [0.0, *(10.0 * k for k in range(1, 60))]
    stored(cursor, "s", S.ABANDONED, times, 600 + IDLE_S)
    whole = drawn(cursor)[S.STARTED]
    assert len(whole.session) > 50
    for row in range(len(whole.session)):
        since_stage, idle = whole.features["time_in_stage_s"][row], whole.features["idle_s"][row]
        assert isinstance(since_stage, float)
        assert isinstance(idle, float)
        seen = [at for at in times[1:] if at <= since_stage]
        assert whole.features["no_speech"][row] == len(seen)
        assert idle == pytest.approx(since_stage - max([0.0, *seen]), abs=1e-3)
        assert since_stage < 600 + IDLE_S


def test_the_chance_of_a_moment_does_not_depend_on_what_comes_later(cursor: DuckDb) -> None:
    """With one moment a session, the first moments of short sessions would be drawn far more often."""
    long = [0.0, *(5000.0 + k for k in range(18))]
    store(cursor, (made(f"short{n}", S.ABANDONED, [0.0, 5000.0], 5000 + IDLE_S) for n in range(300)))
    store(cursor, (made(f"long{n}", S.COMPLETED, long, 5000 + IDLE_S) for n in range(300)))
    found = drawn(cursor, most=2000)[S.STARTED]
    early = [at for at, since in zip(found.abandoned, found.features["time_in_stage_s"], strict=True) if since < 4999]  # type: ignore[operator]  # numbers
    assert len(early) > 100
    assert np.mean(early) == pytest.approx(0.5, abs=0.1)


def test_sessions_of_every_end_count_and_open_ones_are_told(cursor: DuckDb) -> None:
    stored(cursor, "left", S.ABANDONED, [0.0, 10.0], 2000, stages=2)
    stored(cursor, "done", S.COMPLETED, [0.0, 10.0, 20.0], 500, stages=3)
    stored(cursor, "refused", S.REJECTED, [0.0, 10.0, 20.0], 500, stages=3)
    stored(cursor, "open", S.AWAITING_APPROVAL, [0.0, 10.0, 20.0], 20, stages=3)
    found = drawn(cursor)
    assert {stage: (part.reached, part.open) for stage, part in found.items()} == {
        S.STARTED: (4, 1),
        S.IN_PROGRESS: (4, 1),
        S.AWAITING_APPROVAL: (3, 1),
    }
    ends = dict(zip(found[S.IN_PROGRESS].session, found[S.IN_PROGRESS].abandoned, strict=True))
    assert sorted(ends.values()) in ([False, True], [False, False, True], [False], [True])
    assert not any(found[S.AWAITING_APPROVAL].abandoned)


def test_only_sessions_that_had_their_time_count(cursor: DuckDb) -> None:
    """Of the newest sessions, those that ended fast are known and the others are not."""
    store(cursor, (made(f"old{place}", S.ABANDONED, [0.0], IDLE_S) for place in range(200)))
    stored(cursor, "new", S.COMPLETED, [90_000.0], 90_010.0)
    assert past(cursor, at=90_020.0).number == 200
    assert past(cursor, at=90_000.0 + 2 * IDLE_S + 1).number == 201
    assert past(cursor, at=90_000.0 + 2 * IDLE_S + 1, days=1).number == 1


def test_no_session_is_no_error(cursor: DuckDb) -> None:
    found = past(cursor)
    assert found.number == 0
    assert draw_states(found.sessions, found.events, IDLE_S, 100)[S.STARTED].session == []


def test_large_properties_make_the_sample_smaller(cursor: DuckDb, monkeypatch: pytest.MonkeyPatch) -> None:
    store(cursor, (made(f"s{place}", S.ABANDONED, [float(place)], place + IDLE_S) for place in range(200)))
    cursor.execute(
        "UPDATE events SET device_time = server_time, properties = '{\"note\": \"' || repeat('a', 1000) || '\"}'"
    )
    assert past(cursor).number == 200
    monkeypatch.setattr("server.risk.reading.MOST_PAST_BYTES", 200_000)
    assert 50 <= past(cursor).number <= 150


def test_many_sessions_become_a_sample(cursor: DuckDb) -> None:
    store(cursor, (made(f"s{place}", S.ABANDONED, [float(place)], place + IDLE_S) for place in range(300)))
    found = read_past(cursor, NOW + timedelta(days=10), 90, IDLE_S, 100)
    assert 60 <= found.number <= 140
    assert set(found.events["session"]) == set(range(found.number))
