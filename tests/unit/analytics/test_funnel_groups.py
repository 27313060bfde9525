"""Funnels by groups and by time: every number equals a count by loops, and the list of sessions behind it."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from models.errors import InvalidInput
from server.analytics import funnel_groups
from server.analytics.funnel import FROM_THE_FIRST, FunnelChoice, Listed, Number, Ordering
from server.analytics.funnel_details import (
    QUANTILES,
    Amount,
    Attribution,
    Breakdown,
    Details,
    Group,
    NumberOf,
    StageDetails,
)
from server.analytics.funnel_groups import grouped_report, sessions_in_group
from server.ledger.columns import Cursor, stored_time
from tests.unit.analytics.funnel_rows import store
from tests.unit.analytics.naive_funnel import Happened
from tests.unit.analytics.naive_groups import Funnel, Placed, Told, groups, placed, quantile
from tests.unit.ledger.makers import NOW

NAMES = ("a", "b", "c", "other")
LENSES = ("wide", "tele", "macro", "7", None)
WEIGHTS = (*range(-5, 30), 0.25, 999.5)
AMOUNTS = (*range(-5, 30), 0.25, "12", "inf", "nan", "none", True)


def drawn_session(chance: random.Random, name: str) -> Told:
    """A session of any length, opened on any day of a quarter."""
    events = []
    for _ in range(chance.randint(0, 9)):
        given = {
            "lens": chance.choice(LENSES),
            "amount": chance.choice(AMOUNTS),
            "weight": chance.choice(WEIGHTS),
        }
        text = json.dumps({key: value for key, value in given.items() if chance.random() < 0.6})
        events.append(Happened(chance.choice(NAMES), chance.randint(-5, 10), chance.choice((0, 1, 2, 3)), True, text))
    return Told(
        name,
        tuple(events),
        NOW + timedelta(days=chance.randint(-40, 40)),
        ended=chance.random() < 0.6,
        variant=chance.choice(("", "x", "y")),
        client=chance.choice(("app", "web")),
        language=chance.choice(("", "de", "en")),
    )


attributions = st.one_of(
    st.builds(Attribution, st.sampled_from(["first", "last"])),
    st.builds(Attribution, st.just("step"), st.integers(1, 2)),
)
breakdowns = st.one_of(
    st.builds(
        Breakdown, st.just("property"), st.sampled_from(["lens", "amount", "weight"]), attributions, st.integers(1, 6)
    ),
    st.builds(Breakdown, st.sampled_from(["variant", "client", "language"])),
    st.builds(Breakdown, st.just("event"), st.sampled_from(["b", "other", "IN_PROGRESS"])),
)
details = st.builds(
    Details,
    st.none() | breakdowns,
    st.sampled_from([None, "day", "week", "month"]),
    st.booleans(),
    st.none() | st.builds(Amount, st.just("amount"), attributions),
)
funnels = st.builds(
    Funnel,
    st.sampled_from([("a", "b", "c"), ("c", "a")]),
    st.sampled_from([None, 0, 3, 8]),
    st.sampled_from(["ordered", "strict", "any"]),
)


def keep(cursor: Cursor, sessions: Sequence[Told]) -> None:
    cursor.execute("DELETE FROM events; DELETE FROM sessions")
    store(cursor, {session.name: session.events for session in sessions})
    kept = [
        {
            "id": s.name,
            "state": "ABANDONED" if s.ended else "STARTED",
            "opened": stored_time(s.opened).isoformat(),
            "variant": s.variant,
            "client": s.client,
            "language": s.language,
        }
        for s in sessions
    ]
    shape = json.dumps([dict.fromkeys(kept[0], "VARCHAR")])
    cursor.execute(
        f"""UPDATE sessions SET state = r.state, create_time = r.opened::TIMESTAMP, variant = r.variant,
            client_id = r.client, language = r.language
        FROM (SELECT unnest(from_json_strict(?::JSON, '{shape}')) AS r) WHERE sessions.id = r.id""",
        [json.dumps(kept)],
    )


def choice_of(funnel: Funnel) -> FunnelChoice:
    ordering: Ordering = "strict" if funnel.ordering == "strict" else "any" if funnel.ordering == "any" else "ordered"
    within = None if funnel.within is None else timedelta(microseconds=funnel.within)
    return FunnelChoice(steps=funnel.steps, within=within, ordering=ordering)


def behind(found: Sequence[Placed], position: int, number: Number) -> list[Placed]:
    if number is Number.REACHED:
        return [one for one in found if one.reached >= position]
    if number is Number.DROPPED:
        return [one for one in found if one.reached == position - 1 and one.session.ended and position > 1]
    return [one for one in found if one.reached == position and not one.session.ended]


def expected_stage(found: Sequence[Placed], position: int, asked: Details) -> dict[str, Any]:
    made = behind(found, position, Number.REACHED)
    took = [max(0, one.times[position - 1] - one.times[position - 2]) / 1e6 for one in made] if position > 1 else []
    whole = [max(0, one.times[position - 1] - one.times[0]) / 1e6 for one in made] if position > 1 else []
    dropped = behind(found, position, Number.DROPPED)
    amounts = [one.amount for one in made if one.amount is not None]
    shares = QUANTILES if asked.quantiles else ()
    return {
        "sessions": len(made),
        "dropped": len(dropped),
        "under_way": len(behind(found, position, Number.UNDER_WAY)),
        "conversion": (1.0 if found else None) if position == 1 else "",
        "median_s": pytest.approx(quantile(took, 0.5)) if took else None,
        "times_s": pytest.approx([quantile(took, share) for share in shares]) if took else [],
        "times_from_first_s": pytest.approx([quantile(whole, share) for share in shares]) if whole else [],
        "amount": None
        if asked.amount is None
        else (
            len(amounts),
            pytest.approx(sum(amounts)),
            pytest.approx(quantile(amounts, 0.5)) if amounts else None,
            pytest.approx(sum(one.amount for one in dropped if one.amount is not None)),
        ),
    }


def told_stage(stage: StageDetails, position: int) -> dict[str, Any]:
    amount = stage.amount
    return {
        "sessions": stage.report.sessions,
        "dropped": stage.report.dropped,
        "under_way": stage.report.under_way,
        "conversion": (stage.conversion and stage.conversion.mid) if position == 1 else "",
        "median_s": stage.report.median_s,
        "times_s": list(stage.times_s),
        "times_from_first_s": list(stage.times_from_first_s),
        "amount": amount and (amount.sessions, amount.total, amount.median, amount.dropped_total),
    }


def of_step(asked: Details) -> bool:
    """Whether it asks for the value at a step, which a funnel in any order has not."""
    given = (asked.breakdown and asked.breakdown.attribution, asked.amount and asked.amount.attribution)
    return any(attribution and attribution.touch == "step" for attribution in given)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32), funnels, details, st.data())
def test_every_number_of_every_group_equals_a_count_by_loops_and_its_list(
    cursor: Cursor, seed: int, funnel: Funnel, asked: Details, data: st.DataObject
) -> None:
    assume(funnel.ordering != "any" or not of_step(asked))
    chance = random.Random(seed)
    sessions = [drawn_session(chance, f"s{n:03}") for n in range(120)]
    keep(cursor, sessions)
    choice = choice_of(funnel)
    counted = placed(sessions, funnel, asked)
    report = grouped_report(cursor, choice, asked)
    expected = list(groups(counted, asked))
    assert [(group.segment, group.start) for group in report] == [(segment, start) for segment, start, _ in expected]
    for group, (_, _, found) in zip(report, expected, strict=True):
        for position, stage in enumerate(group.stages, start=1):
            place = (group.segment, group.start, position)
            assert told_stage(stage, position) == expected_stage(found, position, asked), place
    group, (_, _, found) = data.draw(st.sampled_from(list(zip(report, expected, strict=True))))
    for position in range(1, len(funnel.steps) + 1):
        for number in Number:
            listed = _listed(cursor, choice, asked, NumberOf(position, number, group.segment, group.start))
            assert listed == [one.session.name for one in behind(found, position, number)], (group, position, number)


def _listed(cursor: Cursor, choice: FunnelChoice, asked: Details, number: NumberOf) -> list[str]:
    """The ids, in the order of their text."""
    rows: list[Listed] = []
    while True:
        page = sessions_in_group(cursor, choice, asked, number, most=7, after=rows[-1] if rows else FROM_THE_FIRST)
        rows += page
        if len(page) < 7:
            assert rows == sorted(rows, reverse=True)
            return sorted(session_id for _, session_id in rows)


@pytest.mark.parametrize("within", [None, 3])
def test_a_funnel_in_any_order_is_counted_by_groups_too(cursor: Cursor, within: int | None) -> None:
    events = (Happened("b", 0, properties='{"lens": "wide"}'), Happened("a", 2), Happened("c", 9))
    sessions = [Told(f"s{n}", events[: 1 + n % 3], NOW, n % 2 == 0, variant="xy"[n % 2]) for n in range(12)]
    keep(cursor, sessions)
    funnel, asked = Funnel(("a", "b", "c"), within, "any"), Details(Breakdown("variant"), "week", quantiles=True)
    expected = list(groups(placed(sessions, funnel, asked), asked))
    report = grouped_report(cursor, choice_of(funnel), asked)
    assert len(report) == 6
    for group, (segment, start, found) in zip(report, expected, strict=True):
        assert (group.segment, group.start) == (segment, start)
        for position, stage in enumerate(group.stages, start=1):
            assert told_stage(stage, position) == expected_stage(found, position, asked)


def test_the_stages_are_counted_by_groups_too(cursor: Cursor) -> None:
    stages = ("STARTED", "IN_PROGRESS", "AWAITING_APPROVAL", "COMPLETED")
    sessions = [
        Told(
            f"s{n}",
            tuple(Happened(stage, at * 1_000_000, of_app=False) for at, stage in enumerate(stages[: 1 + n % 4])),
            NOW,
            variant="xy"[n % 2],
        )
        for n in range(40)
    ]
    keep(cursor, sessions)
    report = grouped_report(cursor, FunnelChoice(), Details(Breakdown("variant"), quantiles=True))
    assert [[stage.report.sessions for stage in group.stages] for group in report] == [
        [40, 30, 20, 10],
        [20, 10, 10, 0],
        [20, 20, 10, 10],
    ]
    assert report[0].stages[2].times_s == (1.0, 1.0, 1.0, 1.0)
    assert report[0].stages[3].times_from_first_s == (3.0, 3.0, 3.0, 3.0)


def test_an_empty_ledger_has_the_group_of_all_sessions_alone(cursor: Cursor) -> None:
    asked = Details(Breakdown("property", "lens"), "week", quantiles=True, amount=Amount("amount"))
    [everything] = grouped_report(cursor, FunnelChoice(steps=("a", "b")), asked)
    assert isinstance(everything, Group)
    assert [stage.report.sessions for stage in everything.stages] == [0, 0]


def test_a_report_of_too_many_groups_is_refused(cursor: Cursor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(funnel_groups, "MOST_GROUPS", 3)
    keep(cursor, [Told(f"s{n}", (Happened("a", 0),), datetime(2026, 1, 1 + n, tzinfo=UTC)) for n in range(3)])
    choice = FunnelChoice(steps=("a",))
    assert len(grouped_report(cursor, choice, Details(period="week"))) == 2
    with pytest.raises(InvalidInput, match="more than 3 groups"):
        grouped_report(cursor, choice, Details(period="day"))
    with pytest.raises(ValueError, match="machine word"):
        grouped_report(cursor, choice, Details(Breakdown("property", "it's")))
    with pytest.raises(InvalidInput, match="1 stages or steps"):
        sessions_in_group(cursor, choice, Details(), NumberOf(2, Number.REACHED), most=1)
