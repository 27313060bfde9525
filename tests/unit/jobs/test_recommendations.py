from __future__ import annotations

import asyncio
import hashlib
import json
from typing import Any

import pytest

from models.errors import BreakerOpen, InternalError, NotFound, UpstreamFailed, VestibuleError
from models.retry import POLICIES
from models.text import RedactedText
from server.ledger import dead_letters, sessions, turns
from server.ledger.record_text import record_text
from server.ledger.types import (
    JobState,
    Origin,
    RecommendationRow,
    RecommendationState,
    SessionRow,
    SessionState,
)
from server.llm.types import OnboardingRecord, RecordField
from server.records.pubsub import LateReply, Subscription
from server.records.recommender import BUILDS
from tests.fakes.gateway import redacted
from tests.unit.jobs.conftest import WAV, World
from tests.unit.ledger.stored import events_of_session

PENDING, APPROVED = RecommendationState.PENDING, RecommendationState.APPROVED
REJECTED, SUPERSEDED = RecommendationState.REJECTED, RecommendationState.SUPERSEDED
HASH = "0" * 64


async def reason_of(call: Any) -> str:
    with pytest.raises(VestibuleError) as caught:
        await call
    return caught.value.reason


async def propose(world: World, *, wait_s: float = 0.0) -> RecommendationRow:
    return await world.recommender.propose(world.session_id, fallback=True, wait_s=wait_s)


async def until_asked(world: World, times: int) -> None:
    async with asyncio.timeout(10):
        while len(world.assistant.asked_records) < times:  # noqa: ASYNC110 - a fake
            await asyncio.sleep(0)


def news_of(news: Subscription) -> list[object]:
    return list(news._waiting.values())


class TestPropose:
    async def test_everything_safe_becomes_material_in_order(self, world: World) -> None:
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
        assert fields == [{"name": "visitor", "source_id": turn.id, "value": '[REDACTED_NAME] "M"'}]
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

    async def test_what_comes_while_a_record_is_written_is_in_it(self, world: World) -> None:
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

    async def test_nobody_approves_a_record_that_never_caught_up(self, world: World) -> None:
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

    async def test_nothing_gives_nothing(self, world: World) -> None:
        assert await reason_of(propose(world)) == "NO_MATERIAL"

    async def test_an_ended_session_gets_no_record(self, world: World) -> None:
        await world.say("Hello.")
        await world.ledger.write(
            lambda cursor: sessions.transition(cursor, world.session_id, SessionState.ABANDONED, world.clock())
        )
        assert await reason_of(propose(world)) == "WRONG_STATE"

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

    async def test_an_unknown_record(self, world: World) -> None:
        with pytest.raises(NotFound):
            await world.recommender.decide(world.session_id, HASH, "clerk-7", approve=True)


class TestBetterRecord:
    async def fall_back(self, world: World) -> RecommendationRow:
        await world.say("The meter reads 4821.")
        world.assistant.script_record(BreakerOpen("Not asked at the moment."))
        row = await propose(world)
        assert row.origin is Origin.FALLBACK
        return row

    async def test_it_takes_the_place_of_the_fallback(self, world: World) -> None:
        await world.start()
        with world.pubsub.subscribe(world.session_id) as news:
            first = await self.fall_back(world)
            await world.settle()
            better = news_of(news)[-1]
        assert isinstance(better, RecommendationRow)
        assert (better.state, better.origin) == (PENDING, Origin.MODEL)
        assert [r.state for r in await world.recommendations()] == [SUPERSEDED, PENDING]
        assert [a.fallback for a in world.assistant.asked_records] == [True, False]
        assert (await world.recommender.get(first.id)).state is SUPERSEDED
        assert (await world.session()).state is SessionState.AWAITING_APPROVAL

    async def test_it_is_tried_as_the_policy_says_and_honours_the_upstream(self, world: World) -> None:
        await self.fall_back(world)
        world.assistant.script_record(UpstreamFailed("Rate limited.", retry_after_s=77.0))
        world.assistant.script_record(UpstreamFailed("Nothing came."))
        await world.start()
        await world.settle()
        assert world.attempts[-1].retry_in_s == 77.0
        world.clock.advance(77)
        await world.settle()
        delay_s = world.attempts[-1].retry_in_s
        assert delay_s is not None
        whole = POLICIES["llm_api"].first_delay_s * POLICIES["llm_api"].factor
        assert whole / 2 <= delay_s <= whole
        world.clock.advance(delay_s)
        await world.settle()
        assert world.outcomes == ["retry", "retry", "done"]

    @pytest.mark.parametrize("meanwhile", ["approved", "more", "abandoned"])
    async def test_it_changes_nothing_when_something_happened_meanwhile(self, world: World, meanwhile: str) -> None:
        row = await self.fall_back(world)
        world.assistant.hold()
        await world.start()
        await world.runner.claim()
        async with asyncio.timeout(10):
            while len(world.assistant.asked_records) < 2:  # noqa: ASYNC110 - a fake
                await asyncio.sleep(0)
        if meanwhile == "approved":
            await world.recommender.decide(row.id, row.content_hash, "clerk-7", approve=True)
        elif meanwhile == "more":
            await world.say("One more thing.")
        else:
            await world.ledger.write(
                lambda cursor: sessions.transition(cursor, world.session_id, SessionState.ABANDONED, world.clock())
            )
        world.assistant.release()
        await world.settle()
        assert world.outcomes == ["done"]
        assert [r.id for r in await world.recommendations()] == [row.id]

    async def test_nobody_is_asked_when_it_was_decided_before(self, world: World) -> None:
        row = await self.fall_back(world)
        await world.recommender.decide(row.id, row.content_hash, "clerk-7", approve=True)
        await world.start()
        await world.settle()
        assert len(world.assistant.asked_records) == 1
        assert [job.state for job in await world.jobs()] == [JobState.DONE]

    async def test_exhaustion_leaves_the_fallback_and_a_letter(self, world: World) -> None:
        row = await self.fall_back(world)
        for _ in range(5):
            world.assistant.script_record(UpstreamFailed("Nothing came."))
        await world.start()
        await world.settle()
        while (delay_s := world.attempts[-1].retry_in_s) is not None:
            world.clock.advance(delay_s)
            await world.settle()
        assert world.outcomes == ["retry"] * 4 + ["dead"]
        (letter,), _ = await world.read(dead_letters.list_letters)
        assert (letter.kind, letter.reason) == ("propose_record", "UPSTREAM_FAILED")
        assert (await world.recommender.get(row.id)).state is PENDING
        await world.runner.redrive(letter.id)
        await world.settle()
        assert (await world.recommender.get(row.id)).state is SUPERSEDED

    async def test_without_an_upstream_there_is_no_job(self, world: World) -> None:
        world.assistant.is_configured = False
        await world.say("Hello.")
        assert (await propose(world)).origin is Origin.FALLBACK
        assert await world.jobs() == []


