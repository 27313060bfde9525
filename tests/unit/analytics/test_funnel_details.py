"""GetReport by groups and by time, and the sessions behind each number, as callers ask."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import protovalidate
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from vestibule.v1 import funnel_pb2

from models.errors import InvalidInput
from server.access.audit import AuditTrail
from server.funnel.drop_offs import SeverityRules
from server.funnel.optimizer import FunnelOptimizer
from server.ledger.embedded import EmbeddedLedger
from server.ledger.readers import READERS
from server.services.funnel import FunnelService
from server.services.funnel_analysis import Analysis
from tests.fakes.funnel_service import funnel_service
from tests.fakes.gateway import FakeGateway
from tests.unit.analytics.naive_funnel import Happened
from tests.unit.analytics.naive_groups import Told
from tests.unit.analytics.test_funnel_groups import keep
from tests.unit.ledger.makers import NOW
from tests.unit.ledger.migrated import open_ledger

TRAIL = AuditTrail(bytes(32), bytes(32), lambda: NOW)
WEEKS = (datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 9, tzinfo=UTC))
LATER = WEEKS[1] + timedelta(days=1)
"""Every session had its time."""
S = 1_000_000


def walked(number: int, lens: str | None, amount: int, *, sent: bool, week: int) -> Told:
    given = {"amount": amount} if lens is None else {"amount": amount, "lens": lens}
    events = [Happened("opened", 0, 1, properties=json.dumps(given)), Happened("sent", number * S, 2)]
    return Told(f"s{number}", tuple(events[: 1 + sent]), WEEKS[week])


SESSIONS = (
    walked(1, "wide", 10, sent=True, week=0),
    walked(2, "wide", 20, sent=False, week=0),
    walked(3, "wide", 30, sent=True, week=1),
    walked(4, "tele", 40, sent=True, week=1),
    walked(5, "macro", 50, sent=False, week=1),
    walked(6, None, 60, sent=True, week=1),
)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[EmbeddedLedger]:
    opened = open_ledger(tmp_path / "ledger.duckdb", memory_bytes=128 * 1024 * 1024)
    opened.write_now(lambda cursor: keep(cursor, SESSIONS))
    yield opened
    opened.close()


@pytest.fixture
def service(ledger: EmbeddedLedger) -> FunnelService:
    return funnel_service(ledger, FakeGateway(), lambda: LATER, TRAIL)


def by_lens(**more: object) -> funnel_pb2.GetReportRequest:
    breakdown = funnel_pb2.FunnelBreakdown(by=funnel_pb2.FUNNEL_DIMENSION_PROPERTY, key="lens", max_values=2)
    return funnel_pb2.GetReportRequest(steps=["opened", "sent"], breakdown=breakdown, **more)  # type: ignore[arg-type]


def counts(stages: object) -> list[int]:
    return [stage.session_count for stage in stages]  # type: ignore[attr-defined]


async def test_a_report_has_segments_and_weeks(service: FunnelService) -> None:
    request = by_lens(interval=funnel_pb2.FUNNEL_INTERVAL_WEEK)
    protovalidate.validate(request)
    report = await service.GetReport(request, None)
    assert counts(report.stages) == [6, 4]
    assert [(segment.key.kind, segment.key.value, counts(segment.stages)) for segment in report.segments] == [
        (funnel_pb2.FUNNEL_SEGMENT_KIND_VALUE, "wide", [3, 2]),
        (funnel_pb2.FUNNEL_SEGMENT_KIND_VALUE, "macro", [1, 0]),
        (funnel_pb2.FUNNEL_SEGMENT_KIND_OTHER, "", [1, 1]),
        (funnel_pb2.FUNNEL_SEGMENT_KIND_NONE, "", [1, 1]),
    ]
    weeks = [(period.start_time.ToDatetime(UTC), counts(period.stages)) for period in report.periods]
    assert weeks == [(WEEKS[0], [2, 1]), (WEEKS[1], [4, 3])]
    assert [counts(period.stages) for period in report.segments[0].periods] == [[2, 1], [1, 1]]
    rate = report.segments[0].stages[1].conversion_rate
    # statsmodels' proportion_confint(2, 3, method="wilson")
    assert (round(rate.value, 4), round(rate.low, 4), round(rate.high, 4)) == (0.6667, 0.2077, 0.9385)


async def test_a_report_has_quantiles_and_a_value(service: FunnelService) -> None:
    request = funnel_pb2.GetReportRequest(
        steps=["opened", "sent"], quantiles=True, value=funnel_pb2.FunnelValue(key="amount")
    )
    protovalidate.validate(request)
    opened, sent = (await service.GetReport(request, None)).stages
    assert not opened.HasField("times")
    times = sent.times
    seconds = [value.ToTimedelta().total_seconds() for value in (times.p25, times.p50, times.p75, times.p90)]
    assert seconds == [2.5, 3.5, 4.5, 5.4]  # numpy.quantile of 1, 3, 4 and 6
    assert sent.times_from_first == times
    assert sent.median_time == times.p50
    told = [(stage.value.session_count, stage.value.total, stage.value.median) for stage in (opened, sent)]
    assert told == [(6, 210.0, 35.0), (4, 140.0, 35.0)]
    assert (opened.value.dropped_total, sent.value.dropped_total) == (0.0, 70.0)


async def test_a_total_is_a_finite_number(service: FunnelService, ledger: EmbeddedLedger) -> None:
    huge = [Told(f"s{n}", (Happened("opened", 0, 1, properties='{"amount": 1e308}'),), WEEKS[0]) for n in (8, 9)]
    ledger.write_now(lambda cursor: keep(cursor, [*SESSIONS, *huge]))
    request = funnel_pb2.GetReportRequest(steps=["opened", "sent"], value=funnel_pb2.FunnelValue(key="amount"))
    opened, sent = (await service.GetReport(request, None)).stages
    assert (opened.session_count, opened.value.session_count, opened.value.total) == (8, 6, 210.0)
    assert sent.value.dropped_total == 70.0


@pytest.mark.parametrize("details", [False, True])
async def test_the_conversion_rate_leaves_out_who_is_under_way(
    service: FunnelService, ledger: EmbeddedLedger, details: bool
) -> None:
    request = funnel_pb2.GetReportRequest(steps=["opened", "sent"], quantiles=details)
    running = [Told("s8", (Happened("opened", 0),), WEEKS[0], ended=False)]
    ledger.write_now(lambda cursor: keep(cursor, [*SESSIONS, *running]))
    opened, sent = (await service.GetReport(request, None)).stages
    assert (opened.session_count, opened.under_way_count, opened.conversion_rate.value) == (7, 1, 1.0)
    assert (sent.session_count, sent.conversion_rate.value) == (4, 4 / 6)
    assert sent.counted_count == 6


async def test_the_conversion_rate_is_of_sessions_that_had_their_time(
    service: FunnelService, ledger: EmbeddedLedger
) -> None:
    """Four of six old sessions went on. Of the new ones those that went on are known, and those that leave are not."""
    begun = LATER - timedelta(minutes=10)
    at = (begun - NOW) // timedelta(microseconds=1)
    went_on = (Happened("opened", at, 1), Happened("sent", at + S, 2))
    new = [Told(f"n{n}", went_on[: 1 + n % 2], begun, ended=False) for n in range(20)]
    ledger.write_now(lambda cursor: keep(cursor, [*SESSIONS, *new]))
    sent = (await service.GetReport(funnel_pb2.GetReportRequest(steps=["opened", "sent"]), None)).stages[1]
    assert (sent.session_count, sent.counted_count) == (14, 6)
    # statsmodels' proportion_confint(4, 6, method="wilson")
    rate = sent.conversion_rate
    assert (round(rate.value, 4), round(rate.low, 4), round(rate.high, 4)) == (0.6667, 0.3, 0.9032)


async def test_an_optional_step_is_not_made_once_the_next_is(service: FunnelService, ledger: EmbeddedLedger) -> None:
    """Of five sessions that went on at once two made it in passing; of a sixth that is still before it nobody knows."""
    walks = [
        Told(
            f"o{n}",
            (Happened("cart", 0, 1), *([Happened("coupon", S, 2)] if n < 2 else []), Happened("pay", 2 * S, 3)),
            WEEKS[0],
            ended=False,
        )
        for n in range(5)
    ]
    before = Told("o5", (Happened("cart", 0, 1),), WEEKS[0], ended=False)
    ledger.write_now(lambda cursor: keep(cursor, [*walks, before]))
    request = funnel_pb2.GetReportRequest(steps=["cart", "coupon", "pay"])
    request.step_rules.add(position=2, optional=True)
    stages = (await service.GetReport(request, None)).stages
    assert [stage.counted_count for stage in stages] == [0, 0, 5]
    assert [stage.conversion_rate.value for stage in stages] == [1.0, 0.4, 1.0]


async def test_a_group_has_its_list_of_sessions(service: FunnelService) -> None:
    report = by_lens(interval=funnel_pb2.FUNNEL_INTERVAL_WEEK)
    key = funnel_pb2.FunnelSegmentKey(kind=funnel_pb2.FUNNEL_SEGMENT_KIND_VALUE, value="wide")
    start = Timestamp()
    start.FromDatetime(WEEKS[0])

    async def listed(number: str, **group: object) -> list[str]:
        request = funnel_pb2.ListFunnelSessionsRequest(
            report=report,
            position=2,
            number=funnel_pb2.FunnelNumber.Value(f"FUNNEL_NUMBER_{number}"),
            **group,  # type: ignore[arg-type]
        )
        protovalidate.validate(request)
        return list((await service.ListFunnelSessions(request, None)).session_ids)

    assert await listed("REACHED") == ["s6", "s4", "s3", "s1"]
    assert await listed("REACHED", segment=key) == ["s3", "s1"]
    assert await listed("REACHED", segment=key, period_start_time=start) == ["s1"]
    assert await listed("DROPPED", period_start_time=start) == ["s2"]
    assert await listed("REACHED", segment=funnel_pb2.FunnelSegmentKey(kind=2)) == ["s4"]  # type: ignore[arg-type]
    assert await listed("REACHED", segment=funnel_pb2.FunnelSegmentKey(kind=3)) == ["s6"]  # type: ignore[arg-type]


async def test_a_shape_reaches_the_count_and_the_lists(service: FunnelService, ledger: EmbeddedLedger) -> None:
    ledger.write_now(lambda cursor: keep(cursor, SHAPED))
    request = funnel_pb2.GetReportRequest(steps=["cart", "coupon", "pay"], attempt=funnel_pb2.FUNNEL_ATTEMPT_FIRST)
    request.step_rules.add(position=2, optional=True)
    condition = funnel_pb2.FunnelCondition(key="amount", least=5, most=9)
    request.step_rules.add(position=3, condition=condition, window=Duration(seconds=10))
    request.exclusions.add(name="help", after_position=1)
    protovalidate.validate(request)
    report = await service.GetReport(request, None)
    told = [(stage.session_count, stage.dropped_count, stage.optional) for stage in report.stages]
    assert told == [(6, 0, False), (1, 0, True), (2, 4, False)]
    for position, number, ids in (
        (2, funnel_pb2.FUNNEL_NUMBER_REACHED, ["s1"]),
        (3, funnel_pb2.FUNNEL_NUMBER_REACHED, ["s2", "s1"]),
        (3, funnel_pb2.FUNNEL_NUMBER_DROPPED, ["s6", "s5", "s4", "s3"]),
        (2, funnel_pb2.FUNNEL_NUMBER_DROPPED, []),
    ):
        behind = funnel_pb2.ListFunnelSessionsRequest(report=request, position=position, number=number)
        assert list((await service.ListFunnelSessions(behind, None)).session_ids) == ids


async def test_a_condition_may_hold_any_character(service: FunnelService) -> None:
    request = funnel_pb2.GetReportRequest(steps=["opened", "sent"])
    condition = funnel_pb2.FunnelCondition(key="lens", values=["wide", "o'\0'b", "\0"])
    request.step_rules.add(position=1, condition=condition)
    protovalidate.validate(request)
    assert [stage.session_count for stage in (await service.GetReport(request, None)).stages] == [3, 2]


@pytest.mark.parametrize(
    ("module", "name", "slow"),
    [
        ("funnel", "grouped_report", funnel_pb2.GetReportRequest(steps=["opened", "sent"])),
        ("funnel", "grouped_report", by_lens()),
        ("funnel", "grouped_report", funnel_pb2.GetReportRequest(interval=funnel_pb2.FUNNEL_INTERVAL_WEEK)),
        (
            "funnel_lists",
            "sessions_behind",
            funnel_pb2.ListFunnelSessionsRequest(position=1, number=funnel_pb2.FUNNEL_NUMBER_REACHED),
        ),
    ],
)
async def test_slow_funnels_leave_a_reader_to_all_others_also_when_nobody_waits_for_them(
    service: FunnelService,
    ledger: EmbeddedLedger,
    monkeypatch: pytest.MonkeyPatch,
    module: str,
    name: str,
    slow: Message,
) -> None:
    method = "GetReport" if isinstance(slow, funnel_pb2.GetReportRequest) else "ListFunnelSessions"
    begun, over = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def wait(*args: object, **more: object) -> None:
        loop.call_soon_threadsafe(begun.set)
        over.wait(60)
        raise InvalidInput("Nobody hears this.")

    with monkeypatch.context() as patched:
        patched.setattr(f"server.services.{module}.{name}", wait)
        callers = [asyncio.create_task(getattr(service, method)(slow, None)) for _ in range(READERS + 1)]
        try:
            async with asyncio.timeout(60):
                await begun.wait()
                for caller in callers:
                    caller.cancel()
                await asyncio.wait(callers)
                callers.append(asyncio.create_task(getattr(service, method)(slow, None)))
                assert await ledger.read(lambda cursor: cursor.execute("SELECT 1").fetchone()) == (1,)
        finally:
            over.set()
        with pytest.raises(InvalidInput):
            await callers[-1]
    await getattr(service, method)(slow, None)


def _shaped(name: str, *events: tuple[str, int], amount: int = 7) -> Told:
    given = json.dumps({"amount": amount})
    return Told(name, tuple(Happened(event, at * S, properties=given) for event, at in events), NOW)


SHAPED = (
    _shaped("s1", ("cart", 0), ("coupon", 1), ("pay", 2)),
    _shaped("s2", ("cart", 0), ("pay", 10)),
    _shaped("s3", ("cart", 0), ("pay", 11)),  # too late
    _shaped("s4", ("cart", 0), ("pay", 1), amount=10),  # too much
    _shaped("s5", ("cart", 0), ("help", 1), ("pay", 2)),  # excluded
    _shaped("s6", ("cart", 0), ("cart", 20), ("pay", 21)),  # a later attempt
)


@pytest.mark.parametrize("interval", [0, funnel_pb2.FUNNEL_INTERVAL_WEEK])
async def test_a_drop_off_has_its_interval_and_the_severity_of_the_settings(
    service: FunnelService, ledger: EmbeddedLedger, interval: int
) -> None:
    optimizer = FunnelOptimizer(SeverityRules(high=0.1, critical=0.4, least_sessions=6))
    strict = funnel_service(ledger, FakeGateway(), lambda: NOW, TRAIL, Analysis(optimizer))
    request = funnel_pb2.GetReportRequest(steps=["opened", "sent"], interval=interval)  # type: ignore[arg-type]
    opened, sent = (await strict.GetReport(request, None)).stages
    assert not opened.HasField("drop_off")
    # statsmodels' proportion_confint(2, 6, method="wilson")
    assert [round(part, 4) for part in (sent.drop_off.value, sent.drop_off.low, sent.drop_off.high)] == [
        0.3333,
        0.0968,
        0.7000,
    ]
    assert sent.severity == funnel_pb2.SEVERITY_HIGH
    assert (await service.GetReport(request, None)).stages[1].severity == funnel_pb2.SEVERITY_UNSPECIFIED


def _attributed(touch: int, position: int, **report: object) -> funnel_pb2.GetReportRequest:
    attribution = funnel_pb2.FunnelAttribution(touch=touch, position=position)  # type: ignore[arg-type]
    value = funnel_pb2.FunnelValue(key="amount", attribution=attribution)
    return funnel_pb2.GetReportRequest(value=value, **report)  # type: ignore[arg-type]


def _ruled(order: int = 0, exclusion: tuple[str, int] | None = None, **rule: object) -> funnel_pb2.GetReportRequest:
    request = funnel_pb2.GetReportRequest(steps=["cart", "coupon", "pay"], order=order)  # type: ignore[arg-type]
    request.step_rules.add(**rule)
    if exclusion is not None:
        request.exclusions.add(name=exclusion[0], after_position=exclusion[1])
    return request


@pytest.mark.parametrize(
    ("rule", "request_"),
    [
        ("breakdown_key", funnel_pb2.FunnelBreakdown(by=funnel_pb2.FUNNEL_DIMENSION_PROPERTY)),
        ("breakdown_key", funnel_pb2.FunnelBreakdown(by=funnel_pb2.FUNNEL_DIMENSION_VARIANT, key="x")),
        (
            "breakdown_attribution",
            funnel_pb2.FunnelBreakdown(
                by=funnel_pb2.FUNNEL_DIMENSION_CLIENT,
                attribution=funnel_pb2.FunnelAttribution(touch=funnel_pb2.FUNNEL_TOUCH_LAST),
            ),
        ),
        ("attribution_position", _attributed(3, 0, steps=["a"])),
        ("attribution_position", _attributed(1, 1, steps=["a"])),
        ("attribution_step", _attributed(3, 2, steps=["a"])),
        ("attribution_step", _attributed(3, 1)),
        ("attribution_step", _attributed(3, 1, steps=["a"], order=funnel_pb2.FUNNEL_ORDER_ANY)),
        ("analyzed_steps", funnel_pb2.GetReportRequest(steps=["cart"], analyze=True)),
        (
            "analyzed_steps",
            funnel_pb2.GetReportRequest(steps=["a", "b"], order=funnel_pb2.FUNNEL_ORDER_ANY, analyze=True),
        ),
        ("shape_needs_order", funnel_pb2.GetReportRequest(attempt=funnel_pb2.FUNNEL_ATTEMPT_LAST)),
        ("shape_needs_order", _ruled(order=funnel_pb2.FUNNEL_ORDER_STRICT, position=2)),
        ("step_rule_position", _ruled(position=4)),
        ("step_rule_ends", _ruled(position=3, optional=True)),
        ("step_rule_ends", _ruled(position=1, optional=True)),
        ("step_rule_ends", _ruled(position=1, window=Duration(seconds=1))),
        ("exclusion", _ruled(position=2, exclusion=("pay", 0))),
        ("exclusion", _ruled(position=2, exclusion=("help", 3))),
        ("exclusion", _ruled(position=2, optional=True, exclusion=("help", 2))),
        (
            "group_of_report",
            funnel_pb2.ListFunnelSessionsRequest(position=1, number=1, period_start_time=Timestamp()),  # type: ignore[arg-type]
        ),
        (
            "group_of_report",
            funnel_pb2.ListFunnelSessionsRequest(
                position=1,
                number=funnel_pb2.FUNNEL_NUMBER_REACHED,
                segment=funnel_pb2.FunnelSegmentKey(kind=funnel_pb2.FUNNEL_SEGMENT_KIND_NONE),
            ),
        ),
    ],
)
def test_what_makes_no_sense_breaks_a_rule(rule: str, request_: Message) -> None:
    with pytest.raises(protovalidate.ValidationError) as caught:
        protovalidate.validate(request_)
    assert [violation.proto.rule_id for violation in caught.value.violations] == [rule]
    protovalidate.validate(_attributed(3, 1, steps=["a"]))
