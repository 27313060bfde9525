"""The tables of benchmarks/outage.py, and its bars."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks._outage_load import FAILED, Request
from benchmarks._outage_modes import BROKEN, Mode

MOST_RATIO = 1.2
"""Latency against that of the fallback alone."""
MOST_RESETS = 1.0
"""Reset times until the recovery is noticed."""


@dataclass(frozen=True, slots=True)
class Outage:
    """One outage, by ``time.monotonic``, and the calls that reached each port meanwhile."""

    mode: Mode
    began: float
    ended: float
    asked: dict[int, int]

    def within(self, requests: Sequence[Request]) -> list[Request]:
        """Those that were due during the outage."""
        return [request for request in requests if self.began <= request.at < self.ended]

    def attempts(self, port: int, connections: Sequence[tuple[float, int]]) -> int:
        """Attempts at this port: the calls that arrived, or the connections that were refused."""
        if self.mode is Mode.REFUSE:
            return sum(at == port for time, at in connections if self.began <= time < self.ended)
        return self.asked.get(port, 0)


@dataclass(frozen=True, slots=True)
class Contestant:
    """What one of them did.

    Attributes:
        reset_s: Its reset time or cooldown, as it was in the run.
        requests: In the order of their arrival.
        alone: The same requests, when the same software asked the fallback only.
        port: Its port of the upstream that breaks.
    """

    name: str
    reset_s: float
    requests: Sequence[Request]
    alone: Sequence[Request]
    port: int

    def noticed_s(self, outage: Outage) -> float:
        """Seconds from the end of an outage to the first later request that the first upstream serves again."""
        later = (one.at - outage.ended for one in self.requests if one.at >= outage.ended and one.served_by == BROKEN)
        return next(later, float("inf"))


def report(
    contestants: Sequence[Contestant], outages: Sequence[Outage], connections: Sequence[tuple[float, int]], scale: float
) -> bool:
    """Print everything; returns whether the first contestant, ours, keeps its bars."""
    heads = f"{'attempts':>8s} {'median':>14s} {'p95':>14s} {'mean':>14s} {'failed':>6s} {'noticed after':>21s}"
    print(f"{'outage':10s} {'contestant':22s} {heads}")
    for outage in outages:
        for one in contestants:
            noticed_s = one.noticed_s(outage)
            noticed = f"{noticed_s * scale:6.1f} s, {noticed_s / one.reset_s:4.2f} resets"
            print(_row(one, [outage], connections), noticed)
    for one in contestants:
        print(_row(one, outages, connections))
    during = _within(outages, contestants[0].requests)
    print(f"{len(during)} requests during the outages; {scale:g} times as fast as in reality.")
    return _keeps_bars(contestants[0], outages)


def _row(one: Contestant, outages: Sequence[Outage], connections: Sequence[tuple[float, int]]) -> str:
    during, alone = _within(outages, one.requests), _within(outages, one.alone)
    attempts = sum(outage.attempts(one.port, connections) for outage in outages) / len(during)
    figures = zip(_latencies(during), _latencies(alone), strict=True)
    latencies = " ".join(f"{took * 1000:6.0f} ms {took / bare:5.2f}" for took, bare in figures)
    failed = sum(request.served_by == FAILED for request in during)
    kind = outages[0].mode if len(outages) == 1 else "all"
    return f"{kind:10s} {one.name:22s} {attempts:8.2f} {latencies} {failed:6d}"


def _within(outages: Sequence[Outage], requests: Sequence[Request]) -> list[Request]:
    return [request for outage in outages for request in outage.within(requests)]


def _latencies(requests: Sequence[Request]) -> tuple[float, float, float]:
    """Median, 95th percentile and mean."""
    took = [request.took_s for request in requests]
    return statistics.median(took), statistics.quantiles(took, n=20)[-1], statistics.fmean(took)


def _keeps_bars(ours: Contestant, outages: Sequence[Outage]) -> bool:
    base = _latencies(_within(outages, ours.alone))
    median, _, mean = _latencies(_within(outages, ours.requests))
    bars = {
        f"median {median / base[0]:.2f} and mean {mean / base[2]:.2f} of the fallback alone, {MOST_RATIO} allowed": (
            max(median / base[0], mean / base[2]) <= MOST_RATIO
        ),
        "no request failed": all(request.served_by != FAILED for request in ours.requests),
        "every recovery was noticed within one reset time": all(
            ours.noticed_s(outage) <= MOST_RESETS * ours.reset_s for outage in outages
        ),
    }
    for bar, kept in bars.items():
        print(f"ours: {'kept' if kept else 'MISSED'}: {bar}")
    return all(bars.values())
