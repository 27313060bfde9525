"""Are the causes of leaving found, and is anything else named? And does the expected improvement come true?

    python -m benchmarks.funnel_causes [--designs NAME ...] [--sizes N ...] [--seeds N] [--first-seed N]
                                       [--simulator FILE] [--improvement N] [--names] [--known]
                                       [--gaps SHARE]

Simulated sessions whose causes are known, beside a peer: a test of each feature alone with Benjamini and Hochberg's
correction, as funnel products make it. For each design and size:

strong     share of the causes with log-odds of 1 or more that were found: feature and step
weak       the same for smaller ones
false      finds that are no planted cause, of all finds
naming     runs that named anything
too little steps a run of which it was said that a strong cause may go unseen
CPU        seconds a run

``--improvement N`` asks, over the first N seeds, how often the interval of the expected improvement holds what a
simulation of 100,000 sessions without the cause gives. ``--simulator`` is a file with another simulator, which is not
part of the repository. Designs: the eight of ``_funnel_designs``, twelve traps on which the search was mended, and nine
that were held out: none of these was looked at before the search was done. Three are in ``_funnel_unseen``, and six,
of a sceptical reader, in ``_funnel_second_look``.
``--names`` prints the false finds. With ``--known`` the search is told that all that does not grow is known from the
start; then it may also name that a flag is false. With ``--gaps`` such a share of those that left at the first step
lack all texts and numbers; use it with ``--known``, as a ledger tells that, too.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from benchmarks._funnel_designs import DESIGNS
from benchmarks._funnel_held_out import HELD_OUT
from benchmarks._funnel_second_look import SECOND_LOOK
from benchmarks._funnel_simulation import Design, Features, as_columns, simulate, with_gaps
from benchmarks._funnel_traps import TRAPS
from benchmarks._funnel_unseen import UNSEEN
from server.funnel.causes import find_causes
from server.funnel.improvement import ImprovementModel
from server.funnel.types import Cause, CauseReport, SessionTable

FALSE_DISCOVERIES = 0.05
LEAST_SESSIONS = 30
TRUTH_SESSIONS = 100_000
ALL_DESIGNS = DESIGNS | TRAPS | HELD_OUT | UNSEEN | SECOND_LOOK

Found = set[tuple[tuple[str, ...], int]]
"""The features of each find, and the number of the step."""


@dataclass
class Score:
    """What came of all runs of one design at one size."""

    strong: int = 0
    strong_of: int = 0
    weak: int = 0
    weak_of: int = 0
    false: int = 0
    finds: int = 0
    naming: int = 0
    cpu_s: float = 0.0
    too_little: int = 0
    wrong: Counter[str] = field(default_factory=Counter)
    report: CauseReport | None = None
    inside: int = 0
    off: list[float] = field(default_factory=list)

    def add(self, found: Found, planted: Found, strong: Found) -> None:
        """Counts one run. A find of two features is right if both are part of planted causes at its step."""
        named = {(feature, step) for features, step in found for feature in features}
        true = {(feature, step) for features, step in planted for feature in features}
        for features, step in planted:
            hit = all((feature, step) in named for feature in features)
            if (features, step) in strong:
                self.strong += hit
                self.strong_of += 1
            else:
                self.weak += hit
                self.weak_of += 1
        wrong = [(features, step) for features, step in found if any((f, step) not in true for f in features)]
        self.false += len(wrong)
        self.wrong.update(f"{' & '.join(features)} @ {step}" for features, step in wrong)
        self.finds += len(found)
        self.naming += bool(found)

    def line(self, name: str, runs: int) -> str:
        """The score as a row."""
        return (
            f"{name:34} strong {self.strong:3}/{self.strong_of:<3} weak {self.weak:3}/{self.weak_of:<3} "
            f"false {self.false:3} of {self.finds:<4} naming {self.naming:3}/{runs:<3} "
            f"too little {self.too_little / runs:.1f}  CPU {self.cpu_s / runs:.2f} s"
        )


def ours(table: SessionTable, score: Score) -> Found:
    """The finds of the search."""
    report = find_causes(table)
    score.too_little += len(report.too_little)
    score.report = report
    return {(tuple(c.feature for c in cause.conditions), cause.step_number) for cause in report.causes}


def one_at_a_time(table: SessionTable, _: Score) -> Found:
    """The peer: a chi-squared test of each flag, each level and the top third of each number."""
    tested: list[tuple[float, str, int]] = []
    for step in range(1, len(table.steps)):
        rows = table.at_risk(step)
        left = table.reached[rows] == step
        for name, column in table.features.items():
            for flags in _splits(column[rows]):
                if min(flags.sum(), (~flags).sum()) >= LEAST_SESSIONS:
                    counts = np.array([[(flags & left).sum(), (flags & ~left).sum()]] * 2)
                    counts[1] = left.sum() - counts[0, 0], (~left).sum() - counts[0, 1]
                    raises = counts[0, 0] * counts[1].sum() > counts[1, 0] * counts[0].sum()
                    tested.append((float(stats.chi2_contingency(counts + 0.5).pvalue), name if raises else "", step))
    tested.sort()
    passing = [k for k, (p, _, _) in enumerate(tested) if p <= FALSE_DISCOVERIES * (k + 1) / len(tested)]
    return {((name,), step) for _, name, step in tested[: max(passing, default=-1) + 1] if name}


def _splits(column: Any) -> list[Any]:
    if column.dtype.kind == "b":
        return [column]
    if column.dtype.kind == "O":
        return [column == level for level in dict.fromkeys(column.tolist()) if level is not None]
    return [column > np.nanquantile(column, 2 / 3)]


METHODS: dict[str, Callable[[SessionTable, Score], Found]] = {"ours": ours, "each feature alone": one_at_a_time}


def of_design(
    make: Callable[[int], Design], sessions: int, seed: int, *, known: bool = False, gaps: float = 0.0
) -> tuple[SessionTable, Found, Found]:
    """A table, what is planted in it, and what of that is strong."""
    design = make(seed)
    planted: Found = {(cause.features, cause.step) for cause in design.planted}
    strong: Found = {(cause.features, cause.step) for cause in design.planted if cause.strong}
    table = simulate(design, seed, sessions, known=known)
    return with_gaps(table, gaps, seed) if gaps else table, planted, strong


def of_simulator(module: Any, sessions: int, seed: int) -> tuple[SessionTable, Found, Found]:
    """The same from a simulator that gives features, the step at which each session left, and the causes."""
    features, left, causes = module.simulate(seed, sessions)
    columns: Features = dict(features)
    steps = ("start", *(f"step {k}" for k in sorted({cause["step"] for cause in causes} | {1, 2, 3})))
    ended = np.ones(sessions, dtype=bool)
    table = SessionTable(as_columns(columns), np.where(left > 0, left, len(steps)), ended, steps)
    planted: Found = {((cause["feature"].partition("=")[0],), cause["step"]) for cause in causes}
    strong: Found = {((cause["feature"].partition("=")[0],), cause["step"]) for cause in causes if cause["strong"]}
    return table, planted, strong


def compare(
    name: str,
    sessions: int,
    seeds: Sequence[int],
    draw: Callable[[int], tuple[SessionTable, Found, Found]],
    names: bool,
    ask: Callable[[int, SessionTable, Score], None] | None = None,
) -> None:
    """Prints a row for each method; ``ask`` asks after the expected improvement."""
    scores = {method: Score() for method in METHODS}
    for seed in seeds:
        table, planted, strong = draw(seed)
        for method, find in METHODS.items():
            begun = time.process_time()
            found = find(table, scores[method])
            scores[method].cpu_s += time.process_time() - begun
            scores[method].add(found, planted, strong)
        if ask is not None:
            ask(seed, table, scores["ours"])
    for method, score in scores.items():
        print(score.line(f"{name} {sessions:,} {method}", len(seeds)), flush=True)
        if names and method == "ours" and score.wrong:
            print("    false:", ", ".join(f"{what} ({times})" for what, times in score.wrong.most_common()), flush=True)
        if score.off:
            print(
                f"    improvement: {score.inside} of {len(score.off)} intervals hold the truth, mean error "
                f"{np.mean(score.off):+.2f} points",
                flush=True,
            )


def improvement(make: Callable[[int], Design], seeds: int, seed: int, table: SessionTable, score: Score) -> None:
    """Counts how often the interval holds what the simulation without the cause gives."""
    if seed >= seeds or score.report is None or not score.report.causes:
        return
    design = make(seed)
    model = ImprovementModel(table, score.report)
    now = _completed(design, seed, [])
    for causes, places in _asked(design, score.report.causes):
        truth = 100 * (_completed(design, seed, places) - now)
        points = model.without(causes).points
        score.inside += points.low <= truth <= points.high
        score.off.append(points.mid - truth)


def _asked(design: Design, causes: Sequence[Cause]) -> Iterator[tuple[list[Cause], list[int]]]:
    """The finds on the same features at the same step, with the planted causes for which they stand.

    Left out: finds of which another find at the step has one feature but not all, and effects that are no condition, as
    nobody can say what it means to take a slope away.
    """
    groups: dict[tuple[int, frozenset[str]], list[Cause]] = {}
    for cause in causes:
        features = frozenset(condition.feature for condition in cause.conditions)
        groups.setdefault((cause.step_number, features), []).append(cause)
    sample = design.draw(np.random.default_rng(0), 100)
    for (step, features), found in groups.items():
        shared = any(step == other and features & more and features != more for other, more in groups)
        places = [k for k, p in enumerate(design.planted) if p.step == step and set(p.features) == features]
        if places and not shared and all(design.planted[k].holds(sample).dtype.kind == "b" for k in places):
            yield found, places


def _completed(design: Design, seed: int, without: Sequence[int]) -> float:
    """The share that completes in the end, of other sessions than the table's: the same for every ``without``."""
    ended = replace(design, under_way=None)
    return float((simulate(ended, seed + 1_000_000, TRUTH_SESSIONS, without).reached > len(design.base)).mean())


def _module(file: Path) -> Any:
    spec = importlib.util.spec_from_file_location("simulator", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--designs", nargs="*", default=list(ALL_DESIGNS), choices=list(ALL_DESIGNS))
    parser.add_argument("--sizes", nargs="*", type=int, default=[1000, 5000, 20_000])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--simulator", type=Path)
    parser.add_argument("--improvement", type=int, default=0, metavar="N")
    parser.add_argument("--names", action="store_true")
    parser.add_argument("--known", action="store_true")
    parser.add_argument("--gaps", type=float, default=0.0, metavar="SHARE")
    given = parser.parse_args()
    seeds = range(given.first_seed, given.first_seed + given.seeds)
    module = None if given.simulator is None else _module(given.simulator)
    for sessions in given.sizes:
        if module is not None:
            compare("simulator", sessions, seeds, partial(of_simulator, module, sessions), given.names)
        for name in given.designs:
            make = ALL_DESIGNS[name]
            ask = partial(improvement, make, given.first_seed + given.improvement) if given.improvement else None
            draw = partial(of_design, make, sessions, known=given.known, gaps=given.gaps)
            compare(name, sessions, seeds, draw, given.names, ask)


if __name__ == "__main__":
    main()
