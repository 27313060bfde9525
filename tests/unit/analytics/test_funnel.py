"""The funnel, on sessions with known stages."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from models.errors import InvalidInput
from server.analytics.funnel import (
    FROM_THE_FIRST,
    FunnelChoice,
    Listed,
    Number,
    Ordering,
    sessions_behind,
)
from server.analytics.funnel_cohorts import Watched
from server.ledger import sessions
from server.ledger.columns import Cursor, fetch_all
from server.ledger.stage_report import StageReport
from server.ledger.types import SessionState as S
from tests.unit.analytics.funnel_rows import funnel_report
from tests.unit.ledger.makers import after, session

LATER = Watched(after(86_400.0))
"""So much later that every session had its time."""


def _walk(
    cursor: Cursor, stages: tuple[S, ...], *, at: float = 0.0, step_s: float = 10.0, client_id: str = "a"
) -> None:
    row, _ = sessions.insert_or_get(cursor, session(client_id=client_id, at=at))
    for number, stage in enumerate(stages, start=1):
        sessions.transition(cursor, row.id, stage, after(at + number * step_s))


def _fill(cursor: Cursor, *reached: int, state: S = S.ABANDONED, name: str = "", at: float = 0.0) -> None:
    """Store sessions in bulk: ``reached[k]`` of them get to the k-th stage, ten seconds a step, then into a state."""
    for depth, number in enumerate(reached, start=1):
        key = f"{name}{depth}"
        cursor.execute(
            """INSERT INTO sessions (id, client_id, request_id, state, create_time, update_time, stage_time, language,
                sealed_vocabulary, variant, turn_count) SELECT concat(?, '-', i), 'app', concat(?, '-', i), ?, ?, ?, ?,
                '', '[]', '', 0
            FROM range(?) AS r(i)""",
            [key, key, S.COMPLETED if depth == 4 else state, *[after(at).replace(tzinfo=None)] * 3, number],
        )
        for position, stage in enumerate(("STARTED", "IN_PROGRESS", "AWAITING_APPROVAL", "COMPLETED")[:depth]):
            cursor.execute(
                """INSERT INTO events SELECT concat(?, '-', ?, '-', i), concat(?, '-', i), 'app', 'stage_entered', ?, ?,
                    NULL, 0, '', NULL, '{}', '{}', ?, 'server' FROM range(?) AS r(i)""",
                [key, position, key, time := after(at + 10.0 * position).replace(tzinfo=None), stage, time, number],
            )


def _short(reports: list[StageReport]) -> list[tuple[str, int, int, int, float, float | None, str]]:
    return [
        (r.name, r.sessions, r.under_way, r.dropped, round(r.drop_off_rate, 3), r.median_s, r.severity) for r in reports
    ]


def test_an_empty_ledger(cursor: Cursor) -> None:
    assert _short(funnel_report(cursor)) == [
        (stage, 0, 0, 0, 0.0, None, "") for stage in ("STARTED", "IN_PROGRESS", "AWAITING_APPROVAL", "COMPLETED")
    ]


def test_450_of_1000_sessions_drop_out_before_approval(cursor: Cursor) -> None:
    _fill(cursor, 0, 450, 100, 450)
    assert _short(funnel_report(cursor)) == [
        ("STARTED", 1000, 0, 0, 0.0, None, ""),
        ("IN_PROGRESS", 1000, 0, 0, 0.0, 10.0, "NORMAL"),
        ("AWAITING_APPROVAL", 550, 0, 450, 0.45, 10.0, "HIGH"),
        ("COMPLETED", 450, 0, 100, 0.182, 10.0, "NORMAL"),
    ]


def test_running_sessions_count_as_under_way_and_not_as_dropped(cursor: Cursor) -> None:
    _fill(cursor, 10, 20, 30, 40)
    _fill(cursor, 1, 200, 300, state=S.IN_PROGRESS, name="open-")
    assert _short(funnel_report(cursor, watched=LATER)) == [
        ("STARTED", 601, 1, 0, 0.0, None, ""),
        ("IN_PROGRESS", 590, 200, 10, 0.017, 10.0, "NORMAL"),
        ("AWAITING_APPROVAL", 370, 300, 20, 0.051, 10.0, "NORMAL"),
        ("COMPLETED", 40, 0, 30, 0.429, 10.0, "HIGH"),
    ]


def test_too_few_sessions_get_no_severity(cursor: Cursor) -> None:
    _fill(cursor, 19)
    _fill(cursor, 500, state=S.STARTED, name="open-")
    assert _short(funnel_report(cursor, watched=LATER))[1] == ("IN_PROGRESS", 0, 0, 19, 1.0, None, "")


def test_a_session_counts_as_dropped_only_when_it_ends(cursor: Cursor) -> None:
    row, _ = sessions.insert_or_get(cursor, session())
    seen = []
    for number, stage in enumerate((S.IN_PROGRESS, S.AWAITING_APPROVAL, S.IN_PROGRESS, S.ABANDONED), start=1):
        seen.append([(r.under_way, r.dropped) for r in funnel_report(cursor)])
        sessions.transition(cursor, row.id, stage, after(number))
    seen.append([(r.under_way, r.dropped) for r in funnel_report(cursor)])
    nothing = (0, 0)
    assert seen == [
        [(1, 0), nothing, nothing, nothing],
        [nothing, (1, 0), nothing, nothing],
        [nothing, nothing, (1, 0), nothing],
        [nothing, nothing, (1, 0), nothing],
        [nothing, nothing, nothing, (0, 1)],
    ]


@pytest.mark.parametrize(
    ("stayed", "went_on", "severity"),
    [(29, 71, "NORMAL"), (30, 70, "HIGH"), (49, 51, "HIGH"), (50, 50, "CRITICAL"), (19, 0, ""), (20, 0, "CRITICAL")],
)
def test_severity_follows_the_drop_off_rate(cursor: Cursor, stayed: int, went_on: int, severity: str) -> None:
    _fill(cursor, stayed, went_on)
    assert funnel_report(cursor)[1].severity == severity


def test_every_path_through_the_stages_is_counted(cursor: Cursor) -> None:
    _walk(cursor, ())
    _walk(cursor, (S.ABANDONED,))
    _walk(cursor, (S.IN_PROGRESS, S.ABANDONED))
    _walk(cursor, (S.IN_PROGRESS, S.AWAITING_APPROVAL, S.IN_PROGRESS, S.AWAITING_APPROVAL, S.COMPLETED))
    _walk(cursor, (S.IN_PROGRESS, S.AWAITING_APPROVAL, S.REJECTED), step_s=30.0)
    assert _short(funnel_report(cursor, watched=LATER)) == [
        ("STARTED", 5, 1, 0, 0.0, None, ""),
        ("IN_PROGRESS", 3, 0, 1, 0.25, 10.0, ""),
        ("AWAITING_APPROVAL", 2, 0, 1, 0.333, 20.0, ""),
        ("COMPLETED", 1, 0, 1, 0.5, 30.0, ""),
    ]


def test_a_later_stage_counts_for_the_earlier_ones(cursor: Cursor) -> None:
    row, _ = sessions.insert_or_get(cursor, session())
    for number, stage in enumerate((S.IN_PROGRESS, S.AWAITING_APPROVAL), start=1):
        sessions.transition(cursor, row.id, stage, after(number))
    cursor.execute("DELETE FROM events WHERE stage = 'IN_PROGRESS'")
    assert [(r.sessions, r.median_s) for r in funnel_report(cursor)] == [(1, None), (1, None), (1, None), (0, None)]


@pytest.mark.parametrize(
    ("start", "end", "client_id", "expected"),
    [
        (None, None, "", 3),
        (after(100), None, "", 2),
        (None, after(100), "", 1),
        (after(100), after(200), "", 1),
        (None, None, "b", 1),
        (None, after(100), "b", 0),
    ],
)
def test_time_and_client_filters_select_sessions(
    cursor: Cursor, start: datetime | None, end: datetime | None, client_id: str, expected: int
) -> None:
    for at, client in ((0.0, "a"), (100.0, "a"), (200.0, "b")):
        _walk(cursor, (), at=at, client_id=client)
    assert funnel_report(cursor, FunnelChoice(start, end, client_id))[0].sessions == expected


@pytest.mark.parametrize("later", [0, 2])
def test_the_view_agrees_with_the_report(cursor: Cursor, later: int) -> None:
    """Until a later session nobody had their time."""
    _fill(cursor, 3, 7, 2, 40)
    _fill(cursor, 5, 11, 13, state=S.AWAITING_APPROVAL, name="open-")
    _fill(cursor, later, name="later-", at=86_400.0)
    shown = fetch_all(
        cursor, "SELECT stage, sessions, under_way, dropped, counted, drop_off_rate, median_s FROM v_funnel"
    )
    expected = [
        (r.name, r.sessions, r.under_way, r.dropped, r.counted, r.drop_off_rate if r.counted else None, r.median_s)
        for r in funnel_report(cursor)
    ]
    assert [tuple(row.values()) for row in shown[1:]] == expected[1:]
    assert (shown[0]["sessions"], shown[0]["counted"], shown[0]["drop_off_rate"]) == (81 + later, None, 0.0)
    assert bool(shown[1]["counted"]) == bool(later)


@pytest.mark.parametrize("steps", [(), ("STARTED", "IN_PROGRESS", "AWAITING_APPROVAL"), ("IN_PROGRESS", "STARTED")])
@pytest.mark.parametrize("ordering", ["ordered", "strict", "any"])
def test_every_number_is_as_long_as_its_list(cursor: Cursor, steps: tuple[str, ...], ordering: Ordering) -> None:
    _fill(cursor, 3, 7, 2, 40)
    _fill(cursor, 5, 11, 13, state=S.AWAITING_APPROVAL, name="open-")
    choice = FunnelChoice(client_id="app", steps=steps, within=timedelta(days=1), ordering=ordering)

    def listed(position: int, number: Number) -> int:
        rows: list[Listed] = []
        while len(rows) < 100:
            page = sessions_behind(cursor, choice, position, number, most=7, after=rows[-1] if rows else FROM_THE_FIRST)
            rows += page
            if len(page) < 7:
                break
        assert rows == sorted(set(rows), reverse=True)
        return len(rows)

    for position, stage in enumerate(funnel_report(cursor, choice), start=1):
        numbers = (stage.sessions, stage.dropped, stage.under_way)
        assert numbers == tuple(listed(position, n) for n in (Number.REACHED, Number.DROPPED, Number.UNDER_WAY))


def test_a_funnel_of_steps_has_times_names_and_severities_as_that_of_stages(cursor: Cursor) -> None:
    _fill(cursor, 0, 450, 100, 450)
    stages = ("STARTED", "IN_PROGRESS", "AWAITING_APPROVAL", "COMPLETED")
    assert funnel_report(cursor, FunnelChoice(steps=stages)) == [
        *funnel_report(cursor),
    ]
    two = funnel_report(cursor, FunnelChoice(steps=stages[:2], ordering="any"))
    assert [r.name for r in two] == ["1 step", "2 steps"]
    with pytest.raises(InvalidInput, match="2 stages or steps"):
        sessions_behind(cursor, FunnelChoice(steps=stages[:2]), 3, Number.REACHED, most=10)
    with pytest.raises(ValueError, match="machine word"):
        funnel_report(cursor, FunnelChoice(steps=("a'b",)))


def _open(cursor: Cursor, name: str, went_on: int, open_: int, at: float) -> None:
    """New sessions: those that went on are known, those that leave are not."""
    _fill(cursor, 0, went_on, state=S.IN_PROGRESS, name=f"{name}on-", at=at)
    _fill(cursor, open_, state=S.STARTED, name=f"{name}open-", at=at)


@pytest.mark.parametrize("steps", [(), ("STARTED", "IN_PROGRESS")])
@pytest.mark.parametrize("ordering", ["ordered", "strict", "any"])
def test_the_rate_and_the_severity_are_of_sessions_that_had_their_time(
    cursor: Cursor, steps: tuple[str, ...], ordering: Ordering
) -> None:
    """Of 200 sessions of the day before 64 left. Of 100 new ones 68 have gone on, and nobody knows of the others."""
    _fill(cursor, 64, 136)
    _open(cursor, "new-", 68, 32, 86_400.0)
    choice = FunnelChoice(steps=steps, ordering=ordering)
    for idle_s, counted, dropped in ((1800.0, 200, 64), (60.0, 268, 64)):
        watched = Watched(after(86_400.0 + 120), timedelta(seconds=idle_s))
        found = funnel_report(cursor, choice, watched)[1]
        assert (found.sessions, found.dropped) == (204, 64)
        assert (found.counted, found.counted_dropped) == (counted, dropped)
    early = funnel_report(cursor, choice, Watched(after(86_400.0 + 120)))[1]
    assert (early.drop_off_rate, early.severity) == (0.32, "HIGH")
    [seen] = fetch_all(cursor, "SELECT counted, drop_off_rate FROM v_funnel WHERE stage = 'IN_PROGRESS'")
    assert (seen["counted"], seen["drop_off_rate"]) == (200, 0.32)
