"""Background jobs at a remote LLM that fails, over real HTTP; the clocks are moved by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from models.retry_budget import RetryBudget
from server.breakers.breaker import BLOCKED_S
from server.breakers.registry import Breakers
from server.breakers.types import BreakerBounds, BreakerState
from server.ledger import dead_letters, jobs, turns
from server.ledger.types import JobRow, JobState, Origin, TurnRow
from server.llm.assistant import OpenAiAssistant
from server.llm.openai_client import ChatUpstream
from server.llm.openai_errors import judge_llm_error
from server.llm.upstream import Patience, Upstream
from server.observability.metrics import Metrics
from server.records.status import Component, StatusReporter
from tests.fakes.assistant import FakeAssistant
from tests.unit.jobs.conftest import World
from tests.unit.ledger.stored import jobs_of_session
from tests.unit.llm.scripted_upstream import KEY, ScriptedUpstream, run_upstream

REST_S = 2.5
DAY_S = 24 * 3600.0
Connect = Callable[..., "Server"]


class Server:
    """A world whose assistant asks real upstreams; started again by making another one."""

    def __init__(self, world: World, *upstreams: tuple[ScriptedUpstream, str]) -> None:
        self.world = world
        self.breakers = Breakers(world.ledger, Metrics(), world.clock)
        self.upstreams = [
            self._upstream("llm_api" if place == 1 else f"llm_api_{place}", scripted, key)
            for place, (scripted, key) in enumerate(upstreams, start=1)
        ]
        self.assistant = OpenAiAssistant(self.upstreams)
        world.assistant = self.assistant  # type: ignore[assignment]
        world.boot()
        self.breakers.wake_when_closed(world.runner.wake)

    def _upstream(self, name: str, scripted: ScriptedUpstream, key: str) -> Upstream:
        def seconds() -> float:
            return self.world.clock().timestamp()

        breaker = self.breakers.build(name, BreakerBounds(), judge_llm_error, clock=seconds)
        chat = ChatUpstream(f"{scripted.url}/v1", key, "m")
        return Upstream(chat, breaker, RetryBudget(clock=seconds), Patience(rest_s=REST_S), seconds)

    async def start(self) -> None:
        await self.breakers.restore()
        await self.world.start()

    async def reply(self, text: str) -> tuple[TurnRow, Origin]:
        """A turn of a person who waits; the fallback's reply is followed by a job."""
        turn = await self.world.say(text)
        reply = await self.assistant.reply(turn.text, [], language="en", fallback=True)
        async with aclosing(reply.pieces):
            assert [piece async for piece in reply.pieces]
        if reply.origin is Origin.FALLBACK:
            await self.world.runner.enqueue(
                kind="reply",
                key=turn.id,
                session_id=turn.session_id,
                payload={"turn_id": turn.id},
                policy="llm_api",
            )
        return turn, reply.origin

    async def wait(self) -> None:
        """Let as much time pass as the last attempt said, and do what is due."""
        wait_s = self.world.attempts[-1].retry_in_s
        assert wait_s is not None
        self.world.clock.advance(wait_s)
        await self.world.settle()

    async def answered(self, turn: TurnRow) -> bool:
        row = await self.world.read(lambda cursor: turns.get(cursor, turn.id))
        return row.reply_origin is Origin.MODEL

    async def llm(self) -> Component:
        world = self.world
        parts = (world.gateway, world.ledger, self.assistant, self.breakers, world.clock(), lambda: 0, ())
        return next(part for part in (await StatusReporter(*parts).report()).components if part.name == "llm")


@pytest.fixture(scope="module")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptedUpstream]:
    with run_upstream(tmp_path_factory.mktemp("first") / "received") as upstream:
        yield upstream


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptedUpstream]:
    with run_upstream(tmp_path_factory.mktemp("second") / "received") as upstream:
        yield upstream


@pytest.fixture
async def connect(world: World) -> AsyncIterator[Connect]:
    made: list[Server] = []

    def connected(*upstreams: tuple[ScriptedUpstream, str]) -> Server:
        made.append(Server(world, *upstreams))
        return made[-1]

    yield connected
    await world.runner.stop(0)
    for server in made:
        await server.breakers.drain()
        await server.assistant.aclose()


def requests(scripted: ScriptedUpstream) -> int:
    """All that were received, also those with a wrong key."""
    received = Path(scripted.record).read_bytes()
    return received.count(b"POST /v1/chat/completions")


async def one_job(world: World) -> JobRow:
    [job] = await world.jobs()
    return job


