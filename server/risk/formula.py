"""What a stage's model computes, as plain data: a score, and the line that turns the score into a risk.

The score is a sum of curves, or a sum of small trees. Both are lists of numbers that JSON holds, and nothing in them
runs. Each says by how much a feature raises the score of a session above that of the average one.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from server.risk.features import FEATURES
from server.risk.properties import Value, is_property

Number = Annotated[float, Field(allow_inf_nan=False)]
Place = Annotated[int, Field(ge=0)]
Level = Annotated[str, Field(max_length=128)]


class Part(BaseModel):
    """A piece of the model: it never changes, and has no field that is not named here."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Curve(Part):
    """What a number adds to the score: straight lines between the knots, flat beyond them.

    Attributes:
        knots: Rising, of ``scaled(number)``.
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
        _check_knots(self.knots, self.values)
        return self

    def of(self, value: Value) -> float:
        """What this number adds."""
        return on_line(scaled(value), self.knots, self.values) if isinstance(value, int | float) else self.unknown


class Levels(Part):
    """What a text adds to the score.

    Attributes:
        values: Of each level that was frequent enough.
        other: Of every other text.
        unknown: Where there is none.
        usual: What it adds on the average.
    """

    values: Mapping[Level, Number]
    other: Number
    unknown: Number
    usual: Number

    def of(self, value: Value) -> float:
        """What this text adds."""
        return self.values.get(value, self.other) if isinstance(value, str) else self.unknown


class Curves(Part):
    """A regression: each feature adds its own amount, whatever the others are.

    Attributes:
        start: What is added for all.
        features: By name.
    """

    kind: Literal["curves"] = "curves"
    start: Number
    features: Mapping[str, Curve | Levels]

    @field_validator("features")
    @classmethod
    def _known(cls, features: Mapping[str, Curve | Levels]) -> Mapping[str, Curve | Levels]:
        for name, part in features.items():
            _check_name(name, "text" if isinstance(part, Levels) else "number")
        return features

    @property
    def names(self) -> frozenset[str]:
        """The features that it looks at."""
        return frozenset(self.features)

    def of(self, known: Mapping[str, Value]) -> float:
        """The score of a session."""
        return self.start + sum(part.of(known.get(name)) for name, part in self.features.items())

    def raised(self, known: Mapping[str, Value]) -> dict[str, float]:
        """By how much each feature raises the score above that of the average session."""
        return {name: part.of(known.get(name)) - part.usual for name, part in self.features.items()}


class Column(Part):
    """What a tree looks at: a number, or whether a text has a level.

    Attributes:
        feature: Its name.
        level: Of a text; None for a number.
        unknown: Stands for an unknown number.
    """

    feature: str
    level: Level | None = None
    unknown: Number = 0.0

    @model_validator(mode="after")
    def _known(self) -> Self:
        _check_name(self.feature, "number" if self.level is None else "text")
        return self

    def of(self, value: Value) -> float:
        """What the tree compares."""
        if self.level is not None:
            return float(value == self.level)
        return float(value) if isinstance(value, int | float) else self.unknown


class Node(Part):
    """A node of a tree: up to the bound the way goes left, above it right; both are nodes that come later.

    Attributes:
        value: What the tree adds on the average to those that come here; of a leaf, what it adds.
        column: Place of what is compared; None for a leaf.
    """

    value: Number
    column: Place | None = None
    bound: Number = 0.0
    left: Place = 0
    right: Place = 0


class Trees(Part):
    """Boosted trees: each adds what its leaf says."""

    kind: Literal["trees"] = "trees"
    start: Number
    columns: tuple[Column, ...]
    trees: tuple[tuple[Node, ...], ...]

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        for tree in self.trees:
            if not tree or not all(self._sound(tree, place) for place in range(len(tree))):
                raise ValueError("a tree has nodes, and each leads to later ones")
        return self

    def _sound(self, tree: Sequence[Node], place: int) -> bool:
        node = tree[place]
        ahead = all(place < following < len(tree) for following in (node.left, node.right))
        return node.column is None or (node.column < len(self.columns) and ahead)

    @property
    def names(self) -> frozenset[str]:
        """The features that it looks at."""
        return frozenset(column.feature for column in self.columns)

    def of(self, known: Mapping[str, Value]) -> float:
        """The score of a session."""
        return self.start + sum(tree[0].value for tree in self.trees) + sum(self.raised(known).values())

    def raised(self, known: Mapping[str, Value]) -> dict[str, float]:
        """By how much each feature raises the score above that of the average session.

        On the way to a leaf, each step changes what the tree adds on the average. The feature that was compared at the
        step is given the change. The sum of all changes is the difference to the average score, exactly.
        """
        values = [column.of(known.get(column.feature)) for column in self.columns]
        changes = dict.fromkeys((column.feature for column in self.columns), 0.0)
        for tree in self.trees:
            node = tree[0]
            while node.column is not None:
                following = tree[node.left if values[node.column] <= node.bound else node.right]
                changes[self.columns[node.column].feature] += following.value - node.value
                node = following
        return changes


class Line(Part):
    """The log-odds that a score stands for: straight lines between the knots, flat beyond them; never falling."""

    knots: tuple[Number, ...]
    values: tuple[Number, ...]

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        _check_knots(self.knots, self.values)
        if list(self.values) != sorted(self.values):
            raise ValueError("a higher score never means a lower risk")
        return self

    def of(self, score: float) -> float:
        """The log-odds."""
        return on_line(score, self.knots, self.values)


class Formula(Part):
    """What a stage's model computes.

    Attributes:
        score: From the features.
        calibration: From the score to the log-odds of being abandoned.
    """

    score: Annotated[Curves | Trees, Field(discriminator="kind")]
    calibration: Line

    def risk(self, known: Mapping[str, Value]) -> float:
        """Chance that the session is abandoned, 0 to 1."""
        return sigmoid(self.calibration.of(self.score.of(known)))

    def raised(self, known: Mapping[str, Value]) -> dict[str, float]:
        """By how much each feature raises the log-odds compared with its usual amount, the most first.

        It is the difference to the log-odds of the same session with the usual amount of this feature.
        """
        score = self.score.of(known)
        here = self.calibration.of(score)
        more = {name: here - self.calibration.of(score - amount) for name, amount in self.score.raised(known).items()}
        return dict(sorted(more.items(), key=lambda item: -item[1]))


def scaled(number: float) -> float:
    """A number as curves see it: its logarithm, but with steps of nearly 1 around 0, on both sides of it."""
    return math.copysign(math.log1p(abs(number)), number)


def on_line(at: float, knots: Sequence[float], values: Sequence[float]) -> float:
    """The value at a place: straight lines between the knots, flat beyond them."""
    place = bisect_right(knots, at)
    if place in (0, len(knots)):
        return values[min(place, len(knots) - 1)]
    low, high = knots[place - 1 : place + 1]
    part = (at - low) / (high - low)
    return values[place - 1] * (1 - part) + values[place] * part


def sigmoid(log_odds: float) -> float:
    """The share with these log-odds."""
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, log_odds))))


def logit(share: float) -> float:
    """The log-odds of a share; those of 0 and 1 are bounded."""
    bounded = min(max(share, 1e-6), 1 - 1e-6)
    return math.log(bounded / (1 - bounded))


def _check_knots(knots: Sequence[float], values: Sequence[float]) -> None:
    if not knots or len(knots) != len(values) or list(knots) != sorted(set(knots)):
        raise ValueError("knots rise, and each has a value")


def _check_name(name: str, kind: str) -> None:
    if not is_property(name) and FEATURES.get(name) != kind:
        raise ValueError("a feature is one that is known, and is used by its kind")
