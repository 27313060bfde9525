"""The options of `vestibule funnel` that divide sessions and shape the steps, and the tables that they make."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click
import protovalidate
import pytest
from google.protobuf.json_format import MessageToDict
from vestibule.v1 import funnel_pb2

from server.cli.funnel_details import DetailOptions, add_details
from server.cli.funnel_table import report_rows, table_rows


def request_of(order: int = 0, **given: Any) -> funnel_pb2.GetReportRequest:
    request = funnel_pb2.GetReportRequest(steps=["cart", "coupon", "pay"], order=order)  # type: ignore[arg-type]
    add_details(request, DetailOptions(**given))
    protovalidate.validate(request)
    return request


def asked(**given: Any) -> dict[str, Any]:
    message: dict[str, Any] = MessageToDict(request_of(**given), preserving_proto_field_name=True)
    del message["steps"]
    return message


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"by": "variant"}, {"breakdown": {"by": "FUNNEL_DIMENSION_VARIANT"}}),
        ({"by": "event:help"}, {"breakdown": {"by": "FUNNEL_DIMENSION_EVENT", "key": "help"}}),
        ({"by": "property:variant"}, {"breakdown": {"by": "FUNNEL_DIMENSION_PROPERTY", "key": "variant"}}),
        (
            {"by": "lens", "attribution": "pay"},
            {
                "breakdown": {
                    "by": "FUNNEL_DIMENSION_PROPERTY",
                    "key": "lens",
                    "attribution": {"touch": "FUNNEL_TOUCH_STEP", "position": 3},
                }
            },
        ),
        ({"every": "week", "quantiles": True}, {"interval": "FUNNEL_INTERVAL_WEEK", "quantiles": True}),
        ({"value": "amount"}, {"value": {"key": "amount"}}),
        (
            {"optional": "coupon", "step_windows": ("pay=10m", "coupon=1h")},
            {"step_rules": [{"position": 2, "optional": True, "window": "3600s"}, {"position": 3, "window": "600s"}]},
        ),
        (
            {"where": ("cart.channel=web,app", "pay.amount>=5", "pay.amount<=9.5", "coupon.code")},
            {
                "step_rules": [
                    {"position": 1, "condition": {"key": "channel", "values": ["web", "app"]}},
                    {"position": 2, "condition": {"key": "code"}},
                    {"position": 3, "condition": {"key": "amount", "least": 5.0, "most": 9.5}},
                ]
            },
        ),
        (
            {"exclude": ("help", "left@coupon"), "attempt": "last"},
            {
                "exclusions": [{"name": "help"}, {"name": "left", "after_position": 2}],
                "attempt": "FUNNEL_ATTEMPT_LAST",
            },
        ),
    ],
)
def test_options_become_a_request(given: dict[str, Any], expected: dict[str, Any]) -> None:
    assert asked(**given) == expected


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"by": "variant", "attribution": "last"}, "--attribution needs --by"),
        ({"by": "lens", "attribution": "sent"}, "sent is none of the --steps"),
        ({"by": "lens", "attribution": "pay", "order": 3}, "needs an order"),
        ({"optional": "pay"}, "cannot be optional"),
        ({"optional": "coupon", "order": 2}, "need --steps that are ordered"),
        ({"step_windows": ("pay",)}, "takes STEP=TIME"),
        ({"step_windows": ("cart=1m",)}, "has no window"),
        ({"where": ("pay",)}, "takes STEP.KEY=VALUES"),
        ({"where": ("pay.a=1", "pay.b=1")}, "one key for a step"),
        ({"where": ("pay.a>=x",)}, "compares with a number"),
        ({"exclude": ("help@left",)}, "left is none of the --steps"),
    ],
)
def test_options_that_make_no_sense_are_refused(given: dict[str, Any], told: str) -> None:
    with pytest.raises(click.UsageError, match=told):
        request_of(**given)


def test_rows_name_their_group_and_their_time() -> None:
    stage = funnel_pb2.FunnelStage(name="cart", session_count=4)
    few = funnel_pb2.FunnelStage(
        name="pay", session_count=1, drop_off=funnel_pb2.Estimate(value=0.5, low=0.1, high=0.9)
    )
    period = funnel_pb2.FunnelPeriod(stages=[stage])
    period.start_time.FromDatetime(datetime(2026, 11, 23, tzinfo=UTC))
    segments = [
        funnel_pb2.FunnelSegment(key=funnel_pb2.FunnelSegmentKey(kind=1, value="x"), stages=[stage], periods=[period]),  # type: ignore[arg-type]
        funnel_pb2.FunnelSegment(key=funnel_pb2.FunnelSegmentKey(kind=3), stages=[stage]),  # type: ignore[arg-type]
    ]
    report = funnel_pb2.GetReportResponse(stages=[stage], segments=segments, periods=[period])
    rows = report_rows(report, request_of(by="lens", every="week", quantiles=True, value="amount"))
    assert [(row["group_kind"], row["group"], row["period"]) for row in rows] == [
        ("all", None, None),
        ("all", None, "2026-11-23"),
        ("value", "x", None),
        ("value", "x", "2026-11-23"),
        ("none", None, None),
    ]
    assert {row["severity"] for row in rows} == {None}  # nobody is dropped before the first step
    [told] = report_rows(funnel_pb2.GetReportResponse(stages=[few]), request_of())
    assert (told["severity"], told["low"], told["high"]) == ("too little data", 0.1, 0.9)
    columns, shown = table_rows(rows)
    assert columns == [
        *("group", "period", "stage", "sessions", "under_way", "dropped", "counted", "drop_off_rate", "low", "high"),
        *("median", "severity", "conversion", "p25", "p50", "p75", "p90", "with_value", "total", "dropped_total"),
    ]
    assert [row[0] for row in shown] == ["(all)", "(all)", "x", "x", "(no value)"]


@pytest.mark.parametrize(
    ("stage", "counted", "rate"),
    [
        ({}, 0, None),  # nobody came so far
        ({"drop_off": {"low": 0.0, "high": 1.0}}, 0, None),  # nobody had their time
        ({"drop_off": {"value": 0.0, "high": 0.1}, "counted_count": 40}, 40, 0.0),  # nobody left
        ({"drop_off": {"value": 0.25}, "counted_count": 40, "drop_off_rate": 0.25}, 40, 0.25),
        ({"optional": True, "session_count": 3}, None, None),
    ],
)
def test_a_rate_of_nobody_is_empty_and_not_0(stage: dict[str, Any], counted: int | None, rate: float | None) -> None:
    stages = [funnel_pb2.FunnelStage(name="cart"), funnel_pb2.FunnelStage(name="pay", **stage)]
    segment = funnel_pb2.FunnelSegment(stages=stages, periods=[funnel_pb2.FunnelPeriod(stages=stages)])
    report = funnel_pb2.GetReportResponse(stages=stages, segments=[segment])
    rows = report_rows(report, request_of(by="lens", every="week"))
    assert [(row["counted"], row["drop_off_rate"]) for row in rows] == [(None, None), (counted, rate)] * 3
    columns, shown = table_rows(rows)
    assert [row[columns.index("drop_off_rate")] for row in shown] == [None, rate] * 3
