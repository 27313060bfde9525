"""Names in a request for a funnel that nothing has: told, with the known name that is most like each."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import protovalidate
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from vestibule.v1 import funnel_pb2 as pb

from models.errors import InvalidInput
from server.analytics.known_names import most_like
from server.ledger.columns import Cursor
from server.ledger.embedded import EmbeddedLedger
from server.ledger.types import SessionState
from server.services.funnel import count_funnel
from server.services.funnel_analysis import Analysis
from server.services.funnel_lists import list_behind
from tests.unit.funnel.stored import bulk, event_row, session_row
from tests.unit.ledger.makers import NOW, after
from tests.unit.ledger.migrated import open_ledger

Told = list[tuple[str, str, str]]
PROPERTY, EVENT = pb.FUNNEL_DIMENSION_PROPERTY, pb.FUNNEL_DIMENSION_EVENT


def keep(cursor: Cursor) -> None:
    """One session of a shop, one of another, which alone has checked_in."""
    bulk(
        cursor,
        "sessions",
        [
            session_row(name, SessionState.ABANDONED, client_id=client, language="de")
            for name, client in (("s1", "shop"), ("s2", "hotel"))
        ],
    )
    given = json.dumps({"channel": "web"})
    rows = [
        event_row("s1", 0, "stage_entered", NOW, stage=SessionState.STARTED),
        event_row("s1", 1, "app_opened", after(1), properties=given),
        event_row("s1", 2, "upload_refused", after(2), properties=json.dumps({"reason": "BLURRED"})),
        event_row("s2", 0, "stage_entered", NOW, stage=SessionState.STARTED),
        event_row("s2", 1, "checked_in", after(1), properties=json.dumps({"room": 7})),
    ]
    for row in rows:
        row["event_time"] = row["server_time"]
        row["device_time"] = row["server_time"] if row["name"] in ("app_opened", "checked_in") else None
        row["client_id"] = "hotel" if row["session_id"] == "s2" else "shop"
    bulk(cursor, "events", rows)


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[EmbeddedLedger]:
    opened = open_ledger(tmp_path / "ledger.duckdb", memory_bytes=128 * 1024 * 1024)
    opened.write_now(keep)
    yield opened
    opened.close()


def told(warnings: Any) -> Told:
    return [(each.field, pb.FunnelNameKind.Name(each.kind)[17:], each.suggestion) for each in warnings]


async def warned(ledger: EmbeddedLedger, visible_to: str = "", **given: Any) -> Told:
    request = pb.GetReportRequest(**given)
    protovalidate.validate(request)
    report = await count_funnel(ledger, request, lambda client: f"hash-{client}", Analysis(), visible_to=visible_to)
    assert all(each.description for each in report.warnings)
    return told(report.warnings)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"steps": ["app_opend", "COMPLETED"]}, [("steps[0]", "EVENT", "app_opened")]),
        ({"steps": ["app_opened", "zzz"], "order": pb.FUNNEL_ORDER_ANY}, [("steps[1]", "EVENT", "")]),
        ({"steps": ["completed", "app_opened"]}, [("steps[0]", "EVENT", "COMPLETED")]),
        ({"steps": ["stage_entered", "app_opened"]}, [("steps[0]", "EVENT", "STARTED")]),
        ({"steps": ["app_opened", "upload_acepted"]}, [("steps[1]", "EVENT", "upload_accepted")]),
        ({"client_id": "shpo"}, [("client_id", "CLIENT", "shop")]),
        ({"breakdown": pb.FunnelBreakdown(by=PROPERTY, key="chanel")}, [("breakdown.key", "KEY", "channel")]),
        ({"breakdown": pb.FunnelBreakdown(by=PROPERTY, key="reason")}, [("breakdown.key", "KEY", "")]),
        ({"breakdown": pb.FunnelBreakdown(by=EVENT, key="app_open")}, [("breakdown.key", "EVENT", "app_opened")]),
        ({"value": pb.FunnelValue(key="channnel")}, [("value.key", "KEY", "channel")]),
        ({"value": pb.FunnelValue(key="channel")}, [("value.key", "KEY", "")]),  # a text, and no number
        (
            {"steps": ["app_opened", "COMPLETED"], "exclusions": [pb.FunnelExclusion(name="upload_refusd")]},
            [("exclusions[0].name", "EVENT", "upload_refused")],
        ),
        (
            {
                "steps": ["app_opened", "upload_refused"],
                "step_rules": [pb.FunnelStepRule(position=2, condition=pb.FunnelCondition(key="reasn"))],
            },
            [("step_rules[0].condition.key", "KEY", "reason")],
        ),
        (
            {
                "steps": ["app_opend", "COMPLETED"],
                "step_rules": [pb.FunnelStepRule(position=1, condition=pb.FunnelCondition(key="reason"))],
            },
            [("steps[0]", "EVENT", "app_opened")],
        ),
    ],
)
async def test_a_name_that_nothing_has_is_told(ledger: EmbeddedLedger, given: dict[str, Any], expected: Told) -> None:
    assert await warned(ledger, **given) == expected


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"client_id": "shop"},
        {"steps": ["COMPLETED", "ABANDONED"]},
        {"steps": ["upload_refused", "app_opened"]},
        {"steps": ["app_opened", "checked_in"], "order": pb.FUNNEL_ORDER_ANY},
        {"breakdown": pb.FunnelBreakdown(by=PROPERTY, key="channel")},
        {"breakdown": pb.FunnelBreakdown(by=EVENT, key="REJECTED")},
        {"value": pb.FunnelValue(key="room")},
        {"start_time": Timestamp(seconds=4_000_000_000), "steps": ["app_opened", "COMPLETED"]},
        {
            "steps": ["app_opened", "upload_refused"],
            "exclusions": [pb.FunnelExclusion(name="REJECTED")],
            "step_rules": [pb.FunnelStepRule(position=2, condition=pb.FunnelCondition(key="reason", values=["X"]))],
        },
    ],
)
async def test_a_name_that_something_has_is_not_told_even_where_nothing_counts(
    ledger: EmbeddedLedger, given: dict[str, Any]
) -> None:
    assert await warned(ledger, **given) == []


async def test_a_client_learns_no_name_of_another(ledger: EmbeddedLedger) -> None:
    steps = ["checked_in", "COMPLETED"]
    assert await warned(ledger, steps=steps) == []
    assert await warned(ledger, "shop", steps=steps) == [("steps[0]", "EVENT", "")]
    assert await warned(ledger, "shop", client_id="hotel") == [("client_id", "CLIENT", "")]
    room = pb.FunnelBreakdown(by=PROPERTY, key="rooms")
    assert await warned(ledger, "shop", breakdown=room) == [("breakdown.key", "KEY", "")]


async def test_a_list_without_sessions_tells_them_and_a_group_that_is_not_there(ledger: EmbeddedLedger) -> None:
    async def listed(report: pb.GetReportRequest, value: str | None = None) -> Told:
        request = pb.ListFunnelSessionsRequest(report=report, position=1, number=pb.FUNNEL_NUMBER_REACHED)
        if value is not None:
            request.segment.CopyFrom(pb.FunnelSegmentKey(kind=pb.FUNNEL_SEGMENT_KIND_VALUE, value=value))
        reply = await list_behind(ledger, request, lambda client: "")
        return told(reply.warnings)

    assert await listed(pb.GetReportRequest(steps=["app_opend"])) == [("report.steps[0]", "EVENT", "app_opened")]
    by_client = pb.GetReportRequest(breakdown=pb.FunnelBreakdown(by=pb.FUNNEL_DIMENSION_CLIENT))
    assert await listed(by_client, "hotel") == []
    assert await listed(by_client, "hotels") == [("segment.value", "GROUP", "hotel")]


@pytest.mark.parametrize(
    ("interval", "day", "begins"),
    [
        (pb.FUNNEL_INTERVAL_WEEK, "2026-10-20", "2026-10-19"),
        (pb.FUNNEL_INTERVAL_MONTH, "2026-10-20", "2026-10-01"),
        (pb.FUNNEL_INTERVAL_DAY, "2026-10-20T08:00:00", "2026-10-20"),
    ],
)
async def test_a_time_at_which_no_period_begins_is_refused(
    ledger: EmbeddedLedger, interval: pb.FunnelInterval.ValueType, day: str, begins: str
) -> None:
    async def listed(day: str) -> None:
        request = pb.ListFunnelSessionsRequest(
            report=pb.GetReportRequest(interval=interval), position=1, number=pb.FUNNEL_NUMBER_REACHED
        )
        request.period_start_time.FromJsonString(f"{day}Z" if "T" in day else f"{day}T00:00:00Z")
        await list_behind(ledger, request, lambda client: "")

    with pytest.raises(InvalidInput) as refused:
        await listed(day)
    assert (refused.value.reason, begins in refused.value.hint) == ("FUNNEL_PERIOD_UNKNOWN", True)
    await listed(begins)


@pytest.mark.parametrize(
    ("text", "like"), [("netwrk", "network"), ("NETWORK", "network"), ("network", ""), ("qqq", ""), ("redacte", "")]
)
def test_what_is_most_like_a_text(text: str, like: str) -> None:
    assert most_like(text, ["network", "model", "redacted"]) == like
