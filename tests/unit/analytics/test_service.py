"""Events of apps: redacted, counted once, refused when they are no events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import protovalidate
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from vestibule.v1 import funnel_pb2

from models.errors import Conflict, InvalidInput, TooLarge
from server.access.audit import AuditTrail
from server.ledger import sessions
from server.ledger.app_events import AppendEvents
from server.ledger.columns import aware, fetch_all
from server.ledger.embedded import EmbeddedLedger
from server.ledger.event_properties import properties_columns
from server.ledger.types import EventRow
from server.observability.metrics import Metrics
from server.records.event_values import LONGEST_BATCH_CHARACTERS
from server.rpc import convert
from tests.fakes.funnel_service import funnel_service
from tests.fakes.gateway import FakeGateway
from tests.unit.ledger.makers import NOW, session
from tests.unit.ledger.migrated import open_ledger
from tests.unit.ledger.stored import events_of_session

SESSION = session(client_id="shop")
TRAIL = AuditTrail(bytes(32), bytes(32), lambda: NOW)
NO_TIME = Timestamp(seconds=10**15)


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[EmbeddedLedger]:
    opened = open_ledger(tmp_path / "ledger.duckdb", memory_bytes=128 * 1024 * 1024)
    opened.write_now(lambda cursor: sessions.insert_or_get(cursor, SESSION))
    yield opened
    opened.close()


def event(**given: Any) -> funnel_pb2.AppEvent:
    fields = {"event_id": str(uuid4()), "session_id": SESSION.id, "name": "opened", "device_time": Timestamp(seconds=1)}
    return funnel_pb2.AppEvent(**{**fields, **given})


def batch(*items: funnel_pb2.AppEvent) -> funnel_pb2.RecordEventsRequest:
    return funnel_pb2.RecordEventsRequest(events=items)


async def test_property_values_are_redacted_and_an_event_counts_once(ledger: EmbeddedLedger) -> None:
    service = funnel_service(ledger, FakeGateway(secrets={"Maria Lopez": "NAME"}), lambda: NOW, TRAIL)
    seen = event(sequence=2**63 - 1, properties={"note": "for Maria Lopez", "button": "next"})
    first = await service.RecordEvents(batch(seen, event(session_id=str(uuid4()))), None)
    again = await service.RecordEvents(batch(seen), None)
    assert (first.recorded_count, first.duplicate_count, first.unknown_session_count) == (1, 0, 1)
    assert (again.recorded_count, again.duplicate_count) == (0, 1)
    rows = await ledger.read(lambda cursor: events_of_session(cursor, SESSION.id))
    [stored] = [row for row in rows if row.name == seen.name]
    assert stored.client_id == "shop"
    assert {key: text.value for key, text in stored.properties.items()} == {
        "note": "for [REDACTED_NAME]",
        "button": "next",
    }


async def test_ids_in_capitals_are_the_same_ids(ledger: EmbeddedLedger) -> None:
    service = funnel_service(ledger, FakeGateway(), lambda: NOW, TRAIL)
    seen = event()
    capitals = event(event_id=seen.event_id.upper(), session_id=SESSION.id.upper())
    protovalidate.validate(batch(capitals))
    first = await service.RecordEvents(batch(capitals, seen), None)
    again = await service.RecordEvents(batch(seen, event(session_id=SESSION.id.upper())), None)
    counts = [(told.recorded_count, told.duplicate_count, told.unknown_session_count) for told in (first, again)]
    assert counts == [(1, 1, 0), (1, 1, 0)]


async def test_an_event_that_an_earlier_version_stored_under_capitals_counts_once(ledger: EmbeddedLedger) -> None:
    service = funnel_service(ledger, FakeGateway(), lambda: NOW, TRAIL)
    stored, new = (event(event_id=str(uuid4()).upper()) for _ in range(2))
    earlier = EventRow(stored.event_id, SESSION.id, "", stored.name, NOW, device_time=NOW)
    await ledger.write(AppendEvents([earlier]))
    again = await service.RecordEvents(batch(stored, new), None)
    assert (again.recorded_count, again.duplicate_count, again.unknown_session_count) == (1, 1, 0)
    assert (await service.RecordEvents(batch(stored, new), None)).duplicate_count == 2


async def test_the_time_of_sending_corrects_the_clock_of_the_device(ledger: EmbeddedLedger) -> None:
    service = funnel_service(ledger, FakeGateway(), lambda: NOW, TRAIL)
    behind, happened = timedelta(days=3), NOW - timedelta(hours=1)
    request = batch(event(device_time=convert.timestamp(happened - behind)))
    request.sent_time.CopyFrom(convert.timestamp(NOW - behind))
    await service.RecordEvents(request, None)
    [row] = await ledger.read(lambda c: fetch_all(c, "FROM events WHERE clock = 'corrected'"))
    assert [aware(row[name]) for name in ("event_time", "device_time")] == [happened, happened - behind]


async def test_a_session_that_runs_is_reported_as_under_way(ledger: EmbeddedLedger) -> None:
    report = await funnel_service(ledger, FakeGateway(), lambda: NOW, TRAIL).GetReport(
        funnel_pb2.GetReportRequest(), None
    )
    told = [(stage.session_count, stage.under_way_count, stage.dropped_count) for stage in report.stages]
    assert told == [(1, 1, 0), (0, 0, 0), (0, 0, 0), (0, 0, 0)]


async def test_a_report_of_steps_and_the_sessions_behind_it(ledger: EmbeddedLedger) -> None:
    service = funnel_service(ledger, FakeGateway(), lambda: NOW, TRAIL)
    await service.RecordEvents(
        batch(event(name="opened"), event(name="sent", device_time=Timestamp(seconds=61))), None
    )  # the other is of second 1
    for window_s, order, reached in (
        *((60, "FUNNEL_ORDER_ORDERED", 1), (59, "FUNNEL_ORDER_ORDERED", 0)),
        *((60, "FUNNEL_ORDER_STRICT", 1), (0, "FUNNEL_ORDER_ANY", 0)),
    ):
        request = funnel_pb2.GetReportRequest(steps=["opened", "sent"], order=funnel_pb2.FunnelOrder.Value(order))
        request.window.FromSeconds(window_s)
        protovalidate.validate(request)
        report = await service.GetReport(request, None)
        assert [stage.session_count for stage in report.stages] == [1, reached], (window_s, order)
        behind = funnel_pb2.ListFunnelSessionsRequest(
            report=request, position=2, number=funnel_pb2.FUNNEL_NUMBER_REACHED
        )
        listed = await service.ListFunnelSessions(behind, None)
        assert list(listed.session_ids) == [SESSION.id] * reached
        assert not listed.next_page_token


@pytest.mark.parametrize(
    "request_",
    [
        funnel_pb2.GetReportRequest(order=funnel_pb2.FUNNEL_ORDER_ANY),
        funnel_pb2.GetReportRequest(steps=["a", "a"]),
        funnel_pb2.GetReportRequest(steps=["it's"]),
        funnel_pb2.GetReportRequest(steps=[f"s{n}" for n in range(13)]),
    ],
)
def test_a_funnel_that_cannot_be_counted_breaks_a_rule(request_: funnel_pb2.GetReportRequest) -> None:
    with pytest.raises(protovalidate.ValidationError):
        protovalidate.validate(request_)


async def test_a_client_of_tokens_is_found_by_the_id_of_its_issuer_and_by_its_hash(ledger: EmbeddedLedger) -> None:
    hashed = TRAIL.client_pseudonym("maria-lopez")
    row = replace(SESSION, id=str(uuid4()), client_id=hashed)
    ledger.write_now(lambda cursor: sessions.insert_or_get(cursor, row))
    service = funnel_service(ledger, FakeGateway(), lambda: NOW, TRAIL)

    async def counted(client_id: str) -> int:
        report = await service.GetReport(funnel_pb2.GetReportRequest(client_id=client_id), None)
        return report.stages[0].session_count

    assert [await counted(name) for name in ("maria-lopez", hashed, "shop", "typo", "")] == [1, 1, 1, 0, 2]


async def test_a_batch_that_would_block_redaction_is_refused_before_it(ledger: EmbeddedLedger) -> None:
    gateway = FakeGateway()
    long = batch(*(event(properties={"note": f"{at:0>500}"}) for at in range(LONGEST_BATCH_CHARACTERS // 500 + 1)))
    with pytest.raises(TooLarge) as caught:
        await funnel_service(ledger, gateway, lambda: NOW, TRAIL).RecordEvents(long, None)
    assert caught.value.reason == "EVENTS_TOO_LARGE"
    assert not gateway.calls


async def test_an_invalid_time_is_invalid_input(ledger: EmbeddedLedger) -> None:
    service = funnel_service(ledger, FakeGateway(), lambda: NOW, TRAIL)
    for call in (
        service.RecordEvents(batch(event(device_time=NO_TIME)), None),
        service.GetReport(funnel_pb2.GetReportRequest(start_time=NO_TIME), None),
    ):
        with pytest.raises(InvalidInput):
            await call


def test_a_sequence_number_beyond_64_bits_breaks_a_rule() -> None:
    protovalidate.validate(batch(event(sequence=2**63 - 1)))
    with pytest.raises(protovalidate.ValidationError):
        protovalidate.validate(batch(event(sequence=2**63)))


async def test_a_session_tells_what_happened_in_pages_with_typed_properties(ledger: EmbeddedLedger) -> None:
    service = funnel_service(ledger, FakeGateway(secrets={"Maria Lopez": "NAME"}), lambda: NOW, TRAIL)
    await service.DeclareEvents(
        funnel_pb2.DeclareEventsRequest(
            client_id="shop",
            events=[
                funnel_pb2.DeclaredEvent(
                    name="form_sent",
                    properties=[
                        funnel_pb2.DeclaredProperty(key="amount", kind=funnel_pb2.PROPERTY_KIND_NUMBER),
                        funnel_pb2.DeclaredProperty(key="checked", kind=funnel_pb2.PROPERTY_KIND_BOOLEAN),
                    ],
                )
            ],
            words_checked=True,
        ),
        None,
    )
    sent = event(name="form_sent", properties={"amount": "12.50", "checked": "true", "note": "for Maria Lopez"})
    sent.device_time.FromDatetime(NOW)
    await service.RecordEvents(batch(sent), None)
    entries: list[funnel_pb2.TimelineEntry] = []
    token = ""
    while True:
        request = funnel_pb2.GetSessionTimelineRequest(session_id=SESSION.id, page_size=1, page_token=token)
        protovalidate.validate(request)
        page = await service.GetSessionTimeline(request, None)
        assert (page.session.id, page.session.client_id, page.session.stage) == (SESSION.id, "shop", SESSION.state)
        entries += page.entries
        if not (token := page.next_page_token):
            break
    [form] = [entry for entry in entries if entry.name == "form_sent"]
    assert (form.kind, form.time.ToDatetime(tzinfo=NOW.tzinfo)) == ("event", NOW)
    assert {found.key: (found.value, found.kind) for found in form.properties} == {
        "amount": ("12.50", funnel_pb2.PROPERTY_KIND_NUMBER),
        "checked": ("true", funnel_pb2.PROPERTY_KIND_BOOLEAN),
        "note": ("for [REDACTED_NAME]", funnel_pb2.PROPERTY_KIND_TEXT),
    }
    assert len(entries) > 1, "the session was opened, too"


async def test_events_of_a_full_session_are_left_out_and_told_and_its_first_refusal_is_an_event(
    ledger: EmbeddedLedger,
) -> None:
    other = session(client_id="shop")
    ledger.write_now(lambda cursor: sessions.insert_or_get(cursor, other))
    metrics = Metrics()
    service = funnel_service(ledger, FakeGateway(), lambda: NOW, TRAIL, most_of_session=2, metrics=metrics)
    stored = [event(), event()]
    await service.RecordEvents(batch(*stored), None)
    elsewhere, full = event(session_id=other.id), event(event_id=str(uuid4()).upper())
    told = await service.RecordEvents(batch(full, elsewhere, *stored), None)
    assert (told.recorded_count, told.duplicate_count, told.refused_count) == (1, 2, 1)
    [problem] = told.problems
    assert (problem.event_id, problem.refused) == (full.event_id, True)
    assert problem.description == "its session has 2 events, the most of one session"
    with pytest.raises(Conflict) as caught:
        await service.RecordEvents(batch(full, event()), None)
    assert caught.value.reason == "SESSION_EVENTS_FULL"
    assert [violation.field for violation in caught.value.violations] == [
        "events[0].session_id",
        "events[1].session_id",
    ]
    rows = await ledger.read(lambda cursor: events_of_session(cursor, SESSION.id))
    refusals = [row for row in rows if row.name == "events_refused"]
    assert [properties_columns(row.properties)["properties"] for row in refusals] == [
        '{"reason": "session_events_full", "left_out": 0}'
    ]
    assert metrics.registry.get_sample_value("vestibule_unfitting_events_total", {"outcome": "session_full"}) == 3
