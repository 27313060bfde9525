"""What a request for a funnel asks for beside its stages, and the report as a message."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from vestibule.v1 import funnel_pb2

from models.errors import InvalidInput
from models.reasons import Reason
from server.analytics.funnel_details import (
    Amount,
    Attribution,
    Breakdown,
    Details,
    Dimension,
    Group,
    NumberOf,
    Period,
    Segment,
    SegmentKind,
    StageAmount,
    StageDetails,
    Touch,
)
from server.funnel.intervals import wilson
from server.funnel.types import Interval
from server.rpc import convert
from server.services.funnel_choice import NUMBERS

DEFAULT_VALUES: Final = 25
_DIMENSIONS: Final[dict[int, Dimension]] = {
    funnel_pb2.FUNNEL_DIMENSION_PROPERTY: "property",
    funnel_pb2.FUNNEL_DIMENSION_VARIANT: "variant",
    funnel_pb2.FUNNEL_DIMENSION_CLIENT: "client",
    funnel_pb2.FUNNEL_DIMENSION_LANGUAGE: "language",
    funnel_pb2.FUNNEL_DIMENSION_EVENT: "event",
}
_TOUCHES: Final[dict[int, Touch]] = {
    funnel_pb2.FUNNEL_TOUCH_FIRST: "first",
    funnel_pb2.FUNNEL_TOUCH_LAST: "last",
    funnel_pb2.FUNNEL_TOUCH_STEP: "step",
}
_PERIODS: Final[dict[int, Period]] = {
    funnel_pb2.FUNNEL_INTERVAL_DAY: "day",
    funnel_pb2.FUNNEL_INTERVAL_WEEK: "week",
    funnel_pb2.FUNNEL_INTERVAL_MONTH: "month",
}
_KINDS: Final[dict[SegmentKind, funnel_pb2.FunnelSegmentKind.ValueType]] = {
    "value": funnel_pb2.FUNNEL_SEGMENT_KIND_VALUE,
    "other": funnel_pb2.FUNNEL_SEGMENT_KIND_OTHER,
    "none": funnel_pb2.FUNNEL_SEGMENT_KIND_NONE,
}
_KINDS_BACK: Final[dict[int, SegmentKind]] = {number: kind for kind, number in _KINDS.items()}


def funnel_details(request: funnel_pb2.GetReportRequest) -> Details:
    """The details that a request asks for."""
    breakdown = request.breakdown
    return Details(
        breakdown=Breakdown(
            _DIMENSIONS[breakdown.by],
            breakdown.key,
            _attribution(breakdown.attribution, "first"),
            breakdown.max_values or DEFAULT_VALUES,
        )
        if request.HasField("breakdown")
        else None,
        period=_PERIODS.get(request.interval),
        quantiles=request.quantiles,
        amount=Amount(request.value.key, _attribution(request.value.attribution, "last"))
        if request.HasField("value")
        else None,
    )


def number_behind(request: funnel_pb2.ListFunnelSessionsRequest) -> NumberOf:
    """The number whose sessions a request asks for.

    Raises:
        InvalidInput: FUNNEL_PERIOD_UNKNOWN.
    """
    kind = _KINDS_BACK.get(request.segment.kind)
    return NumberOf(
        position=request.position,
        number=NUMBERS[request.number],
        segment=Segment(kind, request.segment.value if kind == "value" else None) if kind else None,
        start=_period_start(request) if request.HasField("period_start_time") else None,
    )


def _period_start(request: funnel_pb2.ListFunnelSessionsRequest) -> datetime:
    start, period = convert.moment(request.period_start_time), _PERIODS[request.report.interval]
    days_after = {"day": 0, "week": start.weekday(), "month": start.day - 1}[period]
    begins = start.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days_after)
    if start != begins:
        raise InvalidInput(
            f"No {period} of the report begins at this time.",
            reason=Reason.FUNNEL_PERIOD_UNKNOWN,
            hint=f"Give the day on which the {period} begins, in UTC: {begins.date()}.",
        )
    return start


def report_message(groups: Sequence[Group]) -> funnel_pb2.GetReportResponse:
    """A report; the first group is all sessions."""
    report = funnel_pb2.GetReportResponse()
    for group in groups:
        stages = [*_stage_messages(group.stages)]
        owner: funnel_pb2.GetReportResponse | funnel_pb2.FunnelSegment = report
        if group.segment is not None:
            if group.start is None:
                report.segments.add(key=_key(group.segment))
            owner = report.segments[-1]
        if group.start is None:
            owner.stages.extend(stages)
        else:
            owner.periods.add(start_time=convert.timestamp(group.start), stages=stages)
    return report


def _attribution(message: funnel_pb2.FunnelAttribution, usual: Touch) -> Attribution:
    return Attribution(_TOUCHES.get(message.touch, usual), message.position)


def _key(segment: Segment) -> funnel_pb2.FunnelSegmentKey:
    return funnel_pb2.FunnelSegmentKey(kind=_KINDS[segment.kind], value=segment.value or "")


def _stage_messages(stages: Sequence[StageDetails]) -> Iterator[funnel_pb2.FunnelStage]:
    for position, stage in enumerate(stages):
        yield _stage_message(stage, is_first=not position)


def _stage_message(stage: StageDetails, *, is_first: bool) -> funnel_pb2.FunnelStage:
    message = convert.stage(stage.report)
    message.optional = stage.optional
    report = stage.report
    if stage.conversion is not None:
        message.conversion_rate.CopyFrom(_estimate(stage.conversion))
    if not is_first and not stage.optional and report.sessions + report.dropped:
        message.drop_off.CopyFrom(_estimate(wilson(report.counted_dropped, report.counted)))
    if stage.times_s:
        message.times.CopyFrom(_quantiles(stage.times_s))
    if stage.times_from_first_s:
        message.times_from_first.CopyFrom(_quantiles(stage.times_from_first_s))
    if stage.amount is not None:
        message.value.CopyFrom(_value(stage.amount))
    return message


def _estimate(rate: Interval) -> funnel_pb2.Estimate:
    return funnel_pb2.Estimate(value=rate.mid, low=rate.low, high=rate.high)


def _quantiles(seconds: Sequence[float]) -> funnel_pb2.FunnelQuantiles:
    p25, p50, p75, p90 = (convert.duration(value) for value in seconds)
    return funnel_pb2.FunnelQuantiles(p25=p25, p50=p50, p75=p75, p90=p90)


def _value(amount: StageAmount) -> funnel_pb2.FunnelStageValue:
    return funnel_pb2.FunnelStageValue(
        session_count=amount.sessions,
        total=amount.total,
        median=amount.median or 0.0,
        dropped_total=amount.dropped_total,
    )
