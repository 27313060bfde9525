"""The conversion rate: it never rises down the funnel, and is the completion rate of the analysis."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import accumulate, pairwise

import pytest

from server.analytics.funnel import FunnelChoice
from server.analytics.funnel_cohorts import Watched
from server.analytics.funnel_details import Details, StageDetails
from server.analytics.funnel_groups import grouped_report
from server.analytics.funnel_shape import Shape, StepRule
from server.funnel.drop_offs import SeverityRules, judge
from server.funnel.gains import completion_rate
from server.funnel.intervals import of_all_steps, wilson
from server.funnel.optimizer import FunnelOptimizer, read_funnel
from server.funnel.selection import Selection
from server.funnel.step_counts import count_by_time, end_of_observation, outcome_parameters
from server.funnel.steps import FUNNEL
from server.funnel.types import Interval
from server.ledger.columns import DuckDb, stored_time
from tests.unit.ledger.makers import NOW

IDLE = timedelta(minutes=30)
MINUTE = timedelta(minutes=1)
STEPS = tuple(map(str, FUNNEL))
CHOICES = {
    "stages": FunnelChoice(),
    "steps": FunnelChoice(steps=STEPS),
    "any order": FunnelChoice(steps=STEPS, ordering="any"),
    "an optional step": FunnelChoice(steps=STEPS, shape=Shape((StepRule(3, optional=True),))),
}


@dataclass(frozen=True, slots=True)
class Walk:
    """A session that was opened so long ago, with the times that its steps took."""

    ago: timedelta
    took: tuple[timedelta, ...] = ()
    ended: bool = True


def keep(cursor: DuckDb, walks: Sequence[Walk]) -> None:
    cursor.execute("DELETE FROM events; DELETE FROM sessions")
    rows, events = [], []
    for number, walk in enumerate(walks):
        opened = stored_time(NOW) - walk.ago
        times = [opened + passed for passed in accumulate(walk.took, initial=timedelta())]
        state = STEPS[len(walk.took)] if len(walk.took) == 3 or not walk.ended else "ABANDONED"
        name = f"s{number}"
        rows.append([name, state, opened, times[-1] + (IDLE if state == "ABANDONED" else timedelta())])
        events += [[f"{name}-{at}", name, time, STEPS[at]] for at, time in enumerate(times)]
    cursor.executemany(
        """INSERT INTO sessions (id, client_id, request_id, state, create_time, update_time, stage_time, language,
            sealed_vocabulary, variant, turn_count) VALUES ($1, 'app', $1, $2, $3, $4, $4, 'en', '', '', 0)""",
        rows,
    )
    cursor.executemany(
        """INSERT INTO events (id, session_id, client_id, name, server_time, stage, variant, properties,
            properties_meta, event_time, clock, sequence)
        VALUES ($1, $2, 'app', 'stage_entered', $3, $4, '', '{}', '{}', $3, 'server', 0)""",
        events,
    )


def stages(cursor: DuckDb, choice: FunnelChoice) -> tuple[StageDetails, ...]:
    [whole] = grouped_report(cursor, choice, Details(), watched=Watched(NOW, IDLE))
    return whole.stages


def drawn(chance: random.Random) -> list[Walk]:
    """A few sessions; of two kinds, so that the shares change with time."""
    walks = []
    for _ in range(chance.randint(1, 60)):
        ago = chance.choice((timedelta(hours=2), timedelta(days=3))) * chance.random()
        stays = 0.3 if ago > timedelta(hours=2) else 0.9
        took: list[timedelta] = []
        while len(took) < 3 and chance.random() < stays:
            took.append(MINUTE * chance.choice((1, 5, 60, 1000)) * chance.random())
        left = ago
        made = [time for time in took if (left := left - time) > timedelta()]
        since = ago - sum(made, timedelta())
        walks.append(Walk(ago, tuple(made), ended=len(made) == len(took) and since > IDLE))
    return walks


def bounds(rate: Interval) -> tuple[float, float, float]:
    return rate.low, rate.mid, rate.high


@pytest.mark.parametrize("kind", CHOICES)
def test_neither_the_rate_nor_its_interval_rises_down_the_funnel(cursor: DuckDb, kind: str) -> None:
    chance, choice, compared = random.Random(7), CHOICES[kind], 0
    for _ in range(12):
        keep(cursor, drawn(chance))
        found = stages(cursor, choice)
        rates = [stage.conversion for stage in found if stage.conversion is not None and not stage.optional]
        for one, following in pairwise(rates):
            assert all(a >= b - 1e-12 for a, b in zip(bounds(one), bounds(following), strict=True)), found
            compared += 1
        optional, before = found[2].conversion, found[1].conversion
        assert not optional or not before or optional.mid <= before.mid
    assert compared > 12


@pytest.mark.parametrize("kind", ["stages", "steps"])
def test_the_last_stage_has_the_completion_rate_of_the_analysis(cursor: DuckDb, kind: str) -> None:
    chance, choice, compared = random.Random(8), CHOICES[kind], 0
    for _ in range(12):
        keep(cursor, drawn(chance))
        rate = stages(cursor, choice)[-1].conversion
        parameters = outcome_parameters(Selection(), end_of_observation(cursor, NOW), IDLE)
        counts = count_by_time(cursor, parameters, choice.analyzed()).steps
        analyzed = completion_rate([judge(count, SeverityRules(), ()) for count in counts])
        if rate is not None:
            assert rate == analyzed
            compared += 1
        else:
            assert (analyzed.low, analyzed.high > 0) == (0.0, True)
    assert compared > 3


def test_a_bad_release_lowers_the_rate_of_all_later_stages(cursor: DuckDb) -> None:
    """Reviews take a day, so the last step counts only the sessions from before the release."""
    day = timedelta(days=1)
    before = [Walk(3 * day - n * MINUTE, (MINUTE, MINUTE, day) if n % 10 < 8 else ()) for n in range(100)]
    after = [
        Walk(10 * 60 * MINUTE - n * MINUTE, (MINUTE, MINUTE) if n % 10 < 1 else (), ended=n % 10 > 0)
        for n in range(300)
    ]
    keep(cursor, [*before, *after, Walk(2 * MINUTE, ended=False)])
    found = stages(cursor, FunnelChoice())
    assert [stage.conversion and stage.conversion.mid for stage in found] == [1.0, 0.275, 0.275, 0.275]
    roi = FunnelOptimizer().analyze(read_funnel(cursor, now=NOW, idle=IDLE)).roi
    assert roi is not None
    assert roi.rate == found[-1].conversion


def test_an_optional_step_has_the_share_of_the_required_step_before_it(cursor: DuckDb) -> None:
    """Of four that made the second step one made the third. Of two more one left before, and one is under way."""
    hour = timedelta(hours=1)
    keep(
        cursor,
        [Walk(9 * hour, (MINUTE,) * 3), *[Walk(9 * hour, (MINUTE,))] * 3, Walk(9 * hour), Walk(MINUTE, (), False)],
    )
    found = stages(cursor, CHOICES["an optional step"])
    assert [stage.conversion and stage.conversion.mid for stage in found] == pytest.approx([1, 0.8, 0.8 / 4, 0.8 / 4])


def test_one_step_has_the_interval_of_wilson() -> None:
    assert bounds(of_all_steps([(4, 6)]) or Interval(0, 0, 0)) == pytest.approx(bounds(wilson(4, 6)))
    assert of_all_steps([]) == Interval(1.0, 1.0, 1.0)


def test_a_step_that_all_of_a_few_made_widens_the_interval() -> None:
    sure, unsure = of_all_steps([(50, 100), (1000, 1000)]), of_all_steps([(50, 100), (2, 2)])
    assert sure is not None
    assert unsure is not None
    assert sure.mid == unsure.mid == 0.5
    assert unsure.low < 0.25 < 0.38 < sure.low


def test_where_nobody_makes_a_step_the_rest_needs_no_count() -> None:
    assert of_all_steps([(5, 10), (0, 0), (1, 2)]) is None
    nobody = of_all_steps([(5, 10), (0, 8), (0, 0)])
    assert nobody is not None
    assert (nobody.low, nobody.mid) == (0.0, 0.0)
    assert nobody.high == pytest.approx(0.5 * wilson(0, 8).high)
