"""RecordEvents: declared values are stored as they came, text is redacted, and what does not fit is told or refused."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import protovalidate
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from vestibule.v1 import funnel_pb2

from models.errors import InvalidInput
from models.reasons import Reason
from server.access.audit import AuditTrail
from server.access.caller import Caller, Scope, acting_as
from server.ledger import erasure, sessions
from server.ledger.columns import Row, fetch_all
from server.ledger.embedded import EmbeddedLedger
from server.observability.metrics import Metrics
from server.services.event_messages import MOST_PROBLEMS
from server.setting_groups.stored_data import Undeclared
from tests.fakes.funnel_service import funnel_service
from tests.fakes.gateway import FakeGateway
from tests.unit.ledger.makers import NOW, session
from tests.unit.ledger.migrated import open_ledger

SESSION = session(client_id="shop")
APP = Caller("key:a", "shop", frozenset({Scope.APP}))
DECLARED = (
    funnel_pb2.DeclaredEvent(name="opened"),
    funnel_pb2.DeclaredEvent(
        name="sent",
        properties=[
            funnel_pb2.DeclaredProperty(key="amount", kind=funnel_pb2.PROPERTY_KIND_NUMBER),
            funnel_pb2.DeclaredProperty(
                key="channel", kind=funnel_pb2.PROPERTY_KIND_ENUMERATION, values=["app", "web", "A 1042"]
            ),
            funnel_pb2.DeclaredProperty(key="returning", kind=funnel_pb2.PROPERTY_KIND_BOOLEAN),
            funnel_pb2.DeclaredProperty(key="begun", kind=funnel_pb2.PROPERTY_KIND_TIME),
            funnel_pb2.DeclaredProperty(key="note", kind=funnel_pb2.PROPERTY_KIND_TEXT),
        ],
    ),
)
FITTING = {"amount": "12345678901234567890", "channel": "A 1042", "returning": "true", "begun": "2026-11-27T08:15:00Z"}


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[EmbeddedLedger]:
    opened = open_ledger(tmp_path / "ledger.duckdb", memory_bytes=128 * 1024 * 1024)
    opened.write_now(lambda cursor: sessions.insert_or_get(cursor, SESSION))
    yield opened
    opened.close()


class Server:
    """The service, and what it was sent."""

    def __init__(
        self, ledger: EmbeddedLedger, undeclared: Undeclared = "text", secrets: dict[str, str] | None = None
    ) -> None:
        self.gateway = FakeGateway(secrets={"Maria Lopez": "NAME", **(secrets or {})})
        trail = AuditTrail(bytes(32), bytes(32), lambda: NOW)
        self.metrics = Metrics()
        self.service = funnel_service(
            ledger, self.gateway, lambda: NOW, trail, undeclared=undeclared, metrics=self.metrics
        )
        self.ledger = ledger

    async def declare(self) -> Server:
        await self.service.DeclareEvents(funnel_pb2.DeclareEventsRequest(client_id="shop", events=DECLARED), None)
        self.gateway.calls.clear()
        return self

    async def record(self, *batch: funnel_pb2.AppEvent, caller: Caller = APP) -> funnel_pb2.RecordEventsResponse:
        with acting_as(caller):
            return await self.service.RecordEvents(funnel_pb2.RecordEventsRequest(events=batch), None)

    async def stored(self) -> list[Row]:
        sql = "SELECT name, properties, properties_meta FROM events WHERE device_time IS NOT NULL ORDER BY sequence"
        return await self.ledger.read(lambda cursor: fetch_all(cursor, sql))

    def unfitting(self, outcome: str) -> float | None:
        return self.metrics.registry.get_sample_value("vestibule_unfitting_events_total", {"outcome": outcome})

    def seen_by_the_redactor(self) -> list[str]:
        arguments = [call.argument for call in self.gateway.called("redact")]
        return [text.reveal() for texts in arguments if isinstance(texts, list) for text in texts]


def event(name: str = "sent", sequence: int = 0, **properties: str) -> funnel_pb2.AppEvent:
    return funnel_pb2.AppEvent(
        event_id=str(uuid4()),
        session_id=SESSION.id,
        name=name,
        device_time=Timestamp(seconds=1),
        sequence=sequence,
        properties=properties,
    )


async def test_declared_values_are_stored_as_they_came_and_never_sent_to_the_redactor(ledger: EmbeddedLedger) -> None:
    server = await Server(ledger, secrets={"1042": "ADDRESS", "1234": "CREDIT_CARD"}).declare()
    reply = await server.record(event("sent", 0, **FITTING), event("opened", 1))
    assert (reply.recorded_count, reply.refused_count, len(reply.problems)) == (2, 0, 0)
    assert not server.gateway.calls
    first, second = await server.stored()
    assert json.loads(first["properties"]) == {
        "amount": 12345678901234567890,
        "channel": "A 1042",
        "returning": True,
        "begun": "2026-11-27T08:15:00Z",
    }
    assert (second["name"], second["properties"]) == ("opened", "{}")


async def test_analysts_read_types(ledger: EmbeddedLedger) -> None:
    server = await Server(ledger).declare()
    await server.record(event(amount="0.1", returning="false", note="hm"), event(sequence=1, amount="1e3"))
    sql = """SELECT properties->'amount' AS written, CAST(properties->>'amount' AS DOUBLE) AS amount,
        json_type(properties->'amount') AS kind, CAST(properties->'returning' AS BOOLEAN) AS returning
        FROM v_session_timeline WHERE name = 'sent' ORDER BY amount"""
    found = await ledger.read(lambda cursor: fetch_all(cursor, sql))
    assert found == [
        {"written": "0.1", "amount": 0.1, "kind": "DOUBLE", "returning": False},
        {"written": "1000.0", "amount": 1000.0, "kind": "DOUBLE", "returning": None},
    ]


async def test_declared_text_is_redacted_and_a_repeated_one_once(ledger: EmbeddedLedger) -> None:
    server = await Server(ledger).declare()
    for at in range(3):
        await server.record(event(sequence=at, note="for Maria Lopez", amount=str(at)))
    assert [json.loads(row["properties"]) for row in await server.stored()] == [
        {"note": "for [REDACTED_NAME]", "amount": at} for at in range(3)
    ]
    assert server.seen_by_the_redactor() == ["for Maria Lopez", "note: for Maria Lopez"]


async def test_a_value_that_does_not_fit_is_kept_as_redacted_text_and_told(ledger: EmbeddedLedger) -> None:
    server = await Server(ledger).declare()
    sent = event(amount="about 5", channel="Maria Lopez", returning="true")
    reply = await server.record(sent, event(sequence=1, amount="5"))
    assert (reply.recorded_count, reply.refused_count) == (2, 0)
    assert (server.unfitting("refused"), server.unfitting("stored")) == (0, 1)
    told = {problem.key: problem for problem in reply.problems}
    assert set(told) == {"amount", "channel"}
    assert {(problem.event_id, problem.refused) for problem in reply.problems} == {(sent.event_id, False)}
    assert "number" in told["amount"].description
    assert "Lopez" not in str(reply)
    first, second = await server.stored()
    assert json.loads(first["properties"]) == {"amount": "about 5", "channel": "[REDACTED_NAME]", "returning": True}
    assert json.loads(first["properties_meta"]) == {"channel": {"counts": {"NAME": 1}, "safe": True}}
    assert json.loads(second["properties"]) == {"amount": 5}


async def test_what_is_not_declared_is_text_by_default(ledger: EmbeddedLedger) -> None:
    server = await Server(ledger, secrets={"maria": "NAME"}).declare()
    reply = await server.record(event("sent", 0, colour="for Maria Lopez", amount="7"), event("maria_came", 1, x="12"))
    assert (reply.recorded_count, len(reply.problems)) == (2, 0)
    first, second = await server.stored()
    assert json.loads(first["properties"]) == {"colour": "for [REDACTED_NAME]", "amount": 7}
    assert (second["name"], json.loads(second["properties"])) == ("redacted", {"x": "12"})


async def test_undeclared_names_and_keys_and_unfitting_values_are_refused_when_set_so(ledger: EmbeddedLedger) -> None:
    server = await Server(ledger, "refuse", {"maria": "NAME"}).declare()
    batch = (
        event("sent", 1, amount="5", note="Maria Lopez"),
        event("closed", 2),
        event("sent", 3, colour="red", maria="x", amount="6"),
        event("sent", 4, amount="five"),
        event("opened", 5),
    )
    reply = await server.record(*batch)
    assert (reply.recorded_count, reply.refused_count) == (2, 3), "the rest of the batch is kept"
    assert (server.unfitting("refused"), server.unfitting("stored")) == (3, 0)
    told = [(batch.index(next(e for e in batch if e.event_id == p.event_id)), p.key, p.refused) for p in reply.problems]
    assert sorted(told) == [(1, "", True), (2, "colour", True), (2, "redacted", True), (3, "amount", True)]
    assert [p.description for p in reply.problems if p.key == "redacted"] == [
        "is not declared; it is key 3 of 3 in alphabetical order, and not shown because it may name a person"
    ]
    assert [(row["name"], json.loads(row["properties"])) for row in await server.stored()] == [
        ("sent", {"amount": 5, "note": "[REDACTED_NAME]"}),
        ("opened", {}),
    ]


async def test_a_batch_of_which_nothing_fits_is_an_error_that_names_keys_and_no_value(ledger: EmbeddedLedger) -> None:
    server = await Server(ledger, "refuse").declare()
    with pytest.raises(InvalidInput) as caught:
        await server.record(event("closed", note="x"), event("sent", 1, amount="Maria Lopez"))
    assert caught.value.reason is Reason.EVENTS_UNDECLARED
    told = [(violation.field, violation.description) for violation in caught.value.violations]
    assert told[0] == ("events[0].name", "is not declared")
    assert told[1][0] == "events[1].properties.amount"
    assert "Lopez" not in str(told)
    assert await server.stored() == []


async def test_a_client_that_has_declared_nothing_is_refused_too_when_set_so(ledger: EmbeddedLedger) -> None:
    with pytest.raises(InvalidInput):
        await Server(ledger, "refuse").record(event("opened"))


async def test_a_caller_of_every_client_gets_the_declaration_of_each_session(ledger: EmbeddedLedger) -> None:
    other = session(client_id="other")
    ledger.write_now(lambda cursor: sessions.insert_or_get(cursor, other))
    server = await Server(ledger, "refuse").declare()
    of_other, of_nobody = event(amount="5"), event(amount="5")
    of_other.session_id, of_nobody.session_id = other.id, str(uuid4())
    everybody = Caller("key:o", "", frozenset(Scope))
    reply = await server.record(event(amount="5"), of_other, of_nobody, caller=everybody)
    assert (reply.recorded_count, reply.refused_count, reply.unknown_session_count) == (1, 1, 1)
    [row] = await server.stored()
    assert row["properties"] == '{"amount": 5}'


async def test_very_many_problems_are_told_in_part(ledger: EmbeddedLedger) -> None:
    server = await Server(ledger).declare()
    reply = await server.record(*(event(sequence=at, amount="x") for at in range(MOST_PROBLEMS + 1)))
    assert (reply.recorded_count, len(reply.problems)) == (MOST_PROBLEMS + 1, MOST_PROBLEMS)


async def test_typed_values_are_erased_with_their_session(ledger: EmbeddedLedger) -> None:
    server = await Server(ledger).declare()
    await server.record(event("sent", 0, **FITTING))
    erased = ledger.write_now(lambda cursor: erasure.erase(cursor, frozenset({SESSION.id})))
    assert erased.rows["events"] >= 1
    assert await server.stored() == []
    listed = await server.service.ListDeclaredEvents(funnel_pb2.ListDeclaredEventsRequest(), None)
    assert [one.client_id for one in listed.declarations] == ["shop"], "what may be sent is no data of a person"


async def test_declared_events_are_listed_to_those_who_may_see_the_client(ledger: EmbeddedLedger) -> None:
    server = await Server(ledger).declare()
    whole = funnel_pb2.ListDeclaredEventsRequest()
    [one] = (await server.service.ListDeclaredEvents(whole, None)).declarations
    assert (one.client_id, list(one.events)) == ("shop", list(DECLARED))
    with acting_as(Caller("key:b", "other", frozenset({Scope.ANALYST}))):
        for request in (whole, funnel_pb2.ListDeclaredEventsRequest(client_id="shop")):
            assert not (await server.service.ListDeclaredEvents(request, None)).declarations


def _property(**given: Any) -> funnel_pb2.DeclareEventsRequest:
    return funnel_pb2.DeclareEventsRequest(
        events=[funnel_pb2.DeclaredEvent(name="sent", properties=[funnel_pb2.DeclaredProperty(**given)])]
    )


ENUMERATION, NUMBER = funnel_pb2.PROPERTY_KIND_ENUMERATION, funnel_pb2.PROPERTY_KIND_NUMBER


@pytest.mark.parametrize(
    "wrong",
    [
        _property(key="a"),
        _property(key="A", kind=NUMBER),
        _property(key="a", kind=ENUMERATION, values=[""]),
        _property(key="a", kind=ENUMERATION, values=["x" * 65]),
        _property(key="a", kind=ENUMERATION, values=["a\nb"]),
        funnel_pb2.DeclareEventsRequest(events=[funnel_pb2.DeclaredEvent(name="Sent")]),
    ],
)
def test_a_declaration_that_breaks_a_rule_of_the_proto(wrong: funnel_pb2.DeclareEventsRequest) -> None:
    protovalidate.validate(_property(key="a", kind=ENUMERATION, values=["dark blue", "1"]))
    with pytest.raises(protovalidate.ValidationError):
        protovalidate.validate(wrong)


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        (_property(key="a", kind=ENUMERATION), "events[0].properties[0].values"),
        (_property(key="a", kind=NUMBER, values=["1"]), "events[0].properties[0].values"),
        (_property(key="a", kind=ENUMERATION, values=["b", "b"]), "events[0].properties[0].values"),
        (funnel_pb2.DeclareEventsRequest(events=[DECLARED[0], DECLARED[0]]), "events[1].name"),
    ],
)
async def test_a_declaration_that_contradicts_itself(
    ledger: EmbeddedLedger, wrong: funnel_pb2.DeclareEventsRequest, place: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        await Server(ledger).service.DeclareEvents(wrong, None)
    assert caught.value.reason is Reason.EVENT_DECLARATION_INVALID
    assert [violation.field for violation in caught.value.violations] == [place]
