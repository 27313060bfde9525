"""The model as plain data, and what it says of a session.

A stage's model is a sum: each feature adds its own amount to the log-odds of being abandoned, whatever the others are.
So what raises a risk can be named exactly, and the model is a list of numbers that JSON holds. Nothing in it runs.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator, model_validator

from server.funnel.types import Interval
from server.risk.features import FEATURES, STAGES, Value

Number = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
SHOWN: Final = 3
"""Most reasons that are given."""
LEAST_ODDS: Final = 1.1
"""A feature that multiplies the odds by less is no reason."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Curve(_Part):
    """What a number adds to the log-odds: straight lines between the knots, flat beyond them.

    Attributes:
        knots: Rising, of ``log(1 + number)``.
        values: At each knot.
        unknown: What an unknown number adds.
        usual: What it adds on the average.
    """

    knots: tuple[Number, ...]
    values: tuple[Number, ...]
    unknown: Number
    usual: Number

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if not self.knots or len(self.knots) != len(self.values) or list(self.knots) != sorted(set(self.knots)):
            raise ValueError("a curve has rising knots, each with a value")
        return self

    def of(self, value: Value) -> float:
        """What this number adds."""
        if not isinstance(value, int | float):
            return self.unknown
        at = math.log1p(max(0.0, value))
        place = bisect_right(self.knots, at)
        if place in (0, len(self.knots)):
            return self.values[min(place, len(self.knots) - 1)]
        low, high = self.knots[place - 1 : place + 1]
        part = (at - low) / (high - low)
        return self.values[place - 1] * (1 - part) + self.values[place] * part


class Levels(_Part):
    """What a text adds to the log-odds.

    Attributes:
        values: Of each level that was frequent enough.
        other: Of every other text.
        unknown: Where there is none.
        usual: What it adds on the average.
    """

    values: Mapping[Annotated[str, Field(max_length=64)], Number]
    other: Number
    unknown: Number
    usual: Number

    def of(self, value: Value) -> float:
        """What this text adds."""
        return self.unknown if value is None else self.values.get(str(value), self.other)


class Group(_Part):
    """Past sessions that got a similar risk, none of which the model had learnt from.

    Attributes:
        sessions: How many.
        predicted: Their mean risk.
        abandoned: The share of them that was abandoned.
        low: Lower bound of its 95 % interval.
        high: Upper bound.
    """

    sessions: Count
    predicted: Share
    abandoned: Share
    low: Share
    high: Share


class Quality(_Part):
    """How well a model did on later sessions than those it had learnt from.

    Attributes:
        sessions: How many there were.
        brier: Brier score: mean squared distance from what came; 0 is perfect.
        base_brier: The same when all get the share of the earlier sessions of this stage.
        auc: Chance that of two sessions the one that was abandoned had the higher risk; 0.5 is a coin.
        groups: From the lowest risk to the highest.
    """

    sessions: Count
    brier: Share
    base_brier: Share
    auc: Share
    groups: tuple[Group, ...]

    @property
    def skill(self) -> float:
        """By how much the Brier score is better than that of the share alone: 1 is perfect, 0 no better."""
        return 1 - self.brier / self.base_brier if self.base_brier else 0.0


class Formula(_Part):
    """The sum of a stage, calibrated."""

    start: Number
    features: Mapping[str, Curve | Levels]

    @field_validator("features")
    @classmethod
    def _known(cls, features: Mapping[str, Curve | Levels]) -> Mapping[str, Curve | Levels]:
        for name, part in features.items():
            if isinstance(part, Levels) != (FEATURES.get(name) == "text") or name not in FEATURES:
                raise ValueError("a feature is one that is known, and a part is of its kind")
        return features

    def risk(self, known: Mapping[str, Value]) -> float:
        """Chance that the session is abandoned, 0 to 1."""
        return sigmoid(self.start + sum(part.of(known.get(name)) for name, part in self.features.items()))

    def raised(self, known: Mapping[str, Value]) -> dict[str, float]:
        """By how much each feature raises the log-odds compared with the average session, the most first."""
        more = {name: part.of(known.get(name)) - part.usual for name, part in self.features.items()}
        return dict(sorted(more.items(), key=lambda item: -item[1]))


