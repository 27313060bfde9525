"""What to change first: from causes that the data shows, and by rule where it shows none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from server.funnel.features import feature_name, timed_step
from server.funnel.steps import STAGES
from server.funnel.texts import ReportTexts
from server.funnel.types import Cause, Condition, Improvement, Interval
from server.languages.formats import Formats

QUICK_WIN = 0.10
"""A change of low effort that should bring more than this is a quick win."""
HIGH_IMPACT = 0.20
"""A change that should bring more than this has a high impact."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What goes with leaving a stage, all else that is known held equal. It is a correlation.

    Attributes:
        condition: What holds for the affected sessions, in words.
        affected: Sessions at the step for which it holds.
        left: Those of them that left.
        others: Sessions at the step that were seen not to meet it.
        rate_with: Share of the affected that left.
        rate_without: Share of the others that left.
        odds: How many times as high the odds of leaving are with it.
        features: The features of the condition, by name.
        correlated: Labels of features that go together with it so often that one of them may be meant.
        conditions: The condition as data, all of which hold.
        unknown: Sessions at the step of which it is not known whether they meet it. They are not compared.
    """

    condition: str
    affected: int
    left: int
    others: int
    rate_with: float
    rate_without: float
    odds: Interval
    features: tuple[str, ...]
    correlated: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()
    unknown: int = 0


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One change.

    Attributes:
        step: Number of the step that it is about, from 1.
        category: ux, content, performance or complexity.
        effort: low, medium or high.
        title: The change in one line.
        action: What to do.
        improvement: By how much completions should rise, as a share of those of today.
        completions: The further completions among the sessions of the report.
        evidence: What it rests on; None for a rule of thumb.
        steps: The stages or steps of the funnel.
    """

    step: int
    category: str
    effort: str
    title: str
    action: str
    improvement: Interval
    completions: Interval
    evidence: Evidence | None = None
    steps: tuple[str, ...] = STAGES.names

    @property
    def to_stage(self) -> str:
        """The stage or step that more sessions should reach."""
        return self.steps[self.step]

    @property
    def brings_nothing(self) -> bool:
        """Whether it should bring not even one completion, as where nobody makes another step of the funnel."""
        return round(self.completions.mid) < 1

    @property
    def quick_win(self) -> bool:
        """Whether it takes little effort and should bring more than 10 %."""
        return self.effort == "low" and self.improvement.mid > QUICK_WIN

    @property
    def high_impact(self) -> bool:
        """Whether it should bring more than 20 %."""
        return self.improvement.mid > HIGH_IMPACT


@dataclass(frozen=True, slots=True)
class Roi:
    """What all changes together should bring.

    Attributes:
        rate: Share of the sessions that complete today.
        rate_then: The share that should.
        completions: The further completions among the sessions of the report.
        improvement: By how much completions should rise, as a share of those of today.
    """

    rate: Interval
    rate_then: Interval
    completions: Interval
    improvement: Interval


def of_cause(
    cause: Cause, bring: Improvement, sessions: float, texts: ReportTexts, steps: tuple[str, ...], unknown: int = 0
) -> Recommendation:
    """The recommendation for a cause.

    Args:
        cause: What goes with leaving.
        bring: What it should bring to take its effect away.
        sessions: How many sessions of the report one of those that were searched stands for.
        texts: What is said.
        steps: The stages or steps of the funnel.
        unknown: Sessions at the step of which it is not known whether they meet the conditions.
    """
    features = tuple(feature_name(c.feature) for c in cause.conditions)
    text = texts.of_cause(features, opposite=any(c.operator == "not" for c in cause.conditions))
    condition = conditions_text(cause.conditions, texts)
    return Recommendation(
        step=cause.step_number,
        category=text.category or texts.of_step(cause.step).categories[0],
        effort=text.effort,
        title=text.title.replace("{condition}", condition),
        action=text.action.replace("{condition}", condition),
        improvement=scaled(bring.points, 1 / (100 * bring.rate.mid)) if bring.rate.mid else Interval(0.0, 0.0, 0.0),
        completions=scaled(bring.completions, sessions),
        evidence=Evidence(
            condition=condition,
            affected=cause.affected,
            left=cause.left,
            others=cause.others,
            rate_with=cause.rate_with,
            rate_without=cause.rate_without,
            odds=mapped(cause.log_odds, lambda odds: float(np.exp(odds))),
            features=features,
            correlated=tuple(
                _label(f, texts) for f in dict.fromkeys(map(feature_name, cause.correlated)) if f not in features
            ),
            conditions=cause.conditions,
            unknown=unknown,
        ),
        steps=steps,
    )


def labels(features: Sequence[str], texts: ReportTexts) -> tuple[str, ...]:
    """The labels of some columns of the search, each once."""
    return tuple(dict.fromkeys(_label(feature_name(feature), texts) for feature in features))


def conditions_text(conditions: Sequence[Condition], texts: ReportTexts) -> str:
    """Conditions that all hold, in words."""
    return f" {texts.word('and')} ".join(condition_text(condition, texts) for condition in conditions)


def condition_text(condition: Condition, texts: ReportTexts) -> str:
    """A condition in words, such as ``network = 3g`` or ``seconds until a reply > 8``."""
    return f"{_label(feature_name(condition.feature), texts)} {_level(condition, texts)}".strip()


def _level(condition: Condition, texts: ReportTexts) -> str:
    """The condition without the feature in the language of the texts: ``> 8,5``, ``= Montag``."""
    if condition.operator == "not":
        return condition.level.replace("no", texts.word("no"))
    if condition.value is None:
        return condition.level.replace("unknown", texts.word("unknown"))
    if isinstance(condition.value, str):
        days = feature_name(condition.feature) == "weekday"
        return f"{condition.operator} {texts.word(condition.value)}" if days else condition.level
    figure = Formats(texts.language).figure
    if isinstance(condition.value, tuple):
        low, high = map(figure, condition.value)
        return f"> {low} {texts.word('and')} <= {high}"
    return f"{condition.operator} {figure(condition.value)}"


def _label(feature: str, texts: ReportTexts) -> str:
    return texts.of_cause([feature]).label.replace("{step}", timed_step(feature)) or feature.removeprefix("app.")


def in_order(found: Sequence[Recommendation]) -> tuple[Recommendation, ...]:
    """Changes that bring a completion stand before those that bring none.

    Within each of the two, those with evidence stand first. Then those that bring more, then those with less effort.
    """
    efforts = ("low", "medium", "high")

    def place(each: Recommendation) -> tuple[bool, bool, float, int]:
        return (
            each.brings_nothing,
            each.evidence is None,
            -each.completions.mid,
            efforts.index(each.effort),
        )

    return tuple(sorted(found, key=place))


def mapped(interval: Interval, change: Callable[[float], float]) -> Interval:
    """An interval with its estimate and both bounds changed."""
    return Interval(change(interval.low), change(interval.mid), change(interval.high))


def scaled(interval: Interval, factor: float) -> Interval:
    """An interval times a factor."""
    return mapped(interval, lambda value: value * factor)
