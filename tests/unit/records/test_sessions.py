"""Sessions as the services show and end them."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from vestibule.v1.funnel_pb2 import AppEvent, RecordEventsRequest
from vestibule.v1.session_pb2 import (
    GetSessionRequest,
    ListSessionsRequest,
    ListTurnsRequest,
    Session,
    StartSessionRequest,
    WatchSessionRequest,
)

from models.errors import InvalidInput, Unavailable, VestibuleError
from models.reasons import Reason
from server.access.audit import AuditTrail
from server.access.caller import Caller, acting_as
from server.experiments.catalogue import Experiments
from server.experiments.types import Changes, Experiment, Variant
from server.flows.catalogue import Flows, shipped_catalogue
from server.flows.loader import parse_flow
from server.ledger import sessions as rows
from server.ledger import turns, uploads
from server.ledger.columns import count
from server.ledger.types import Origin, SessionRow, SessionState
from server.records.machine_words import MachineWords
from server.records.pubsub import PubSub
from server.records.session_progress import note_new_input
from server.records.sessions import UPLOADS_SHOWN, Sessions
from server.records.vocabulary import VocabularySealer
from server.rpc.convert import timestamp
from server.runtime.lifecycle import Lifecycle
from server.services.session import SessionService
from tests.fakes.funnel_service import funnel_service
from tests.fakes.gateway import FakeGateway
from tests.unit.ledger.makers import after, redacted, turn, upload
from tests.unit.ledger.migrated import open_ledger

START = datetime(2026, 1, 1, tzinfo=UTC)

IDLE_S = 1800.0


async def _start(all_of_them: Sessions, request_id: str) -> SessionRow:
    return await all_of_them.start(client_id="app", request_id=request_id, language="", vocabulary=(), variant="")


async def test_only_idle_sessions_are_ended(tmp_path: Path) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    ledger, pubsub = open_ledger(tmp_path / "ledger.duckdb", memory_bytes=128 * 1024 * 1024), PubSub()
    all_of_them = Sessions(ledger, pubsub, VocabularySealer(bytes(32)), lambda: now, shipped_catalogue())
    forgotten, busy = [await _start(all_of_them, name) for name in ("one", "two")]
    now += timedelta(seconds=IDLE_S + 1)
    with pubsub.subscribe(forgotten.id) as news:
        # Queued before the round, so not yet committed when it begins.
        _, ended = await asyncio.gather(
            ledger.write(lambda cursor: note_new_input(cursor, rows.get(cursor, busy.id), now)),
            all_of_them.abandon_idle(IDLE_S),
        )
        published = await anext(news)
    assert ended == 1
    assert isinstance(published, SessionRow)
    states = await ledger.read(lambda cursor: [rows.get(cursor, s.id).state for s in (forgotten, busy)])
    assert states == [SessionState.ABANDONED, SessionState.IN_PROGRESS]
    ledger.close()


async def test_all_idle_sessions_are_ended_however_many_there_are(tmp_path: Path) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    ledger = open_ledger(tmp_path / "ledger.duckdb", memory_bytes=128 * 1024 * 1024)
    all_of_them = Sessions(ledger, PubSub(), VocabularySealer(bytes(32)), lambda: now, shipped_catalogue())
    opened = [await _start(all_of_them, f"{number}") for number in range(2 * rows.IDLE_AT_ONCE + 1)]
    now += timedelta(seconds=IDLE_S + 1)
    assert await all_of_them.abandon_idle(IDLE_S, frozenset({opened[0].id})) == 2 * rows.IDLE_AT_ONCE
    ledger.close()


async def test_a_request_id_is_the_same_in_any_letter_case(tmp_path: Path) -> None:
    ledger, pubsub = open_ledger(tmp_path / "ledger.duckdb", memory_bytes=128 * 1024 * 1024), PubSub()
    all_of_them = Sessions(ledger, pubsub, VocabularySealer(bytes(32)), lambda: START, shipped_catalogue())
    service = SessionService(all_of_them, pubsub, Lifecycle(), MachineWords(FakeGateway()))
    request_id = str(uuid.uuid4())
    one, other = [
        await service.StartSession(StartSessionRequest(client_id="app", request_id=written), None)
        for written in (request_id, request_id.upper())
    ]
    assert one.session.id == other.session.id
    ledger.close()


async def test_an_app_that_only_sends_events_for_an_hour_keeps_its_session(tmp_path: Path) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    ledger = open_ledger(tmp_path / "ledger.duckdb", memory_bytes=128 * 1024 * 1024)
    all_of_them = Sessions(ledger, PubSub(), VocabularySealer(bytes(32)), lambda: now, shipped_catalogue())
    service = funnel_service(ledger, FakeGateway(), lambda: now, AuditTrail(bytes(32), bytes(32), lambda: now))
    used, forgotten = [await _start(all_of_them, name) for name in ("one", "two")]
    for _ in range(6):
        now += timedelta(minutes=10)
        sent = AppEvent(event_id=str(uuid.uuid4()), session_id=used.id, name="page_shown", device_time=timestamp(now))
        await service.RecordEvents(RecordEventsRequest(events=[sent]), None)
        await all_of_them.abandon_idle(IDLE_S)
    states = await ledger.read(lambda cursor: [rows.get(cursor, s.id).state for s in (used, forgotten)])
    assert states == [SessionState.STARTED, SessionState.ABANDONED]
    now += timedelta(seconds=IDLE_S + 1)
    assert await all_of_them.abandon_idle(IDLE_S) == 1
    ledger.close()


async def test_a_session_shows_its_newest_uploads_and_the_others_in_pages(tmp_path: Path) -> None:
    ledger, pubsub = open_ledger(tmp_path / "ledger.duckdb", memory_bytes=128 * 1024 * 1024), PubSub()
    all_of_them = Sessions(ledger, pubsub, VocabularySealer(bytes(32)), lambda: START, shipped_catalogue())
    service = SessionService(all_of_them, pubsub, Lifecycle(), MachineWords(FakeGateway()))
    row = await _start(all_of_them, "one")
    stored = [replace(upload(row.id), create_time=after(number)) for number in range(UPLOADS_SHOWN + 30)]
    for one in stored:
        await ledger.write(partial(uploads.insert_upload, row=one))
    request = GetSessionRequest(session_id=row.id)
    newest = await service.GetSession(request, None)
    assert [u.id for u in newest.session.uploads] == [u.id for u in stored[30:]]
    request.upload_page_token, request.upload_page_size = newest.next_upload_page_token, 20
    older = await service.GetSession(request, None)
    assert [u.id for u in older.session.uploads] == [u.id for u in stored[10:30]]
    request.upload_page_token = older.next_upload_page_token
    oldest = await service.GetSession(request, None)
    assert [u.id for u in oldest.session.uploads] == [u.id for u in stored[:10]]
    assert oldest.next_upload_page_token == ""
    first = await anext(service.WatchSession(WatchSessionRequest(session_id=row.id), None))
    assert len(first.session.uploads) == UPLOADS_SHOWN
    ledger.close()


async def test_a_session_keeps_the_version_of_its_flow(tmp_path: Path) -> None:
    ledger, pubsub = open_ledger(tmp_path / "ledger.duckdb", memory_bytes=128 * 1024 * 1024), PubSub()
    all_of_them = Sessions(ledger, pubsub, VocabularySealer(bytes(32)), lambda: START, shipped_catalogue())
    service = SessionService(all_of_them, pubsub, Lifecycle(), MachineWords(FakeGateway()))

    async def opened(**given: Any) -> Session:
        request = StartSessionRequest(client_id="app", request_id=str(uuid4()), **given)
        return (await service.StartSession(request, None)).session

    plain = await opened()
    assert (plain.flow, plain.flow_version) == ("site_visit", 1)
    staff = await opened(flow="staff_onboarding", flow_version=1)
    assert (staff.flow, staff.flow_version) == ("staff_onboarding", 1)
    for given, reason in (
        ({"flow": "nothing"}, Reason.FLOW_NOT_FOUND),
        ({"flow": "site_visit", "flow_version": 2}, Reason.FLOW_NOT_FOUND),
        ({"facts": {"last_name": "Meier"}}, Reason.FACT_INVALID),
        ({"facts": {"last_reading": "Meier"}}, Reason.FACT_INVALID),
    ):
        with pytest.raises(VestibuleError) as refused:
            await opened(**given)
        assert refused.value.reason == reason
        assert "Meier" not in f"{refused.value.message} {refused.value.hint}"
    known = await opened(facts={"last_reading": "4790"})
    stored = await ledger.read(lambda cursor: rows.get(cursor, known.id))
    assert stored.facts == {"last_reading": "4790"}
    ledger.close()


async def test_a_session_keeps_its_time_zone(tmp_path: Path) -> None:
    ledger, pubsub = open_ledger(tmp_path / "ledger.duckdb", memory_bytes=128 * 1024 * 1024), PubSub()
    all_of_them = Sessions(
        ledger,
        pubsub,
        VocabularySealer(bytes(32)),
        lambda: START,
        shipped_catalogue(),
        time_zone="America/Los_Angeles",
    )
    service = SessionService(all_of_them, pubsub, Lifecycle(), MachineWords(FakeGateway()))

    async def opened(time_zone: str, request_id: str) -> Session:
        request = StartSessionRequest(client_id="app", request_id=request_id, time_zone=time_zone)
        return (await service.StartSession(request, None)).session

    assert (await opened("", str(uuid4()))).time_zone == "America/Los_Angeles"
    repeated = str(uuid4())
    first = await opened("Australia/Sydney", repeated)
    second = await opened("Europe/Berlin", repeated)
    assert (first.id, first.time_zone) == (second.id, "Australia/Sydney")
    shown = (await service.GetSession(GetSessionRequest(session_id=first.id), None)).session
    assert shown.time_zone == second.time_zone == "Australia/Sydney"
    with pytest.raises(InvalidInput) as refused:
        await opened("Mars/Olympus", str(uuid4()))
    assert refused.value.reason == Reason.TIME_ZONE_UNKNOWN
    assert "Europe/Berlin" in refused.value.hint
    assert "Mars" not in f"{refused.value.message} {refused.value.hint}"
    ledger.close()


async def test_a_word_that_names_a_person_is_no_fact(tmp_path: Path) -> None:
    flow = parse_flow(
        """
