"""The job that replaces a reply of the fallback."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models.errors import UpstreamFailed
from models.reasons import Reason
from models.text import RedactedText
from server.experiments.catalogue import Experiments
from server.experiments.types import Changes, Experiment, Variant
from server.ledger import streams, turns
from server.ledger.columns import Cursor, update
from server.ledger.types import Origin, SessionState
from server.records.pubsub import LateReply
from tests.eventually import eventually
from tests.fakes.gateway import redacted
from tests.unit.jobs.conftest import World
from tests.unit.jobs.recommendation_helpers import (
    news_of,
)
from tests.unit.ledger.makers import stream


class TestLateReply:
    async def enqueue(self, world: World, turn_id: str) -> None:
        await world.runner.enqueue(
            kind="reply",
            key=f"reply:{turn_id}",
            session_id=world.session_id,
            payload={"turn_id": turn_id},
            policy="llm_api",
        )

    async def test_the_reply_is_redacted_stored_and_published(self, world: World) -> None:
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

    async def test_a_late_reply_is_told_what_the_variant_of_its_session_tells(self, world: World) -> None:
        ask = RedactedText.literal("Ask for the meter first.")
        told = Variant("told", changes=Changes(reply_instruction=ask))
        world.experiments = Experiments(Experiment("prompt", (Variant("usual"), told), world.clock()))
        await world.ledger.write(
            lambda cursor: update(cursor, "sessions", world.session_id, {"variant": "prompt.told"})
        )
        turn = await world.say("Hello.")
        await world.start()
        await self.enqueue(world, turn.id)
        await world.settle()
        assert [asked.instruction for asked in world.assistant.asked_replies] == [ask]

    async def test_a_text_without_a_language_is_answered_in_the_detected_one(self, world: World) -> None:
        turn = await world.say("Guten Morgen.")

        def detect(cursor: Cursor) -> None:
            update(cursor, "sessions", world.session_id, {"language": ""})
            update(cursor, "turns", turn.id, {"language": ""})
            streams.insert_stream(cursor, replace(stream(world.session_id), language="de"))

        await world.ledger.write(detect)
        await world.start()
        await self.enqueue(world, turn.id)
        await world.settle()
        assert [asked.language for asked in world.assistant.asked_replies] == ["de"]

    async def test_a_reply_that_breaks_off_is_retried(self, world: World) -> None:
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

    async def test_a_reply_that_broke_off_is_replaced_by_a_whole_one(self, world: World) -> None:
        turn = await world.say("Hello.")
        await world.ledger.write(
            lambda cursor: turns.set_reply(cursor, turn.id, redacted("Good "), Origin.MODEL, "UPSTREAM_HALF_ANSWER")
        )
        world.assistant.script_reply("Good morning.")
        await world.start()
        await self.enqueue(world, turn.id)
        await world.settle()
        stored = await world.read(lambda cursor: turns.get(cursor, turn.id))
        assert (stored.reply, stored.reply_origin, stored.reply_cut) == (redacted("Good morning."), Origin.MODEL, "")

    @pytest.mark.parametrize("sent", [None, "Good "])
    async def test_a_reply_that_is_cut_again_stays_as_it_is(self, world: World, sent: str | None) -> None:
        turn = await world.say("Hello.", reply="I have noted that.")
        if sent is not None:
            await world.ledger.write(
                lambda cursor: turns.set_reply(cursor, turn.id, redacted(sent), Origin.MODEL, "UPSTREAM_ANSWER_CUT")
            )
        before = await world.read(lambda cursor: turns.get(cursor, turn.id))
        cut = UpstreamFailed("It is too long.", reason=Reason.UPSTREAM_ANSWER_CUT)
        world.assistant.script_reply("Good morning. ", "And", cut)
        await world.start()
        await self.enqueue(world, turn.id)
        await world.settle()
        assert len(world.assistant.asked_replies) == 1
        assert world.outcomes == ["done"]
        assert await world.read(lambda cursor: turns.get(cursor, turn.id)) == before

    @pytest.mark.parametrize("state", [state for state in SessionState if state.ended])
    async def test_a_turn_of_a_session_that_has_ended_gets_no_reply(self, world: World, state: SessionState) -> None:
        turn = await world.say("Hello.", reply="I have noted that.")
        await world.ledger.write(lambda cursor: update(cursor, "sessions", world.session_id, {"state": state}))
        await world.start()
        await self.enqueue(world, turn.id)
        await world.settle()
        assert world.assistant.asked_replies == []
        assert world.outcomes == ["done"]
        stored = await world.read(lambda cursor: turns.get(cursor, turn.id))
        assert (stored.reply, stored.reply_origin) == (turn.reply, turn.reply_origin)

    async def test_a_session_that_ends_while_the_reply_is_written_keeps_what_it_has(self, world: World) -> None:
        turn = await world.say("Hello.", reply="I have noted that.")
        world.assistant.hold()
        await world.start()
        await self.enqueue(world, turn.id)
        await world.runner.claim()
        await eventually(lambda: len(world.assistant.asked_replies) == 1)
        ended = {"state": SessionState.ABANDONED}
        await world.ledger.write(lambda cursor: update(cursor, "sessions", world.session_id, ended))
        with world.pubsub.subscribe(world.session_id) as news:
            world.assistant.release()
            await world.settle()
            assert not any(isinstance(each, LateReply) for each in news_of(news))
        stored = await world.read(lambda cursor: turns.get(cursor, turn.id))
        assert (stored.reply, stored.reply_origin) == (turn.reply, turn.reply_origin)

    async def test_a_reply_that_was_interrupted_stays_as_it_is(self, world: World) -> None:
        turn = await world.say("Hello.")
        await world.ledger.write(lambda cursor: turns.set_reply(cursor, turn.id, None, None, "REPLY_INTERRUPTED"))
        world.clock.advance(1)
        await world.say("I am at the gate.")
        await world.start()
        await self.enqueue(world, turn.id)
        await world.settle()
        assert world.assistant.asked_replies == []
        assert (await world.read(lambda cursor: turns.get(cursor, turn.id))).reply is None

    async def test_a_reply_that_was_interrupted_is_replaced_if_the_person_did_not_go_on(self, world: World) -> None:
        turn = await world.say("Hello.")
        await world.ledger.write(
            lambda cursor: turns.set_reply(cursor, turn.id, redacted("Good "), Origin.MODEL, "REPLY_INTERRUPTED")
        )
        world.assistant.script_reply("Good morning.")
        await world.start()
        await self.enqueue(world, turn.id)
        await world.settle()
        stored = await world.read(lambda cursor: turns.get(cursor, turn.id))
        assert (stored.reply, stored.reply_cut) == (redacted("Good morning."), "")

    async def test_an_answered_turn_is_not_answered_again(self, world: World) -> None:
        turn = await world.say("Hello.")
        await world.ledger.write(
            lambda cursor: turns.set_reply(cursor, turn.id, redacted("Good morning."), Origin.MODEL)
        )
        await world.start()
        await self.enqueue(world, turn.id)
        await world.settle()
        assert world.assistant.asked_replies == []
        assert world.outcomes == ["done"]