@pytest.mark.parametrize("mode", ["rate_limit", "error", "empty"])
async def test_a_failed_turn_is_asked_again_after_the_delay_of_its_policy_and_counts_once(
    connect: Connect, scripted: ScriptedUpstream, world: World, mode: str
) -> None:
    server = connect((scripted, KEY))
    await server.start()
    scripted.script(mode)
    before = scripted.asked()
    turn, origin = await server.reply("I am at the Riverside site")
    assert origin is Origin.FALLBACK
    breaker = server.upstreams[0].breaker
    await world.settle()
    assert scripted.asked() == before + 1, "the job does not ask at once what has just failed"
    assert (await one_job(world)).attempts == 0
    assert world.attempts[-1].retry_in_s >= REST_S  # type: ignore[operator]
    for _ in range(2):
        await server.wait()
    assert scripted.asked() == before + 3
    assert (breaker.failure_count, breaker.state) == (1, BreakerState.CLOSED), "three failures of one turn"
    scripted.script("answer")
    await server.wait()
    assert await server.answered(turn)


async def test_the_failures_of_several_turns_open_the_breaker(
    connect: Connect, scripted: ScriptedUpstream, world: World
) -> None:
    server = connect((scripted, KEY))
    await server.start()
    scripted.script("error")
    for number in range(3):
        await server.reply(f"The meter reads {number}")
        await world.settle()
    assert server.upstreams[0].breaker.state is BreakerState.OPEN
    assert (await server.llm()).reason == "BREAKER_OPEN"


@pytest.mark.parametrize("fails_first", [True, False])
async def test_a_job_waits_as_long_as_the_upstream_asks(
    connect: Connect, scripted: ScriptedUpstream, world: World, fails_first: bool
) -> None:
    """Also when it is the job's own attempt that is told to wait."""
    server = connect((scripted, KEY))
    await server.start()
    scripted.script("error" if fails_first else "rate_limit", retry_after="90")
    turn, _ = await server.reply("I am at the Riverside site")
    await world.settle()
    if fails_first:
        scripted.script("rate_limit", retry_after="90")
        await server.wait()
        assert world.attempts[-1].reason == "UPSTREAM_RATE_LIMITED"
    waits_s = world.attempts[-1].retry_in_s
    assert waits_s is not None
    assert 90 <= waits_s <= 100
    before = scripted.asked()
    scripted.script("answer")
    world.clock.advance(89)
    await world.settle()
    assert scripted.asked() == before
    world.clock.advance(11)
    await world.settle()
    assert await server.answered(turn)


async def test_a_pause_of_an_hour_makes_no_dead_letter(
    connect: Connect, scripted: ScriptedUpstream, world: World
) -> None:
    """A quota by the hour: the job of the turn that met it, and the jobs of turns that ask nobody meanwhile."""
    server = connect((scripted, KEY))
    await server.start()
    scripted.script("rate_limit", retry_after="3600")
    told = [(await server.reply(f"The meter reads {number}"))[0] for number in range(3)]
    before = scripted.asked()
    await world.settle()
    assert scripted.asked() == before
    assert {attempt.reason for attempt in world.attempts} == {"UPSTREAM_PAUSED"}
    world.clock.advance(3610)
    await world.settle()
    assert scripted.asked() == before + 1, "the first one is told to wait for another hour, the others ask nobody"
    assert not await world.read(dead_letters.count_open)
    scripted.script("error")
    world.clock.advance(3610)
    await world.settle()
    assert world.attempts[-1].reason == "UPSTREAM_ERROR"
    assert not await world.read(dead_letters.count_open), "the hours are no part of the time of the policy"
    await world.runner.stop(0)
    await server.breakers.drain()
    server = connect((scripted, KEY))  # a restart keeps it so
    await server.start()
    scripted.script("answer")
    for _ in range(4):
        world.clock.advance(60)
        await world.settle()
    assert [await server.answered(turn) for turn in told] == [True] * 3


async def test_a_refused_key_costs_one_request_and_no_job(
    connect: Connect, scripted: ScriptedUpstream, world: World
) -> None:
    scripted.script("answer")
    server = connect((scripted, "expired"))
    await server.start()
    before = requests(scripted)
    turn, origin = await server.reply("I am at the Riverside site")
    assert origin is Origin.FALLBACK
    for number in range(5):
        assert (await server.reply(f"The meter reads {number}"))[1] is Origin.FALLBACK
    await world.settle()
    assert requests(scripted) == before + 1, "one failure is enough, and the job adds none"
    part = await server.llm()
    assert (part.healthy, part.reason) == (False, "UPSTREAM_KEY_REFUSED")
    assert "refuses the key" in part.detail
    assert {attempt.outcome for attempt in world.attempts} == {"postponed"}
    for _ in range(8):  # more than the policy's attempts, and longer than its total time
        await server.wait()
    assert requests(scripted) <= before + 1 + 8
    assert not await world.read(dead_letters.count_open)
    assert {job.state for job in await world.jobs()} == {JobState.QUEUED}
    assert not await server.answered(turn)


