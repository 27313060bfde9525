"""Whether experiments claim differences that are not there, and how soon they find those that are.

    python -m benchmarks.experiments [--runs N]

Simulated experiments of 30 days with 200 sessions a day. Each is looked at every day, by ours and by the usual test of
a difference (z-test at 5 %), which is made for a single look. Printed are

false alarms     runs without a difference in which any look claimed one
truth held       runs in which the intervals of all looks held the true difference
found            runs with a difference in which it was found, and after how many sessions
split            runs in which the check of the split refused a verdict
verdicts         runs without a difference in which a whole report, guardrails included, said something else
harm             runs with equal variants in which any guardrail of any of them was called worse
CUPED            the variance that is left after what was known before
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product

import numpy as np
import numpy.typing as npt
from scipy import stats

from server.experiments.assignment import choose
from server.experiments.cuped import adjust
from server.experiments.planning import plan
from server.experiments.reading import VariantSessions
from server.experiments.report import Verdict, build_report
from server.experiments.sample_ratio import check_ratio
from server.experiments.samples import Sample, Values, mean_of, proportion
from server.experiments.sequences import FEWEST_UNITS, Interval, difference, median_difference
from server.experiments.types import Experiment, Tolerances, Variant

DAYS, PER_DAY = 30, 200
Z = float(stats.norm.ppf(0.975))


@dataclass(frozen=True, slots=True)
class Run:
    """One experiment: the outcome of each session in order, and which of them the variant has."""

    outcomes: Values
    treated: np.ndarray[tuple[int], np.dtype[np.bool_]]

    def days(self, per_day: int = PER_DAY) -> Iterator[tuple[Values, Values]]:
        """Outcomes of the variant and of the control at each look."""
        for end in range(per_day, len(self.outcomes) + 1, per_day):
            here = self.treated[:end]
            yield self.outcomes[:end][here], self.outcomes[:end][~here]


Look = Callable[[Values, Values], Interval | None]


def share(variant: Values, control: Values) -> Interval | None:
    return difference(*_shares(variant, control), planned_units=DAYS * PER_DAY)


def mean(variant: Values, control: Values) -> Interval | None:
    return difference(mean_of(variant), mean_of(control), planned_units=DAYS * PER_DAY)


def median(variant: Values, control: Values) -> Interval | None:
    return median_difference(variant, control, planned_units=DAYS * PER_DAY)


def z_test(variant: Values, control: Values) -> Interval | None:
    """The usual interval for a single look."""
    if min(len(variant), len(control)) < FEWEST_UNITS:
        return None
    estimate = float(variant.mean() - control.mean())
    half = Z * float(np.sqrt(variant.var(ddof=1) / len(variant) + control.var(ddof=1) / len(control)))
    return Interval(estimate, estimate - half, estimate + half)


def _shares(variant: Values, control: Values) -> tuple[Sample, Sample]:
    return proportion(int(variant.sum()), len(variant)), proportion(int(control.sum()), len(control))


def simulated(
    random: np.random.Generator, rate: float, effect: float = 0.0, part: float = 0.5, sessions: int = DAYS * PER_DAY
) -> Run:
    treated = random.random(sessions) < part
    return Run((random.random(sessions) < rate + effect * treated).astype(float), treated)


def delays(random: np.random.Generator) -> Run:
    """Delays in seconds with a long tail."""
    sessions = DAYS * PER_DAY
    return Run(random.lognormal(-0.5, 1.0, sessions), random.random(sessions) < 0.5)


def claims(run: Run, look: Look, truth: float = 0.0) -> bool:
    """Whether the interval of any look misses the truth."""
    seen = (look(*both) for both in run.days())
    return any(found is not None and not found.low <= truth <= found.high for found in seen)


def _shows(found: Interval | None) -> bool:
    return found is not None and (found.above_zero or found.below_zero)


def found_after(run: Run, look: Look, per_day: int = PER_DAY) -> int | None:
    """Sessions until the first look that shows a difference; None where no look does."""
    for both in run.days(per_day):
        if _shows(look(*both)):
            return len(both[0]) + len(both[1])
    return None


def false_alarms(runs: int) -> None:
    print(f"\nFalse alarms in {runs} runs without a difference, looked at on each of {DAYS} days (5 % allowed)")
    cases: list[tuple[str, Look, Callable[[np.random.Generator], Run]]] = [
        ("completed 40 %, halves", share, lambda g: simulated(g, 0.40)),
        ("completed 5 %, halves", share, lambda g: simulated(g, 0.05)),
        ("completed 2 %, 10:90", share, lambda g: simulated(g, 0.02, part=0.1)),
        ("mean delay", mean, delays),
        ("median delay", median, delays),
    ]
    for name, look, make in cases:
        random = np.random.default_rng(1)
        made = [make(random) for _ in range(runs)]
        ours = np.mean([claims(run, look) for run in made])
        usual = "-" if look is median else f"{np.mean([claims(run, z_test) for run in made]):.1%}"
        print(f"  {name:24} ours {ours:6.1%}   z-test at each look {usual}")


def coverage(runs: int) -> None:
    random = np.random.default_rng(2)
    made = [simulated(random, 0.40, 0.05) for _ in range(runs)]
    ours = 1 - np.mean([claims(run, share, 0.05) for run in made])
    usual = 1 - np.mean([claims(run, z_test, 0.05) for run in made])
    print(f"\nTruth held at all looks, 40 % against 45 %: ours {ours:.1%}   z-test {usual:.1%} (95 % wanted)")


def power(runs: int) -> None:
    print("\nFound, 40 % against 45 %, 200 sessions a day, up to the sessions that the plan gives for 80 %")
    planned = plan(0.40, 0.05, per_day=PER_DAY)
    random = np.random.default_rng(3)
    whole, once = planned.sessions, planned.fixed_sessions
    made = [simulated(random, 0.40, 0.05, sessions=whole) for _ in range(runs)]

    def planned_share(variant: Values, control: Values) -> Interval | None:
        return difference(*_shares(variant, control), planned_units=whole)

    after = [found_after(run, planned_share) for run in made]
    when = [sessions for sessions in after if sessions is not None]
    single = [found_after(Run(run.outcomes[:once], run.treated[:once]), z_test, once) is not None for run in made]
    half = np.median(when)
    print(f"  ours, a look each day    {len(when) / runs:.1%} within {whole} sessions, half of the finds by {half:.0f}")
    print(f"  z-test, a single look    {np.mean(single):.1%} after {once} sessions")


def split(runs: int) -> None:
    random = np.random.default_rng(4)

    def refused(part: float, sessions: int) -> float:
        counts = random.binomial(sessions, part, runs)
        return float(np.mean([check_ratio((n, sessions - n), (1, 1)).failed for n in counts]))

    print("\nSplit refused, halves were meant, 1,000 sessions, one look")
    assigned = [sum(choose(f"run_{run}", str(unit), (1, 1)) for unit in range(1000)) for run in range(runs)]
    hashed = np.mean([check_ratio((n, 1000 - n), (1, 1)).failed for n in assigned])
    print(f"  as the server assigns {hashed:8.2%}")
    for part in (0.5, 0.55, 0.6):
        print(f"  {part:.0%} of them {refused(part, 1000):8.2%}")
    days = [np.cumsum(random.random(DAYS * PER_DAY) < 0.5)[PER_DAY - 1 :: PER_DAY] for _ in range(runs)]
    any_day = [
        any(check_ratio((n, (day + 1) * PER_DAY - n), (1, 1)).failed for day, n in enumerate(counts)) for counts in days
    ]
    print(f"  50% of them, any of {DAYS} looks {np.mean(any_day):8.2%}")


def cuped(runs: int) -> None:
    """Sites whose rates differ; what is known before is the rate of each over its last 200 sessions."""
    print("\nCUPED: 40 sites whose rates of completion differ by so many points (standard deviation)")
    for spread in (0.0, 0.1, 0.2, 0.3):
        random = np.random.default_rng(5)
        ratios, alarms = [], []
        for _ in range(runs):
            rates = np.clip(random.normal(0.5, spread, 40), 0.02, 0.98)
            before = random.binomial(200, rates) / 200
            site = random.integers(0, 40, DAYS * PER_DAY)
            run = Run((random.random(len(site)) < rates[site]).astype(float), random.random(len(site)) < 0.5)
            known = Run(before[site], run.treated)
            adjusted = [adjust(both, known_of) for both, known_of in zip(run.days(), known.days(), strict=True)]
            ratios.append(adjusted[-1].variance_ratio)
            alarms.append(any(_shows(mean(*look.values)) for look in adjusted))
        print(f"  {spread:4.0%}  variance left {np.mean(ratios):.2f}   false alarms {np.mean(alarms):.1%}")


def cuped_of_persons(runs: int) -> None:
    """Persons whose own rates differ, at 40 sites as above; half of them had sessions before."""
    print("\nCUPED: persons whose own rates differ by so many points, half of whom had so many sessions before")
    for spread, earlier in product((0.0, 0.2, 0.3), (1, 3, 10)):
        random = np.random.default_rng(8)
        ratios, alarms = [], []
        for _ in range(runs):
            run, usual, own = _persons(random, spread, earlier)
            known = [Run(values, run.treated).days() for values in (usual, own)]
            adjusted = [adjust(*each) for each in zip(run.days(), *known, strict=True)]
            ratios.append((adjusted[-1].variance_ratio, adjust([run.outcomes], [usual]).variance_ratio))
            alarms.append(any(_shows(mean(*look.values)) for look in adjusted))
        left, without = np.mean(ratios, axis=0)
        told = f"variance left {left:.2f}, with the sites alone {without:.2f}"
        print(f"  {spread:4.0%}, {earlier:2} before  {told}   false alarms {np.mean(alarms):.1%}")


def _persons(random: np.random.Generator, spread: float, earlier: int) -> tuple[Run, Values, Values]:
    """One session of each person, what was usual at the site of each, and what each did before."""
    number = DAYS * PER_DAY
    sites = np.clip(random.normal(0.5, 0.1, 40), 0.02, 0.98)
    site = random.integers(0, 40, number)
    rates = np.clip(random.normal(sites[site], spread), 0.02, 0.98)
    had = np.where(random.random(number) < 0.5, earlier, 0)
    own = np.where(had > 0, (random.binomial(had, rates) + 1) / (had + 2), np.nan)
    run = Run((random.random(number) < rates).astype(float), random.random(number) < 0.5)
    return run, (random.binomial(200, sites) / 200)[site], own


def verdicts(runs: int) -> None:
    """Whole reports on equal variants: with sites as before, texts, delays and uploads that cluster in sessions."""
    experiment = Experiment("equal", (Variant("a"), Variant("b")), datetime.now(UTC), planned_sessions=DAYS * PER_DAY)
    random = np.random.default_rng(6)
    said: Counter[str] = Counter()
    for _ in range(runs):
        treated, whole = random.random(DAYS * PER_DAY) < 0.5, _equal_sessions(random)
        seen: set[str] = set()
        for end in range(PER_DAY, len(treated) + 1, PER_DAY):
            both = _by_variant(whole, treated[:end].astype(np.int64), 2)
            seen.add(str(build_report(experiment, both).variants[1].verdict))
        said.update(seen)
    wrong = [f"{name} {said[name] / runs:.1%}" for name in ("BETTER", "WORSE", "HARM", "SPLIT_WRONG")]
    print(f"\nVerdicts of whole reports on equal variants, any of {DAYS} looks, {runs} runs: {', '.join(wrong)}")


def guardrails(runs: int) -> None:
    """Whole reports on equal variants that may be no worse than the control at all."""
    print(f"\nHarm claimed on equal variants, tolerance 0, any of {DAYS} looks, {runs} runs (5 % allowed)")
    for number in (2, 4, 10):
        random = np.random.default_rng(7)
        variants = tuple(Variant(f"v{at}") for at in range(number))
        experiment = Experiment(
            "equal", variants, datetime.now(UTC), planned_sessions=DAYS * PER_DAY, tolerances=Tolerances(0, 0, 0)
        )
        harms = 0
        for _ in range(runs):
            chosen, whole = random.integers(0, number, DAYS * PER_DAY), _equal_sessions(random)
            harms += any(
                variant.verdict is Verdict.HARM
                for end in range(PER_DAY, len(chosen) + 1, PER_DAY)
                for variant in build_report(experiment, _by_variant(whole, chosen[:end], number)).variants
            )
        print(f"  {number:2} variants {harms / runs:.1%}")


def _by_variant(whole: tuple[Values, ...], chosen: npt.NDArray[np.int64], number: int) -> list[VariantSessions]:
    sides = [np.flatnonzero(chosen == at) for at in range(number)]
    return [VariantSessions(len(side), 0, *(values[side] for values in whole)) for side in sides]


def _equal_sessions(random: np.random.Generator) -> tuple[Values, ...]:
    """In the order of the fields of ``VariantSessions``."""
    number = DAYS * PER_DAY
    rates = np.clip(random.normal(0.5, 0.2, 40), 0.02, 0.98)
    site, texts, uploads = random.integers(0, 40, number), 1 + random.poisson(4, number), random.poisson(1.5, number)
    unsafe, failed = (
        random.binomial(texts, random.beta(0.2, 19.8, number)),
        random.binomial(uploads, random.beta(1, 29)),
    )
    completed = random.random(number) < rates[site]
    took, own, thinned = random.lognormal(-0.5, 1.0, number), np.full(number, np.nan), np.zeros(number)
    arrays = (completed, texts, unsafe, took, uploads, failed, rates[site], own, thinned)
    return tuple(values.astype(float) for values in arrays)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000, help="simulated experiments for each figure")
    runs = parser.parse_args().runs
    for part in (false_alarms, coverage, power, split):
        part(runs)
    cuped(max(1, runs // 5))
    cuped_of_persons(max(1, runs // 5))
    verdicts(max(1, runs // 5))
    guardrails(max(1, runs // 5))


if __name__ == "__main__":
    main()
