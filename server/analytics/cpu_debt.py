"""Finds a query that runs on and on in the endpoint, although it was short when it was tried out."""

from __future__ import annotations

FREE_SHARE = 0.25
"""The process may use this share of a CPU for what is no query: it renews its snapshot and sends rows."""

QUERIES = 4.0
"""How many of the longest queries' time it may be over before it is killed; sending many rows takes a while, too."""


class CpuDebt:
    """CPU time that the process used beyond what its queries should need.

    The endpoint does not learn which query uses the time, nor when one ends. So only sums are compared: a query that
    runs on raises the debt until it is too high, however many short ones are admitted meanwhile.

    Args:
        longest_s: Longest time of one query.
    """

    def __init__(self, longest_s: float) -> None:
        self._longest_s = longest_s
        self._debt_s = 0.0
        self._last: tuple[float, float, float] | None = None

    def too_high(self, now_s: float, used_s: float, admitted_s: float) -> bool:
        """Take note of all sums so far; returns whether the process must be killed.

        Args:
            now_s: Seconds, monotonic.
            used_s: CPU time of the process.
            admitted_s: CPU time that all admitted queries together should need.
        """
        last_now_s, last_used_s, last_admitted_s = self._last or (now_s, used_s, admitted_s)
        self._last = (now_s, used_s, admitted_s)
        allowed_s = admitted_s - last_admitted_s + FREE_SHARE * (now_s - last_now_s)
        most_s = QUERIES * self._longest_s
        self._debt_s = max(-most_s, self._debt_s + used_s - last_used_s - allowed_s)
        return self._debt_s > most_s
