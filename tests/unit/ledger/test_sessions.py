"""Sessions: once by request, allowed moves only, an event for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from models.errors import Conflict, NotFound
from server.ledger import recommendations, sessions, streams
from server.ledger.columns import Cursor
from server.ledger.types import RecommendationState
from server.ledger.types import SessionState as S
from tests.unit.ledger.makers import after, new_id, recommendation, session, stream
from tests.unit.ledger.stored import events_of_session

PATH_TO = {
    S.STARTED: (),
    S.IN_PROGRESS: (S.IN_PROGRESS,),
    S.AWAITING_APPROVAL: (S.IN_PROGRESS, S.AWAITING_APPROVAL),
    S.COMPLETED: (S.IN_PROGRESS, S.AWAITING_APPROVAL, S.COMPLETED),
    S.REJECTED: (S.IN_PROGRESS, S.AWAITING_APPROVAL, S.REJECTED),
    S.ABANDONED: (S.ABANDONED,),
}

ALLOWED = {
    (S.STARTED, S.IN_PROGRESS),
    (S.STARTED, S.ABANDONED),
    (S.IN_PROGRESS, S.AWAITING_APPROVAL),
    (S.IN_PROGRESS, S.ABANDONED),
    (S.AWAITING_APPROVAL, S.COMPLETED),
    (S.AWAITING_APPROVAL, S.REJECTED),
    (S.AWAITING_APPROVAL, S.IN_PROGRESS),
    (S.AWAITING_APPROVAL, S.ABANDONED),
}


def test_a_repeated_request_opens_one_session(cursor: Cursor) -> None:
    first = session()
    assert sessions.insert_or_get(cursor, first) == (first, True)
    again = replace(session(), client_id=first.client_id, request_id=first.request_id)
    assert sessions.insert_or_get(cursor, again) == (first, False)
    other_client = replace(again, client_id="other")
    assert sessions.insert_or_get(cursor, other_client) == (other_client, True)
    assert sessions.get(cursor, first.id) == first
    started = events_of_session(cursor, first.id)
    assert [(e.name, e.stage, e.took_s, e.variant) for e in started] == [("stage_entered", S.STARTED, None, "b")]


@pytest.mark.parametrize("before", list(S))
@pytest.mark.parametrize("to", list(S))
def test_only_allowed_transitions_are_made(cursor: Cursor, before: S, to: S) -> None:
    row, _ = sessions.insert_or_get(cursor, session())
    for number, stage in enumerate(PATH_TO[before], start=1):
        sessions.transition(cursor, row.id, stage, after(number))
    events_before = len(events_of_session(cursor, row.id))
    if before != to and (before, to) not in ALLOWED:
        with pytest.raises(Conflict) as caught:
            sessions.transition(cursor, row.id, to, after(100))
        assert caught.value.reason == "WRONG_STATE"
        assert sessions.get(cursor, row.id).state == before
        assert len(events_of_session(cursor, row.id)) == events_before
        return
    moved = sessions.transition(cursor, row.id, to, after(100), "because")
    assert moved.state == to
    written = events_of_session(cursor, row.id)[events_before:]
    if before == to:
        assert written == []
        return
    assert moved.update_time == after(100)
    assert [(e.stage, e.took_s, e.properties["reason"].value) for e in written] == [
        (to, 100.0 - len(PATH_TO[before]), "because")
    ]


def test_an_unknown_session_is_not_found(cursor: Cursor) -> None:
    calls: tuple[Callable[[], object], ...] = (
        lambda: sessions.get(cursor, "x"),
        lambda: sessions.transition(cursor, "x", S.ABANDONED, after(0)),
        lambda: sessions.require_open(cursor, "x"),
    )
    for call in calls:
        with pytest.raises(NotFound) as caught:
            call()
        assert caught.value.reason == "SESSION_NOT_FOUND"


def test_require_open_refuses_ended_sessions(cursor: Cursor) -> None:
    row, _ = sessions.insert_or_get(cursor, session())
    assert sessions.require_open(cursor, row.id) == row
    sessions.transition(cursor, row.id, S.ABANDONED, after(1))
    with pytest.raises(Conflict):
        sessions.require_open(cursor, row.id)


def test_idle_sessions_are_listed(cursor: Cursor) -> None:
    rows = [sessions.insert_or_get(cursor, session(client_id=c, at=at))[0] for c, at in (("a", 0), ("b", 5), ("a", 9))]
    sessions.transition(cursor, rows[1].id, S.ABANDONED, after(6))
    assert [r.id for r in sessions.list_idle(cursor, after(8), after(9))] == [rows[0].id]
    sessions.touch(cursor, rows[0].id, after(20))
    assert sessions.list_idle(cursor, after(8), after(9)) == []


def test_busy_sessions_take_no_place_among_the_idle_ones(cursor: Cursor) -> None:
    rows = [sessions.insert_or_get(cursor, session(at=at))[0] for at in range(3)]
    idle = sessions.list_idle(cursor, after(8), after(9), busy=[rows[0].id], limit=1)
    assert [row.id for row in idle] == [rows[1].id]


def test_a_session_has_the_language_that_was_given_or_the_one_detected_last(cursor: Cursor) -> None:
    given, detected, none = [
        sessions.insert_or_get(cursor, replace(session(), language=language))[0].id for language in ("de", "", "")
    ]
    for row in (
        replace(stream(given), language="en"),
        replace(stream(detected), language="fr"),
        replace(stream(detected), language="es", update_time=after(9)),
    ):
        streams.insert_stream(cursor, replace(row, id=new_id()))
    assert sessions.languages_of(cursor, [given, detected, none]) == {given: "de", detected: "es"}


@pytest.mark.parametrize(
    ("state", "expires_s", "idle"),
    [
        (RecommendationState.PENDING, 100, False),
        (RecommendationState.PENDING, 90, True),
        (RecommendationState.PENDING, None, True),
        (RecommendationState.SUPERSEDED, 100, True),
    ],
)
def test_a_session_whose_record_can_be_approved_is_not_idle(
    cursor: Cursor, state: RecommendationState, expires_s: float | None, idle: bool
) -> None:
    row, _ = sessions.insert_or_get(cursor, session())
    expires = None if expires_s is None else after(expires_s)
    recommendations.insert_recommendation(cursor, replace(recommendation(row.id), state=state, expire_time=expires))
    assert bool(sessions.list_idle(cursor, after(80), after(90))) is idle
