"""What an experiment shows so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import numpy as np

from server.experiments.cuped import adjust
from server.experiments.reading import VariantSessions
from server.experiments.sample_ratio import RatioCheck, check_ratio
from server.experiments.samples import Sample, mean_of, proportion, ratio_of
from server.experiments.sequences import ALPHA, Interval, difference, median_difference
from server.experiments.types import Experiment, Variant

GUARDRAILS: Final = 3
"""Quantities that a variant must not make worse. All of them and all variants share the chance of a false alarm."""


class Verdict(StrEnum):
    """What is said of a variant."""

    SPLIT_WRONG = "SPLIT_WRONG"
    TOO_LITTLE_DATA = "TOO_LITTLE_DATA"
    NOT_KNOWN = "NOT_KNOWN"
    BETTER = "BETTER"
    WORSE = "WORSE"
    HARM = "HARM"


class Safety(StrEnum):
    """What is said of a guardrail."""

    TOO_LITTLE_DATA = "TOO_LITTLE_DATA"
    NOT_KNOWN = "NOT_KNOWN"
    SAFE = "SAFE"
    HARM = "HARM"


@dataclass(frozen=True, slots=True)
class Guardrail:
    """Something that a variant must not make worse.

    Attributes:
        value: In the variant; NaN where nothing was counted.
        control: The same in the control.
        difference: Of both; None while there is too little data.
        tolerance: How much worse it may be.
        thinned: Whether some of what it counts was not stored.
    """

    name: str
    value: float
    control: float
    difference: Interval | None
    tolerance: float
    thinned: bool = False

    @property
    def safety(self) -> Safety:
        """What the interval says. What was not stored could be a harm, so thinned data never says that it is safe."""
        if self.difference is None:
            return Safety.TOO_LITTLE_DATA
        if self.difference.low > self.tolerance:
            return Safety.HARM
        safe = self.difference.high <= self.tolerance and not self.thinned
        return Safety.SAFE if safe else Safety.NOT_KNOWN


@dataclass(frozen=True, slots=True)
class VariantReport:
    """One variant.

    Attributes:
        opened: Sessions so far, those that do not count yet too.
        expected: How many it should have of all of them.
        repeats: Further sessions of persons, which never count.
        counted: Sessions that count.
        completed: Of these, those that were completed in time.
        difference: Of the rates, to the control; None for the control and while there is too little data.
        guardrails: Beside the control; none for the control.
        verdict: None for the control.
    """

    variant: Variant
    opened: int
    expected: float
    repeats: int
    counted: int
    completed: int
    difference: Interval | None = None
    guardrails: tuple[Guardrail, ...] = ()
    verdict: Verdict | None = None

    @property
    def rate(self) -> float:
        """Share of completed sessions; 0 without sessions."""
        return self.completed / self.counted if self.counted else 0.0


@dataclass(frozen=True, slots=True)
class ExperimentReport:
    """An experiment.

    Attributes:
        split: Whether the variants have the sessions that they should have.
        variance_left: Part of the variance that CUPED left; 1 where nothing was known before.
        variants: The control first.
        ended: Whether no new session takes part any more.
    """

    experiment: Experiment
    split: RatioCheck
    variance_left: float
    variants: tuple[VariantReport, ...]
    ended: bool = False


def build_report(
    experiment: Experiment, sessions: Sequence[VariantSessions], *, ended: bool = False
) -> ExperimentReport:
    """What the sessions of an experiment show.

    Args:
        experiment: As declared.
        sessions: Of each variant, in the order of the variants.
        ended: Whether no new session takes part any more.
    """
    weights = [variant.weight for variant in experiment.variants]
    opened = [each.opened for each in sessions]
    split = check_ratio(opened, weights)
    rates, variance_left = _rates(sessions)
    reports = []
    for number, variant in enumerate(experiment.variants):
        mine = sessions[number]
        expected = sum(opened) * weights[number] / sum(weights)
        report = VariantReport(
            variant, mine.opened, expected, mine.repeats, len(mine.completed), int(mine.completed.sum())
        )
        reports.append(report if number == 0 else _compared(report, experiment, split, rates, sessions, number))
    return ExperimentReport(experiment, split, variance_left, tuple(reports), ended)


def _rates(sessions: Sequence[VariantSessions]) -> tuple[list[Sample], float]:
    """The rate of completion of each variant, without the noise that is explained by what was usual before."""
    usual, own = [each.usual for each in sessions], [each.own for each in sessions]
    adjusted = adjust([each.completed for each in sessions], usual, own)
    samples = []
    for each, values in zip(sessions, adjusted.values, strict=True):
        plain, less_noise = proportion(int(each.completed.sum()), len(each.completed)), mean_of(values)
        variance = max(less_noise.variance, plain.variance * adjusted.variance_ratio)
        samples.append(Sample(plain.units, less_noise.mean, variance))
    return samples, adjusted.variance_ratio


def _compared(
    report: VariantReport,
    experiment: Experiment,
    split: RatioCheck,
    rates: Sequence[Sample],
    sessions: Sequence[VariantSessions],
    number: int,
) -> VariantReport:
    """The report with what the variant changes. Several variants share the chance of a false alarm."""
    alpha = ALPHA / (len(rates) - 1)
    weights = [variant.weight for variant in experiment.variants]
    planned = experiment.planned_sessions * (weights[0] + weights[number]) / sum(weights)
    found = difference(rates[number], rates[0], planned, alpha)
    guardrails = _guardrails(experiment, sessions[number], sessions[0], planned, alpha / GUARDRAILS)
    return replace(report, difference=found, guardrails=guardrails, verdict=_verdict(split, found, guardrails))


def _verdict(split: RatioCheck, found: Interval | None, guardrails: Sequence[Guardrail]) -> Verdict:
    if split.failed:
        return Verdict.SPLIT_WRONG
    if any(each.safety is Safety.HARM for each in guardrails):
        return Verdict.HARM
    if found is None:
        return Verdict.TOO_LITTLE_DATA
    if found.above_zero:
        return Verdict.BETTER
    return Verdict.WORSE if found.below_zero else Verdict.NOT_KNOWN


def _guardrails(
    experiment: Experiment, variant: VariantSessions, control: VariantSessions, planned: float, alpha: float
) -> tuple[Guardrail, ...]:
    allowed = experiment.tolerances
    unsafe = ratio_of(variant.unsafe, variant.texts), ratio_of(control.unsafe, control.texts)
    failed = ratio_of(variant.failed, variant.uploads), ratio_of(control.failed, control.uploads)
    took = [each.final_delay_s[~np.isnan(each.final_delay_s)] for each in (variant, control)]
    thinned = bool(variant.thinned.any() or control.thinned.any())
    median, usual = [float(np.median(values)) if len(values) else np.nan for values in took]
    slower = median_difference(took[0], took[1], planned, alpha)
    return (
        _of_ratios("unsafe_texts", *unsafe, planned, alpha, allowed.unsafe_texts),
        Guardrail("final_delay_s", median, usual, slower, allowed.final_delay_s),
        replace(_of_ratios("failed_uploads", *failed, planned, alpha, allowed.failed_uploads), thinned=thinned),
    )


def _of_ratios(
    name: str, variant: Sample, control: Sample, planned: float, alpha: float, tolerance: float
) -> Guardrail:
    value, usual = [sample.mean if sample.units else np.nan for sample in (variant, control)]
    return Guardrail(name, value, usual, difference(variant, control, planned, alpha), tolerance)
