"""A report as one JSON document."""

from __future__ import annotations

from typing import Any, Final

from server.funnel.drop_offs import DropOff
from server.funnel.recommendations import Evidence, Recommendation, Roi
from server.funnel.report import FunnelReport
from server.funnel.step_counts import Period
from server.funnel.types import Interval
from server.times import machine_time

NO_VALUE: Final = {"value": None}
"""Of a rate of no sessions; its bounds are 0 and 1."""


def document(report: FunnelReport) -> dict[str, Any]:
    """The report as plain values. Rates are shares from 0 to 1, times are in seconds."""
    until, span = report.observed_until, report.span
    return {
        "sessions": report.sessions,
        "first_session": machine_time(span.first) if span.first else None,
        "last_session": machine_time(span.last) if span.last else None,
        "observed_until": machine_time(until) if until else None,
        "app_versions": [{"value": found.value, "sessions": found.sessions} for found in span.versions],
        "drop_offs": [_drop_off(found) for found in report.drop_offs],
        "trend": {"unit": span.unit, "periods": [_period(found) for found in report.periods]},
        "recommendations": [_recommendation(found) for found in report.recommendations],
        "roi": _roi(report.roi) if report.roi else None,
        "searched_sessions": report.searched,
        "compared_conditions": report.compared,
        "too_little_data_into": [report.steps[step] for step in report.unsure_steps],
        "left_out_features": list(report.left_out),
    }


def _drop_off(found: DropOff) -> dict[str, Any]:
    count = found.count
    return {
        "from_stage": count.from_stage,
        "to_stage": count.to_stage,
        "entered": count.entered,
        "continued": count.went_on,
        "dropped": count.dropped,
        "waiting": count.waiting,
        "under_way": count.under_way,
        "drop_off_rate": {**interval(found.rate), **({} if count.counted else NO_VALUE)},
        "severity": found.severity.lower() or "too little data",
        "median_s": count.median_s,
        "category": found.categories[0] if found.categories else None,
        "categories": list(found.categories),
    }


def _period(found: Period) -> dict[str, Any]:
    return {
        "start": f"{found.start:%Y-%m-%d}",
        "drop_offs": [
            {"to_stage": count.to_stage, "dropped": count.dropped, "counted": count.counted} for count in found.steps
        ],
    }


def _recommendation(found: Recommendation) -> dict[str, Any]:
    return {
        "to_stage": found.to_stage,
        "category": found.category,
        "effort": found.effort,
        "title": found.title,
        "action": found.action,
        "improvement": interval(found.improvement),
        "further_completions": interval(found.completions),
        "quick_win": found.quick_win,
        "high_impact": found.high_impact,
        "evidence": _evidence(found.evidence) if found.evidence else None,
    }


def _evidence(seen: Evidence) -> dict[str, Any]:
    return {
        "condition": seen.condition,
        "features": list(seen.features),
        "conditions": [{"feature": c.feature, "operator": c.operator, "value": c.value} for c in seen.conditions],
        "affected": seen.affected,
        "left": seen.left,
        "others": seen.others,
        "unknown": seen.unknown,
        "rate_with": round(seen.rate_with, 6),
        "rate_without": round(seen.rate_without, 6),
        "odds_ratio": interval(seen.odds),
        "correlated_features": list(seen.correlated),
    }


def _roi(found: Roi) -> dict[str, Any]:
    return {
        "completion_rate": interval(found.rate),
        "estimated_completion_rate": interval(found.rate_then),
        "further_completions": interval(found.completions),
        "improvement": interval(found.improvement),
    }


def interval(found: Interval) -> dict[str, float]:
    """An estimate with its bounds."""
    return {"value": round(found.mid, 6), "low": round(found.low, 6), "high": round(found.high, 6)}
