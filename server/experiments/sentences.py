"""What an experiment shows, in sentences."""

from __future__ import annotations

from math import isinf
from typing import Final

from server.experiments.report import ExperimentReport, Guardrail, Safety, VariantReport, Verdict
from server.experiments.sample_ratio import RATIO_ALPHA
from server.experiments.sequences import FEWEST_UNITS, Interval
from server.languages.formats import Formats

_ENGLISH: Final = Formats("en")
NAMES: Final = {
    "unsafe_texts": "texts that are not safe for the LLM",
    "final_delay_s": "the median delay of final texts",
    "failed_uploads": "failed or refused uploads",
}

_THINNED: Final = "not known; a client had so many refused uploads that not all were stored"
_UNBOUND: Final = "not known yet; too few sessions bound the change"


def split_sentence(report: ExperimentReport) -> str:
    """What the check of the split says."""
    seen = _listed([f"{each.opened:,}" for each in report.variants])
    meant = _listed([f"{each.expected:,.0f}" for each in report.variants])
    if report.split.failed:
        return (
            f"The split is wrong: the variants have {seen} sessions, {meant} were meant. Chance does this in fewer "
            f"than 1 of {1 / RATIO_ALPHA:,.0f} fair splits. Sessions are missing or come twice, so nothing below is a "
            "verdict. Find out why first."
        )
    return (
        f"No fault was found in the split: the variants have {seen} sessions, {meant} were meant. Of fair splits, "
        f"{split_chance(report.split.p_value, _ENGLISH)} are at least as uneven; below "
        f"{_ENGLISH.percent(RATIO_ALPHA)} the split counts as wrong."
    )


def split_chance(p_value: float, formats: Formats) -> str:
    """The share of fair splits that are at least as uneven: two decimals where one would hide how near the bar is."""
    return f"{formats.decimal(100 * p_value, 2 if p_value < 0.1 else 1)}\N{NO-BREAK SPACE}%"


def verdict_sentence(report: ExperimentReport, variant: VariantReport) -> str:
    """What is said of a variant."""
    name, control = variant.variant.name, report.experiment.control.name
    others = _guardrail_sentences(variant)
    match variant.verdict:
        case Verdict.SPLIT_WRONG:
            return f"No verdict on {name}: the split is wrong."
        case Verdict.HARM:
            effect = _effect(variant, control)
            return f"{name} does harm. {others} {effect}"
        case Verdict.BETTER:
            return f"{name} is better than {control}. {_effect(variant, control)} {others}".rstrip()
        case Verdict.WORSE:
            return f"{name} is worse than {control}. {_effect(variant, control)} {others}".rstrip()
        case Verdict.NOT_KNOWN:
            yet = "" if report.ended else " yet"
            begun = f"Not known{yet} whether {name} is better than {control}. {_progress(report)}"
            return f"{begun} {_effect(variant, control)} {others}".rstrip()
        case _:
            return f"Too little data on {name}. {_effect(variant, control)}"


def guardrail_sentence(guardrail: Guardrail) -> str:
    """What is said of a guardrail."""
    name = NAMES[guardrail.name]
    begun = f"{name[:1].upper()}{name[1:]}"
    allowed = _amount(guardrail, guardrail.tolerance)
    found = guardrail.difference
    if found is None:
        return f"{begun}: too little data."
    match guardrail.safety:
        case Safety.HARM if isinf(found.high):
            return f"{begun}: worse by {_amount(guardrail, found.low)} or more; {allowed} are allowed."
        case Safety.HARM:
            worse = f"{_number(guardrail, found.low)} to {_amount(guardrail, found.high)}"
            return f"{begun}: worse by {worse}; {allowed} are allowed."
        case Safety.SAFE:
            return f"{begun}: not worse by more than {allowed}."
        case _ if guardrail.thinned or isinf(found.low) or isinf(found.high):
            return f"{begun}: {_THINNED if guardrail.thinned else _UNBOUND}."
        case _:
            between = f"{_number(guardrail, found.low, '+')} and {_amount(guardrail, found.high, '+')}"
            return f"{begun}: not known yet; the change is between {between}; {allowed} are allowed."


def _listed(numbers: list[str]) -> str:
    return f"{', '.join(numbers[:-1])} and {numbers[-1]}"


def _guardrail_sentences(variant: VariantReport) -> str:
    """Of the guardrails that need a look, harms first."""
    noted = [each for each in variant.guardrails if each.safety is not Safety.SAFE]
    noted.sort(key=lambda each: each.safety is not Safety.HARM)
    return " ".join(map(guardrail_sentence, noted))


def _progress(report: ExperimentReport) -> str:
    counted, planned = sum(each.counted for each in report.variants), report.experiment.planned_sessions
    known, meant = map(_ENGLISH.count, (counted, planned))
    if report.ended:
        count = f"{known} {known:session counts|sessions count}, {meant} {meant:was|were} planned"
        return f"The experiment has ended, so no more sessions come: {count}."
    return f"{known} {known:session counts|sessions count}, {meant} {meant:is|are} planned."


def _effect(variant: VariantReport, control: str) -> str:
    found = variant.difference
    if found is None:
        return f"{variant.variant.name} and {control} need {FEWEST_UNITS} sessions that count, each."
    if found.above_zero:
        return f"Its sessions are completed more often, by {_points(found.low)} to {_points(found.high)} points."
    if found.below_zero:
        return f"Its sessions are completed less often, by {_points(-found.high)} to {_points(-found.low)} points."
    return f"The change of completed sessions is between {_signed(found)} points."


def _points(share: float) -> str:
    return f"{100 * share:.1f}"


def _signed(found: Interval) -> str:
    return f"{100 * found.low:+.1f} and {100 * found.high:+.1f}"


def _number(guardrail: Guardrail, value: float, sign: str = "") -> str:
    return f"{value:{sign}.2f}" if guardrail.name == "final_delay_s" else f"{100 * value:{sign}.1f}"


def _amount(guardrail: Guardrail, value: float, sign: str = "") -> str:
    return f"{_number(guardrail, value, sign)} {'s' if guardrail.name == 'final_delay_s' else 'points'}"
