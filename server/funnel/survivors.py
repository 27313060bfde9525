"""What only says that those who went on in spite of a cause are more patient than the others.

No feature shows how patient people are. So at later steps it keeps people a little that the cause held before, and
would be named as if its opposite drove them away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from server.funnel.types import Cause, Operator

OPPOSITE: Mapping[Operator, Operator] = {"is": "not", "not": "is", ">": "<=", "<=": ">"}
MOST_OF_THE_EFFECT = 1 / 2
"""How large the effect the other way may be at a later step, compared with that of the cause, and be left out."""


def left_by_a_cause(cause: Cause, causes: Sequence[Cause]) -> bool:
    """Whether it is the opposite of causes of earlier steps, with less than half of the effect of these."""
    if cause.kind == "together":
        return False
    (condition,) = cause.conditions
    earlier = [e for e in causes if e.step_number < cause.step_number and e.feature == condition.feature]
    against = [e.log_odds.mid for e in earlier if OPPOSITE.get(e.conditions[0].operator) == condition.operator]
    return cause.log_odds.mid < MOST_OF_THE_EFFECT * sum(against)
