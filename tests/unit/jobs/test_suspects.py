"""Jobs that may have killed their worker are tried alone: what that costs others, and what it shows."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from models.errors import DeadlineExceeded, VestibuleError
from models.redaction.types import RedactionContext, RedactionScope
from models.text import RawText
from ray_tasks.types import SpeechWindow
from server.breakers.breaker import AsyncBreaker
from server.breakers.client_pauses import ClientPauses
from server.breakers.guarded_gateway import GuardedGateway
from server.breakers.types import BreakerBounds
from server.jobs.isolation import MOST_DEATHS
from server.jobs.read_picture import ReadPicture
from server.jobs.read_recording import ReadRecording
from server.ledger import dead_letters, jobs, sessions
from server.ledger.columns import Cursor
from server.ledger.jobs import new_job
from server.ledger.types import UploadRow
from tests.eventually import eventually
from tests.fakes.guide import GUIDE
from tests.unit.jobs.conftest import JPEG, WAV, World
from tests.unit.jobs.test_worker_deaths import AWAY, DIED, LOST_TWICE, Beside, next_attempts
from tests.unit.ledger.makers import session


async def suspects_of_one_client(world: World, handler: Beside, number: int, died: VestibuleError = DIED) -> None:
    """Have the first attempts at so many jobs of one client end with the death of their worker."""

    def write(cursor: Cursor) -> None:
        sessions.insert_or_get(cursor, session("good", client_id="good"))
        for n in range(number):
            sessions.insert_or_get(cursor, session(f"bad-{n}", client_id="bad"))
            jobs.enqueue(cursor, new_job(handler.kind, f"bad-{n}", f"bad-{n}", {}, "network", world.clock()))

    await world.ledger.write(write)
    world.more_handlers.append(handler)
    await world.start()
    ended = 0
    while ended < number:  # the runner begins the next ones by itself
        await eventually(lambda: len(handler.running) == min(handler.concurrency, number - len(world.attempts)))
        for attempt in list(handler.running.values()):
            attempt.set_result(died)
            ended += 1
        await eventually(lambda: len(world.attempts) == ended)  # noqa: B023 - awaited at once
    await eventually(lambda: not world.runner.running)


async def begin_next(world: World, handler: Beside) -> None:
    await world.runner.claim()
    await eventually(lambda: handler.running)


async def test_a_file_of_another_client_waits_for_one_suspect(world: World) -> None:
    """Each of the suspects would take a place to wait in, so that the other file would wait for two of them."""
    handler = Beside()
    await suspects_of_one_client(world, handler, 2 * Beside.concurrency)
    world.clock.advance(max(one.retry_in_s or 0.0 for one in world.attempts))
    await begin_next(world, handler)
    await world.runner.enqueue(kind=handler.kind, key="good", session_id="good", payload={}, policy="network")
    ended = 0
    while "good" not in handler.running:
        await world.runner.claim()
        [(_, attempt)] = handler.running.items()
        attempt.set_result(None)
        ended += 1
        await eventually(lambda: len(world.attempts) == 2 * Beside.concurrency + ended)  # noqa: B023 - awaited at once
        await begin_next(world, handler)
    assert ended == 1


@pytest.mark.parametrize("died", [DIED, LOST_TWICE], ids=lambda error: error.reason)
async def test_suspects_wait_in_the_queue_and_each_has_its_turn(world: World, died: VestibuleError) -> None:
    handler = Beside()
    number = Beside.concurrency + 2
    await suspects_of_one_client(world, handler, number, died)
    await next_attempts(world)
    for turn in range(1, number + 1):
        await eventually(lambda: handler.running)
        await world.runner.claim()
        assert (world.runner.running, len(handler.running)) == (1, 1), "the others hold no place"
        [(_, attempt)] = handler.running.items()
        attempt.set_result(None)
        await eventually(lambda: world.outcomes.count("done") == turn)  # noqa: B023 - awaited at once


class Callers:
    """Jobs that read uploads, and streams, on the same guarded workers."""

    def __init__(self, world: World, method: str) -> None:
        self.world = world
        self.method = method
        speech, vision = (
            ClientPauses(AsyncBreaker(name, BreakerBounds(failures=100))) for name in ("speech_worker", "vision_worker")
        )
        self.gateway = GuardedGateway(world.gateway, speech, vision)
        reading = (world.ledger, world.spool, self.gateway, world.pubsub, world.artifacts, world.clock)
        world.more_handlers += [ReadPicture(*reading, guide=GUIDE), ReadRecording(*reading, guide=GUIDE, at_once=2)]
        self.streams: list[asyncio.Task[object]] = []
        self._read = 0

    async def upload(self) -> UploadRow:
        """Begin with an upload whose first attempt loses the worker."""
        await self.world.start()
        return await self.world.upload(JPEG if self.method == "read_picture" else WAV)

    def hear(self, session: str) -> None:
        """Have a window of a stream recognised until ``answer``."""
        self.world.gateway.hold("speech_step")
        window = SpeechWindow(b"", final=True, scope=RedactionScope("app", session))
        self.streams.append(asyncio.create_task(self._quietly(window)))

    async def _quietly(self, window: SpeechWindow) -> None:
        with suppress(VestibuleError):
            await self.gateway.speech_step(window, timeout_s=30)

    async def answer(self, error: VestibuleError | None = None) -> None:
        """Answer the streams, or have their calls fail."""
        if error is not None:
            self.world.gateway.will("speech_step", *[error] * len(self.streams))
        self.world.gateway._holds.pop("speech_step").set()
        await asyncio.gather(*self.streams)
        self.streams.clear()

    async def attempt(self, error: VestibuleError, *sessions: str, first_lost: bool = False) -> None:
        """Let the next attempt fail while streams of these sessions have calls under way.

        Args:
            error: What the attempt, and the streams with it, end with.
            sessions: Those that have calls.
            first_lost: Whether the calls of the streams end before that of the job.
        """
        before, self._read = len(self.world.attempts), self._read + 1
        if before:
            await next_attempts(self.world)
        held = self.world.gateway.hold(self.method)
        await eventually(lambda: len(self.world.gateway.called(self.method)) == self._read)
        for session_id in sessions:
            self.hear(session_id)
        await asyncio.sleep(0)
        if sessions and first_lost:
            await self.answer(error)
        self.world.gateway.will(self.method, error)
        self.world.gateway._holds.pop(self.method)
        held.set()
        await eventually(lambda: len(self.world.attempts) > before)

    async def last_letter(self) -> tuple[str, int]:
        (letter,), _ = await self.world.read(dead_letters.list_letters)
        return letter.reason, letter.attempts


LOSSES = pytest.mark.parametrize(
    ("method", "died"),
    [("read_picture", LOST_TWICE), ("read_recording", LOST_TWICE), ("read_recording", DIED)],
    ids=lambda value: value if isinstance(value, str) else value.reason,
)


@LOSSES
@pytest.mark.parametrize("first_lost", [False, True], ids=["job_first", "stream_first"])
async def test_a_stream_that_may_have_killed_the_worker_keeps_a_suspect_from_being_set_aside(
    world: World, method: str, died: VestibuleError, first_lost: bool
) -> None:
    callers = Callers(world, method)
    await callers.upload()
    await callers.attempt(died)
    await callers.attempt(died, "stream", first_lost=first_lost)
    assert world.outcomes == ["retry", "retry"]
    if not first_lost:
        await callers.answer(died)
    await next_attempts(world)
    await eventually(lambda: world.outcomes == ["retry", "retry", "done"])


@LOSSES
async def test_a_job_that_dies_again_without_that_stream_is_set_aside(
    world: World, method: str, died: VestibuleError
) -> None:
    callers = Callers(world, method)
    await callers.upload()
    await callers.attempt(died)
    await callers.attempt(died, "stream")
    await callers.answer(died)
    await callers.attempt(died, "another stream")
    assert world.outcomes == ["retry", "retry", "dead"]
    assert await callers.last_letter() == ("WORKER_KILLED", 3)
    await callers.answer()


async def test_a_call_that_was_answered_later_is_not_the_cause(world: World) -> None:
    """It was made again on another worker, which did not die."""
    callers = Callers(world, "read_recording")
    await callers.upload()
    await callers.attempt(DIED)
    await callers.attempt(DIED, "stream")
    await callers.answer()
    await callers.attempt(DIED, "stream")
    assert world.outcomes == ["retry", "retry", "dead"]
    await callers.answer()


async def test_a_job_beside_the_same_stream_each_time_is_set_aside_after_three_deaths(world: World) -> None:
    """Either may be the cause, and the worker must not die for ever."""
    callers = Callers(world, "read_recording")
    await callers.upload()
    await callers.attempt(DIED)
    for _ in range(MOST_DEATHS):
        await callers.attempt(DIED, "stream")
        await callers.answer(DeadlineExceeded("Nothing is known about this call."))
    assert world.outcomes == ["retry"] * MOST_DEATHS + ["dead"]
    assert await callers.last_letter() == ("WORKER_KILLED", MOST_DEATHS + 1)


async def test_what_was_beside_it_is_remembered_over_an_outage(world: World) -> None:
    callers = Callers(world, "read_recording")
    await callers.upload()
    await callers.attempt(DIED)
    await callers.attempt(DIED, "stream")
    await callers.answer(DIED)
    await callers.attempt(AWAY)
    await callers.attempt(DIED, "another stream")
    assert world.outcomes == ["retry", "retry", "postponed", "dead"]
    await callers.answer()


async def test_calls_to_other_workers_are_not_the_cause(world: World) -> None:
    """The worker that reads pictures died; a stream uses others."""
    callers = Callers(world, "read_picture")
    await callers.upload()
    await callers.attempt(DIED)
    await callers.attempt(DIED, "stream")
    assert world.outcomes == ["retry", "dead"]
    await callers.answer()


async def test_the_redaction_of_a_typed_text_may_lose_the_cluster_too(world: World) -> None:
    callers = Callers(world, "read_picture")
    await callers.upload()
    await callers.attempt(LOST_TWICE)
    held = world.gateway.hold("redact")
    context = RedactionContext(scope=RedactionScope("app", "typed"))
    typed = asyncio.create_task(callers.gateway.redact([RawText("hello")], context, timeout_s=30))
    await asyncio.sleep(0)
    await callers.attempt(LOST_TWICE)
    assert world.outcomes == ["retry", "retry"]
    held.set()
    await typed
