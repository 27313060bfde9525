"""One call to a Serve deployment: deadline, retries when a worker dies, cancellation, translation of Ray's errors.

Ray's messages hold tracebacks, so no part of them is passed on: every translated error is raised ``from None``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from typing import Any, Final, Protocol, TypeVar, cast

from ray import exceptions as core
from ray.serve import exceptions as serving

from models.errors import DeadlineExceeded, InternalError, Overloaded, Unavailable, VestibuleError, WorkerLost
from models.reasons import Reason
from models.retry import RetryPolicy
from models.retrying import repeat

T = TypeVar("T")

QUEUE_RETRY_AFTER_S: Final = 1.0
"""Hint for a full queue."""
NOT_READY_RETRY_AFTER_S: Final = 5.0
"""Hint while workers start, which takes 10 to 60 seconds."""


ANSWER_S: Final = 1.0
"""Seconds before the deadline of a call at which a replica ends it by itself."""
ANSWER_SHARE: Final = 0.1
"""The same as a share of what is left, for short calls."""


class Response(Protocol[T]):  # type: ignore[misc]  # Generator makes T invariant
    """The part of ``ray.serve.handle.DeploymentResponse`` that is used."""

    def __await__(self) -> Generator[Any, None, T]:
        """Give the result."""
        ...

    def cancel(self) -> None:
        """Ask the replica to stop working on it."""
        ...


def _lost(_: Exception) -> VestibuleError:
    return WorkerLost("The worker that held the call died.")


def _full(_: Exception) -> VestibuleError:
    return Overloaded("The workers have as many calls as they may hold.", retry_after_s=QUEUE_RETRY_AFTER_S)


def workers_not_ready(_: Exception | None = None) -> VestibuleError:
    """The error of a call while the workers are not up."""
    return Unavailable(
        "The workers are not running.", reason=Reason.WORKERS_NOT_READY, retry_after_s=NOT_READY_RETRY_AFTER_S
    )


def _late(_: Exception) -> VestibuleError:
    return DeadlineExceeded("The workers did not answer in time.")


def _unreachable(_: Exception) -> VestibuleError:
    return Unavailable("The cluster does not answer.", reason=Reason.CLUSTER_UNAVAILABLE)


def _raised_by_worker(exc: Exception) -> VestibuleError:
    cause = cast(core.RayTaskError, exc).cause
    if isinstance(cause, VestibuleError):
        return cause
    # The worker's error boundary translates all errors of the engine, so this one comes from Ray or Serve.
    return InternalError("A worker failed.", reason=Reason.WORKER_FAILED)


TRANSLATIONS: Final[tuple[tuple[type[Exception], Callable[[Exception], VestibuleError]], ...]] = (
    # Serve.
    (serving.BackPressureError, _full),
    (serving.ReplicaUnavailableError, _lost),
    (serving.RequestCancelledError, _lost),  # not cancelled by us: a replica was stopped with the call in its queue
    (serving.DeploymentUnavailableError, workers_not_ready),
    (serving.RayServeException, _unreachable),
    # Ray. A worker error is also an instance of its cause's class, so it comes before every class that a cause may
    # have.
    (core.RayTaskError, _raised_by_worker),
    (core.GetTimeoutError, _late),
    (core.TaskCancelledError, _lost),
    (core.RayActorError, _lost),
    (core.WorkerCrashedError, _lost),
    (core.OutOfMemoryError, _lost),  # Ray's memory monitor killed the worker
    (core.NodeDiedError, _lost),
    (core.LocalRayletDiedError, _lost),
    (core.ObjectLostError, _lost),  # the argument or the reply died with a node
    (core.ObjectStoreFullError, _full),
    (core.OutOfDiskError, _full),
    (core.PendingCallsLimitExceeded, _full),
    (core.RayError, _unreachable),
)
"""Ray's errors and their translations, most specific first."""

RAY_ERRORS: Final = (serving.RayServeException, core.RayError)


def translate(exc: Exception) -> VestibuleError:
    """Translate an error of Ray to one of ours."""
    for foreign, ours in TRANSLATIONS:
        if isinstance(exc, foreign):
            return ours(exc)
    return InternalError("A worker failed.", reason=Reason.WORKER_FAILED)


async def call(
    send: Callable[[float], Response[T]],
    *,
    timeout_s: float,
    policy: RetryPolicy,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    may_repeat: Callable[[], bool] = lambda: True,
) -> T:
    """Send a call and wait for its answer.

    A call is sent again only if its worker died: calls are stateless, so any replica can take them. When the caller is
    cancelled or the deadline passes, the work in the replica is cancelled. A replica also ends it by itself, a little
    before the deadline, so that its own reason still arrives, and also when this process is gone.

    Args:
        send: Hands the call to a deployment, with the seconds that the replica has for it; used once per attempt.
        timeout_s: Seconds for everything, retries included.
        policy: How often and with which delays to try again.
        sleep: Waits between attempts.
        may_repeat: Whether the retry budget allows another attempt.

    Raises:
        DeadlineExceeded: ``timeout_s`` passed.
        Overloaded: The queue is full.
        WorkerLost: Workers died in every attempt.
        Unavailable: The cluster is not there.
        VestibuleError: Whatever the worker raised.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_s

    async def attempt() -> T:
        left_s = deadline - loop.time()
        if left_s <= 0:
            raise TimeoutError
        return await _once(lambda: send(left_s - min(ANSWER_S, ANSWER_SHARE * left_s)))

    try:
        async with asyncio.timeout(timeout_s):
            return await repeat(
                attempt,
                policy,
                again=lambda error: isinstance(error, WorkerLost) and may_repeat(),
                sleep=sleep,
            )
    except TimeoutError:
        raise DeadlineExceeded(f"The workers did not answer within {timeout_s:g} s.") from None


async def _once(send: Callable[[], Response[T]]) -> T:
    response: Response[T] | None = None
    try:
        response = send()
        return await response
    except asyncio.CancelledError:
        if response is not None:
            response.cancel()
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        # This task was not cancelled by its caller: Serve dropped the call while its router was shut down.
        raise WorkerLost("The call was dropped while the workers stopped.") from None
    except RAY_ERRORS as exc:
        raise translate(exc) from None
