"""The analysis of a funnel as a message, and back for the command line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from vestibule.v1 import funnel_pb2

from server.funnel.drop_offs import DropOff
from server.funnel.recommendations import Evidence, Recommendation, Roi
from server.funnel.report import FunnelReport, UnknownName
from server.funnel.span import Span, Version
from server.funnel.step_counts import Period, StepCount
from server.funnel.steps import STAGES
from server.funnel.types import Interval
from server.languages.texts import LANGUAGES
from server.rpc import convert
from server.services.funnel_conditions import condition_message, condition_of

_NO_SEVERITY = funnel_pb2.SEVERITY_UNSPECIFIED
_PREFIX = "SEVERITY_"
_GAIN = {"rate": "rate", "expected_rate": "rate_then", "completions": "completions", "improvement": "improvement"}
"""The fields of the message, and ours."""


def analysis_message(report: FunnelReport, stages: Sequence[str] = ()) -> funnel_pb2.FunnelAnalysis:
    """A report as a message.

    Args:
        report: The report.
        stages: All stages of the funnel, in order, also those that were not analyzed; empty if all were.
    """
    message = funnel_pb2.FunnelAnalysis(
        session_count=report.sessions,
        drop_offs=[_drop_off_message(found) for found in report.drop_offs],
        recommendations=[_recommendation_message(found, stages or report.steps) for found in report.recommendations],
        searched_session_count=report.searched,
        compared_condition_count=report.compared,
        unsure_stages=[report.steps[step] for step in report.unsure_steps],
        left_out_features=report.left_out,
    )
    if report.roi is not None:
        gain = {ours: _estimate(getattr(report.roi, name)) for ours, name in _GAIN.items()}
        message.gain.CopyFrom(funnel_pb2.FunnelGain(**gain))
    if report.observed_until is not None:
        message.observe_end_time.CopyFrom(convert.timestamp(report.observed_until))
    _add_span(message, report)
    return message


def _add_span(message: funnel_pb2.FunnelAnalysis, report: FunnelReport) -> None:
    span = report.span
    if span.first is not None and span.last is not None:
        message.first_create_time.CopyFrom(convert.timestamp(span.first))
        message.last_create_time.CopyFrom(convert.timestamp(span.last))
    for version in span.versions:
        message.app_versions.add(value=version.value, session_count=version.sessions)
    for period in report.periods:
        added = message.trend.add(start_time=convert.timestamp(period.start))
        for count in period.steps:
            added.steps.add(continued_count=count.went_on, dropped_count=count.dropped)


def _span(message: funnel_pb2.FunnelAnalysis) -> Span:
    if not message.HasField("first_create_time"):
        return Span()
    versions = tuple(Version(found.value, found.session_count) for found in message.app_versions)
    return Span(convert.moment(message.first_create_time), convert.moment(message.last_create_time), versions)


def _period(message: funnel_pb2.FunnelTrendPeriod, steps: tuple[str, ...]) -> Period:
    counts = (
        StepCount(number, found.continued_count + found.dropped_count, found.continued_count, found.dropped_count)
        for number, found in enumerate(message.steps, start=1)
    )
    return Period(convert.moment(message.start_time), tuple(replace(count, names=steps) for count in counts))


def report_of(
    message: funnel_pb2.FunnelAnalysis, language: str = LANGUAGES[0], unknown: Iterable[UnknownName] = ()
) -> FunnelReport:
    """A message as a report.

    Args:
        message: The analysis.
        language: That it was asked for in.
        unknown: Names in the request that nothing has.
    """
    steps = (*(found.from_stage for found in message.drop_offs[:1]), *(found.to_stage for found in message.drop_offs))
    return FunnelReport(
        sessions=message.session_count,
        observed_until=convert.moment(message.observe_end_time) if message.HasField("observe_end_time") else None,
        drop_offs=tuple(_drop_off(found, steps) for found in message.drop_offs),
        recommendations=tuple(_recommendation(found, steps) for found in message.recommendations),
        roi=_roi(message.gain) if message.HasField("gain") else None,
        searched=message.searched_session_count,
        compared=message.compared_condition_count,
        unsure_steps=tuple(steps.index(stage) for stage in message.unsure_stages),
        left_out=tuple(message.left_out_features),
        steps=steps or STAGES.names,
        language=language,
        span=_span(message),
        periods=tuple(_period(found, steps) for found in message.trend),
        unknown=tuple(unknown),
    )


def _drop_off_message(found: DropOff) -> funnel_pb2.DropOff:
    count = found.count
    severity = funnel_pb2.Severity.Value(f"{_PREFIX}{found.severity}") if found.severity else _NO_SEVERITY
    message = funnel_pb2.DropOff(
        from_stage=count.from_stage,
        to_stage=count.to_stage,
        entered_count=count.entered,
        continued_count=count.went_on,
        dropped_count=count.dropped,
        waiting_count=count.waiting,
        under_way_count=count.under_way,
        drop_off_rate=_estimate(found.rate),
        severity=severity,
        categories=found.categories,
    )
    if count.median_s is not None:
        message.median_time.CopyFrom(convert.duration(count.median_s))
    return message


def _drop_off(message: funnel_pb2.DropOff, steps: tuple[str, ...]) -> DropOff:
    timed = message.HasField("median_time")
    count = StepCount(
        step=steps.index(message.to_stage),
        entered=message.entered_count,
        went_on=message.continued_count,
        dropped=message.dropped_count,
        under_way=message.under_way_count,
        median_s=message.median_time.ToTimedelta().total_seconds() if timed else None,
        names=steps,
    )
    known = message.severity != _NO_SEVERITY
    severity = funnel_pb2.Severity.Name(message.severity).removeprefix(_PREFIX) if known else ""
    return DropOff(count, _interval(message.drop_off_rate), severity, tuple(message.categories))


def _recommendation_message(found: Recommendation, stages: Sequence[str]) -> funnel_pb2.FunnelRecommendation:
    message = funnel_pb2.FunnelRecommendation(
        to_stage=found.to_stage,
        category=found.category,
        effort=found.effort,
        title=found.title,
        action=found.action,
        improvement=_estimate(found.improvement),
        completions=_estimate(found.completions),
        quick_win=found.quick_win,
        high_impact=found.high_impact,
    )
    if (seen := found.evidence) is not None:
        evidence = funnel_pb2.FunnelEvidence(
            condition=seen.condition,
            features=seen.features,
            affected_count=seen.affected,
            left_count=seen.left,
            other_count=seen.others,
            unknown_count=seen.unknown,
            rate_with=seen.rate_with,
            rate_without=seen.rate_without,
            odds_ratio=_estimate(seen.odds),
            correlated_features=seen.correlated,
            conditions=map(condition_message, seen.conditions),
            position=stages.index(found.to_stage) + 1,
        )
        message.evidence.CopyFrom(evidence)
    return message


def _recommendation(message: funnel_pb2.FunnelRecommendation, steps: tuple[str, ...]) -> Recommendation:
    return Recommendation(
        step=steps.index(message.to_stage),
        category=message.category,
        effort=message.effort,
        title=message.title,
        action=message.action,
        improvement=_interval(message.improvement),
        completions=_interval(message.completions),
        evidence=_evidence(message.evidence) if message.HasField("evidence") else None,
        steps=steps,
    )


def _evidence(message: funnel_pb2.FunnelEvidence) -> Evidence:
    return Evidence(
        condition=message.condition,
        affected=message.affected_count,
        left=message.left_count,
        others=message.other_count,
        rate_with=message.rate_with,
        rate_without=message.rate_without,
        odds=_interval(message.odds_ratio),
        features=tuple(message.features),
        correlated=tuple(message.correlated_features),
        conditions=tuple(map(condition_of, message.conditions)),
        unknown=message.unknown_count,
    )


def _roi(message: funnel_pb2.FunnelGain) -> Roi:
    return Roi(**{name: _interval(getattr(message, ours)) for ours, name in _GAIN.items()})


def _estimate(interval: Interval) -> funnel_pb2.Estimate:
    return funnel_pb2.Estimate(value=interval.mid, low=interval.low, high=interval.high)


def _interval(message: funnel_pb2.Estimate) -> Interval:
    return Interval(low=message.low, mid=message.value, high=message.high)
