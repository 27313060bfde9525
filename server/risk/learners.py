"""What is learnt with scikit-learn: a sum of curves, or small boosted trees. Each gives a score, and is plain data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np

from server.risk.curve_columns import CurveColumns
from server.risk.formula import Column, Curves, Node, Trees
from server.risk.moments import Flags, Matrix, Moments, frequent_levels, numbers_of
from server.risk.properties import is_property

STRENGTHS: Final = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
"""Weights of the data against the penalty on large amounts of a regression."""
TREES: Final = (20, 60)
"""Numbers of trees."""
TREE_RATE, TREE_DEPTH, LEAST_SHARE = 0.15, 3, 0.03
"""How much of what a tree learns counts; how deep it is; the least share of the weights in a leaf."""


@dataclass(frozen=True, slots=True)
class Learnt:
    """What one learner has learnt.

    Attributes:
        scores: Of all moments.
        score: Makes the same as plain data.
    """

    scores: Matrix
    score: Callable[[], Curves | Trees]


class Learner(Protocol):
    """Learns a score, the log-odds of being abandoned, from some moments with weights."""

    def learn(self, rows: Flags, weights: Matrix) -> Learnt:
        """Learn.

        Args:
            rows: The moments to learn from.
            weights: Of all moments.
        """


@dataclass(frozen=True, slots=True)
class CurveLearner:
    """A logistic regression on the columns of curves."""

    moments: Moments
    columns: CurveColumns
    strength: float

    def learn(self, rows: Flags, weights: Matrix) -> Learnt:
        """See ``Learner``."""
        from sklearn.linear_model import LogisticRegression

        matrix = self.columns.matrix
        made = LogisticRegression(C=self.strength, max_iter=2000)
        made.fit(matrix[rows], self.moments.abandoned[rows], sample_weight=weights[rows])
        amounts, start = made.coef_[0], float(made.intercept_[0])
        return Learnt(start + matrix @ amounts, lambda: self.columns.curves(start, amounts))


@dataclass(frozen=True, slots=True)
class TreeColumns:
    """What trees look at, with its numbers."""

    columns: tuple[Column, ...]
    matrix: Matrix

    @classmethod
    def of(cls, moments: Moments) -> TreeColumns:
        """The columns of all features that differ."""
        found = [pair for name, kind in moments.kinds.items() for pair in _tree_columns(moments, name, kind == "text")]
        kept = [(column, values) for column, values in found if len(np.unique(values[moments.known])) > 1]
        matrix = np.column_stack([np.zeros((len(moments.session), 0)), *(values for _, values in kept)])
        return cls(tuple(column for column, _ in kept), matrix)


def _tree_columns(moments: Moments, name: str, text: bool) -> list[tuple[Column, Matrix]]:
    values = moments.values(name)
    if text:
        levels, _ = frequent_levels(moments, values)
        return [
            (Column(feature=name, level=level), np.array([value == level for value in values], dtype=float))
            for level in levels
        ]
    numbers = numbers_of(values)
    present = numbers[moments.known & ~np.isnan(numbers)]
    # Other numbers are never negative. An unknown property counts as the middle one: it must not tell the client.
    unknown = float(np.median(present)) if is_property(name) and len(present) else -1.0
    return [(Column(feature=name, unknown=unknown), np.where(np.isnan(numbers), unknown, numbers))]


@dataclass(frozen=True, slots=True)
class TreeLearner:
    """Boosted trees."""

    moments: Moments
    columns: TreeColumns
    number: int

    def learn(self, rows: Flags, weights: Matrix) -> Learnt:
        """See ``Learner``."""
        from sklearn.ensemble import GradientBoostingClassifier

        made = GradientBoostingClassifier(
            n_estimators=self.number,
            learning_rate=TREE_RATE,
            max_depth=TREE_DEPTH,
            min_weight_fraction_leaf=LEAST_SHARE,
            subsample=0.5,
            max_features=0.5,
            random_state=0,
        )
        abandoned = self.moments.abandoned[rows]
        made.fit(self.columns.matrix[rows], abandoned, sample_weight=weights[rows])
        share = float(np.average(abandoned, weights=weights[rows]))

        def score() -> Trees:
            trees = tuple(_tree(each.tree_) for each in made.estimators_[:, 0])
            return Trees(start=float(np.log(share / (1 - share))), columns=self.columns.columns, trees=trees)

        return Learnt(made.decision_function(self.columns.matrix), score)


def _tree(found: Any) -> tuple[Node, ...]:
    """A tree of scikit-learn. Its nodes are in an order in which children come later; inner ones get their mean."""
    values = (TREE_RATE * found.value[:, 0, 0]).tolist()
    reached = found.weighted_n_node_samples.tolist()
    nodes: list[Node] = [Node(value=value) for value in values]
    for place in reversed(range(found.node_count)):
        left, right = int(found.children_left[place]), int(found.children_right[place])
        if left >= 0:
            both = reached[left] + reached[right]
            mean = (nodes[left].value * reached[left] + nodes[right].value * reached[right]) / both
            column, bound = int(found.feature[place]), float(found.threshold[place])
            nodes[place] = Node(value=mean, column=column, bound=bound, left=left, right=right)
    return tuple(nodes)


def learners(moments: Moments) -> Mapping[str, tuple[Learner, ...]]:
    """All that are tried, by kind."""
    curves, trees = CurveColumns(moments), TreeColumns.of(moments)
    return {
        "curves": tuple(CurveLearner(moments, curves, strength) for strength in STRENGTHS),
        "trees": tuple(TreeLearner(moments, trees, number) for number in TREES) if trees.columns else (),
    }