async def test_another_key_after_a_restart_is_tried_at_once(
    connect: Connect, scripted: ScriptedUpstream, world: World
) -> None:
    scripted.script("answer")
    server = connect((scripted, "expired"))
    await server.start()
    turn, _ = await server.reply("I am at the Riverside site")
    await world.settle()
    await world.runner.stop(0)
    await server.breakers.drain()
    server = connect((scripted, KEY))
    await server.start()
    assert server.upstreams[0].breaker.state is BreakerState.CLOSED
    world.clock.advance(jobs.RETURN_S)
    await world.settle()
    assert await server.answered(turn)
    assert (await server.llm()).healthy


async def test_a_key_that_was_mended_at_the_provider_brings_the_jobs_back_by_a_reset(
    connect: Connect, scripted: ScriptedUpstream, world: World
) -> None:
    scripted.script("answer")
    server = connect((scripted, "expired"))
    await server.start()
    turn, _ = await server.reply("I am at the Riverside site")
    await world.settle()
    server.upstreams[0]._chat._client.api_key = KEY  # the provider takes it now
    server.breakers.get("llm_api").reset()
    await server.breakers.drain()
    world.clock.advance(jobs.RETURN_S)
    await world.settle()
    assert await server.answered(turn)


async def test_a_probe_finds_out_that_the_key_is_taken_again(connect: Connect, scripted: ScriptedUpstream) -> None:
    scripted.script("answer")
    server = connect((scripted, "expired"))
    await server.start()
    await server.reply("I am at the Riverside site")
    [upstream] = server.upstreams
    server.world.clock.advance(BLOCKED_S - 1)
    with pytest.raises(Exception, match="refuses the key"):
        await upstream.probe()
    assert upstream.breaker.open_for_more_s == BLOCKED_S, "nobody has to be the one to try"
    upstream._chat._client.api_key = KEY
    await upstream.probe()


async def test_a_refused_key_at_one_upstream_keeps_no_job_from_the_other(
    connect: Connect, scripted: ScriptedUpstream, second: ScriptedUpstream, world: World
) -> None:
    server = connect((scripted, "expired"), (second, KEY))
    await server.start()
    second.script("rate_limit", retry_after="60")
    turn, _ = await server.reply("I am at the Riverside site")
    await world.settle()
    assert world.attempts[-1].reason == "UPSTREAM_PAUSED"
    waits_s = world.attempts[-1].retry_in_s
    assert waits_s is not None
    assert 60 <= waits_s < 70
    second.script("answer")
    await server.wait()
    assert await server.answered(turn)
    part = await server.llm()
    assert (part.healthy, part.reason) == (False, "UPSTREAM_KEY_REFUSED")
    assert part.detail.startswith("The breakers: llm_api refuses the key, llm_api_2 is closed.")


async def test_without_an_upstream_its_jobs_are_kept_until_there_is_one(
    connect: Connect, scripted: ScriptedUpstream, world: World
) -> None:
    server = connect((scripted, KEY))
    await server.start()
    scripted.script("error")
    turn, _ = await server.reply("I am at the Riverside site")
    await world.settle()
    await server.wait()
    assert (await one_job(world)).attempts == 1
    await world.runner.stop(0)

    without = connect()
    attempts = len(world.attempts)
    await without.start()
    for _ in range(3):
        world.clock.advance(DAY_S)
        await world.settle()
    assert len(world.attempts) == attempts
    assert not await world.read(dead_letters.count_open)
    part = await without.llm()
    assert (part.healthy, part.reason) == (True, "")
    assert part.detail.endswith("the local fallback answers. 1 job(s) wait until one is.")
    await world.runner.stop(0)

    server = connect((scripted, KEY))
    await server.start()
    await world.settle()
    assert world.outcomes[-1] == "retry", "days without an upstream are no part of the time of the policy"
    scripted.script("answer")
    await server.wait()
    assert await server.answered(turn)


async def test_uploads_are_read_while_jobs_wait_for_an_upstream(world: World) -> None:
    world.assistant = FakeAssistant(configured=False)
    world.boot()
    turn = await world.say("The meter reads 4821.")
    await world.runner.enqueue(
        kind="reply", key=turn.id, session_id=turn.session_id, payload={"turn_id": turn.id}, policy="llm_api"
    )
    await world.start()
    upload = await world.upload()
    await world.settle()
    assert (await world.uploaded(upload.id)).state == "DONE"
    waiting = await world.read(lambda cursor: jobs_of_session(cursor, world.session_id))
    assert [job.kind for job in waiting if job.state is JobState.QUEUED] == ["reply"]
