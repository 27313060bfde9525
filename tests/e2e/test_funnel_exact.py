"""A log of cases is sent as apps would, and every funnel over it equals an independent count exactly."""

from __future__ import annotations

import asyncio
import itertools
import random
import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final, TypeVar

import polars as pl
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from vestibule.v1 import funnel_pb2, session_pb2

from server.analytics.client import connect
from server.cli.channel import open_aio_channel
from tests.e2e import event_groups, event_log
from tests.e2e.harness import App, Server, start_server, stop_server
from tests.e2e.shared_ray import SharedRay

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1800)]
T = TypeVar("T")
G = TypeVar("G")

CLIENT: Final = "loans"
ORDERS: Final = ("ordered", "strict", "any")
PROPERTIES: Final = ("channel", "amount")
CLOCKS_OFF: Final = (timedelta(), timedelta(hours=2), -timedelta(hours=2), timedelta(days=3652), -timedelta(days=3652))
ONE_US: Final = timedelta(microseconds=1)


async def _all(begin: Callable[[G], Awaitable[T]], given: Iterable[G], at_once: int = 8) -> list[T]:
    """The answers, in order; a call begins when there is a place for it."""
    places = asyncio.Semaphore(at_once)

    async def one(item: G) -> T:
        async with places:
            return await begin(item)

    return await asyncio.gather(*map(one, given))


