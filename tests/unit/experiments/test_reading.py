"""Which sessions count."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from server.experiments.reading import MOST_REFUSALS, REFUSAL_WINDOW, read_sessions, read_traffic
from server.experiments.types import Changes, Variant
from server.ledger import events
from server.ledger import sessions as rows
from server.ledger.columns import DuckDb, fetch_all, update
from server.ledger.types import SessionState
from server.records import refusal_events
from server.records.event_catalogue import EVENTS
from server.records.events import make_event
from tests.unit.experiments.filled import FLOW, START, Sessions, fill
from tests.unit.ledger.makers import NOW, after, session

DAY = timedelta(days=1)


def counted(cursor: DuckDb, client: str = "") -> list[tuple[int, int, int, int]]:
    """Of each variant: opened, repeats, counted, completed."""
    found = read_sessions(cursor, FLOW, NOW, client)
    return [(each.opened, each.repeats, len(each.completed), int(each.completed.sum())) for each in found]


def test_an_empty_ledger_has_no_sessions(cursor: DuckDb) -> None:
    assert counted(cursor) == [(0, 0, 0, 0)] * 2
    assert read_traffic(cursor, NOW, 86_400).sessions == 0


def test_sessions_of_both_variants_are_counted(cursor: DuckDb) -> None:
    fill(cursor, Sessions("flow.old", 30, 12), Sessions("flow.new", 20, 15))
    assert counted(cursor) == [(30, 0, 30, 12), (20, 0, 20, 15)]


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (Sessions("flow.new", 5, 5, NOW - DAY + timedelta(seconds=1)), (15, 0, 10, 4)),  # had no time yet
        (Sessions("flow.new", 5, 5, NOW - DAY), (15, 0, 15, 9)),  # had just its time
        (Sessions("flow.new", 5, 5, after=DAY + timedelta(seconds=1)), (15, 0, 15, 4)),  # completed too late
        (Sessions("flow.new", 5, 5, after=DAY), (15, 0, 15, 9)),
        (Sessions("flow.new", 5, 5, START - timedelta(seconds=1)), (10, 0, 10, 4)),  # before the experiment
        (Sessions("flow.newer", 5, 5), (10, 0, 10, 4)),
        (Sessions("new", 5, 5), (10, 0, 10, 4)),
        (Sessions("", 5, 5), (10, 0, 10, 4)),
        (Sessions("flow.new", 5, 5, subject="a" * 64), (11, 4, 11, 5)),  # one person
    ],
)
def test_only_what_had_its_time_counts(cursor: DuckDb, other: Sessions, expected: tuple[int, int, int, int]) -> None:
    fill(cursor, Sessions("flow.new", 10, 4), other)
    assert counted(cursor)[1] == expected


def test_a_person_counts_in_the_variant_of_the_first_session(cursor: DuckDb) -> None:
    person = "b" * 64
    first, second = NOW - 9 * DAY, NOW - 8 * DAY
    fill(cursor, Sessions("flow.new", 1, 1, second, subject=person), Sessions("flow.old", 1, 0, first, subject=person))
    assert counted(cursor) == [(1, 0, 1, 0), (0, 1, 0, 0)]


def test_a_caller_of_one_client_sees_its_own(cursor: DuckDb) -> None:
    fill(cursor, Sessions("flow.new", 10, 4), Sessions("flow.new", 7, 7, client="other"))
    assert counted(cursor, "other")[1] == (7, 0, 7, 7)
    assert counted(cursor, "nobody")[1] == (0, 0, 0, 0)


def test_only_clients_of_the_experiment_count(cursor: DuckDb) -> None:
    """An app of another client may mark its sessions with any variant."""
    fill(
        cursor,
        Sessions("flow.new", 10, 4),
        Sessions("flow.new", 7, 7, client="other"),
        Sessions("flow.new", 3, 1, client="hash-app"),
    )
    mine = replace(FLOW, clients=frozenset({"app"}), pseudonyms=frozenset({"hash-app"}))
    new = read_sessions(cursor, mine, NOW)[1]
    assert (new.opened, len(new.completed), int(new.completed.sum())) == (13, 13, 5)
    assert read_sessions(cursor, mine, NOW, "other")[1].opened == 0


def test_a_comparison_of_versions_counts_sessions_of_its_flow_in_the_version_of_their_mark(cursor: DuckDb) -> None:
    fill(
        cursor,
        Sessions("flow.one", 10, 4, flow="loan", flow_version=1),
        Sessions("flow.two", 7, 5, flow="loan", flow_version=2),
        Sessions("flow.newest", 5, 3, flow="loan", flow_version=3),
        Sessions("flow.two", 3, 3, flow="loan", flow_version=1, name="the client named a version"),
        Sessions("flow.one", 20, 20, flow="site_visit", flow_version=1),
    )
    versions = [Variant(name, 1, Changes(flow_version=at)) for name, at in (("one", 1), ("two", 2), ("newest", 0))]
    compared = replace(FLOW, flow="loan", variants=tuple(versions))
    found = read_sessions(cursor, compared, NOW)
    assert [(each.opened, int(each.completed.sum())) for each in found] == [(10, 4), (7, 5), (5, 3)]


def test_an_experiment_that_names_no_version_counts_sessions_of_all_flows(cursor: DuckDb) -> None:
    fill(cursor, Sessions("flow.new", 10, 4), Sessions("flow.new", 6, 3, flow="loan", flow_version=2))
    assert read_sessions(cursor, replace(FLOW, flow="loan"), NOW)[1].opened == 16


@pytest.mark.parametrize(("refused", "thinned"), [(19, 0.0), (20, 1.0)])
def test_so_many_refusals_in_five_minutes_may_be_more(cursor: DuckDb, refused: int, thinned: float) -> None:
    fill(cursor, Sessions("flow.new", 20, refused=refused), Sessions("flow.new", 1, client="other"))
    assert sorted(read_sessions(cursor, FLOW, NOW)[1].thinned) == [0.0, *[thinned] * 20]
    assert (MOST_REFUSALS, REFUSAL_WINDOW) == (refusal_events.MOST_EVENTS, refusal_events.WINDOW)


def test_refusals_over_a_longer_time_are_all_there(cursor: DuckDb) -> None:
    fill(cursor, Sessions("flow.new", 20, refused=20))
    cursor.execute(
        """UPDATE events SET server_time = server_time + to_seconds(16 * split_part(id, '-', -1)::INTEGER)
        WHERE name = 'upload_refused'"""
    )
    assert not read_sessions(cursor, FLOW, NOW)[1].thinned.any()


def test_the_counts_are_those_of_the_view(cursor: DuckDb) -> None:
    for number in range(24):
        row = replace(
            session(at=-DAY.total_seconds() * (2 + number % 3)), variant=f"flow.{'new' if number % 2 else 'old'}"
        )
        rows.insert_or_get(cursor, row)
        for step, stage in enumerate(
            (SessionState.IN_PROGRESS, SessionState.AWAITING_APPROVAL, SessionState.COMPLETED)
        ):
            if number % 4 > step:
                rows.transition(cursor, row.id, stage, row.create_time + timedelta(minutes=step + 1))
    view = fetch_all(
        cursor, "SELECT variant, count(*) AS n, count(completed_time) AS done FROM v_session_stages GROUP BY ALL"
    )
    by_view = {row["variant"]: (row["n"], row["done"]) for row in view}
    assert [(all_of, done) for _, _, all_of, done in counted(cursor)] == [by_view["flow.old"], by_view["flow.new"]]
    assert by_view["flow.new"][1] == 6


def test_guardrails_are_counted_by_session(cursor: DuckDb) -> None:
    fill(cursor, Sessions("flow.new", 10, unsafe=2, final_delay_s=0.5, failed=3))
    new = read_sessions(cursor, FLOW, NOW)[1]
    assert new.texts.tolist() == [3.0] * 10
    assert new.unsafe.tolist() == [2.0] * 10
    assert sorted(new.final_delay_s) == pytest.approx([0.5 + number / 100 for number in range(10)])
    assert (new.uploads.sum(), new.failed.sum()) == (10, 3)


def test_refused_uploads_are_uploads_that_failed(cursor: DuckDb) -> None:
    fill(cursor, Sessions("flow.new", 10, failed=3, refused=2))
    new = read_sessions(cursor, FLOW, NOW)[1]
    assert (new.uploads.sum(), new.failed.sum()) == (12, 5)


def test_what_an_app_calls_like_an_event_of_the_server_does_not_count(cursor: DuckDb) -> None:
    fill(cursor, Sessions("flow.new", 10, failed=3, refused=2))
    cursor.execute("UPDATE events SET device_time = server_time")
    new = read_sessions(cursor, FLOW, NOW)[1]
    assert (new.uploads.sum(), new.failed.sum()) == (10, 3)
    assert np.isnan(new.final_delay_s).all()


def test_events_are_read_as_the_server_writes_them(cursor: DuckDb) -> None:
    row = replace(session(at=-2 * DAY.total_seconds()), variant="flow.new")
    rows.insert_or_get(cursor, row)
    for delay_ms in (500, 900, 700):
        events.append(cursor, make_event(row, "turn_finished", row.create_time, delay_ms=delay_ms, source="speech"))
    events.append(cursor, make_event(row, "turn_finished", row.create_time, source="typed"))
    events.append(cursor, make_event(row, "upload_refused", row.create_time, reason="too_large"))
    new = read_sessions(cursor, FLOW, NOW)[1]
    assert (new.final_delay_s.tolist(), new.uploads.tolist(), new.failed.tolist()) == ([0.7], [1.0], [1.0])
    assert "delay_ms" in EVENTS["turn_finished"].properties
    assert "upload_refused" in EVENTS


def test_texts_after_the_time_of_a_session_do_not_count(cursor: DuckDb) -> None:
    fill(cursor, Sessions("flow.new", 1, unsafe=1, name="one"))
    [late] = fetch_all(cursor, "SELECT id, create_time FROM turns WHERE NOT text_safe")
    update(cursor, "turns", late["id"], {"create_time": late["create_time"] + DAY + timedelta(seconds=1)})
    new = read_sessions(cursor, FLOW, NOW)[1]
    assert (new.texts.tolist(), new.unsafe.tolist()) == ([1.0], [0.0])


def test_what_was_usual_before_comes_from_the_same_client_and_no_few_sessions(cursor: DuckDb) -> None:
    before = START - 5 * DAY
    fill(
        cursor,
        Sessions("", 40, 10, before),
        Sessions("", 19, 10, before, client="few"),
        Sessions("", 40, 40, START - 40 * DAY),  # too long ago
        Sessions("flow.new", 3),
        Sessions("flow.new", 2, client="few"),
    )
    new = read_sessions(cursor, FLOW, NOW)[1]
    assert sorted(new.usual[~np.isnan(new.usual)]) == [0.25] * 3
    assert len(new.usual) == 5


def test_what_a_person_did_before_the_experiment_is_known(cursor: DuckDb) -> None:
    before, person = START - 90 * DAY, [letter * 64 for letter in "abc"]
    fill(
        cursor,
        Sessions("", 4, 3, before, subject=person[0]),
        Sessions("", 1, 1, START - timedelta(hours=23), subject=person[0], name="no time before the start"),
        Sessions("", 2, 2, before, subject=person[1], client="other"),
        Sessions("", 3, 1, before),  # nobody in particular
        *(Sessions("flow.new", 1, subject=each, name=each[0]) for each in person),
        Sessions("flow.new", 1),
    )
    both = sorted(read_sessions(cursor, FLOW, NOW)[1].own)
    assert both[:2] == pytest.approx([(3 + 1) / (4 + 2), (2 + 1) / (2 + 2)])
    assert np.isnan(both[2:]).all()
    mine = read_sessions(cursor, FLOW, NOW, "app")[1].own
    assert np.nansum(mine) == pytest.approx(4 / 6), "a caller of one client learns nothing of others"


def test_traffic_is_that_of_four_weeks_or_since_the_first_session(cursor: DuckDb) -> None:
    fill(cursor, Sessions("", 100, 40, NOW - 11 * DAY), Sessions("", 60, 60, NOW - DAY / 2, name="too young"))
    young = read_traffic(cursor, NOW, DAY.total_seconds())
    assert (young.sessions, young.rate, young.per_day) == (100, 0.4, 10)
    fill(cursor, Sessions("", 1, 0, NOW - 60 * DAY, name="long ago"))
    assert read_traffic(cursor, NOW, DAY.total_seconds()).per_day == pytest.approx(100 / 28)
    assert read_traffic(cursor, NOW, DAY.total_seconds(), ("other", "hash-other")).sessions == 0
    assert read_traffic(cursor, NOW, DAY.total_seconds(), ("app", "hash-app")).sessions == 100
    assert read_traffic(cursor, NOW, DAY.total_seconds(), ("app",), "other").sessions == 0


def test_a_burst_of_one_minute_is_a_day(cursor: DuckDb) -> None:
    fill(cursor, Sessions("", 50, 20, after(-DAY.total_seconds() - 60)))
    assert read_traffic(cursor, NOW, DAY.total_seconds()).per_day == 50
