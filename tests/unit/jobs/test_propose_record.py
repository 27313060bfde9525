"""The job that replaces a record of the fallback."""

from __future__ import annotations

import pytest

from models.errors import BreakerOpen, UpstreamFailed
from models.retry import POLICIES
from server.ledger import dead_letters, sessions
from server.ledger.types import (
    JobState,
    Origin,
    RecommendationRow,
    SessionState,
)
from tests.eventually import eventually
from tests.unit.jobs.conftest import World
from tests.unit.jobs.recommendation_helpers import (
    PENDING,
    SUPERSEDED,
    news_of,
    propose,
)


class TestBetterRecord:
    async def fall_back(self, world: World) -> RecommendationRow:
        await world.say("The meter reads 4821.")
        world.assistant.script_record(BreakerOpen("Not asked at the moment."))
        row = await propose(world)
        assert row.origin is Origin.FALLBACK
        return row

    async def test_the_record_of_the_llm_replaces_the_fallback(self, world: World) -> None:
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

    async def test_retries_follow_the_policy_and_the_upstreams_retry_after(self, world: World) -> None:
        await self.fall_back(world)
        world.assistant.script_record(UpstreamFailed("Rate limited.", retry_after_s=77.0))
        world.assistant.script_record(UpstreamFailed("Nothing came."))
        await world.start()
        await world.settle()
        asked_for_s = world.attempts[-1].retry_in_s
        assert asked_for_s is not None
        assert 77 < asked_for_s <= 77 * 1.1, "never earlier than the upstream asked for"
        world.clock.advance(asked_for_s)
        await world.settle()
        delay_s = world.attempts[-1].retry_in_s
        assert delay_s is not None
        whole = POLICIES["llm_api"].first_delay_s * POLICIES["llm_api"].factor
        assert whole / 2 <= delay_s <= whole
        world.clock.advance(delay_s)
        await world.settle()
        assert world.outcomes == ["retry", "retry", "done"]

    @pytest.mark.parametrize("meanwhile", ["approved", "more", "abandoned"])
    async def test_a_record_decided_or_superseded_meanwhile_is_not_replaced(self, world: World, meanwhile: str) -> None:
        row = await self.fall_back(world)
        world.assistant.hold()
        await world.start()
        await world.runner.claim()
        await eventually(lambda: len(world.assistant.asked_records) == 2)
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

    async def test_a_decided_record_causes_no_llm_call(self, world: World) -> None:
        row = await self.fall_back(world)
        await world.recommender.decide(row.id, row.content_hash, "clerk-7", approve=True)
        await world.start()
        await world.settle()
        assert len(world.assistant.asked_records) == 1
        assert [job.state for job in await world.jobs()] == [JobState.DONE]

    async def test_exhausted_retries_keep_the_fallback_and_write_a_dead_letter(self, world: World) -> None:
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
