"""One stage of the funnel, as it is counted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StageReport:
    """One stage of the funnel.

    Attributes:
        sessions: Sessions that reached it.
        under_way: Sessions that are in it and have not ended.
        dropped: Sessions of the stage before that ended without reaching it.
        drop_off_rate: ``dropped / (sessions + dropped)``, 0 to 1.
        median_s: Median time from the stage before, in seconds.
    """

    name: str
    sessions: int
    under_way: int
    dropped: int
    drop_off_rate: float
    median_s: float | None
    severity: str
