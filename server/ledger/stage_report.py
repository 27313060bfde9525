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
        counted: Sessions that reached the stage before and that the rate counts, because their end would be known by
            now; see ``step_cohorts``.
        counted_dropped: Those of them that ended without reaching it.
        median_s: Median time from the stage before, in seconds.
    """

    name: str
    sessions: int
    under_way: int
    dropped: int
    counted: int
    counted_dropped: int
    median_s: float | None
    severity: str

    @property
    def drop_off_rate(self) -> float:
        """``counted_dropped / counted``, 0 to 1; 0 where none counts."""
        return self.counted_dropped / self.counted if self.counted else 0.0
