"""The one call to a deployment, on answers made by hand; no Ray is started."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any

import pytest
from ray import exceptions as ray_exceptions
from ray.serve import exceptions as serving
from ray.serve._private.common import DeploymentID

from models.errors import (
    DeadlineExceeded,
    InternalError,
    NoSpeech,
    Overloaded,
    Unavailable,
    VestibuleError,
    WorkerLost,
)
from models.retry import RetryPolicy
from ray_tasks.serve_client import QUEUE_RETRY_AFTER_S, call, translate

core: Any = ray_exceptions  # its constructors are not annotated
SECRET = "John Carter"
POLICY = RetryPolicy("test", retries=2, first_delay_s=1.0, longest_s=10.0, factor=2.0, total_s=5.0)


class Answer:
    """A response that gives, raises, or never comes."""

    def __init__(self, outcome: str | Exception | None) -> None:
        self.outcome = outcome
        self.cancelled = False

    def __await__(self) -> Generator[Any, None, str]:
        if self.outcome is None:
            yield from asyncio.get_running_loop().create_future().__await__()
        if isinstance(self.outcome, Exception):
            raise self.outcome
        assert self.outcome is not None
        return self.outcome

    def cancel(self) -> None:
        self.cancelled = True


class Replicas:
    """Gives the answers in turn, and keeps the waits instead of waiting."""

    def __init__(self, *outcomes: str | Exception | None) -> None:
        self.answers = [Answer(outcome) for outcome in outcomes]
        self.sent: list[Answer] = []
        self.waits_s: list[float] = []
        self.left_s: list[float] = []

    def send(self, left_s: float) -> Answer:
        self.left_s.append(left_s)
        self.sent.append(self.answers[len(self.sent)])
        return self.sent[-1]

    async def sleep(self, seconds: float) -> None:
        self.waits_s.append(seconds)

    async def ask(self, timeout_s: float = 30.0, policy: RetryPolicy = POLICY) -> str:
        return await call(self.send, timeout_s=timeout_s, policy=policy, sleep=self.sleep)


def task_error(cause: Exception) -> Any:
    return core.RayTaskError("step", f"Traceback ... ValueError: {SECRET}", cause)


@pytest.mark.parametrize(
    ("foreign", "ours", "reason"),
    [
        (serving.BackPressureError(65, 64), Overloaded, "OVERLOADED"),
        (serving.ReplicaUnavailableError("r1"), WorkerLost, "WORKER_LOST"),
        (serving.RequestCancelledError("id"), WorkerLost, "WORKER_LOST"),
        (serving.DeploymentUnavailableError(DeploymentID("Speech", "a")), Unavailable, "WORKERS_NOT_READY"),
        (serving.RayServeException(SECRET), Unavailable, "CLUSTER_UNAVAILABLE"),
        (core.ActorDiedError(), WorkerLost, "WORKER_LOST"),
        (core.ActorUnavailableError(SECRET, None), WorkerLost, "WORKER_LOST"),
        (core.WorkerCrashedError(), WorkerLost, "WORKER_LOST"),
        (core.OutOfMemoryError(SECRET), WorkerLost, "WORKER_LOST"),
        (core.NodeDiedError(SECRET), WorkerLost, "WORKER_LOST"),
        (core.TaskCancelledError(), WorkerLost, "WORKER_LOST"),
        (core.ObjectStoreFullError(SECRET), Overloaded, "OVERLOADED"),
        (core.PendingCallsLimitExceeded(SECRET), Overloaded, "OVERLOADED"),
        (core.GetTimeoutError(SECRET), DeadlineExceeded, "DEADLINE_EXCEEDED"),
        (core.RaySystemError(SECRET), Unavailable, "CLUSTER_UNAVAILABLE"),
        (core.AuthenticationError(SECRET), Unavailable, "CLUSTER_UNAVAILABLE"),
        (task_error(NoSpeech("Nobody speaks.")), NoSpeech, "NO_SPEECH"),
        (task_error(NoSpeech("Nobody speaks.")).as_instanceof_cause(), NoSpeech, "NO_SPEECH"),
        (task_error(ValueError(SECRET)), InternalError, "WORKER_FAILED"),
        (task_error(ValueError(SECRET)).as_instanceof_cause(), InternalError, "WORKER_FAILED"),
        (task_error(TimeoutError(SECRET)).as_instanceof_cause(), InternalError, "WORKER_FAILED"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_foreign_errors_become_vestibule_errors_without_their_messages(
    foreign: Exception, ours: type[VestibuleError], reason: str
) -> None:
    translated = translate(foreign)
    assert type(translated) is ours
    assert translated.reason == reason
    assert SECRET not in str(translated)


async def test_an_answer_is_returned() -> None:
    replicas = Replicas("heard")
    assert await replicas.ask() == "heard"
    assert len(replicas.sent) == 1


async def test_a_call_to_a_dead_worker_is_retried_with_growing_delays() -> None:
    replicas = Replicas(core.ActorDiedError(), core.WorkerCrashedError(), "heard")
    assert await replicas.ask() == "heard"
    first_s, second_s = replicas.waits_s
    assert 0.5 <= first_s <= 1.0 <= second_s <= 2.0


async def test_retries_are_bounded_in_number() -> None:
    replicas = Replicas(*[core.ActorDiedError() for _ in range(5)])
    with pytest.raises(WorkerLost) as caught:
        await replicas.ask()
    assert len(replicas.sent) == POLICY.attempts
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


async def test_retries_are_bounded_in_total_time() -> None:
    hasty = RetryPolicy("test", retries=9, first_delay_s=4.0, longest_s=4.0, factor=1.0, total_s=1.0)
    replicas = Replicas(core.ActorDiedError(), "too late")
    with pytest.raises(WorkerLost):
        await replicas.ask(policy=hasty)
    assert replicas.waits_s == []


@pytest.mark.parametrize(
    "foreign",
    [serving.BackPressureError(65, 64), task_error(NoSpeech("Nobody speaks.")), core.RaySystemError(SECRET)],
    ids=lambda e: type(e).__name__,
)
async def test_other_errors_are_not_retried(foreign: Exception) -> None:
    replicas = Replicas(foreign, "heard")
    with pytest.raises(VestibuleError):
        await replicas.ask()
    assert len(replicas.sent) == 1


async def test_a_full_queue_gives_a_retry_delay() -> None:
    with pytest.raises(Overloaded) as caught:
        await Replicas(serving.BackPressureError(65, 64)).ask()
    assert caught.value.retry_after_s == QUEUE_RETRY_AFTER_S


async def test_a_deadline_cancels_the_work() -> None:
    replicas = Replicas(None)
    with pytest.raises(DeadlineExceeded):
        await replicas.ask(timeout_s=0.01)
    assert replicas.sent[0].cancelled


async def test_a_replica_ends_shortly_before_its_caller_and_a_later_attempt_has_less_time() -> None:
    replicas = Replicas(core.ActorDiedError(), "heard")
    await replicas.ask(timeout_s=30.0)
    first_s, second_s = replicas.left_s
    assert 20.0 < second_s < first_s <= 29.0
    hasty = Replicas("heard")
    await hasty.ask(timeout_s=2.0)
    assert 1.0 < hasty.left_s[0] <= 1.8


async def test_cancelling_the_caller_cancels_the_work() -> None:
    replicas = Replicas(None)
    task = asyncio.create_task(replicas.ask())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert replicas.sent[0].cancelled


async def test_a_call_dropped_by_serve_is_retried() -> None:
    class Dropped(Answer):
        def __await__(self) -> Generator[Any, None, str]:
            raise asyncio.CancelledError
            yield

    replicas = Replicas("", "heard")
    replicas.answers[0] = Dropped("")
    assert await replicas.ask() == "heard"
