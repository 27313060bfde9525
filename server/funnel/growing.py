"""Features that grow with the length of a session: they say how far a session came, not why it ended."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from server.funnel.coding import Codes
from server.funnel.logistic import Floats
from server.funnel.types import Column, Flags, SessionTable, unknown

LEAST_SESSIONS = 30
LEAST_LEAD = 0.05
"""How much more often than by chance those that went on from the first step have the larger value."""
LEAST_SHARE = 0.45
"""How much of that lead those have that left one step later. A feature that is fixed from the start, and low values of
which make people leave, gives them little: they left as well."""
LARGE_LEAD = 0.15
"""A lead at the first step beyond which a later step may show a small lead the other way by chance."""
CHANCE_Z = -1.5
"""How far the other way, in standard errors."""
LEAD_OF_A_STEP = 0.45
"""A lead beyond which a feature is what happens after a step, such as a rating or the number of photographs."""
SAME_FOR_LEAVERS = 0.95
"""Such a feature has one value, such as none, for this share of those that left at the step or before."""
LEAD_OF_THE_END = 0.47
"""A lead, either way, of those that finished over all that left, beyond which a feature is made by the end, such as a
length that contains the idle time after which a session ends."""
MOST_ROWS = 50_000


def growing_features(table: SessionTable, seed: int = 0) -> tuple[str, ...]:
    """The numbers and flags that are larger the further a session came, also among those that left.

    A count over the whole session is such a feature: who left early had no time for more of it. It would be named as
    if few events made people leave. A feature of which the table says when it is known grows no more from then on, so
    it is not judged: low values that make many people leave at each step look like a count.
    """
    rows = np.arange(table.sessions)
    if len(rows) > MOST_ROWS:
        rows = np.random.default_rng(seed).choice(rows, MOST_ROWS, replace=False)
    reached, ended = table.reached[rows], table.ended[rows]
    found = []
    for name, column in table.features.items():
        if name in table.known_at:
            continue
        aspects = [_Aspect(values, reached, ended, len(table.steps)) for values in _aspects(column[rows])]
        if any(aspect.grows() or aspect.follows() for aspect in aspects):
            found.append(name)
    return tuple(found)


def _aspects(column: Column) -> Iterator[Floats]:
    """What may grow: the values of a number or flag, and whether there is a value at all."""
    missing = unknown(column)
    if column.dtype.kind != "O":
        yield column.astype(np.float64)
    if missing.any():
        yield (~missing).astype(np.float64)


class _Aspect:
    """What may grow, with the values of those that left at each step and of those that went on."""

    def __init__(self, values: Floats, reached: Codes, ended: Flags, steps: int) -> None:
        known = ~np.isnan(values)
        groups = [
            (values[known & ended & (reached == step)], values[known & (reached > step)]) for step in range(1, steps)
        ]
        self._groups = [(left, on) for left, on in groups if min(len(left), len(on)) >= LEAST_SESSIONS]
        self._leads = [_lead(left, on) for left, on in self._groups]

    def grows(self) -> bool:
        """Whether it leads at every step, and the leavers of each step lead those of the step before."""
        groups, leads = self._groups, self._leads
        if len(groups) < 2 or leads[0][0] - 2.0 * leads[0][1] < LEAST_LEAD:
            return False
        later = [_lead(groups[k][0], groups[k + 1][0]) for k in range(len(groups) - 1)]
        least_z = CHANCE_Z if leads[0][0] >= LARGE_LEAD else 0.0
        if not (_clear(leads[1:], least_z) and _clear(later, least_z)):
            return False  # what makes people leave at the first step only leads there
        return sum(after for after, _ in later) >= LEAST_SHARE * sum(lead for lead, _ in leads[:-1])

    def follows(self) -> bool:
        """Whether it follows from what it would explain: it tells almost without fail who made a step, and is the same
        for nearly all others, or it tells who finished.

        A bound below which all leave would tell that, too; but the values of those that left would differ, and those
        that left at other steps would be on both sides of it.
        """
        before: list[Floats] = []
        for (left, _), (lead, _) in zip(self._groups, self._leads, strict=True):
            before.append(left)
            _, counts = np.unique(np.concatenate(before), return_counts=True)
            if counts.max() > SAME_FOR_LEAVERS * counts.sum() and lead > LEAD_OF_A_STEP:
                return True
        return bool(before) and abs(_lead(np.concatenate(before), self._groups[-1][1])[0]) > LEAD_OF_THE_END


def _clear(leads: list[tuple[float, float]], least_z: float) -> bool:
    """Whether none is below so many standard errors, and all together are above zero by two."""
    z = [lead / error for lead, error in leads]
    return not z or (min(z) > least_z and sum(z) >= 2.0 * len(z) ** 0.5)


def _lead(left: Floats, on: Floats) -> tuple[float, float]:
    """How much more often than in half of all pairs the second has the larger value, with its standard error."""
    _, whose, counts = np.unique(np.concatenate([left, on]), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[whose]  # SciPy's rankdata is in a module that takes long to import
    below, above = len(left), len(on)
    share = (ranks[below:].sum() - above * (above + 1) / 2) / (below * above)
    return float(share - 0.5), float(np.sqrt((below + above + 1) / (12.0 * below * above)))
