"""Are the causes of leaving found, and is anything else named? And does the expected improvement come true?

    python -m benchmarks.funnel_causes [--designs NAME ...] [--sizes N ...] [--seeds N] [--first-seed N]
                                       [--simulator FILE] [--improvement N]

Simulated sessions whose causes are known, beside a peer: a test of each feature alone with Benjamini and Hochberg's
correction, as funnel products make it. For each design and size:

strong     share of the causes with log-odds of 1 or more that were found: feature and step
weak       the same for smaller ones
false      finds that are no planted cause, of all finds
naming     runs that named anything
too little steps a run of which it was said that a strong cause may go unseen
CPU        seconds a run

``--improvement N`` asks, over N seeds at 5,000 sessions, how often the interval of the expected improvement holds what
a simulation of 100,000 sessions without the cause gives. ``--simulator`` is a file with another simulator, which is not
part of the repository.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from benchmarks._funnel_designs import DESIGNS, Design, Features, as_columns, simulate
from server.funnel.causes import find_causes
from server.funnel.improvement import ImprovementModel
from server.funnel.types import Cause, SessionTable

FALSE_DISCOVERIES = 0.05
LEAST_SESSIONS = 30
TRUTH_SESSIONS = 100_000

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
        self.false += sum(any((feature, step) not in true for feature in features) for features, step in found)
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


def of_design(make: Callable[[int], Design], sessions: int, seed: int) -> tuple[SessionTable, Found, Found]:
    """A table, what is planted in it, and what of that is strong."""
    design = make(seed)
    planted: Found = {(cause.features, cause.step) for cause in design.planted}
    strong: Found = {(cause.features, cause.step) for cause in design.planted if cause.strong}
    return simulate(design, seed, sessions), planted, strong


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
    name: str, sessions: int, seeds: Sequence[int], draw: Callable[[int], tuple[SessionTable, Found, Found]]
) -> None:
    """Prints a row for each method."""
    scores = {method: Score() for method in METHODS}
    for seed in seeds:
        table, planted, strong = draw(seed)
        for method, find in METHODS.items():
            begun = time.process_time()
            found = find(table, scores[method])
            scores[method].cpu_s += time.process_time() - begun
            scores[method].add(found, planted, strong)
    for method, score in scores.items():
        print(score.line(f"{name} {sessions:,} {method}", len(seeds)), flush=True)


def improvement(name: str, sessions: int, seeds: Sequence[int]) -> None:
    """Prints how often the interval holds what the simulation without the cause gives."""
    inside = asked = 0
    off: list[float] = []
    for seed in seeds:
        design = DESIGNS[name](seed)
        table = simulate(design, seed, sessions)
        report = find_causes(table)
        model = ImprovementModel(table, report)
        now = _completed(design, seed, [])
        for cause in report.causes:
            places = _planted_as(design, cause, report.causes)
            if places:
                truth = 100 * (_completed(design, seed, places) - now)
                points = model.without([cause]).points
                inside += points.low <= truth <= points.high
                asked += 1
                off.append(points.mid - truth)
    print(
        f"improvement {name} {sessions:,}: {inside} of {asked} intervals hold the truth, {inside / max(asked, 1):.1%}; "
        f"mean error {np.mean(off):+.2f} points",
        flush=True,
    )


def _planted_as(design: Design, cause: Cause, causes: Sequence[Cause]) -> list[int]:
    """The planted cause that a find stands for alone: none where another find at this step has the same feature."""
    features = {condition.feature for condition in cause.conditions}
    others = [c for c in causes if c is not cause and c.step_number == cause.step_number]
    if any(features & {condition.feature for condition in other.conditions} for other in others):
        return []
    return [k for k, p in enumerate(design.planted) if p.step == cause.step_number and set(p.features) == features]


def _completed(design: Design, seed: int, without: Sequence[int]) -> float:
    """The share that completes among sessions other than those of the table, the same for every ``without``."""
    return float((simulate(design, seed + 1_000_000, TRUTH_SESSIONS, without).reached == 4).mean())


def _module(file: Path) -> Any:
    spec = importlib.util.spec_from_file_location("simulator", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--designs", nargs="*", default=list(DESIGNS), choices=list(DESIGNS))
    parser.add_argument("--sizes", nargs="*", type=int, default=[1000, 5000, 20_000])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--simulator", type=Path)
    parser.add_argument("--improvement", type=int, default=30, metavar="N")
    given = parser.parse_args()
    seeds = range(given.first_seed, given.first_seed + given.seeds)
    module = None if given.simulator is None else _module(given.simulator)
    for sessions in given.sizes:
        if module is not None:
            compare("simulator", sessions, seeds, partial(of_simulator, module, sessions))
        for name in given.designs:
            compare(name, sessions, seeds, partial(of_design, DESIGNS[name], sessions))
    if given.improvement:
        for name in ("plain", "interaction", "confounded"):
            improvement(name, 5000, range(given.first_seed, given.first_seed + given.improvement))


if __name__ == "__main__":
    main()
