"""What only shows that those who went on although a cause held are more patient than the others.

No feature shows how patient people are. Those whom a cause met and who went on are the patient ones, so they leave a
little less often at later steps. Without this rule the absence of the cause would be named at these steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from server.funnel.types import Cause, SessionTable

LARGEST_SHARE: Final = 1 / 3
"""How large such an effect can be, compared with that of the cause; docs/evaluation/funnel.md, "Hidden patience"."""
_OPPOSITE: Final = 0.75
"""Two conditions are opposites if exactly one of them holds in this share of the sessions. The bounds of a number are
estimated at each step anew."""


def left_by_a_cause(cause: Cause, causes: Sequence[Cause], table: SessionTable) -> bool:
    """Whether it is the opposite of a cause of an earlier step, with less than a third of its effect."""
    if cause.kind == "together":
        return False
    earlier = [e for e in causes if e.step_number < cause.step_number and e.feature == cause.feature]
    against = [e.log_odds.mid for e in earlier if _opposites(cause, e, table)]
    return cause.log_odds.mid < LARGEST_SHARE * max(against, default=0.0)


def _opposites(one: Cause, other: Cause, table: SessionTable) -> bool:
    seen = table.seen(one.conditions[0].feature)
    return bool((table.holds(one.conditions) != table.holds(other.conditions))[seen].mean() >= _OPPOSITE)
