"""Starts or joins Ray, deploys the workers on it, and shuts a local cluster down."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, cast

import numpy as np
import psutil
import ray
from ray.serve.schema import ApplicationStatusOverview

from models.errors import InvalidInput, Unavailable, WorkersMismatch
from models.reasons import Reason
from ray_tasks.applications import Application, Applications, why_it_did_not_start
from ray_tasks.lease import leased_installations
from ray_tasks.ownership import Ownership
from ray_tasks.processes import check_listens, end, lives
from ray_tasks.ray_runtime import NODE_PROCESS, RayRuntime
from ray_tasks.ray_thread import RayThread
from ray_tasks.resources import check_fit
from ray_tasks.serve_client import RAY_ERRORS, translate, workers_not_ready
from ray_tasks.speech_switch import AWAY_ERRORS, SpeechSwitch
from ray_tasks.types import BUSY_HINT, ClusterConfig, SpeechModels, Step, WorkerEnd
from ray_tasks.worker_ends import LOOK_ERRORS, WorkerEnds

log = logging.getLogger(__name__)

POLL_S: Final = 0.5
"""How often Serve is asked whether the workers are up. A question takes 30 ms of CPU here and about as much there."""
WORKERS_S: Final = 240.0
"""How long the workers may take to come up. They need 20 s on an idle machine, and many times that on a busy one."""
CALL_S: Final = 30.0
DESCRIBE_S: Final = 2.0
"""How long a worker may take to describe itself; shorter than the time limit of a status call."""
JOIN_S: Final = 5.0
STOP_S: Final = 4.0
"""How long Ray may take to stop by itself. Then its processes are killed."""
KILL_AFTER_S: Final = 0.7


def _ignore(_: object) -> None:
    return None


class Cluster:
    """A Ray cluster with the three kinds of worker.

    A local cluster belongs to this process: it listens on loopback, keeps Ray's token authentication on, and ends
    with ``stop``, or with the process. A joined cluster belongs to others: this installation's workers are deployed on
    it, and ``stop`` deletes them unless other servers share them. Workers of other installations are not touched.

    Args:
        config: Resources, queues and engines.
        weights: Those that recognise speech at first; empty means those of ``config``.
        clock: Seconds, monotonic.
    """

    def __init__(self, config: ClusterConfig, weights: str = "", clock: Callable[[], float] = time.monotonic) -> None:
        self.config = config
        self._clock = clock
        self._thread = RayThread()
        self._runtime = RayRuntime(config)
        first = replace(config, speech=replace(config.speech, weights=weights or config.speech.weights))
        self._applications = Applications(first)
        self._ends = WorkerEnds(config.installation, lambda: self._applications.current["speech"].name)
        self._ownership = Ownership(config, self._applications)
        self._switch = SpeechSwitch(
            config, self._applications, self._ownership, check_room=self._check_room, until_up=self._until_up
        )
        self._ready = False
        self._stopped = False

    @property
    def dashboard_url(self) -> str:
        """Address of the dashboard, with the port it really has; empty without one."""
        return self._runtime.dashboard_url

    @property
    def ready(self) -> bool:
        """Whether all workers have been up, and the cluster has not been stopped or lost since."""
        return self._ready and not self._stopped and not self._runtime.lost()

    @property
    def folder(self) -> str:
        """Where the node that this process started keeps its sockets and logs; empty if it started none."""
        return self._runtime.folder

    def application(self, kind: str) -> Application:
        """The application that takes the calls to a kind of worker. Ask for each call: speech may get another one.

        Raises:
            Unavailable: The cluster is not up yet, or is down again.
        """
        self._check_up()
        if NODE_PROCESS in self._runtime.lost():
            raise _lost()
        return self._applications.current[kind]

    @property
    def candidate(self) -> Application | None:
        """The application of the weights that are only compared, if there are any."""
        return self._applications.candidate

    async def use_speech_models(self, models: SpeechModels, timeout_s: float) -> None:
        """See ``Gateway``."""
        self._check_up()
        await self._switch.use(models, timeout_s)

    async def share(self, data: bytes) -> Any:
        """Put bytes into the shared memory of this node, as an array; see ``gateway.Workers``.

        Raises:
            Overloaded: It is full.
            Unavailable: The cluster is not up.
        """
        self._check_up()
        try:
            return await asyncio.to_thread(ray.put, np.frombuffer(data, np.uint8))
        except RAY_ERRORS as exc:
            raise translate(exc) from None

    @property
    def address(self) -> str:
        """The address at which other servers and Ray's command line reach the cluster; empty before it is up."""
        return self._runtime.address

    def processes(self) -> list[psutil.Process]:
        """All processes of Ray that this process started. Those of others are not ours to end."""
        return self._runtime.processes()

    def lost(self) -> set[str]:
        """Programs of Ray on this machine that have ended, and without which it cannot work."""
        return self._runtime.lost()

    async def connect(self) -> None:
        """Start or join Ray, without any worker.

        Raises:
            InvalidInput: The address is not one that can be joined, or RAY_WITHOUT_TOKEN.
            Unavailable: Ray cannot be started or joined.
        """
        if not self._runtime.local:
            # Without this check Ray retries for minutes when nobody listens at the address.
            await asyncio.to_thread(check_listens, self.config.address, JOIN_S)
        await self._on_ray_thread(self._runtime.start)

    async def start(self, on_step: Callable[[Step], None] | None = None, timeout_s: float = WORKERS_S) -> None:
        """Start Ray and the workers; returns when all workers take calls. Call ``stop`` also after a failure.

        Args:
            on_step: Called after each step.
            timeout_s: Bound on the wait for the workers.

        Raises:
            InvalidInput: The workers ask for more CPUs or GPUs than the cluster has.
            WeightsError: A worker does not find its weights.
            WorkersMismatch: The nodes of a joined cluster run another release than this server, or other servers of
                the installation use its workers with other settings.
            Unavailable: Ray, or a worker, does not come up.
        """
        began = self._clock()
        report = on_step or _ignore

        def done(name: str) -> None:
            report(Step(name, self._clock() - began))

        await self.connect()
        done("ray")
        await self._on_ray_thread(self._deploy)
        done("serve")
        try:
            async with asyncio.timeout(timeout_s):
                await self._until_up(self._applications.current.values(), done)
        except TimeoutError:
            raise self._not_up(timeout_s) from None
        await asyncio.to_thread(self._runtime.narrow_folder)
        self._ready = True

    async def stop(self) -> None:
        """Shut a local cluster down, or leave a joined one. Takes less than 5 seconds, and may be called twice.

        The folder of the node that this process started is removed. After a failure its logs stay until the next start.
        """
        if self._stopped:
            return
        failed = not self.ready
        self._stopped = True
        self._switch.close()
        family = self.processes()
        stopping = self._thread.submit(self._stop_ray)
        done, _late = await asyncio.wait({asyncio.wrap_future(stopping)}, timeout=STOP_S)
        await asyncio.to_thread(end, family, KILL_AFTER_S if done else 0.0)
        if not done:
            await asyncio.to_thread(self._note_left, family)
        await asyncio.to_thread(self._runtime.close, keep_folder=failed)
        self._thread.close()

    def _note_left(self, family: list[psutil.Process]) -> None:
        """Warn if processes outlast a Ray that did not stop, or workers on the cluster of others may."""
        end(self.processes(), 0.0)  # that were started meanwhile: a start cannot be broken off
        left = [process for process in family if lives(process)]
        if left or not self._runtime.local:
            log.warning("ray_did_not_stop", extra={"values": {"processes": len(left)}})

    async def statuses(self) -> dict[str, ApplicationStatusOverview]:
        """Serve's status of the three applications, by kind; those that Serve does not know are missing.

        Raises:
            Unavailable: The cluster is not up, or does not answer.
        """
        known = await self._known()
        return {kind: known[one.name] for kind, one in self._applications.current.items() if one.name in known}

    async def worker_ends(self) -> list[WorkerEnd]:
        """Workers of this installation that take calls and ended since the last call; the first call finds none.

        Raises:
            Unavailable: The cluster is not up, or does not answer.
        """
        self._check_up()
        if self._runtime.lost():
            raise _lost()
        try:
            return await asyncio.to_thread(self._ends.look)
        except LOOK_ERRORS as exc:
            raise translate(exc) from None

    async def refresh_facts(self, kinds: Iterable[str]) -> None:
        """Ask workers to describe themselves again, because another program may have replaced them."""
        await asyncio.gather(*(self._applications.current[kind].describe(DESCRIBE_S) for kind in kinds))

    def _check_up(self) -> None:
        if self._stopped or any(one.handle is None for one in self._applications.current.values()):
            raise workers_not_ready()

    async def _on_ray_thread(self, job: Callable[[], None]) -> None:
        if self._stopped:
            raise Unavailable("The cluster was stopped.", reason=Reason.WORKERS_NOT_READY)
        try:
            await asyncio.wrap_future(self._thread.submit(job))
        except RAY_ERRORS as exc:
            raise translate(exc) from None

    async def _check_room(self, speech: int) -> None:
        """Check that so many speech applications fit beside the other workers.

        Raises:
            InvalidInput: WORKERS_DO_NOT_FIT.
        """
        try:
            await asyncio.to_thread(self._check_fit, speech)
        except AWAY_ERRORS as exc:
            raise translate(exc) from None
        except InvalidInput as error:
            hint = "Speech workers of old and new weights run beside each other for a while, and those of a candidate "
            raise InvalidInput(error.message, reason=error.reason, hint=hint + "as long as it is one.") from None

    def _check_fit(self, speech: int) -> None:
        resources = cast(dict[str, float], ray.cluster_resources())  # type: ignore[no-untyped-call]
        workers = (*(self.config.speech,) * speech, self.config.vision, self.config.redaction)
        cpus, gpus = resources.get("CPU", 0.0), resources.get("GPU", 0.0)
        check_fit(workers, cpus=cpus, gpus=gpus, grows=not self._runtime.local)

    def _deploy(self) -> None:
        self._check_fit(1)
        self._ownership.claim()
        if not self._runtime.local and (abandoned := self._applications.abandoned(leased_installations())):
            log.warning("unused_applications", extra={"values": {"applications": abandoned}})

    async def _known(self) -> Mapping[str, ApplicationStatusOverview]:
        """Serve's status of all applications of the installation, by name."""
        self._check_up()
        if self._runtime.lost():
            raise _lost()
        try:
            return await asyncio.to_thread(self._applications.known)
        except RAY_ERRORS as exc:
            raise translate(exc) from None

    async def _until_up(self, applications: Iterable[Application], done: Callable[[str], None] = _ignore) -> None:
        """Wait until applications run, and are built from what they are to be built from."""
        waiting = {one.name: one for one in applications}
        while waiting:
            known = await self._known()
            for name in waiting.keys() & known.keys():
                if known[name].status == "DEPLOY_FAILED":
                    raise why_it_did_not_start(waiting[name].kind, known[name])
            running = [one for one in waiting.values() if one.name in known and known[one.name].status == "RUNNING"]
            await asyncio.gather(*(one.describe(CALL_S) for one in running if not one.fits))
            for one in running:
                if one.fits:
                    del waiting[one.name]
                    done(one.kind)
            if waiting:
                await asyncio.sleep(POLL_S)

    def _not_up(self, timeout_s: float) -> Unavailable:
        if any(one.facts is not None and not one.fits for one in self._applications.current.values()):
            return WorkersMismatch(
                f"After {timeout_s:g} s the workers still run with other code or settings than this server.",
                hint="Install this release on every node of the Ray cluster, and start the cluster again.",
            )
        return Unavailable(
            f"The workers were not up after {timeout_s:g} s.",
            reason=Reason.WORKERS_NOT_READY,
            hint=f"The Ray dashboard shows what each replica waits for. {BUSY_HINT}",
        )

    def _stop_ray(self) -> None:
        if not self._runtime.lost():
            if not self._runtime.local:
                self._ownership.give_up()
            self._applications.shut_down_handles()
        self._runtime.shutdown()


def _lost() -> Unavailable:
    return Unavailable(
        "The Ray cluster of this server died.",
        reason=Reason.CLUSTER_LOST,
    )
