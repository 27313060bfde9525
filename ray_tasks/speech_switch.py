"""Changes the weights that recognise speech while calls go on.

The applications of the old and the new weights run beside each other until the new one takes calls. Then calls go to
the new one, and the old one is deleted once its last call of this server has ended.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from models.errors import DeadlineExceeded, VestibuleError
from models.weights.store import locate
from ray_tasks.applications import KEPT, Application, Applications
from ray_tasks.deployments import DRAIN_S
from ray_tasks.engine_info import speech_weights
from ray_tasks.ownership import Ownership
from ray_tasks.serve_client import RAY_ERRORS, translate
from ray_tasks.types import ClusterConfig, SpeechModels

log = logging.getLogger(__name__)

AWAY_ERRORS: Final = (*RAY_ERRORS, RuntimeError, ValueError)
"""The last two are how Ray says that the GCS is away."""
AGAIN_S: Final = 10.0
"""Pause after a deletion that failed, such as when other servers had their turn all the time."""


@dataclass(eq=False)
class _Ending:
    """An application that takes no new calls, and the task that ends it."""

    application: Application
    task: asyncio.Task[None]
    deleting: bool = False


class SpeechSwitch:
    """The speech applications of one server. One change at a time; a second one waits.

    Args:
        config: The settings: its weights are those that an empty name stands for.
        applications: Of the installation, on a cluster that is up.
        ownership: The claim on them.
        check_room: Raises InvalidInput where so many speech applications do not fit beside the other workers.
        until_up: Waits until applications take calls.
    """

    def __init__(
        self,
        config: ClusterConfig,
        applications: Applications,
        ownership: Ownership,
        *,
        check_room: Callable[[int], Awaitable[None]],
        until_up: Callable[[Iterable[Application]], Awaitable[None]],
    ) -> None:
        self._config = config
        self._applications = applications
        self._ownership = ownership
        self._check_room = check_room
        self._until_up = until_up
        self._one_change = asyncio.Lock()
        self._owning = asyncio.Lock()
        self._starting: tuple[Application, ...] = ()
        self._ending: dict[str, _Ending] = {}
        self._closed = False

    async def use(self, models: SpeechModels, timeout_s: float) -> None:
        """See ``Gateway.use_speech_models``. A candidate that is in use is none."""
        try:
            async with asyncio.timeout(timeout_s), self._one_change:
                await self._use(models)
        except TimeoutError:
            raise DeadlineExceeded(f"The workers of the weights were not up after {timeout_s:g} s.") from None

    def close(self) -> None:
        """Stop waiting for calls: the cluster is shut down, or left."""
        self._closed = True
        for ending in self._ending.values():
            ending.task.cancel()

    async def _use(self, models: SpeechModels) -> None:
        asked_for = (models.weights, models.candidate) if models.candidate else (models.weights,)
        made = [await asyncio.to_thread(_application_of, self._config, weights) for weights in asked_for]
        await self._until_none_is_deleted(made)
        wanted = tuple(self._take(one) for one in {one.name: one for one in made}.values())
        used = self._used()
        try:
            gone = await self._gone(wanted)
            if set(wanted) - set(used) or gone:
                with_calls = {one.application for one in self._ending.values() if one.application.open_calls}
                await self._check_room(len({*used, *wanted, *with_calls}))
                self._starting = wanted
                await self._own()
            await self._until_up(self._awaited(wanted, gone))
        except BaseException:
            self._starting = ()
            self._end(one for one in wanted if one not in used)
            raise
        self._starting = ()
        self._applications.current["speech"] = wanted[0]
        self._applications.candidate = wanted[1] if len(wanted) > 1 else None
        self._end(one for one in used if one not in wanted)

    async def _until_none_is_deleted(self, applications: Iterable[Application]) -> None:
        for application in applications:
            ending = self._ending.get(application.name)
            if ending is not None and ending.deleting:
                await asyncio.wait({ending.task})

    def _take(self, made: Application) -> Application:
        """The application of the same name that is there, or else this one."""
        ending = self._ending.pop(made.name, None)
        if ending is not None:
            ending.task.cancel()
            return made if ending.deleting else ending.application
        return next((one for one in self._used() if one.name == made.name), made)

    def _awaited(self, wanted: tuple[Application, ...], gone: set[Application]) -> list[Application]:
        """Those that a change waits for: not those in use, of which a candidate may be ill, unless it is promoted."""
        speech, candidates = wanted[0], wanted[1:]
        awaited = [one for one in candidates if one not in self._used()]
        return [speech, *awaited] if speech in gone or speech is not self._applications.current["speech"] else awaited

    async def _gone(self, applications: Iterable[Application]) -> set[Application]:
        """Those that Serve does not have, or not any more: whoever has the token of the cluster can delete them."""
        try:
            known = await asyncio.to_thread(self._applications.known)
        except AWAY_ERRORS as exc:
            raise translate(exc) from None
        return {one for one in applications if one.name not in known or known[one.name].status not in KEPT}

    def _used(self) -> tuple[Application, ...]:
        candidate = self._applications.candidate
        speech = self._applications.current["speech"]
        return (speech,) if candidate is None else (speech, candidate)

    async def _own(self) -> None:
        """Have all applications deployed that are used, start, or have calls, and all others deleted."""
        async with self._owning:
            with_calls = (ending.application for ending in self._ending.values() if not ending.deleting)
            try:
                await asyncio.to_thread(self._ownership.use, {*self._used(), *self._starting, *with_calls})
            except AWAY_ERRORS as exc:
                raise translate(exc) from None

    def _end(self, applications: Iterable[Application]) -> None:
        for application in applications:
            if not self._closed:
                task = asyncio.create_task(self._end_one(application))
                self._ending[application.name] = _Ending(application, task)

    async def _end_one(self, application: Application) -> None:
        try:
            async with asyncio.timeout(DRAIN_S):
                await application.until_idle()
        except TimeoutError:
            log.warning("calls_ended_with_their_weights", extra={"values": {"open_calls": application.open_calls}})
        ending = self._ending[application.name]
        while not await self._deleted(ending):  # noqa: ASYNC110 - it is done by trying
            await asyncio.sleep(AGAIN_S)
        del self._ending[application.name]
        await asyncio.to_thread(self._applications.close, application)

    async def _deleted(self, ending: _Ending) -> bool:
        ending.deleting = True
        try:
            await self._own()
        except VestibuleError as error:
            ending.deleting = False
            log.warning("speech_workers_not_deleted", extra={"values": {"reason": error.reason}})
            return False
        return True


def _application_of(config: ClusterConfig, weights: str) -> Application:
    config = replace(config, speech=replace(config.speech, weights=weights or config.speech.weights))
    for name in speech_weights(config):
        locate(name, Path(config.weights_dir))
    return Application(config, "speech")
