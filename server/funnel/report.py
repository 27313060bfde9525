"""The report as a value."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from server.funnel.drop_offs import DropOff
from server.funnel.recommendations import Recommendation, Roi
from server.funnel.span import Span
from server.funnel.step_counts import Period
from server.funnel.steps import STAGES
from server.languages.texts import LANGUAGES


@dataclass(frozen=True, slots=True)
class UnknownName:
    """A name in the request that nothing has; it may be misspelt.

    Attributes:
        kind: event, key or client.
        suggestion: The known name that is most like it; empty when none is.
    """

    kind: str
    name: str
    suggestion: str = ""


@dataclass(frozen=True, slots=True)
class FunnelReport:
    """Where people leave, and what to change first.

    Attributes:
        sessions: Sessions that were opened, or that reached the first step.
        observed_until: Until when they were watched; None where there is no session.
        drop_offs: The steps in order.
        recommendations: The changes, the first one first.
        roi: What they should bring together; None without a recommendation.
        searched: Sessions in which causes were looked for: all, or a sample of a large number.
        compared: Conditions that were compared. The more there are, the stronger each has to be to be named.
        unsure_steps: Numbers of the steps at which even a strong cause may go unseen, for too little data.
        left_out: Labels of features that were left out of the search, because they follow from how far a session came.
        steps: The stages or steps of the funnel.
        language: ISO 639-1 code of its texts.
        span: From when to when the sessions were opened, and the versions of their apps.
        periods: The steps by week or month, in order.
        unknown: Names that nothing has.
    """

    sessions: int
    observed_until: datetime | None
    drop_offs: tuple[DropOff, ...]
    recommendations: tuple[Recommendation, ...] = ()
    roi: Roi | None = None
    searched: int = 0
    compared: int = 0
    unsure_steps: tuple[int, ...] = ()
    left_out: tuple[str, ...] = ()
    steps: tuple[str, ...] = STAGES.names
    language: str = LANGUAGES[0]
    span: Span = field(default_factory=Span)
    periods: tuple[Period, ...] = ()
    unknown: tuple[UnknownName, ...] = ()

    @property
    def worst(self) -> DropOff | None:
        """The step that loses the largest share of the sessions that enter it, among those with enough data."""
        absent = {found.name for found in self.unknown if found.kind == "event"}
        there = [found for found in self.drop_offs if found.count.to_stage not in absent]
        judged = [found for found in there if found.severity and found.count.dropped]
        return max(judged, key=lambda found: found.rate.mid, default=None)

    @property
    def first(self) -> Recommendation | None:
        """What to change first."""
        return self.recommendations[0] if self.recommendations else None
