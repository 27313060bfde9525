"""RecordEvents over gRPC: what a flow declares holds for the sessions of its version, of every client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from vestibule.v1 import funnel_pb2
from vestibule.v1.funnel_pb2_grpc import FunnelServiceStub

from server.access.audit import AuditTrail
from server.access.caller import Caller, Scope, acting_as
from server.flows.definition import FlowDefinition
from server.ledger import sessions
from server.ledger.columns import fetch_all
from server.setting_groups.stored_data import Undeclared
from tests.fakes.funnel_service import funnel_service
from tests.fakes.gateway import FakeGateway
from tests.fakes.guide import FLOWS
from tests.unit.cli.events_server import EventsServer, events_server
from tests.unit.ledger.makers import NOW, session
from tests.unit.ledger.migrated import open_ledger
from tests.unit.ledger.stored import read_now


def flow(version: int, events: dict[str, dict[str, str | list[str]] | None]) -> FlowDefinition:
    parts = {**FLOWS.default.model_dump(by_alias=True), "name": "car_return", "version": version, "events": events}
    return FlowDefinition.model_validate(parts)


FIRST = flow(1, {"form_sent": {"amount": "number", "plan": ["basic", "full"], "by": "text"}, "opened": None})
SECOND = flow(2, {"form_sent": {"amount": "text", "begun": "time", "sure": "boolean", "order": "code"}})
IN_FIRST = replace(session(client_id="kiosk"), flow="car_return", flow_version=1)
IN_SECOND = replace(session(client_id="kiosk"), flow="car_return", flow_version=2)
IN_ANOTHER = session(client_id="kiosk")
OF_SHOP = replace(session(client_id="shop"), flow="car_return", flow_version=1)
SESSIONS = (IN_FIRST, IN_SECOND, IN_ANOTHER, OF_SHOP)


@contextmanager
def served(folder: Path, undeclared: Undeclared = "text") -> Iterator[tuple[EventsServer, FunnelServiceStub]]:
    server = events_server(folder, SESSIONS, (FLOWS.default, FIRST, SECOND), undeclared)
    with server as running, grpc.insecure_channel(running.address) as channel:
        yield running, FunnelServiceStub(channel)


def event(session_id: str, name: str = "form_sent", **properties: str) -> funnel_pb2.AppEvent:
    return funnel_pb2.AppEvent(
        event_id=str(uuid4()),
        session_id=session_id,
        name=name,
        device_time=Timestamp(seconds=1),
        properties=properties,
    )


def record(stub: FunnelServiceStub, *batch: funnel_pb2.AppEvent) -> funnel_pb2.RecordEventsResponse:
    return stub.RecordEvents(funnel_pb2.RecordEventsRequest(events=batch), timeout=10)


def stored(server: EventsServer) -> dict[str, Any]:
    """Properties of the events of apps by session."""
    sql = "SELECT session_id, properties FROM events WHERE device_time IS NOT NULL"
    rows = read_now(server.ledger, lambda cursor: fetch_all(cursor, sql))
    return {row["session_id"]: json.loads(row["properties"]) for row in rows}


def test_each_session_is_read_by_its_version_of_the_flow(tmp_path: Path) -> None:
    with served(tmp_path) as (server, stub):
        batch = [
            event(IN_FIRST.id, amount="20000", plan="full", by="maria", colour="7"),
            event(IN_SECOND.id, amount="20000", begun="2026-11-27T08:15:00Z", sure="true", order="A-1042", plan="full"),
            event(IN_ANOTHER.id, amount="20000", sure="true"),
        ]
        reply = record(stub, *batch)
        assert (reply.recorded_count, list(reply.problems)) == (3, [])
        assert stored(server) == {
            IN_FIRST.id: {"amount": 20000, "plan": "full", "by": "[REDACTED_NAME]", "colour": "7"},
            IN_SECOND.id: {
                "amount": "20000",
                "begun": "2026-11-27T08:15:00Z",
                "sure": True,
                "order": "A-1042",
                "plan": "full",
            },
            IN_ANOTHER.id: {"amount": "20000", "sure": "true"},
        }


def test_what_a_client_declares_goes_before_what_the_flow_does(tmp_path: Path) -> None:
    own = funnel_pb2.DeclaredEvent(
        name="form_sent", properties=[funnel_pb2.DeclaredProperty(key="amount", kind=funnel_pb2.PROPERTY_KIND_TEXT)]
    )
    with served(tmp_path, "refuse") as (server, stub):
        stub.DeclareEvents(funnel_pb2.DeclareEventsRequest(client_id="shop", events=[own]), timeout=10)
        reply = record(
            stub,
            event(OF_SHOP.id, amount="20000"),
            event(OF_SHOP.id, plan="full"),  # the client has not declared this key
            event(IN_FIRST.id, amount="20000"),
        )
        assert (reply.recorded_count, reply.refused_count) == (2, 1)
        assert [(problem.key, problem.description) for problem in reply.problems] == [("plan", "is not declared")]
        assert stored(server) == {OF_SHOP.id: {"amount": "20000"}, IN_FIRST.id: {"amount": 20000}}
        assert record(stub, event(OF_SHOP.id, "opened")).recorded_count == 1, "the flow alone declares this one"


def test_what_nobody_declares_or_does_not_fit_follows_the_setting(tmp_path: Path) -> None:
    with served(tmp_path, "refuse") as (_, stub):
        reply = record(
            stub,
            event(IN_FIRST.id, "opened"),
            event(IN_FIRST.id, amount="about 5"),
            event(IN_FIRST.id, "closed"),
            event(IN_ANOTHER.id, "opened"),
        )
        assert (reply.recorded_count, reply.refused_count) == (1, 3)
        keys = [(problem.key, problem.description.partition(",")[0]) for problem in reply.problems]
        assert keys == [("amount", "must be a number as in JSON"), ("", "is not declared"), ("", "is not declared")]
        with pytest.raises(grpc.RpcError) as refused:
            record(stub, event(IN_ANOTHER.id, "opened"))
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_client_does_not_learn_the_flow_of_a_session_of_another(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path / "ledger.duckdb")
    for row in (OF_SHOP, IN_FIRST):
        await ledger.write(lambda cursor, row=row: sessions.insert_or_get(cursor, row))  # type: ignore[misc]  # a default
    trail = AuditTrail(bytes(32), bytes(32), lambda: NOW)
    service = funnel_service(ledger, FakeGateway(), lambda: NOW, trail, flows=[FIRST])
    told = []
    with acting_as(Caller("key:a", "kiosk", frozenset({Scope.APP}))):
        for session_id in (IN_FIRST.id, OF_SHOP.id, str(uuid4())):
            request = funnel_pb2.RecordEventsRequest(events=[event(session_id, amount="about 5")])
            reply = await service.RecordEvents(request, None)
            told.append((reply.recorded_count, reply.unknown_session_count, len(reply.problems)))
    assert told == [(1, 0, 1), (0, 1, 0), (0, 1, 0)]
    ledger.close()
