"""What a report of a funnel may have beside the numbers of its stages, and how it is told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from server.analytics.funnel import Number
from server.funnel.types import Interval
from server.ledger.stage_report import StageReport

Dimension = Literal["property", "variant", "client", "language", "event"]
Touch = Literal["first", "last", "step"]
Period = Literal["day", "week", "month"]
SegmentKind = Literal["value", "other", "none"]

QUANTILES: Final = (0.25, 0.5, 0.75, 0.9)


@dataclass(frozen=True, slots=True)
class Attribution:
    """Which value of a property counts.

    Attributes:
        position: The step, from 1, for ``step``.
    """

    touch: Touch
    position: int = 0


@dataclass(frozen=True, slots=True)
class Breakdown:
    """What divides the sessions.

    Attributes:
        key: Of the property, or the name of the event or stage.
        most: Values that are counted apart; the rest is one group.
    """

    by: Dimension
    key: str = ""
    attribution: Attribution = Attribution("first")
    most: int = 25


@dataclass(frozen=True, slots=True)
class Amount:
    """A number that is added up."""

    key: str
    attribution: Attribution = Attribution("last")


@dataclass(frozen=True, slots=True)
class Details:
    """What a report has beside the numbers of its stages.

    Attributes:
        breakdown: The groups that are counted apart, too.
        period: The lengths of time that are counted apart, too.
        quantiles: Whether it has quantiles of the times.
        amount: The number that is added up.
    """

    breakdown: Breakdown | None = None
    period: Period | None = None
    quantiles: bool = False
    amount: Amount | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """A group of sessions; ``value`` is None unless ``kind`` is ``value``."""

    kind: SegmentKind
    value: str | None = None


@dataclass(frozen=True, slots=True)
class StageAmount:
    """A number over the sessions at a stage.

    Attributes:
        sessions: Those that have it.
        median: None when there is none.
        dropped_total: Its sum over the sessions that were dropped before the stage.
    """

    sessions: int
    total: float
    median: float | None
    dropped_total: float


@dataclass(frozen=True, slots=True)
class StageDetails:
    """A stage with its details.

    Attributes:
        conversion: Share of the first stage that reached this one, 0 to 1, with its interval: the product of the shares
            that made each required step, and of an optional step itself. None where a step counts no session, unless
            nobody made one before it.
        times_s: ``QUANTILES`` of the seconds from the stage or required step before; empty when nobody made it or
            nobody asked.
        times_from_first_s: The same from the first stage.
    """

    report: StageReport
    conversion: Interval | None
    times_s: tuple[float, ...] = ()
    times_from_first_s: tuple[float, ...] = ()
    amount: StageAmount | None = None
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Sessions that are counted together.

    Attributes:
        segment: Their group; None for all groups.
        start: The beginning of their time; None for all time.
    """

    segment: Segment | None
    start: datetime | None
    stages: tuple[StageDetails, ...]


@dataclass(frozen=True, slots=True)
class NumberOf:
    """A number that has a list of sessions.

    Attributes:
        position: Of the stage, from 1.
        segment: The group of sessions; None for all.
        start: The beginning of the time; None for all time.
    """

    position: int
    number: Number
    segment: Segment | None = None
    start: datetime | None = None
