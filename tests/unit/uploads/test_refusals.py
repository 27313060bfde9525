"""What was refused and why is an event and a metric, and nothing of the file is in either."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest

from models.errors import Unavailable
from server.access.caller import Caller, Scope, acting_as
from server.ledger.types import EventRow
from server.records.refusal_events import MOST_EVENTS, WINDOW
from server.setting_groups import LimitSettings
from tests.unit.ledger.stored import events_of_session
from tests.unit.uploads.upload_harness import JPEG, WAV, UploadHarness, reason_of

EXE = b"MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff\x00\x00" + bytes(9000)


async def refused_events(harness: UploadHarness) -> list[EventRow]:
    rows = await harness.ledger.read(lambda cursor: events_of_session(cursor, harness.session.id))
    return [row for row in rows if row.name == "upload_refused"]


async def test_an_exe_is_refused(harness: UploadHarness) -> None:
    reason = await reason_of(lambda: harness.accept(EXE, kind="document", media_type="image/jpeg"))
    assert reason == "UNSUPPORTED_MEDIA"
    assert harness.files() == []
    [event] = await refused_events(harness)
    assert {name: value.value for name, value in event.properties.items()} == {
        "reason": "unsupported_media",
        "kind": "document",
        "media_type": "unknown",
        "size_bytes": str(len(EXE)),
        "left_out": "0",
    }
    assert harness.refused("UNSUPPORTED_MEDIA") == 1


async def test_the_detected_type_is_told(harness: UploadHarness) -> None:
    assert await reason_of(lambda: harness.accept(WAV, kind="meter")) == "MEDIA_TYPE_MISMATCH"
    [event] = await refused_events(harness)
    assert event.properties["media_type"].value == "audio/wav"


async def test_a_refusal_without_a_session_is_a_metric_only(harness: UploadHarness) -> None:
    assert await reason_of(lambda: harness.accept(session_id=str(uuid4()))) == "SESSION_NOT_FOUND"
    assert (await refused_events(harness), harness.refused("SESSION_NOT_FOUND")) == ([], 1)


async def test_nobody_writes_events_into_the_session_of_another(harness: UploadHarness) -> None:
    with acting_as(Caller("key:1", "a-stranger", frozenset({Scope.APP}))):
        await reason_of(lambda: harness.accept(EXE))
    assert (await refused_events(harness), harness.refused("SESSION_NOT_FOUND")) == ([], 1)


async def test_a_flood_of_refusals_fills_no_disk_and_is_counted(harness: UploadHarness) -> None:
    server = replace(harness, limits=LimitSettings())
    for _ in range(MOST_EVENTS + 30):
        await reason_of(lambda: server.accept(EXE))
    assert len(await refused_events(server)) == MOST_EVENTS
    assert server.refused("UNSUPPORTED_MEDIA") == 10
    assert server.refused("UPLOAD_QUOTA") == MOST_EVENTS + 20
    server.clock.advance(WINDOW.total_seconds())
    await reason_of(lambda: server.accept(EXE))
    assert (await refused_events(server))[-1].properties["left_out"].value == "30"


async def test_every_reason_of_the_checks_is_shown_from_the_start(harness: UploadHarness) -> None:
    told = {reason for step in harness.intake._checks for reason in step.reasons}
    assert len(told) > 10
    shown = {
        sample.labels["reason"]
        for metric in harness.metrics.registry.collect()
        if metric.name == "vestibule_refused_uploads"
        for sample in metric.samples
    }
    assert told == shown


async def test_the_client_is_told_why_even_if_that_cannot_be_recorded(
    harness: UploadHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing(_fn: object) -> None:
        raise Unavailable("The disk did not take it.")

    monkeypatch.setattr(harness.ledger, "write", failing)
    assert await reason_of(lambda: harness.accept(JPEG, size_bytes=0)) == "UPLOAD_EMPTY"
