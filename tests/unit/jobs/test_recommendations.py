"""A record is proposed from what a session holds, and a person decides about it."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import Any

import pytest

from models.errors import InternalError, NotFound
from models.text import RedactedText
from server.ledger import sessions
from server.ledger.types import (
    Origin,
    RecommendationRow,
    RecommendationState,
    SessionRow,
    SessionState,
)
from server.llm.record_schema import stored_record
from server.llm.types import Confidence, FindingKind, OnboardingRecord, RecordField
from server.records.recommender import BUILDS
from tests.unit.jobs.conftest import WAV, World
from tests.unit.jobs.recommendation_helpers import (
    APPROVED,
    HASH,
    PENDING,
    REJECTED,
    SUPERSEDED,
    news_of,
    propose,
    reason_of,
    until_asked,
)
from tests.unit.ledger.stored import events_of_session


class TestPropose:
    async def test_all_safe_turns_and_uploads_become_sources_in_order(self, world: World) -> None:
        await world.start()
        first = await world.say("The meter reads 4821.")
        unsafe = RedactedText.restore("Something broke.", {}, safe_for_llm=False)
        world.clock.advance(1)
        broken = await world.say("")
        await world.ledger.write(
            lambda cursor: cursor.execute(
                "UPDATE turns SET text = ?, text_safe = false WHERE id = ?", [unsafe.value, broken.id]
            )
        )
        world.clock.advance(1)
        picture = await world.upload(kind="meter")
        world.clock.advance(1)
        recording = await world.upload(WAV)
        await world.settle()
        await propose(world)
        (asked,) = world.assistant.asked_records
        assert [(m.id, m.kind) for m in asked.materials] == [
            (first.id, "turn"),
            (picture.id, "meter"),
            (recording.id, "upload"),
        ]
        assert (asked.language, asked.fallback) == ("en", True)

    async def test_a_reading_that_contradicts_the_photographed_one_is_beside_it(self, world: World) -> None:
        await world.start()
        world.gateway.printed = ("WATER METER", "04821 m3")
        said = await world.say("The meter reads 4831.")
        picture = await world.upload(kind="meter")
        await world.settle()
        written = (RecordField("meter_reading", "04821", picture.id), RecordField("site_name", "Ikeja", said.id))
        world.assistant.script_record(OnboardingRecord("A visit.", written))
        record = stored_record((await propose(world)).record.value)
        site, reading, unit = record.fields
        assert (unit.name, unit.value) == ("meter_unit", "m3"), "the picture has answered it"
        assert (reading.name, reading.value, reading.source_id, reading.confidence) == (
            "meter_reading",
            "04821",
            picture.id,
            Confidence.UNSURE,
        )
        [finding] = reading.findings
        assert (finding.kind, finding.source_id, finding.value) == (FindingKind.CONTRADICTED, said.id, "4831")
        assert [found.kind for found in site.findings] == [FindingKind.UNSUPPORTED]

    async def test_the_record_is_redacted_stored_hashed_and_shown(self, world: World) -> None:
        turn = await world.say("Hello.")
        world.gateway.secrets = {"Maria Lindqvist": "NAME"}
        world.assistant.script_record(
            OnboardingRecord(
                "A visit by Maria Lindqvist.", (RecordField("visitor", 'Maria Lindqvist "M"', turn.id),), ("phone",)
            )
        )
        with world.pubsub.subscribe(world.session_id) as news:
            row = await propose(world)
            session, shown = news_of(news)
        assert isinstance(session, SessionRow)
        assert session.state is SessionState.AWAITING_APPROVAL
        assert shown == row
        assert "Maria" not in row.record.value
        assert row.record.counts == {"NAME": 2}
        fields = json.loads(row.record.value)["fields"]
        [field] = fields
        assert (field["name"], field["source_id"], field["value"]) == ("visitor", turn.id, '[REDACTED_NAME] "M"')
        assert row.content_hash == hashlib.sha256(row.record.value.encode()).hexdigest()
        stored = await world.recommender.get(row.id)
        assert (stored.record, stored.state, stored.origin) == (row.record, PENDING, Origin.MODEL)
        assert await world.jobs() == []

    async def test_open_uploads_are_waited_for(self, world: World) -> None:
        await world.start()
        free = world.gateway.hold("read_picture")
        upload = await world.upload()
        await world.until_called("read_picture")
        proposing = asyncio.create_task(propose(world, wait_s=30))
        await world.read(lambda cursor: None)
        assert world.assistant.asked_records == []
        free.set()
        await proposing
        (asked,) = world.assistant.asked_records
        assert [m.id for m in asked.materials] == [upload.id]

    async def test_input_that_arrives_during_writing_is_included(self, world: World) -> None:
        first = await world.say("The meter reads 4821.")
        world.assistant.hold()
        proposing = asyncio.create_task(propose(world))
        await until_asked(world, 1)
        world.clock.advance(1)
        second = await world.say("No, 4827.")
        world.assistant.release()
        row = await proposing
        assert row.state is PENDING
        assert [m.id for m in world.assistant.asked_records[-1].materials] == [first.id, second.id]
        assert len(await world.recommendations()) == 1

    async def test_a_record_that_misses_newer_input_cannot_be_approved(self, world: World) -> None:
        await world.say("The meter reads 4821.")
        world.assistant.hold()
        proposing = asyncio.create_task(propose(world))
        for times in range(1, BUILDS + 1):
            await until_asked(world, times)
            await world.say("And another thing.")
            world.assistant.release()
            world.assistant.hold()
        row = await proposing
        assert row.state is SUPERSEDED
        assert (await world.session()).state is SessionState.IN_PROGRESS
        assert await reason_of(world.recommender.decide(row.id, row.content_hash, "me", approve=True)) == "WRONG_STATE"
        assert len(world.assistant.asked_records) == BUILDS

    async def test_waiting_is_bounded(self, world: World) -> None:
        await world.upload()  # nobody reads it
        await world.say("Hello.")
        await propose(world, wait_s=0.01)
        (asked,) = world.assistant.asked_records
        assert [m.kind for m in asked.materials] == ["turn"]

    async def test_a_session_without_material_gets_no_record(self, world: World) -> None:
        assert await reason_of(propose(world)) == "NO_MATERIAL"

    async def test_an_ended_session_gets_no_record(self, world: World) -> None:
        await world.say("Hello.")
        await world.ledger.write(
            lambda cursor: sessions.transition(cursor, world.session_id, SessionState.ABANDONED, world.clock())
        )
        assert await reason_of(propose(world)) == "SESSION_ENDED"

    async def test_a_second_record_supersedes_the_first(self, world: World) -> None:
        await world.say("Hello.")
        first = await propose(world)
        second = await propose(world)
        assert (await world.recommender.get(first.id)).state is SUPERSEDED
        assert (await world.recommender.get(second.id)).state is PENDING

    async def test_without_redaction_nothing_is_stored(self, world: World) -> None:
        await world.say("Hello.")
        world.gateway.will("redact", InternalError("A defect."))
        assert await reason_of(propose(world)) == "INTERNAL"
        assert await world.recommendations() == []
        assert (await world.session()).state is SessionState.IN_PROGRESS


class TestDecide:
    async def decide(self, world: World, row: RecommendationRow, **changes: Any) -> RecommendationRow:
        arguments: dict[str, Any] = {"content_hash": row.content_hash, "decided_by": "clerk-7", "approve": True}
        return await world.recommender.decide(row.id, **{**arguments, **changes})

    @pytest.mark.parametrize(
        ("changes", "state", "stage"),
        [
            ({}, APPROVED, SessionState.COMPLETED),
            ({"approve": False, "reason": "wrong_reading"}, REJECTED, SessionState.REJECTED),
            ({"approve": False, "reason": "wrong_reading", "revise": True}, REJECTED, SessionState.IN_PROGRESS),
            ({"approve": False}, REJECTED, SessionState.REJECTED),
        ],
    )
    async def test_a_decision_moves_the_session_and_counts_once(
        self, world: World, changes: dict[str, Any], state: RecommendationState, stage: SessionState
    ) -> None:
        await world.say("Hello.")
        row = await propose(world)
        world.clock.advance(5)
        with world.pubsub.subscribe(world.session_id) as news:
            decided = await self.decide(world, row, **changes)
            assert await self.decide(world, row, **changes) == decided
            assert [type(update) for update in news_of(news)] == [SessionRow, RecommendationRow]
        assert (decided.state, decided.decided_by, decided.decide_time) == (state, "clerk-7", world.clock())
        assert (await world.session()).state is stage
        found = await world.read(lambda cursor: events_of_session(cursor, world.session_id))
        (event,) = [e for e in found if e.name == "record_decided"]
        assert (event.took_s, event.properties["decision"].value) == (5.0, state.lower())

    async def test_only_what_was_shown_can_be_decided(self, world: World) -> None:
        await world.say("Hello.")
        row = await propose(world)
        assert await reason_of(self.decide(world, row, content_hash=HASH)) == "CONTENT_CHANGED"
        assert (await world.session()).state is SessionState.AWAITING_APPROVAL
        told = await world.read(lambda cursor: events_of_session(cursor, world.session_id))
        assert [e.properties["reason"].value for e in told if e.name == "decision_refused"] == ["content_changed"]

    async def test_the_opposite_decision_is_refused(self, world: World) -> None:
        await world.say("Hello.")
        row = await propose(world)
        await self.decide(world, row)
        assert await reason_of(self.decide(world, row, approve=False)) == "WRONG_STATE"
        assert (await world.session()).state is SessionState.COMPLETED

    async def test_a_superseded_record_cannot_be_approved(self, world: World) -> None:
        await world.say("Hello.")
        row = await propose(world)
        await world.say("One more thing.")
        assert await reason_of(self.decide(world, row)) == "WRONG_STATE"

    async def test_an_unknown_record_is_not_found(self, world: World) -> None:
        with pytest.raises(NotFound):
            await world.recommender.decide(world.session_id, HASH, "clerk-7", approve=True)
