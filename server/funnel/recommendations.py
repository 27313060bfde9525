"""What to change first: from causes that the data shows, and by rule where it shows none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from server.funnel.drop_offs import DropOff
from server.funnel.features import feature_name, timed_step
from server.funnel.steps import STAGES
from server.funnel.texts import ReportTexts
from server.funnel.types import Cause, Condition, Improvement, Interval
from server.languages.formats import Formats

QUICK_WIN = 0.10
"""A change of low effort that should bring more than this is a quick win."""
HIGH_IMPACT = 0.20
"""A change that should bring more than this has a high impact."""
_DRAWS = 4000


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
    cause: Cause, bring: Improvement, sessions: float, texts: ReportTexts, steps: tuple[str, ...]
) -> Recommendation:
    """The recommendation for a cause.

    Args:
        cause: What goes with leaving.
        bring: What it should bring to take its effect away.
        sessions: How many sessions of the report one of those that were searched stands for.
        texts: What is said.
        steps: The stages or steps of the funnel.
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
        improvement=_share(bring.points, 1 / (100 * bring.rate.mid)) if bring.rate.mid else Interval(0.0, 0.0, 0.0),
        completions=_share(bring.completions, sessions),
        evidence=Evidence(
            condition=condition,
            affected=cause.affected,
            left=cause.left,
            others=cause.others,
            rate_with=cause.rate_with,
            rate_without=cause.rate_without,
            odds=_map(cause.log_odds, lambda odds: float(np.exp(odds))),
            features=features,
            correlated=tuple(
                _label(f, texts) for f in dict.fromkeys(map(feature_name, cause.correlated)) if f not in features
            ),
            conditions=cause.conditions,
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


def by_rule(drop_off: DropOff, target: float, completing: float, sessions: int, texts: ReportTexts) -> Recommendation:
    """The recommendation for a severe step of which the data shows no cause.

    Nothing in the data says what a change would bring. The range goes from nothing to what a drop-off rate that is just
    not severe would bring; its middle is half of that. Where nobody completes, a rise has no percentage: the range of
    the completions then goes up to all sessions of the step that would go on.

    Args:
        drop_off: The step.
        target: The drop-off rate from which on a step is severe.
        completing: Share of the sessions that complete today.
        sessions: Sessions of the report.
        texts: What is said.
    """
    text = texts.of_step(drop_off.count.to_stage)
    going_on = 1 - drop_off.rate.mid
    most = max(0.0, (1 - target) / going_on - 1) if completing else 0.0
    improvement = Interval(0.0, most / 2, most)
    more = improvement.high * completing * sessions if completing else drop_off.count.entered * (1 - target)
    return Recommendation(
        step=drop_off.count.step,
        category=text.categories[0],
        effort=text.effort,
        title=text.title,
        action=text.action,
        improvement=improvement,
        completions=Interval(0.0, more / 2, more),
        steps=drop_off.count.names,
    )


def completion_rate(drop_offs: Sequence[DropOff], seed: int = 0) -> Interval:
    """The share of sessions that complete, from those that count at each step; its 95 % by draws of the rates."""
    random = np.random.default_rng(seed)
    drawn = np.ones(_DRAWS)
    rate = 1.0
    for found in drop_offs:
        drawn *= random.beta(found.count.went_on + 0.5, found.count.dropped + 0.5, _DRAWS)
        rate *= 1 - found.rate.mid
    low, high = np.quantile(drawn, (0.025, 0.975)).tolist()
    return Interval(min(low, rate), rate, max(high, rate))


def roi(rate: Interval, together: Improvement | None, rules: Sequence[Recommendation], sessions: int) -> Roi:
    """What all changes together should bring.

    Args:
        rate: Share of the sessions that complete today.
        together: What it should bring to take the effects of all causes away; None without a cause.
        rules: The recommendations by rule. They are about other steps than the causes.
        sessions: Sessions of the report.
    """
    bounds = (together.points.low, together.points.mid, together.points.high) if together else (0.0, 0.0, 0.0)
    gains = []
    for bound, name in zip(bounds, ("low", "mid", "high"), strict=True):
        then = rate.mid + bound / 100
        for rule in rules:
            then *= 1 + getattr(rule.improvement, name)
        gains.append(min(then, 1.0) - rate.mid)
    gain = Interval(*gains)
    then = rate.mid + gain.mid
    # The errors of the present rate and of the gain come together.
    below = float(np.hypot(rate.mid - rate.low, gain.mid - gain.low))
    above = float(np.hypot(rate.high - rate.mid, gain.high - gain.mid))
    return Roi(
        rate=rate,
        rate_then=Interval(max(0.0, then - below), then, min(1.0, then + above)),
        completions=_share(gain, sessions),
        improvement=_share(gain, 1 / rate.mid) if rate.mid else Interval(0.0, 0.0, 0.0),
    )


def in_order(found: Sequence[Recommendation]) -> tuple[Recommendation, ...]:
    """What rests on evidence first, then what brings most, then what takes least."""
    efforts = ("low", "medium", "high")
    return tuple(sorted(found, key=lambda r: (r.evidence is None, -r.improvement.mid, efforts.index(r.effort))))


def _map(interval: Interval, change: Callable[[float], float]) -> Interval:
    return Interval(change(interval.low), change(interval.mid), change(interval.high))


def _share(interval: Interval, factor: float) -> Interval:
    return _map(interval, lambda value: value * factor)
