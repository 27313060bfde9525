"""Events are declared: checked, compared, stored, and recorded in the audit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from models.errors import InvalidInput, Unavailable
from models.reasons import Reason
from server.access.audit import AuditTrail
from server.flows.app_events import DeclaredProperty, PropertyKind
from server.flows.definition import FlowDefinition
from server.ledger import audit, sessions
from server.ledger.audit import AuditFilter
from server.ledger.embedded import EmbeddedLedger
from server.ledger.event_declarations import all_declarations
from server.records.declared_events import DeclarationChange, DeclaredEvents, declared_words
from server.records.machine_words import as_value
from tests.fakes.gateway import FakeGateway
from tests.fakes.guide import FLOWS
from tests.unit.ledger.makers import NOW, session
from tests.unit.ledger.migrated import open_ledger
from tests.unit.records.declared_samples import CHANNEL, LOAN, NUMBER, TEXT

TRAIL = AuditTrail(bytes(32), bytes(32), lambda: NOW)


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[EmbeddedLedger]:
    opened = open_ledger(tmp_path / "ledger.duckdb", memory_bytes=128 * 1024 * 1024)
    yield opened
    opened.close()


def declared_in(ledger: EmbeddedLedger, **secrets: str) -> DeclaredEvents:
    return DeclaredEvents(ledger, FakeGateway(secrets=secrets), lambda: NOW, TRAIL)


async def declare(
    events: DeclaredEvents, wanted: object = LOAN, client_id: str = "shop", *, checked: bool = False, dry: bool = False
) -> list[DeclarationChange]:
    assert isinstance(wanted, dict)
    return await events.declare(client_id, wanted, words_checked=checked, dry_run=dry)


async def audited(ledger: EmbeddedLedger) -> list[tuple[str, str, str, str]]:
    rows, _ = await ledger.read(lambda cursor: audit.list_rows(cursor, AuditFilter(), page_size=9, page_token=""))
    return [(row.action, row.object_type, row.object_id, row.reason) for row in rows]


async def test_a_declaration_is_stored_and_tells_what_changes(ledger: EmbeddedLedger) -> None:
    events = declared_in(ledger)
    first = await declare(events)
    assert len(first) == 2 + 5
    assert DeclarationChange("form_opened", "", "", "event") in first
    assert DeclarationChange("form_sent", "channel", "", "[app, web, branch]") in first
    assert await ledger.read(all_declarations) == {"shop": LOAN}
    assert await audited(ledger) == [("events_declared", "client", "shop", "")]


async def test_declaring_the_same_again_changes_nothing_and_leaves_no_row(ledger: EmbeddedLedger) -> None:
    events = declared_in(ledger)
    await declare(events)
    assert await declare(events) == []
    assert len(await audited(ledger)) == 1


async def test_what_is_left_out_is_no_longer_declared(ledger: EmbeddedLedger) -> None:
    events = declared_in(ledger)
    await declare(events)
    fewer = {"form_sent": {"amount": TEXT, "channel": DeclaredProperty(PropertyKind.ENUMERATION, ("web", "app"))}}
    assert await declare(events, fewer) == [
        DeclarationChange("form_opened", "", "event", ""),
        DeclarationChange("form_sent", "amount", "number", "text"),
        DeclarationChange("form_sent", "channel", "[app, web, branch]", "[web, app]"),
        DeclarationChange("form_sent", "returning", "boolean", ""),
        DeclarationChange("form_sent", "begun", "time", ""),
        DeclarationChange("form_sent", "note", "text", ""),
    ]
    assert await events.listed() == {"shop": fewer}
    await declare(events, {})
    assert await events.listed() == {}


async def test_a_dry_run_stores_nothing_and_still_checks(ledger: EmbeddedLedger) -> None:
    assert len(await declare(declared_in(ledger), dry=True)) == 7
    assert (await ledger.read(all_declarations), await audited(ledger)) == ({}, [])
    with pytest.raises(InvalidInput):
        await declare(declared_in(ledger, maria="NAME"), {"maria_came": {}}, dry=True)


@pytest.mark.parametrize(
    ("wanted", "place"),
    [
        ({"opened": {}, "maria_came": {}}, "events[1].name"),
        ({"opened": {"amount": NUMBER, "maria": NUMBER}}, "events[0].properties[1].key"),
        (
            {"opened": {"by": DeclaredProperty(PropertyKind.ENUMERATION, ("web", "maria 1985"))}},
            "events[0].properties[0].values[1]",
        ),
    ],
)
async def test_words_that_name_a_person_are_refused_by_their_place(
    ledger: EmbeddedLedger, wanted: object, place: str
) -> None:
    events = declared_in(ledger, maria="NAME")
    with pytest.raises(InvalidInput) as caught:
        await declare(events, wanted)
    assert caught.value.reason is Reason.EVENT_WORD_PERSONAL
    assert [violation.field for violation in caught.value.violations] == [place]
    assert "maria" not in repr(caught.value.violations) + caught.value.message + caught.value.hint
    assert await ledger.read(all_declarations) == {}
    await declare(events, wanted, checked=True)
    assert await audited(ledger) == [("events_declared", "client", "shop", "words_checked")]


async def test_numbers_and_short_codes_in_an_enumeration_are_not_read_as_names(ledger: EmbeddedLedger) -> None:
    gateway = FakeGateway(secrets={"10862": "ADDRESS", "A-1042": "ADDRESS", "SKU": "NAME"})
    events = DeclaredEvents(ledger, gateway, lambda: NOW, TRAIL)
    codes = DeclaredProperty(PropertyKind.ENUMERATION, ("10862", "A-1042"))
    await events.declare("shop", {"opened": {"resource": codes}}, words_checked=False, dry_run=False)
    names = DeclaredProperty(PropertyKind.ENUMERATION, ("SKU-1",))
    with pytest.raises(InvalidInput):
        await events.declare("shop", {"opened": {"resource": names}}, words_checked=False, dry_run=False)


@pytest.mark.parametrize("value", ["555-123-4567", "4111 1111 1111 1111", "Li Xu", "Li-Xu", "5551234"])
async def test_a_value_with_seven_digits_or_two_groups_of_letters_is_read(ledger: EmbeddedLedger, value: str) -> None:
    events = DeclaredEvents(ledger, FakeGateway(secrets={as_value(value).reveal(): "PHONE"}), lambda: NOW, TRAIL)
    given = DeclaredProperty(PropertyKind.ENUMERATION, ("7", value))
    with pytest.raises(InvalidInput) as caught:
        await events.declare("shop", {"opened": {"by": given}}, words_checked=False, dry_run=False)
    assert [found.field for found in caught.value.violations] == ["events[0].properties[0].values[1]"]


async def test_only_new_words_are_read(ledger: EmbeddedLedger) -> None:
    gateway = FakeGateway()
    events = DeclaredEvents(ledger, gateway, lambda: NOW, TRAIL)
    await declare(events)
    before = len(gateway.calls)
    await declare(DeclaredEvents(ledger, gateway, lambda: NOW, TRAIL), {**LOAN, "form_sent": {"channel": CHANNEL}})
    asked = gateway.calls[before:]
    assert [call.method for call in asked] == ["redact"], "the id of the client alone"


async def test_too_many_words_at_once_are_refused(ledger: EmbeddedLedger) -> None:
    many = {f"event_{at}": {f"key_{at}_{n}": NUMBER for n in range(50)} for at in range(101)}
    with pytest.raises(InvalidInput) as caught:
        await declare(declared_in(ledger), many)
    assert caught.value.reason is Reason.EVENT_DECLARATION_INVALID


async def test_a_client_that_may_name_a_person_is_refused_until_it_is_known(ledger: EmbeddedLedger) -> None:
    events = declared_in(ledger, maria="NAME")
    with pytest.raises(InvalidInput) as caught:
        await declare(events, client_id="maria")
    assert caught.value.reason is Reason.CLIENT_ID_PERSONAL
    ledger.write_now(lambda cursor: sessions.insert_or_get(cursor, session(client_id="maria")))
    assert await declare(events, client_id="maria")


async def test_sessions_of_a_client_of_tokens_find_what_was_declared_for_its_id(ledger: EmbeddedLedger) -> None:
    events = declared_in(ledger)
    await declare(events, client_id="site-7")
    assert set(await events.of_client("site-7")) == set(LOAN)
    assert set(await events.of_client(TRAIL.client_pseudonym("site-7"))) == set(LOAN)
    assert await events.of_client("another") == {}
    assert await events.listed(visible_to=TRAIL.client_pseudonym("site-7")) == {"site-7": LOAN}
    assert await events.listed(visible_to="another") == {}
    assert await declare(events, client_id=TRAIL.client_pseudonym("site-7"))


async def test_a_new_declaration_counts_for_the_next_batch(ledger: EmbeddedLedger) -> None:
    events = declared_in(ledger)
    assert await events.of_client("shop") == {}
    await declare(events)
    assert set((await events.of_client("shop"))["form_sent"]) == set(LOAN["form_sent"])


async def test_nothing_is_declared_while_words_cannot_be_read(ledger: EmbeddedLedger) -> None:
    gateway = FakeGateway()
    gateway.will("redact", Unavailable("No worker."))
    with pytest.raises(Unavailable):
        await declare(DeclaredEvents(ledger, gateway, lambda: NOW, TRAIL))
    assert await ledger.read(all_declarations) == {}


def test_names_and_keys_are_declared_words_of_their_client_and_those_of_flows_of_each() -> None:
    parts = FLOWS.default.model_dump(by_alias=True) | {"events": {"photo_sent": {"z": "number"}}}
    flow = FlowDefinition.model_validate(parts)
    words = declared_words({"a": {"opened": {"x": NUMBER}}, "b": {"closed": {"y": CHANNEL}}}, [FLOWS.default, flow])
    assert {client: set(words.of_client(client)) for client in ("a", "b", "c")} == {
        "a": {"opened", "x", "photo_sent", "z"},
        "b": {"closed", "y", "photo_sent", "z"},
        "c": {"photo_sent", "z"},
    }
