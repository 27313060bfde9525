"""The analysis of a funnel as a message, and back for the command line."""

from __future__ import annotations

from vestibule.v1 import funnel_pb2

from server.funnel.drop_offs import DropOff
from server.funnel.optimizer import FunnelReport
from server.funnel.step_counts import FUNNEL, StepCount
from server.funnel.types import Interval
from server.rpc import convert

_NO_SEVERITY = funnel_pb2.SEVERITY_UNSPECIFIED
_PREFIX = "SEVERITY_"


def analysis_message(report: FunnelReport) -> funnel_pb2.FunnelAnalysis:
    """A report as a message."""
    message = funnel_pb2.FunnelAnalysis(
        session_count=report.sessions, drop_offs=[_drop_off_message(found) for found in report.drop_offs]
    )
    if report.observed_until is not None:
        message.observe_end_time.CopyFrom(convert.timestamp(report.observed_until))
    return message


def report_of(message: funnel_pb2.FunnelAnalysis) -> FunnelReport:
    """A message as a report."""
    return FunnelReport(
        sessions=message.session_count,
        observed_until=convert.moment(message.observe_end_time) if message.HasField("observe_end_time") else None,
        drop_offs=tuple(_drop_off(found) for found in message.drop_offs),
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


def _drop_off(message: funnel_pb2.DropOff) -> DropOff:
    stages = [str(stage) for stage in FUNNEL]
    timed = message.HasField("median_time")
    count = StepCount(
        step=stages.index(message.to_stage),
        entered=message.entered_count,
        went_on=message.continued_count,
        dropped=message.dropped_count,
        under_way=message.under_way_count,
        median_s=message.median_time.ToTimedelta().total_seconds() if timed else None,
    )
    known = message.severity != _NO_SEVERITY
    severity = funnel_pb2.Severity.Name(message.severity).removeprefix(_PREFIX) if known else ""
    return DropOff(count, _interval(message.drop_off_rate), severity, tuple(message.categories))


def _estimate(interval: Interval) -> funnel_pb2.Estimate:
    return funnel_pb2.Estimate(value=interval.mid, low=interval.low, high=interval.high)


def _interval(message: funnel_pb2.Estimate) -> Interval:
    return Interval(low=message.low, mid=message.value, high=message.high)
