"""Two conditions that together raise leaving beyond what each does alone: a score test of every pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from server.funnel.finer_pairs import PAIR_GUARD
from server.funnel.logistic import Fit, Floats, fit, inflation, solve
from server.funnel.model import LEAST_LEFT, NEGATED, StepModel, Term, Tested
from server.funnel.singles import other_side
from server.funnel.step_data import StepData, together
from server.funnel.types import Condition, Flags

PAIR_CUTS = (1 / 3, 2 / 3)
"""The shares of sessions below the bounds at which a number enters a pair."""

CLEARLY_MORE = 2.0
"""By so many standard errors."""

LEAST_CLEAR = 3.0
"""The statistic from which on it is looked at how many persons are behind a pair: no lower one is ever named."""


LEAST_APART = 0.05
"""If a smaller share of the sessions that meet one condition lacks the other, the pair says no more than the one."""

CLEARLY_LESS = -2.0
"""The statistic below which two causes together raise leaving by less than both do alone."""


def less_together(model: StepModel) -> list[Term]:
    """Each two of the terms that together raise leaving by less than both do alone.

    They are no causes. But unless they are in the model, what goes with the absence of the one is named with the other.
    """
    result, columns = model.fitted(set()), model.columns(set())
    weighted = columns * result.weights[:, None]
    found = []
    for k, term in enumerate(model.terms):
        for other in model.terms[k + 1 :]:
            both = together(columns[:, 1 + k], other.column(model.data))
            if other.features[0] in model.together[term.features[0]] or not model.data.enough(_holding(both)):
                continue
            crossed = weighted.T @ both
            own = float(both**2 @ result.weights)
            variance = own - float(crossed @ solve(result.information + np.diag(result.penalty), crossed))
            error = variance**0.5 * model.data.widening((*term.features, *other.features), result.residuals)
            if variance > LEAST_LEFT * own and both @ result.residuals < CLEARLY_LESS * error:
                found.append(_both(term, other))
    return found


def best_pair(model: StepModel, terms: Sequence[Term]) -> tuple[Tested | None, int]:
    """The two conditions that most raise leaving beyond what each does alone; and how many pairs were tried."""
    data = model.data
    result, columns = model.fitted(set()), model.columns(set())
    penalised = result.information + np.diag(result.penalty)
    weighted = columns * result.weights[:, None]
    where_seen = _WhereSeen(model, columns, result.penalty)
    best: Tested | None = None
    tried = 0
    single = [term.column(data) for term in terms]
    for k, term in enumerate(terms):
        later = [j for j in range(k + 1, len(terms)) if terms[j].features[0] not in model.together[term.features[0]]]
        later = [j for j in later if not (_negates(term) and _negates(terms[j]))]  # That is the pair of both flags.
        rows = np.flatnonzero(single[k])
        gaps = [data.has_gaps((*term.features, *terms[j].features)) for j in later]
        pairs_of = zip(later, gaps, strict=True)
        products = [(j, together(single[k], single[j])[rows] if some else single[j][rows]) for j, some in pairs_of]
        products = [(j, product) for j, product in products if data.enough(_holding(product), PAIR_GUARD)]
        if not products:
            continue
        tried += len(products)
        pairs = np.array([product for _, product in products])
        crossed = (pairs @ weighted[rows]).T
        own = pairs**2 @ result.weights[rows]
        solved = solve(penalised, crossed)
        variance = own - np.einsum("ij,ij->j", crossed, solved)
        usable = variance > LEAST_LEFT * own
        effect = pairs @ result.residuals[rows]
        z = np.where(usable, effect / np.sqrt(np.where(usable, variance, 1.0)), 0.0)
        for place in np.flatnonzero(z > LEAST_CLEAR).tolist():
            other = terms[products[place][0]]
            one, two = single[k], single[products[place][0]]
            if (_negates(term) or _negates(other)) and not _both_matter(data, one, two):
                z[place] = 0.0
                continue
            if data.persons is not None:
                left_of_it = together(one, two) - columns @ solved[:, place]
                z[place] /= np.sqrt(inflation(left_of_it * result.residuals, data.persons))
            if data.has_gaps(_both(term, other).features) and z[place] > (0.0 if best is None else best.z):
                z[place] = min(z[place], where_seen.z(_both(term, other)))
        at = int(z.argmax())
        if best is None or z[at] > best.z:
            best = Tested(_both(term, terms[products[at][0]]), float(z[at]))
    return best, tried


@dataclass
class _WhereSeen:
    """Tests pairs in the sessions in which both features were seen.

    Those that left before a value came are a part of the leavers, the larger the more of them leave. In a model of all
    sessions two features that each raise leaving look like a pair for that alone. Among those with a value they do not.
    """

    model: StepModel
    columns: Floats
    penalty: Floats
    fits: dict[bytes, Fit] = field(default_factory=dict)

    def z(self, pair: Term) -> float:
        """The statistic of a pair; 0 where too little of it is new."""
        data, seen = self.model.data, self.model.data.seen(pair.features)
        columns, both = self.columns[seen], pair.column(data)[seen]
        key = seen.tobytes()
        result = self.fits[key] = self.fits.get(key) or fit(columns, data.left[seen], self.penalty)
        crossed, own = columns.T @ (result.weights * both), float(both @ result.weights)
        solved = solve(result.information + np.diag(result.penalty), crossed)
        variance = own - float(crossed @ solved)
        if variance <= LEAST_LEFT * own:
            return 0.0
        scores = (both - columns @ solved) * result.residuals
        persons = None if data.persons is None else data.persons[seen]
        return float(both @ result.residuals / np.sqrt(variance * inflation(scores, persons)))


def _holding(column: Floats) -> float:
    """The sessions that were seen to meet the conditions of a column."""
    return float(np.count_nonzero(column == 1.0))


def said_by_one(model: StepModel, pair: Term) -> Term | None:
    """That one of two conditions that says it all, as nearly all sessions that meet it meet the other one, too."""
    places = zip(pair.conditions, pair.features, pair.members, strict=True)
    each = [Term((condition,), (feature,), (members,)) for condition, feature, members in places]
    one, two = (term.column(model.data) for term in each)
    both, alone = _holding(one * two), (_holding(one * (two == 0.0)), _holding(two * (one == 0.0)))
    found = (term for term, apart in zip(each, alone, strict=True) if apart < LEAST_APART * (both + apart))
    return next(found, None)


def other_cell(model: StepModel, pair: Term, terms: Sequence[Term]) -> Term | None:
    """The pair with the opposites of both flags; None unless clearly more leave there, too.

    An example is two flags, and people leave where exactly one of them holds. Two pairs of conditions raise leaving
    then: each flag without the other. Once the model has what each flag does alone, both pairs have the same statistic.
    So a test of pairs names one of them, and not the other.
    """
    opposites = [(Condition(c.feature, NEGATED[c.operator]),) for c in pair.conditions if c.operator in NEGATED]
    sides = [term for wanted in opposites for term in terms if term.conditions == wanted]
    if len(sides) < 2:
        return None
    one, two = sides
    return _both(one, two) if _both_matter(model.data, one.column(model.data), two.column(model.data)) else None


def _negates(term: Term) -> bool:
    return term.conditions[0].operator == "not"


def _both_matter(data: StepData, one: Floats, two: Floats) -> bool:
    """Whether clearly more leave where both conditions hold than where either of them does and the other does not.

    That two flags together keep people also shows as one of them without the other, which drives nobody away.
    """

    def rate(holds: Flags) -> tuple[float, float]:
        share = float((data.left @ holds + 0.5) / (holds.sum() + 1.0))
        return share, share * (1.0 - share) / float(holds.sum() + 1.0)

    both, spread = rate((one == 1.0) & (two == 1.0))
    others = rate((one == 1.0) & (two == 0.0)), rate((one == 0.0) & (two == 1.0))
    return all(both - other > CLEARLY_MORE * (spread + own) ** 0.5 for other, own in others)


def pair_terms(model: StepModel) -> list[Term]:
    """What may enter a pair: things that happened or not, levels, a number above or below a third, what was found."""
    data = model.data
    terms = []
    for place, (feature, some) in enumerate(zip(data.features, data.candidates, strict=True)):
        flags = [c for c in some if c.condition.operator == "is"]
        cuts = [c for c in some if c.opposite is not None and c.condition.operator != "is"]
        chosen = [*flags] if feature.ordered else [c for c in some if c.condition.operator == "="]
        shares = [float(data.counts[data.span(place)] @ c.members) / len(data.left) for c in cuts]
        for cut in PAIR_CUTS if cuts else ():
            nearest = cuts[int(np.abs(np.array(shares) - (1 - cut)).argmin())]
            if cut > 0.5:
                chosen.append(nearest)
            elif nearest.opposite is not None:
                terms.append(Term((nearest.opposite,), (place,), (other_side(feature, nearest.members),)))
        terms += [Term((c.condition,), (place,), (c.members,)) for c in chosen]
        terms += [Term((c.opposite,), (place,), (other_side(feature, c.members),)) for c in flags if c.opposite]
    known = {term.conditions for term in terms}
    return terms + [t for t in model.terms if len(t.conditions) == 1 and t.conditions not in known]


def _both(term: Term, other: Term) -> Term:
    return Term(term.conditions + other.conditions, term.features + other.features, term.members + other.members)