name: rental
version: 1
title: Rental
facts: [{name: contact, kind: word}]
steps: [{name: car, fields: [{name: clean, kind: yes_no, ask: "Is it clean?"}]}]
""",
        "rental.yaml",
    )
    ledger = open_ledger(tmp_path / "ledger.duckdb", memory_bytes=128 * 1024 * 1024)
    all_of_them = Sessions(ledger, PubSub(), VocabularySealer(bytes(32)), lambda: START, Flows([flow], "rental"))
    gateway = FakeGateway(secrets={"anna maier": "NAME"})
    service = SessionService(all_of_them, PubSub(), Lifecycle(), MachineWords(gateway))

    async def stored(contact: str) -> dict[str, str]:
        request = StartSessionRequest(client_id="app", request_id=str(uuid4()), facts={"contact": contact})
        opened = (await service.StartSession(request, None)).session
        return dict((await ledger.read(lambda cursor: rows.get(cursor, opened.id))).facts)

    assert await stored("pool_car") == {"contact": "pool_car"}
    with pytest.raises(VestibuleError) as refused:
        await stored("anna_maier")
    assert refused.value.reason == Reason.FACT_INVALID
    assert "anna" not in f"{refused.value.message} {refused.value.hint}"
    gateway.will("redact", Unavailable("gone"))
    with pytest.raises(Unavailable):
        await stored("spare_car")
    assert await ledger.read(lambda cursor: count(cursor, "SELECT count(*) FROM sessions", [])) == 1
    ledger.close()


async def test_the_server_chooses_a_variant_where_the_client_gives_none(tmp_path: Path) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    ledger, pubsub = open_ledger(tmp_path / "ledger.duckdb", memory_bytes=128 * 1024 * 1024), PubSub()
    experiments = Experiments(Experiment("flow", (Variant("old"), Variant("new")), now, now + timedelta(days=1)))
    all_of_them = Sessions(ledger, pubsub, VocabularySealer(bytes(32)), lambda: now, shipped_catalogue(), experiments)
    service = SessionService(all_of_them, pubsub, Lifecycle(), MachineWords(FakeGateway()))

    async def opened(**given: Any) -> Session:
        request = StartSessionRequest(**{"client_id": "app", "request_id": str(uuid4()), **given})
        return (await service.StartSession(request, None)).session

    chosen = {(await opened()).variant for _ in range(30)}
    assert chosen == {"flow.old", "flow.new"}
    assert (await opened(variant="mine")).variant == "mine"
    persons = [str(number) * 64 for number in range(10)]
    first = [(await opened(subject_hash=person)).variant for person in persons]
    assert first == [(await opened(subject_hash=person)).variant for person in persons]
    assert set(first) == {"flow.old", "flow.new"}

    repeated = str(uuid4())
    before = await opened(request_id=repeated)
    now += timedelta(days=2)
    after_the_end = await opened(request_id=repeated)
    assert (after_the_end.id, after_the_end.variant) == (before.id, before.variant)
    assert (await opened()).variant == ""
    stored = await ledger.read(lambda cursor: rows.get(cursor, before.id).variant)
    assert stored == before.variant
    ledger.close()


async def test_a_comparison_of_versions_takes_sessions_of_its_flow_that_name_no_version(tmp_path: Path) -> None:
    ledger, pubsub = open_ledger(tmp_path / "ledger.duckdb", memory_bytes=128 * 1024 * 1024), PubSub()
    [visit] = [flow for flow in shipped_catalogue() if flow.name == "site_visit"]
    flows = Flows([*shipped_catalogue(), visit.model_copy(update={"version": 2})], "site_visit")
    variants = tuple(Variant(name, changes=Changes(flow_version=at)) for name, at in (("one", 1), ("two", 2)))
    experiments = Experiments(Experiment("newflow", variants, START, flow="site_visit"))
    all_of_them = Sessions(ledger, pubsub, VocabularySealer(bytes(32)), lambda: START, flows, experiments)

    async def opened(**given: Any) -> tuple[str, int]:
        asked = {"client_id": "app", "request_id": str(uuid4()), "language": "", "vocabulary": (), "variant": ""}
        row = await all_of_them.start(**asked | given)
        return row.variant, row.flow_version

    assert {await opened() for _ in range(30)} == {("newflow.one", 1), ("newflow.two", 2)}
    assert {await opened(flow_version=1) for _ in range(10)} == {("", 1)}
    assert {await opened(flow="incident_report") for _ in range(10)} == {("", 1)}
    assert await opened(variant="newflow.one") == ("newflow.one", 1)
    assert await opened(variant="newflow.one", flow_version=2) == ("newflow.one", 2), "which the report leaves out"
    ledger.close()


async def test_a_watcher_is_told_of_turns_and_lists_show_only_what_is_vouched_for(tmp_path: Path) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    ledger, pubsub = open_ledger(tmp_path / "ledger.duckdb", memory_bytes=128 * 1024 * 1024), PubSub()
    all_of_them = Sessions(ledger, pubsub, VocabularySealer(bytes(32)), lambda: now, shipped_catalogue())
    service = SessionService(all_of_them, pubsub, Lifecycle(), MachineWords(FakeGateway()))
    row = await _start(all_of_them, "one")
    unsafe = replace(turn(row.id, 1), text=redacted("half done", safe=False), source="typed")
    safe = replace(turn(row.id), reply=redacted("Thank you."), reply_origin=Origin.FALLBACK)
    watched = service.WatchSession(WatchSessionRequest(session_id=row.id), None)
    assert (await anext(watched)).session.id == row.id
    for stored in (safe, unsafe):
        await ledger.write(partial(turns.insert_turn, row=stored))
        pubsub.publish(stored, row.id)
    told = [(await anext(watched)).turn for _ in range(2)]
    listed = (await service.ListTurns(ListTurnsRequest(session_id=row.id), None)).turns
    assert list(listed) == told
    assert (told[0].text.value, told[0].reply.value, told[0].spoken.ToTimedelta().total_seconds()) == (
        "Call [REDACTED_PHONE]",
        "Thank you.",
        1.5,
    )
    assert not told[1].HasField("text")
    assert not told[1].HasField("spoken")
    [found] = (await service.ListSessions(ListSessionsRequest(running=True), None)).sessions
    assert (found.id, found.turn_count) == (row.id, 2)
    with acting_as(Caller("key:b", "other", frozenset())):
        assert not (await service.ListSessions(ListSessionsRequest(), None)).sessions
    ledger.close()
