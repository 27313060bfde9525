"""The breakers of the workers: what counts, and that calls fail at once while the workers fail."""

from __future__ import annotations

import asyncio

import pytest

from models.deadline import ending_in
from models.errors import (
    BreakerOpen,
    BrokenMedia,
    DeadlineExceeded,
    InvalidInput,
    Overloaded,
    RedactionFailed,
    TooLarge,
    Unavailable,
    VestibuleError,
    WorkerLost,
    WorkTooLong,
)
from models.reasons import Reason
from ray_tasks.types import SpeechWindow
from server.breakers.breaker import AsyncBreaker
from server.breakers.client_pauses import ClientPauses
from server.breakers.guarded_gateway import GuardedGateway, WorkerProbes, judge_worker_error
from server.breakers.suspects import suspecting
from server.breakers.types import BreakerBounds, BreakerState
from tests.clocks import HandSeconds
from tests.fakes.gateway import FakeGateway

BOUNDS = BreakerBounds(failures=5, reset_s=60, successes=3, probes=2)
LOST = WorkerLost("It died.")
LATE = DeadlineExceeded("Too late.")


class World:
    """A guarded gateway on scripted workers."""

    def __init__(self) -> None:
        self.clock = HandSeconds()
        self.workers = FakeGateway()
        self.speech, self.vision = (
            AsyncBreaker(name, BOUNDS, clock=self.clock, judge=judge_worker_error)
            for name in ("speech_worker", "vision_worker")
        )
        self.gateway = GuardedGateway(self.workers, ClientPauses(self.speech), ClientPauses(self.vision))

    async def read(self, error: VestibuleError | None = None) -> None:
        if error is not None:
            self.workers.will("read_picture", error)
        await self.gateway.read_picture(b"picture", document_type="meter", timeout_s=5)

    async def fail(self, error: VestibuleError, times: int = 1) -> None:
        for _ in range(times):
            with pytest.raises(type(error)):
                await self.read(error)


@pytest.fixture
def world() -> World:
    return World()


async def test_workers_that_keep_failing_are_not_asked(world: World) -> None:
    await world.fail(LOST, 5)
    asked = len(world.workers.called("read_picture"))
    with pytest.raises(BreakerOpen, match="vision_worker failed 5 times") as refused:
        await world.read()
    assert refused.value.retry_after_s == pytest.approx(60)
    assert len(world.workers.called("read_picture")) == asked
    await world.gateway.speech_step(SpeechWindow(b"", final=True), timeout_s=5)
    assert world.speech.state is BreakerState.CLOSED, "each kind has a breaker of its own"


async def test_it_closes_after_three_answers(world: World) -> None:
    await world.fail(LOST, 5)
    world.clock.advance(60)
    for state in (BreakerState.HALF_OPEN, BreakerState.HALF_OPEN, BreakerState.CLOSED):
        await world.read()
        assert world.vision.state is state


@pytest.mark.parametrize(
    "error",
    [
        Overloaded("The queue is full.", retry_after_s=1),
        BrokenMedia("It does not decode."),
        TooLarge("Too many pixels."),
        WorkTooLong("It has too many lines."),
        InvalidInput("No such kind."),
        RedactionFailed("The redaction workers did not answer."),
        Unavailable("The workers are not running.", reason=Reason.WORKERS_NOT_READY),
        Unavailable("The cluster died.", reason=Reason.CLUSTER_LOST),
    ],
)
async def test_overload_bad_input_and_workers_that_are_not_there_count_as_nothing(
    world: World, error: VestibuleError
) -> None:
    await world.fail(LOST, 4)
    await world.fail(error, 9)
    assert world.vision.failure_count == 4


@pytest.mark.parametrize(
    "error", [LOST, LATE, Unavailable("The cluster does not answer.", reason=Reason.CLUSTER_UNAVAILABLE)]
)
async def test_what_counts(world: World, error: VestibuleError) -> None:
    await world.fail(error)
    assert world.vision.failure_count == 1


async def test_a_deadline_of_the_caller_says_nothing_about_the_workers(world: World) -> None:
    with ending_in(1):
        await world.fail(LATE, 9)
    assert world.vision.failure_count == 0


async def test_a_job_that_may_kill_the_worker_itself_cannot_open_the_breaker(world: World) -> None:
    with suspecting(True):
        await world.fail(LOST, 9)
    assert world.vision.failure_count == 0
    await world.fail(LOST, 5)
    world.clock.advance(60)
    with suspecting(True):
        await world.fail(LOST, 9)
    assert world.vision.state is BreakerState.HALF_OPEN, "nor does it keep it open as a probe, or hold its place"


async def test_a_late_partial_counts_as_nothing_and_a_late_final_counts(world: World) -> None:
    for final, failures in ((False, 0), (True, 1)):
        world.workers.will("speech_step", LATE)
        with pytest.raises(DeadlineExceeded):
            await world.gateway.speech_step(SpeechWindow(b"", final=final), timeout_s=4)
        assert world.speech.failure_count == failures


async def test_cancellation_counts_as_nothing(world: World) -> None:
    await world.fail(LOST, 4)
    world.workers.hold("read_picture")
    for _ in range(3):
        task = asyncio.create_task(world.read())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert world.vision.failure_count == 4


async def test_status_says_which_breaker_is_open(world: World) -> None:
    assert all(info.healthy for info in await world.gateway.engines())
    await world.fail(LOST, 5)
    [vision] = [info for info in await world.gateway.engines() if info.kind == "vision"]
    assert not vision.healthy
    assert vision.detail.endswith("The breaker vision_worker is open, after 5 failures in a row.")


async def test_health_probes_are_small_real_calls(world: World) -> None:
    probes = WorkerProbes(world.workers)
    await probes.speech()
    await probes.vision()
    assert [len(world.workers.called(method)) for method in ("speech_step", "read_picture")] == [1, 1]