def _as_apps_send(log: pl.DataFrame, sessions: dict[str, str]) -> list[funnel_pb2.RecordEventsRequest]:
    """Shuffled, 5 % twice. Each device has its own clock; those that are nearly right say when they send.

    Sessions are opened last: the newest event of each case happens now, and the others before the opening.
    """
    chance = random.Random(5)
    off = {case: chance.choice(CLOCKS_OFF) for case in sessions}
    now = Timestamp()
    now.GetCurrentTime()
    newest = dict(log.group_by("case").agg(pl.col("at").max()).iter_rows())
    later = {case: now.ToMicroseconds() - newest[case] + off[case] // ONE_US for case in sessions}
    sent: dict[bool, list[funnel_pb2.AppEvent]] = {True: [], False: []}
    columns = ("case", "name", "at", "sequence", *PROPERTIES)
    for case, name, at, sequence, *given in log.select(columns).iter_rows():
        device_time = Timestamp()
        device_time.FromMicroseconds(at + later[case])
        event_id, session_id = str(uuid.uuid4()), sessions[case]
        sent[abs(off[case]) < timedelta(days=1)].append(
            funnel_pb2.AppEvent(
                event_id=event_id,
                session_id=session_id,
                name=name,
                device_time=device_time,
                sequence=sequence,
                properties={key: str(value) for key, value in zip(PROPERTIES, given, strict=True) if value is not None},
            )
        )
    requests = []
    for is_right, once in sent.items():
        events = once + chance.sample(once, len(once) // 20)
        chance.shuffle(events)
        batches = [events[at : at + 500] for at in range(0, len(events), 500)]
        requests += [
            funnel_pb2.RecordEventsRequest(events=batch, sent_time=now if is_right else None) for batch in batches
        ]
    chance.shuffle(requests)
    return requests


async def _send(app: App, log: pl.DataFrame) -> None:
    properties = [
        funnel_pb2.DeclaredProperty(
            key="channel", kind=funnel_pb2.PROPERTY_KIND_ENUMERATION, values=event_groups.CHANNELS
        ),
        funnel_pb2.DeclaredProperty(key="amount", kind=funnel_pb2.PROPERTY_KIND_NUMBER),
    ]
    declared = [funnel_pb2.DeclaredEvent(name=name, properties=properties) for name in log["name"].unique()]
    words = funnel_pb2.DeclareEventsRequest(client_id=CLIENT, events=declared, words_checked=True)
    await app.funnel.DeclareEvents(words, timeout=30)
    cases = log["case"].unique(maintain_order=True).to_list()
    ids = await _all(lambda _: app.open_session(client_id=CLIENT), cases)
    sessions = dict(zip(cases, ids, strict=True))
    batches = _as_apps_send(log, sessions)
    replies = await _all(lambda batch: app.funnel.RecordEvents(batch, timeout=60), batches, at_once=4)
    assert sum(reply.recorded_count for reply in replies) == log.height
    assert sum(reply.duplicate_count for reply in replies) == sum(len(batch.events) for batch in batches) - log.height
    # Every third session ends, so that some are dropped and some under way.
    ended = [session_pb2.AbandonSessionRequest(session_id=name, reason="user_cancelled") for name in ids[::3]]
    await _all(app.sessions.AbandonSession, ended)


def _request(steps: tuple[str, ...], window: timedelta | None, order: str) -> funnel_pb2.GetReportRequest:
    number = funnel_pb2.FunnelOrder.Value(f"FUNNEL_ORDER_{order.upper()}")
    request = funnel_pb2.GetReportRequest(client_id=CLIENT, steps=steps, order=number)
    if window is not None:
        request.window.FromTimedelta(window)
    return request


def _sql(steps: tuple[str, ...], window: timedelta | None, order: str) -> str:
    within = "NULL" if window is None else f"INTERVAL {window.days} DAY"
    call = f"funnel({list(steps)}, within := {within}, ordering := '{order}', client := '{CLIENT}')"
    return f"SELECT sessions FROM {call} ORDER BY position"


@pytest.fixture
def fast(home: Path, shared_ray: SharedRay) -> Iterator[Server]:
    """A server that lets one caller make as many calls as it likes: a log has thousands of sessions."""
    limits = ("limits.client_calls_per_s=100000", "limits.client_calls_burst=1000000")
    running = start_server(home, *limits, ray=shared_ray)
    yield running
    stop_server(running)


async def test_every_funnel_over_a_log_equals_an_independent_count(fast: Server) -> None:
    log = event_groups.with_properties(event_log.load())
    async with open_aio_channel(fast.address, credential=fast.operator_key) as channel:
        app = App(channel)
        await _send(app, log)
        await _compare(app, fast, log)
        await _compare_groups(app, log)
        await _compare_shapes(app, fast, log)


async def _compare(app: App, server: Server, log: pl.DataFrame) -> None:
    token = (server.state_dir / "quack.token").read_text(encoding="utf-8").strip()
    with connect(server.quack_port, token) as analyst:
        for funnel in itertools.product(event_log.FUNNELS, event_log.WINDOWS, ORDERS):
            expected = event_log.counts(log, *funnel)
            report = await app.funnel.GetReport(_request(*funnel), timeout=60)
            assert [stage.session_count for stage in report.stages] == expected, funnel
            rows = analyst.execute(_sql(*funnel)).fetchall()
            assert [sessions for (sessions,) in rows] == expected, funnel
            if funnel[1] == event_log.WINDOWS[-1]:
                await _check_lists(app, _request(*funnel), report.stages)


async def _compare_groups(app: App, log: pl.DataFrame) -> None:
    """By the first and the last channel: the counts, the amounts, and the list behind each count."""
    for steps, last in itertools.product(event_log.FUNNELS, (False, True)):
        cases = event_groups.reached(log, steps)
        cases = cases.join(event_groups.values(log, "channel", last=last), on="case", how="left")
        amounts = event_groups.values(log, "amount", last=True).rename({"value": "amount"})
        cases = cases.join(amounts, on="case", how="left")
        touch = funnel_pb2.FUNNEL_TOUCH_LAST if last else funnel_pb2.FUNNEL_TOUCH_FIRST
        request = _request(steps, None, "ordered")
        request.breakdown.by, request.breakdown.key = funnel_pb2.FUNNEL_DIMENSION_PROPERTY, "channel"
        request.breakdown.attribution.touch = touch
        request.interval = funnel_pb2.FUNNEL_INTERVAL_WEEK
        request.value.key = "amount"
        report = await app.funnel.GetReport(request, timeout=60)
        whole = [sum(week.stages[at].session_count for week in report.periods) for at in range(len(steps))]
        assert whole == event_groups.counts(cases, len(steps))
        assert sum(segment.stages[0].session_count for segment in report.segments) == cases.height
        for segment in report.segments:
            is_value = segment.key.kind == funnel_pb2.FUNNEL_SEGMENT_KIND_VALUE
            of = cases.filter(pl.col("value").eq_missing(segment.key.value if is_value else None))
            assert [stage.session_count for stage in segment.stages] == event_groups.counts(of, len(steps))
            for number, stage in enumerate(segment.stages, start=1):
                assert stage.value.total == of.filter(pl.col("reached") >= number)["amount"].sum()
            await _check_lists(app, request, segment.stages, segment.key)
        await _check_lists(app, request, report.stages)


async def _compare_shapes(app: App, server: Server, log: pl.DataFrame) -> None:
    """An optional second step, an excluded event, a window of the last step, and the first attempt alone."""
    token = (server.state_dir / "quack.token").read_text(encoding="utf-8").strip()
    limit, days = timedelta(days=3), timedelta(days=14)
    with connect(server.quack_port, token) as analyst:
        for steps, first in itertools.product(event_log.FUNNELS, (False, True)):
            excluded = next(name for name in log["name"].unique().sort() if name not in steps)
            required = (steps[0], *steps[2:])
            cases = event_groups.reached(
                log, required, days, excluded=excluded, step_windows={steps[-1]: limit}, first_attempt=first
            )
            request = _request(steps, days, "ordered")
            request.step_rules.add(position=2, optional=True)
            request.step_rules.add(position=len(steps)).window.FromTimedelta(limit)
            request.exclusions.add(name=excluded)
            request.attempt = funnel_pb2.FUNNEL_ATTEMPT_FIRST if first else funnel_pb2.FUNNEL_ATTEMPT_DEEPEST
            report = await app.funnel.GetReport(request, timeout=60)
            told = [stage.session_count for stage in report.stages]
            assert [told[0], *told[2:]] == event_groups.counts(cases, len(required)), (steps, first)
            windows = ["NULL"] * (len(steps) - 1) + [f"INTERVAL {limit.days} DAY"]
            rows = analyst.execute(
                f"""SELECT sessions FROM funnel_with({list(steps)},
                optional := ['{steps[1]}'], excluded := ['{excluded}'],
                windows := [{", ".join(windows)}], attempt := '{"first" if first else "deepest"}',
                within := INTERVAL {days.days} DAY, client := '{CLIENT}') ORDER BY position"""
            ).fetchall()
            assert [sessions for (sessions,) in rows] == told, (steps, first)
            await _check_lists(app, request, report.stages)


async def _check_lists(
    app: App,
    request: funnel_pb2.GetReportRequest,
    stages: Iterable[funnel_pb2.FunnelStage],
    segment: funnel_pb2.FunnelSegmentKey | None = None,
) -> None:
    for position, stage in enumerate(stages, start=1):
        for number, told in (
            (funnel_pb2.FUNNEL_NUMBER_REACHED, stage.session_count),
            (funnel_pb2.FUNNEL_NUMBER_DROPPED, stage.dropped_count),
            (funnel_pb2.FUNNEL_NUMBER_UNDER_WAY, stage.under_way_count),
        ):
            listed: list[str] = []
            behind = funnel_pb2.ListFunnelSessionsRequest(
                report=request, position=position, number=number, page_size=1000, segment=segment
            )
            while not listed or behind.page_token:
                page = await app.funnel.ListFunnelSessions(behind, timeout=60)
                listed += page.session_ids
                behind.page_token = page.next_page_token
                if not page.next_page_token:
                    break
            assert len(set(listed)) == len(listed) == told, (position, number)