class StageStatus(StrEnum):
    """Whether a stage has a model that answers."""

    READY = "READY"
    TOO_LITTLE_DATA = "TOO_LITTLE_DATA"
    TOO_MANY_OPEN = "TOO_MANY_OPEN"
    NO_SKILL = "NO_SKILL"


class StageModel(_Part):
    """What was learnt of one stage.

    Attributes:
        status: READY if it answers.
        sessions: Sessions that it was learnt and checked on.
        abandoned: Those of them that were abandoned.
        quality: Of the check; None where there was too little to learn from.
        formula: None unless it answers.
    """

    status: StageStatus
    sessions: Count
    abandoned: Count
    quality: Quality | None = None
    formula: Formula | None = None

    @model_validator(mode="after")
    def _answers_if_ready(self) -> Self:
        if self.status is StageStatus.READY and (self.formula is None or self.quality is None):
            raise ValueError("a stage that is ready has a formula and its check")
        return self


class RiskModel(_Part):
    """What was learnt of all stages.

    Attributes:
        version: Of this form.
        train_time: When.
        begin: Sessions opened since then were looked at.
        end: Sessions opened before then.
        sessions: How many were read.
        stages: By name.
    """

    version: Literal[1] = 1
    train_time: AwareDatetime
    begin: AwareDatetime
    end: AwareDatetime
    sessions: Count
    stages: Mapping[Literal["STARTED", "IN_PROGRESS", "AWAITING_APPROVAL"], StageModel]


class Unknown(StrEnum):
    """Why there is no risk."""

    ENDED = "ENDED"
    NOT_TRAINED = "NOT_TRAINED"
    TOO_LITTLE_DATA = "TOO_LITTLE_DATA"
    TOO_MANY_OPEN = "TOO_MANY_OPEN"
    NO_SKILL = "NO_SKILL"


@dataclass(frozen=True, slots=True)
class Raised:
    """A feature that raises the risk of a session.

    Attributes:
        feature: Its name.
        value: What it is in this session; None for unknown.
        odds_ratio: How many times as high as usual it makes the odds.
    """

    feature: str
    value: Value
    odds_ratio: float


@dataclass(frozen=True, slots=True)
class Risk:
    """What the model says of a session.

    Attributes:
        stage: Its present stage.
        risk: Chance that it is abandoned, with the 95 % interval of the sessions that got a similar one.
        alike: How many these were.
        usual: Share of the sessions seen in this stage that were abandoned.
        raised: What raises it, the most first.
    """

    stage: str
    risk: Interval
    alike: int
    usual: float
    raised: tuple[Raised, ...]


def assess(model: RiskModel | None, stage: str, known: Mapping[str, Value]) -> Risk | Unknown:
    """The risk of a session in a stage.

    Args:
        model: The newest one; None before the first.
        stage: Of the session.
        known: Features by name.
    """
    if stage not in STAGES:
        return Unknown.ENDED
    found = model and {str(name): part for name, part in model.stages.items()}.get(stage)
    if not found:
        return Unknown.NOT_TRAINED
    if found.formula is None or found.quality is None:
        return Unknown(found.status)
    risk = found.formula.risk(known)
    interval, alike = interval_of(risk, found.quality.groups)
    reasons = (
        Raised(name, known.get(name), math.exp(more))
        for name, more in found.formula.raised(known).items()
        if more >= math.log(LEAST_ODDS)
    )
    return Risk(stage, interval, alike, found.abandoned / found.sessions, tuple(reasons)[:SHOWN])


def interval_of(risk: float, groups: Sequence[Group]) -> tuple[Interval, int]:
    """The interval of a risk, from what became of the sessions with a similar one.

    It has, around this risk, the width and the shift that the group's share has around the group's mean risk, in
    log-odds. So it is wide where few sessions were alike, and where the model was wrong about them.
    """
    group = min(groups, key=lambda each: abs(each.predicted - risk))
    middle, here = logit(group.predicted), logit(risk)
    low = sigmoid(here + logit(group.low) - middle)
    high = sigmoid(here + logit(group.high) - middle)
    return Interval(min(low, risk), risk, max(high, risk)), group.sessions


def sigmoid(log_odds: float) -> float:
    """The share with these log-odds."""
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, log_odds))))


def logit(share: float) -> float:
    """The log-odds of a share; those of 0 and 1 are bounded."""
    bounded = min(max(share, 1e-6), 1 - 1e-6)
    return math.log(bounded / (1 - bounded))
