"""Features that grow with the length of a session: they say how far a session came, not why it ended."""

from __future__ import annotations

import numpy as np
from scipy import stats

from server.funnel.logistic import Floats
from server.funnel.types import SessionTable

LEAST_SESSIONS = 30
LEAST_LEAD = 0.05
"""How much more often than by chance those that went on from the first step have the larger value."""
LEAST_SHARE = 0.4
"""How much of that lead those have that left one step later. A feature that is fixed from the start, and low values of
which make people leave, gives them little: they left as well."""
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
        if column.dtype.kind != "O":
            values = column[rows].astype(np.float64)
            known = ~np.isnan(values)
            groups = [
                (values[known & ended & (reached == step)], values[known & (reached > step)])
                for step in range(table.known_at.get(name, 1), len(table.steps))
            ]
            if _grows([(left, on) for left, on in groups if min(len(left), len(on)) >= LEAST_SESSIONS]):
                found.append(name)
    return tuple(found)


def _grows(groups: list[tuple[Floats, Floats]]) -> bool:
    """Whether it leads at every step, and the leavers of each step lead those of the step before."""
    if len(groups) < 2:
        return False
    leads = [_lead(left, on) for left, on in groups]
    if leads[0][0] - 2.0 * leads[0][1] < LEAST_LEAD or min(lead for lead, _ in leads) <= 0.0:
        return False
    later = [_lead(groups[k][0], groups[k + 1][0]) for k in range(len(groups) - 1)]
    return all(after - error >= LEAST_SHARE * lead for (after, error), (lead, _) in zip(later, leads, strict=False))


def _lead(left: Floats, on: Floats) -> tuple[float, float]:
    """How much more often than in half of all pairs the second has the larger value, with its standard error."""
    ranks = stats.rankdata(np.concatenate([left, on]))
    below, above = len(left), len(on)
    share = (ranks[below:].sum() - above * (above + 1) / 2) / (below * above)
    return float(share - 0.5), float(np.sqrt((below + above + 1) / (12.0 * below * above)))