class TestLateReply:
    async def enqueue(self, world: World, turn_id: str) -> None:
        await world.runner.enqueue(
            kind="reply",
            key=f"reply:{turn_id}",
            session_id=world.session_id,
            payload={"turn_id": turn_id},
            policy="llm_api",
        )

    async def test_it_is_redacted_stored_and_published(self, world: World) -> None:
        earlier = await world.say("Hello.", reply="Good morning.")
        world.clock.advance(1)
        turn = await world.say("The meter reads 4821.", reply="I have noted that.")
        world.clock.advance(1)
        await world.say("Later.")
        world.gateway.secrets = {"Maria": "NAME"}
        world.assistant.script_reply("Thank you, ", "Maria.")
        await world.start()
        with world.pubsub.subscribe(world.session_id) as news:
            await self.enqueue(world, turn.id)
            await self.enqueue(world, turn.id)
            await world.settle()
            late = news_of(news)[-1]
        assert isinstance(late, LateReply)
        assert (late.turn_id, late.text.value, late.origin) == (turn.id, "Thank you, [REDACTED_NAME].", Origin.MODEL)
        stored = await world.read(lambda cursor: turns.get(cursor, turn.id))
        assert (stored.reply, stored.reply_origin) == (late.text, Origin.MODEL)
        (asked,) = world.assistant.asked_replies
        assert [(e.said, e.answered) for e in asked.history] == [(earlier.text, earlier.reply)]
        assert not asked.fallback

    async def test_a_reply_that_breaks_off_is_tried_again(self, world: World) -> None:
        turn = await world.say("Hello.")
        world.assistant.script_reply("Good ", UpstreamFailed("It broke off."))
        await world.start()
        await self.enqueue(world, turn.id)
        await world.settle()
        assert world.outcomes == ["retry"]
        delay_s = world.attempts[-1].retry_in_s
        assert delay_s is not None
        world.clock.advance(delay_s)
        await world.settle()
        assert world.outcomes == ["retry", "done"]

    async def test_a_turn_that_has_its_answer_is_left(self, world: World) -> None:
        turn = await world.say("Hello.")
        await world.ledger.write(
            lambda cursor: turns.set_reply(cursor, turn.id, redacted("Good morning."), Origin.MODEL)
        )
        await world.start()
        await self.enqueue(world, turn.id)
        await world.settle()
        assert world.assistant.asked_replies == []
        assert world.outcomes == ["done"]


class TestRecordText:
    def test_text_that_was_not_redacted_is_refused(self) -> None:
        parts = [redacted("A visit by [REDACTED_NAME].")]
        good = '{"fields":[{"name":"meter_reading","source_id":"","value":"A visit by [REDACTED_NAME]."}]}'
        assert record_text(good, parts).counts == {"NAME": 1}
        with pytest.raises(ValueError, match="not redacted") as caught:
            record_text('{"summary":"A visit by Maria."}', parts)
        assert "Maria" not in str(caught.value)

    def test_one_unsafe_part_makes_it_unsafe(self) -> None:
        unsafe = RedactedText.restore("Hm.", {}, safe_for_llm=False)
        assert not record_text('{"summary":"Hm."}', [unsafe]).safe_for_llm
