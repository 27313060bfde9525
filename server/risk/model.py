"""The model of all stages as plain data, how well it did, and what it says of a session."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final, Literal, Self

from pydantic import AwareDatetime, Field, model_validator

from server.funnel.types import Interval
from server.risk.features import STAGES
from server.risk.formula import Formula, Part, logit, sigmoid
from server.risk.properties import Value, is_property

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
SHOWN: Final = 3
"""Most reasons that are given."""
LEAST_ODDS: Final = 1.2
"""A feature that multiplies the odds by less is no reason."""


class Group(Part):
    """Moments of past sessions with a similar risk. The model had not learnt from these sessions.

    Attributes:
        sessions: Sessions with such a moment.
        predicted: Mean risk at these moments.
        abandoned: Share of these moments whose session was abandoned.
        low: Lower bound of the 95 % interval of the share. It knows the noise of the check and that of the learning,
            so it holds the predicted share of a model that is right in 95 % of cases.
        high: Upper bound.
    """

    sessions: Count
    predicted: Share
    abandoned: Share
    low: Share
    high: Share

    @property
    def holds(self) -> bool:
        """Whether the predicted share lies in the interval."""
        return self.low <= self.predicted <= self.high


class Quality(Part):
    """How well a model did on later sessions than those it had learnt from.

    Attributes:
        sessions: How many there were.
        brier: Brier score: mean squared distance from what came; 0 is perfect.
        base_brier: The same when all get the share of the earlier sessions of this stage.
        auc: Chance that of two sessions the one that was abandoned had the higher risk; 0.5 is a coin.
        groups: From the lowest risk to the highest.
        whole: All moments of the check together.
    """

    sessions: Count
    brier: Share
    base_brier: Share
    auc: Share
    groups: tuple[Group, ...]
    whole: Group

    @property
    def skill(self) -> float:
        """By how much the Brier score is better than that of the share alone: 1 is perfect, 0 no better."""
        return 1 - self.brier / self.base_brier if self.base_brier else 0.0

    @property
    def outside(self) -> int:
        """Groups whose predicted share lies outside their interval."""
        return sum(not group.holds for group in self.groups)


class StageStatus(StrEnum):
    """Whether a stage has a model that answers."""

    READY = "READY"
    TOO_LITTLE_DATA = "TOO_LITTLE_DATA"
    TOO_MANY_OPEN = "TOO_MANY_OPEN"
    NO_SKILL = "NO_SKILL"
    NOT_CALIBRATED = "NOT_CALIBRATED"


class StageModel(Part):
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


class RiskModel(Part):
    """What was learnt of all stages.

    Attributes:
        version: Of this form.
        train_time: When.
        begin: Sessions opened since then were looked at.
        end: Sessions opened before then.
        sessions: How many were read.
        stages: By name.
    """

    version: Literal[2] = 2
    train_time: AwareDatetime
    begin: AwareDatetime
    end: AwareDatetime
    sessions: Count
    stages: Mapping[Literal["STARTED", "IN_PROGRESS", "AWAITING_APPROVAL"], StageModel]

    @property
    def has_properties(self) -> bool:
        """Whether it holds names and values of properties that clients declared."""
        return any(
            is_property(name) for stage in self.stages.values() if stage.formula for name in stage.formula.score.names
        )


class Unknown(StrEnum):
    """Why there is no risk."""

    ENDED = "ENDED"
    NOT_TRAINED = "NOT_TRAINED"
    TOO_LITTLE_DATA = "TOO_LITTLE_DATA"
    TOO_MANY_OPEN = "TOO_MANY_OPEN"
    NO_SKILL = "NO_SKILL"
    NOT_CALIBRATED = "NOT_CALIBRATED"


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

    A property that the session does not have is no reason: its name belongs to the client that declared it.

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
        if more >= math.log(LEAST_ODDS) and not (is_property(name) and known.get(name) is None)
    )
    return Risk(stage, interval, alike, found.abandoned / found.sessions, tuple(reasons)[:SHOWN])


def interval_of(risk: float, groups: Sequence[Group]) -> tuple[Interval, int]:
    """The interval of a risk, from what became of the sessions with a similar one.

    It has, around this risk, the width and the shift that the group's share has around the group's mean risk, in
    log-odds. So it is wide where few sessions were alike, and where the model was wrong about them.
    """
    group = min(groups, key=lambda each: abs(each.predicted - risk))
    shift = logit(risk) - logit(group.predicted)
    low = sigmoid(logit(group.low) + shift) if group.low > 0 else 0.0
    high = sigmoid(logit(group.high) + shift) if group.high < 1 else 1.0
    return Interval(min(low, risk), risk, max(high, risk)), group.sessions
