"""Features that grow with the length of a session: they say how far a session came, not why it ended."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import stats

from server.funnel.coding import Codes
from server.funnel.logistic import Floats
from server.funnel.types import Column, Flags, SessionTable, unknown

LEAST_SESSIONS = 30
LEAST_LEAD = 0.05
"""How much more often than by chance those that went on from the first step have the larger value."""
LEAST_SHARE = 0.45
"""How much of that lead those have that left one step later. A feature that is fixed from the start, and low values of
which make people leave, gives them little: they left as well."""
LEAD_OF_THE_END = 0.45
"""A lead at the last step beyond which a feature is what happens at the end, such as a rating."""
SAME_FOR_LEAVERS = 0.95
"""A feature of the end has one value, such as none, for this share of those that left before."""
MOST_ROWS = 50_000


def growing_features(table: SessionTable, seed: int = 0) -> tuple[str, ...]:
    """The numbers and flags that are larger the further a session came, also among those that left.

    A count over the whole session is such a feature: who left early had no time for more of it. It would be named as
    if few events made people leave.
    """
    rows = np.arange(table.sessions)
    if len(rows) > MOST_ROWS:
        rows = np.random.default_rng(seed).choice(rows, MOST_ROWS, replace=False)
    reached, ended = table.reached[rows], table.ended[rows]
    found = []
    for name, column in table.features.items():
        steps = range(table.known_at.get(name, 1), len(table.steps))
        if any(_grows(_groups(values, reached, ended, steps)) for values in _aspects(column[rows])):
            found.append(name)
    return tuple(found)


def _aspects(column: Column) -> Iterator[Floats]:
    """What may grow: the values of a number or flag, and whether there is a value at all."""
    missing = unknown(column)
    if column.dtype.kind != "O":
        yield column.astype(np.float64)
    if missing.any():
        yield (~missing).astype(np.float64)


def _groups(values: Floats, reached: Codes, ended: Flags, steps: range) -> list[tuple[Floats, Floats]]:
    """For each step with enough of both, the values of those that left and of those that went on."""
    known = ~np.isnan(values)
    groups = [(values[known & ended & (reached == step)], values[known & (reached > step)]) for step in steps]
    return [(left, on) for left, on in groups if min(len(left), len(on)) >= LEAST_SESSIONS]


def _grows(groups: list[tuple[Floats, Floats]]) -> bool:
    """Whether it leads at every step, and the leavers of each step lead those of the step before.

    Or whether it tells almost without fail who finished, and is the same for nearly all others: it follows from that.
    """
    if groups and _follows_from_the_end(*groups[-1]):
        return True
    if len(groups) < 2:
        return False
    leads = [_lead(left, on) for left, on in groups]
    if leads[0][0] - 2.0 * leads[0][1] < LEAST_LEAD:
        return False
    later = [_lead(groups[k][0], groups[k + 1][0]) for k in range(len(groups) - 1)]
    if not (_clear(leads[1:]) and _clear(later[1:])):  # what makes people leave at the first step only leads there
        return False
    return sum(after for after, _ in later) >= LEAST_SHARE * sum(lead for lead, _ in leads[:-1])


def _follows_from_the_end(left: Floats, on: Floats) -> bool:
    """A bound below which all leave would tell who finished, too; but the values of those that left would differ."""
    _, counts = np.unique(left, return_counts=True)
    return bool(counts.max() > SAME_FOR_LEAVERS * len(left) and _lead(left, on)[0] > LEAD_OF_THE_END)


def _clear(leads: list[tuple[float, float]]) -> bool:
    """Whether all are above zero, and together by two standard errors."""
    z = [lead / error for lead, error in leads]
    return not z or (min(z) > 0.0 and sum(z) >= 2.0 * len(z) ** 0.5)


def _lead(left: Floats, on: Floats) -> tuple[float, float]:
    """How much more often than in half of all pairs the second has the larger value, with its standard error."""
    ranks = stats.rankdata(np.concatenate([left, on]))
    below, above = len(left), len(on)
    share = (ranks[below:].sum() - above * (above + 1) / 2) / (below * above)
    return float(share - 0.5), float(np.sqrt((below + above + 1) / (12.0 * below * above)))
