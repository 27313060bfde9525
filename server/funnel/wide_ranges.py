"""Conditions on one number that say together that it is in a wider range, or nearly the same.

Ranges are tried up to a width. What matters in a wider one is found as ranges side by side, or as a lower and an upper
bound. Such bounds hold outside the range, too, each on its own side, so that nothing is left to compare with: both have
the whole effect, and what they bring counts twice. Said as the range, and as what one part has beyond the other, the
model is the same. What is not clear then goes, as everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, permutations
from math import inf

from server.funnel.logistic import Floats
from server.funnel.model import Term
from server.funnel.types import Condition, Flags

NEARLY = 0.2
"""Two bounds are nearly the same if they differ in less than this share of the sessions of either."""


def in_one_range(terms: Sequence[Term], effects: Floats) -> list[Term] | None:
    """The terms with a range in place of two conditions on a number, which may both have the same other condition.

    Args:
        terms: Those of a model.
        effects: The effect of each. What the part with the larger one has beyond the other part stays as a term.

    Returns:
        None where there are no such two conditions.
    """
    for first, second in permutations(range(len(terms)), 2):
        for place, other in _same_number(terms[first], terms[second]):
            range_and_part = _joined(
                terms[first], place, terms[second], other, larger_first=bool(effects[first] > effects[second])
            )
            if range_and_part is not None and min(effects[first], effects[second]) > 0:
                return [*(term for k, term in enumerate(terms) if k not in {first, second}), *range_and_part]
    return None


def without_near_bounds(terms: Sequence[Term], effects: Floats, columns: Sequence[Floats]) -> list[Term]:
    """The terms without each bound of a number that is nearly another one with a larger effect.

    The bounds that are tried lie on both sides of the true one. With many sessions both are found, each with a part of
    the effect.

    Args:
        terms: Those of a model.
        effects: The effect of each.
        columns: The sessions of each, 1 where it holds.
    """
    left_out = set()
    for first, second in combinations(range(len(terms)), 2):
        for place, other in _same_number(terms[first], terms[second]):
            bound, nearly = terms[first].conditions[place], terms[second].conditions[other]
            apart = abs(columns[first] - columns[second]).sum()
            if bound.operator == nearly.operator != "in" and apart < NEARLY * min(
                columns[first].sum(), columns[second].sum()
            ):
                left_out.add(first if effects[first] < effects[second] else second)
    return [term for k, term in enumerate(terms) if k not in left_out]


def _same_number(term: Term, other: Term) -> Iterator[tuple[int, int]]:
    """The places of conditions on the same number, where all else is the same."""
    for place, condition in enumerate(term.conditions):
        for other_place, found in enumerate(other.conditions):
            if found.feature == condition.feature and _without(term, place) == _without(other, other_place):
                yield place, other_place


def _joined(term: Term, place: int, other: Term, other_place: int, *, larger_first: bool) -> tuple[Term, Term] | None:
    """The range, and the part that has the larger effect; None where the conditions are neither of the two kinds."""
    bounds, other_bounds = _bounds(term.conditions[place]), _bounds(other.conditions[other_place])
    if bounds is None or other_bounds is None:
        return None
    (low, high), (other_low, other_high) = bounds, other_bounds
    members, other_members = term.members[place], other.members[other_place]
    if high == inf and other_low == -inf and low < other_high:
        whole = _with(term, place, (low, other_high), members & other_members)
        if larger_first:
            return whole, _with(term, place, (other_high, inf), members & ~other_members)
        return whole, _with(term, place, (-inf, low), other_members & ~members)
    if high == other_low and (low, other_high) != (-inf, inf):
        return _with(term, place, (low, other_high), members | other_members), term if larger_first else other
    return None


def _bounds(condition: Condition) -> tuple[float, float] | None:
    """Above the first and up to the second; None for a condition of another kind."""
    if isinstance(condition.value, tuple):
        return condition.value
    if condition.operator == ">" and isinstance(condition.value, float):
        return condition.value, inf
    if condition.operator == "<=" and isinstance(condition.value, float):
        return -inf, condition.value
    return None


def _without(term: Term, place: int) -> tuple[Condition, ...]:
    return term.conditions[:place] + term.conditions[place + 1 :]


def _with(term: Term, place: int, bounds: tuple[float, float], members: Flags) -> Term:
    """A term with other bounds at a place."""
    feature, (low, high) = term.conditions[place].feature, bounds
    if low == -inf:
        condition = Condition(feature, "<=", high)
    elif high == inf:
        condition = Condition(feature, ">", low)
    else:
        condition = Condition(feature, "in", bounds)
    conditions, codes = list(term.conditions), list(term.members)
    conditions[place], codes[place] = condition, members
    return Term(tuple(conditions), term.features, tuple(codes))
