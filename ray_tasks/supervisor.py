"""Keeps Ray up: starts or joins it, notices that it is lost, and starts or joins it again, for ever."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from models.errors import Unavailable, VestibuleError
from models.reasons import Reason
from models.retry import CLUSTER_POLICY, RetryPolicy
from ray_tasks.losses import Losses
from ray_tasks.process_messages import Started
from ray_tasks.ray_child import Loss, RayChild, RayChildProcess, cluster_lost
from ray_tasks.types import BUSY_HINT, ClusterConfig, SpeechModels, Step, WorkerEnd

log = logging.getLogger(__name__)

START_LIMIT_S: Final = 300.0
"""Longest time of one start, workers included. Then its processes are ended, and the next attempt begins."""
USUAL_START_S: Final = 20.0
"""Length of a start until one was measured."""
_OF_RAY: Final = {Reason.CLUSTER_LOST, Reason.CLUSTER_UNAVAILABLE}  # reasons of starts that fail with any weights


class ClusterPhase(StrEnum):
    """Where the cluster of the server stands."""

    STARTING = "starting"  # the first start
    UP = "up"
    RESTARTING = "restarting"  # it was lost, and an attempt runs or waits
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class ClusterState:
    """The state of the cluster.

    Attributes:
        why: Why it was lost or an attempt failed, in one sentence; empty while it is up.
        reason: CLUSTER_LOST, or the reason for which the last attempt failed; empty while it is up.
        cause: What was lost first, as a word for the log; see ``Loss``.
        attempt: Number of the running or the last attempt to start it again in this outage, from 1; 0 while it is up.
        restarts: How often it came up again.
        down_s: Seconds since it was lost; 0 while it is up.
        retry_in_s: Seconds until the next attempt; 0 while one runs.
        last_outage_s: Length of the last outage that is over; 0 if there was none.
    """

    phase: ClusterPhase
    why: str = ""
    reason: str = ""
    cause: str = ""
    attempt: int = 0
    restarts: int = 0
    down_s: float = 0.0
    retry_in_s: float = 0.0
    last_outage_s: float = 0.0


class ClusterObserver(Protocol):
    """Receives the state after each change."""

    def __call__(self, state: ClusterState, /) -> None:
        """Must not raise and must not wait."""
        ...


class ClusterSupervisor:
    """Runs Ray in a process of its own, one after the other.

    Args:
        config: Resources, queues and engines.
        launch: Starts a process for Ray.
        policy: Delays between attempts. Their number is not bounded.
        clock: Seconds, monotonic.
        sleep: Waits between attempts.
        observe: Told of each change.
        observe_worker: Told of each worker that ended while Ray was up.

    Attributes:
        speech_models: What each start deploys. Who changes them on the running Ray sets them here, too. After a start
            that they may have kept from working they are those of the settings again.
    """

    def __init__(
        self,
        config: ClusterConfig,
        *,
        launch: Callable[[], Awaitable[RayChild]] = RayChildProcess.launch,
        policy: RetryPolicy | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        observe: ClusterObserver = lambda _state: None,
        observe_worker: Callable[[WorkerEnd], None] = lambda _end: None,
    ) -> None:
        self._config = config
        self._launch = launch
        self._policy = policy or CLUSTER_POLICY
        self._clock = clock
        self._sleep = sleep
        self._observe = observe
        self._observe_worker = observe_worker
        self.speech_models = SpeechModels()
        self._child: RayChild | None = None
        self._started = Started("", "")
        self._up = asyncio.Event()
        self._down = asyncio.Event()
        self._phase = ClusterPhase.STARTING
        self._why = self._reason = self._cause = ""
        self._attempt = self._restarts = 0
        self._lost_at = self._up_at = self._worked_s = 0.0
        self._losses = Losses()
        self._next_at = self._last_outage_s = 0.0
        self._start_s = USUAL_START_S
        self._on_step: Callable[[Step], None] = lambda _step: None
        self._keeping: asyncio.Task[None] | None = None
        self._prepared: asyncio.Task[RayChild] | None = None

    @property
    def ready(self) -> bool:
        """Whether the workers take calls."""
        return self._phase is ClusterPhase.UP

    @property
    def running(self) -> Mapping[str, int]:
        """Replicas that take calls, by kind of worker, a few seconds ago; nothing while the cluster is away."""
        return self._child.running if self.ready and self._child is not None else {}

    @property
    def dashboard_url(self) -> str:
        """Address of the dashboard of the running cluster; empty without one."""
        return self._started.dashboard_url

    @property
    def folder(self) -> str:
        """Where the node that this server started keeps its sockets and logs; empty if it started none."""
        return self._started.folder

    @property
    def state(self) -> ClusterState:
        """The state now."""
        now = self._clock()
        down = self._phase is ClusterPhase.RESTARTING
        return ClusterState(
            self._phase,
            self._why,
            self._reason,
            self._cause,
            self._attempt,
            self._restarts,
            now - self._lost_at if down else 0.0,
            max(0.0, self._next_at - now) if down else 0.0,
            self._last_outage_s,
        )

    def worked_s(self) -> float:
        """Seconds for which the workers took calls so far: a clock that stands still while the cluster is away."""
        return self._worked_s + (self._clock() - self._up_at if self.ready else 0.0)

    async def child(self) -> RayChild:
        """The running Ray; waits until there is one.

        Raises:
            Unavailable: WORKERS_NOT_READY, the cluster was stopped.
        """
        while not self.ready:
            if self._phase is ClusterPhase.STOPPED:
                raise Unavailable("The cluster was stopped.", reason=Reason.WORKERS_NOT_READY)
            await self._up.wait()
        assert self._child is not None
        return self._child

    def runs(self, child: RayChild) -> bool:
        """Whether this is the running Ray."""
        return self.ready and child is self._child

    async def until_lost(self, child: RayChild) -> None:
        """Return once this is not the running Ray any more."""
        while self.runs(child):
            await self._down.wait()

    def away(self) -> Unavailable:
        """The error of a call that waited in vain; its retry hint is when the cluster should be up again."""
        now = self._clock()
        hint_s = max(1.0, max(self._next_at, now) + self._start_s - now)
        if self._phase is ClusterPhase.RESTARTING:
            return cluster_lost(hint_s)
        return Unavailable("The workers are not up yet.", reason=Reason.WORKERS_NOT_READY, retry_after_s=hint_s)

    def prepare(self) -> None:
        """Launch the process for Ray already, so that it imports Ray while the rest of the server is built."""
        self._prepared = asyncio.ensure_future(self._launch())

    async def start(self, on_step: Callable[[Step], None] = lambda _step: None) -> None:
        """Start or join Ray; returns when all workers take calls. From then on it is kept up.

        Raises:
            VestibuleError: The first start failed, and not because Ray was lost meanwhile. See ``Cluster.start``.
        """
        self._on_step = on_step
        try:
            await self._bring_up()
        except VestibuleError as error:
            if self._weights_given_up(error):
                await self.start(on_step)
                return
            if error.reason != Reason.CLUSTER_LOST:
                raise
            self._note_lost(Loss("start", error.message))
            await self._bring_up_again()
        self._keep()

    async def stop(self) -> None:
        """Stop a local cluster, or leave a joined one. May be called twice."""
        was_up, self._phase = self.ready, ClusterPhase.STOPPED
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
            self._phase = ClusterPhase.STOPPED  # it may just have come up
        self._up.set()  # who waits is told
        self._down.set()
        prepared, self._prepared = self._prepared, None
        if prepared is not None:
            self._child = await prepared
        child, self._child = self._child, None
        if child is not None:
            await (child.stop() if was_up else child.kill())

    def _keep(self) -> None:
        self._keeping = asyncio.create_task(self._keep_up())
        self._keeping.add_done_callback(self._keep_on)

    def _keep_on(self, ended: asyncio.Task[None]) -> None:
        """Go on after an error that nobody expected, such as no descriptor left: nothing else would start Ray again."""
        if self._phase is ClusterPhase.STOPPED or ended.cancelled():
            return
        log.error("keeping_ray_up_failed", extra={"values": {"error_type": type(ended.exception()).__qualname__}})
        self._keep()

    async def _keep_up(self) -> None:
        while True:
            if (child := self._child) is not None:
                loss = await child.lost()
                self._note_lost(loss)
                self._child = None
                await child.kill()
            await self._bring_up_again()

    async def _bring_up_again(self) -> None:
        """Try until Ray is up."""
        while True:
            if retries := self._attempt + self._losses.too_many(self._clock()):
                delay_s = self._policy.delay(retries - 1)
                self._next_at = self._clock() + delay_s
                self._observe(self.state)
                await self._sleep(delay_s)
            self._attempt += 1
            self._next_at = 0.0
            self._observe(self.state)
            try:
                await self._bring_up()
            except VestibuleError as error:
                self._why, self._reason = error.message, error.reason
                self._weights_given_up(error)
                continue
            return

    def _weights_given_up(self, error: VestibuleError) -> bool:
        """Begin with the weights of the settings if the chosen ones may be why a start failed: all else works then."""
        chosen = self.speech_models.weights
        if chosen in {"", self._config.speech.weights} or error.reason in _OF_RAY:
            return False
        log.warning("chosen_weights_given_up", extra={"values": {"weights": chosen, "reason": error.reason}})
        self.speech_models = SpeechModels()
        return True

    async def _bring_up(self) -> None:
        began = self._clock()
        try:
            async with asyncio.timeout(START_LIMIT_S):
                launching, self._prepared = self._prepared or self._launch(), None
                self._child = await launching
                models = self.speech_models
                self._started = await self._child.start(self._config, models, self._on_step, self._observe_worker)
        except TimeoutError:
            await self._end_child()
            raise Unavailable(
                f"Ray was not up after {START_LIMIT_S:g} s.", reason=Reason.CLUSTER_UNAVAILABLE, hint=BUSY_HINT
            ) from None
        except OSError as error:
            await self._end_child()
            raise Unavailable(
                f"The process for Ray could not be started ({type(error).__name__}).",
                reason=Reason.CLUSTER_UNAVAILABLE,
                hint="The system refuses a new process: look at its memory, and at the limits of the user.",
            ) from error
        except BaseException as error:
            lost = isinstance(error, Unavailable) and error.reason == Reason.CLUSTER_LOST
            await self._end_child(in_order=not lost)
            raise
        self._up_at = self._clock()
        self._start_s = self._up_at - began
        if self._phase is ClusterPhase.RESTARTING:
            self._restarts += 1
            self._last_outage_s = self._up_at - self._lost_at
        self._phase, self._why, self._reason, self._cause, self._attempt = ClusterPhase.UP, "", "", "", 0
        self._down.clear()
        self._up.set()
        self._observe(self.state)

    async def _end_child(self, *, in_order: bool = False) -> None:
        """End what did not come up; in order, so that it leaves nothing on a cluster of others."""
        child, self._child = self._child, None
        if child is not None:
            await (child.stop() if in_order else child.kill())

    def _note_lost(self, loss: Loss) -> None:
        self._worked_s = self.worked_s()
        self._lost_at = self._clock()
        self._losses.note(self._lost_at)
        self._phase, self._why = ClusterPhase.RESTARTING, loss.sentence
        self._reason, self._cause = Reason.CLUSTER_LOST, loss.cause
        self._up.clear()
        self._down.set()
        self._observe(self.state)
