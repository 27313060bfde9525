"""A report as one JSON document."""

from __future__ import annotations

from typing import Any

from server.funnel.drop_offs import DropOff
from server.funnel.optimizer import FunnelReport
from server.funnel.types import Interval


def document(report: FunnelReport) -> dict[str, Any]:
    """The report as plain values. Rates are shares from 0 to 1, times are in seconds."""
    until = report.observed_until
    return {
        "sessions": report.sessions,
        "observed_until": f"{until:%Y-%m-%dT%H:%M:%SZ}" if until else None,
        "drop_offs": [_drop_off(found) for found in report.drop_offs],
    }


def _drop_off(found: DropOff) -> dict[str, Any]:
    count = found.count
    return {
        "from_stage": count.from_stage.value,
        "to_stage": count.to_stage.value,
        "entered": count.entered,
        "continued": count.went_on,
        "dropped": count.dropped,
        "waiting": count.waiting,
        "under_way": count.under_way,
        "drop_off_rate": interval(found.rate),
        "severity": found.severity.lower() or "too little data",
        "median_s": count.median_s,
        "category": found.categories[0] if found.categories else None,
        "categories": list(found.categories),
    }


def interval(found: Interval) -> dict[str, float]:
    """An estimate with its bounds."""
    return {"value": round(found.mid, 6), "low": round(found.low, 6), "high": round(found.high, 6)}
