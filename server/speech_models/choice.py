"""Brings about the weights that an operator chose: at the start, when they change, and when the cluster came up anew.

The choice is in the ledger, so that it outlasts a restart, and every server on the ledger follows it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Final

from models.deadline import time_left_s
from models.errors import Conflict, FieldViolation, InvalidInput, VestibuleError, WeightsError
from models.retry import CLUSTER_POLICY, RetryPolicy
from ray_tasks.types import Gateway, SpeechModels
from server.access.audit import AuditAction, AuditTrail
from server.ledger import speech_models
from server.ledger.columns import Cursor
from server.ledger.dialects import hold
from server.ledger.speech_models import SpeechModelsRow
from server.ledger.transactional import Ledger
from server.ledger.types import Clock
from server.observability.log import describe, get_logger
from server.records.status import Component
from server.speech_models.status import component_of, models_of

log = get_logger("speech_models")

LOOK_EVERY_S: Final = 5.0
"""Longest time until a server sees what was chosen at another one."""

CHANGE_LIMIT_S: Final = 300.0
"""Longest time until the workers of other weights take calls."""


class SpeechModelChoice:
    """The weights of this server.

    Args:
        ledger: Keeps the choice.
        gateway: Has the workers.
        audit: Records changes.
        clock: The time now.
        of_settings: Weights that recognise speech without a choice.
        require: Raises WeightsError unless weights are in the cache. So no word that names none is stored or logged.
        restarts: How often the cluster came up again; it is asked for the chosen weights then, to be sure.
        deployed: What the cluster has. It may have come up anew without what was chosen. None for what was asked for.
        policy: Delays after which a choice that failed is tried again. Their number is not bounded.
        steady: Seconds, never going back.

    Attributes:
        on_change: Called after a change was stored, to tell other servers.
    """

    def __init__(
        self,
        ledger: Ledger,
        gateway: Gateway,
        audit: AuditTrail,
        clock: Clock,
        of_settings: str,
        require: Callable[[str], object],
        *,
        restarts: Callable[[], int] = lambda: 0,
        deployed: Callable[[], SpeechModels] | None = None,
        policy: RetryPolicy = CLUSTER_POLICY,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = ledger
        self._gateway = gateway
        self._audit = audit
        self._clock = clock
        self._of_settings = of_settings
        self._require = require
        self._restarts = restarts
        self._deployed = deployed
        self._policy = policy
        self._steady = steady
        self.on_change: Callable[[], None] = lambda: None
        self._brought_about = self._chosen = SpeechModelsRow()
        self._alone = asyncio.Lock()
        self._choosing = 0
        """How many choices of operators wait for ``_alone`` or have it; following gives way to them."""
        self._following: asyncio.Timeout | None = None
        self._woken = asyncio.Event()
        self._known = True
        """Whether ``in_use`` is what the workers have; not after a change that was broken off."""
        self._generation = 0
        self._failed: SpeechModelsRow | None = None
        self._problem: VestibuleError | None = None
        self._failures = 0
        self._again_at = 0.0

    @property
    def in_use(self) -> SpeechModelsRow:
        """What recognises speech on this server."""
        models = models_of(self._brought_about) if self._deployed is None else self._deployed()
        if models == models_of(self._brought_about):
            return self._brought_about
        return SpeechModelsRow(models.weights, models.candidate)

    @in_use.setter
    def in_use(self, row: SpeechModelsRow) -> None:
        self._brought_about = row

    @property
    def weights(self) -> str:
        """Weights that recognise speech now."""
        return self._name(self.in_use)

    @property
    def problem(self) -> VestibuleError | None:
        """Why the workers do not have what was chosen; None while they have it."""
        return self._problem

    @property
    def component(self) -> Component:
        """What is used and why, for the status report."""
        return component_of(self.in_use, self._failed or self._chosen, self._problem, self._of_settings)

    async def at_start(self) -> SpeechModels:
        """What the cluster is to start with: what was chosen, as far as it is in the cache.

        Raises:
            VestibuleError: The ledger does not answer.
        """
        chosen = self._chosen = await self._ledger.read(speech_models.load)
        if not await self._is_there(chosen.weights):
            return SpeechModels()
        return SpeechModels(chosen.weights, chosen.candidate if await self._is_there(chosen.candidate) else "")

    def wake(self) -> None:
        """Look now: another server has changed the choice."""
        self._woken.set()

    async def run(self) -> None:
        """Follow the choice until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._woken.wait()
            self._woken.clear()
            try:
                await self.follow()
            except VestibuleError as error:  # the ledger is away, which other parts tell
                log.debug("choice_not_read", **describe(error))

    async def follow(self) -> None:
        """Bring about what the ledger says, unless that is so, or has just failed, or an operator chooses.

        Raises:
            VestibuleError: The ledger does not answer.
        """
        async with self._alone:
            if self._choosing:
                self.wake()  # afterwards
                return
            try:
                async with asyncio.timeout(None) as self._following:
                    await self._follow()
            except TimeoutError:  # an operator chose something else, and does not wait for what may never come up
                self.wake()
            finally:
                self._following = None

    async def _follow(self) -> None:
        chosen = self._chosen = await self._ledger.read(speech_models.load)
        if (generation := self._restarts()) != self._generation:
            self._generation = generation
            self._known = self._known and models_of(self.in_use) == SpeechModels()
        if chosen != self._failed:
            self._failed, self._problem, self._failures = None, None, 0
        elif self._steady() < self._again_at:
            return
        try:
            await self._change(chosen)
        except VestibuleError as error:
            self._note(chosen, error)
            await self._without_candidate(chosen)
        else:
            self._failed, self._problem, self._failures = None, None, 0

    async def use(self, weights: str) -> SpeechModelsRow:
        """Have speech recognised by other weights; returns when that is so here, and other servers follow.

        A candidate that gets used is none any more.

        Args:
            weights: Their name; empty for those of the settings.

        Raises:
            WeightsError: They are not in the cache.
            Conflict: Another server has stored a choice meanwhile. It counts.
            VestibuleError: See ``Gateway.use_speech_models``. All is as before then.
        """

        def used(before: SpeechModelsRow) -> SpeechModelsRow:
            after = replace(before, weights=weights)
            return after if before.candidate != self._name(after) else SpeechModelsRow(weights)

        return await self._store(used, AuditAction.SPEECH_MODEL_USED, weights or self._of_settings)

    async def shadow(self, weights: str, share: float) -> SpeechModelsRow:
        """Have a share of the finals recognised by a candidate as well; returns when it takes calls here.

        Args:
            weights: Of the candidate.
            share: More than 0, at most 1.

        Raises:
            InvalidInput: It is in use.
            WeightsError: It is not in the cache.
            Conflict: Another server has stored a choice meanwhile. It counts.
            VestibuleError: See ``Gateway.use_speech_models``. All is as before then.
        """

        def shadowed(before: SpeechModelsRow) -> SpeechModelsRow:
            if weights == self._name(before):
                told = (FieldViolation("weights", "Name other weights than those in use."),)
                raise InvalidInput("These weights recognise speech already.", violations=told)
            return replace(before, candidate=weights, share=share)

        return await self._store(shadowed, AuditAction.SPEECH_MODEL_SHADOWED, weights)

    async def discard(self) -> SpeechModelsRow:
        """End the candidate, if there is one.

        Raises:
            Conflict: Another server has stored a choice meanwhile. It counts.
            VestibuleError: See ``Gateway.use_speech_models``. All is as before then.
        """
        return await self._store(
            lambda before: replace(before, candidate="", share=0.0), AuditAction.SPEECH_CANDIDATE_DISCARDED, ""
        )

    async def _store(
        self, change: Callable[[SpeechModelsRow], SpeechModelsRow], action: AuditAction, weights: str
    ) -> SpeechModelsRow:
        if weights:
            await asyncio.to_thread(self._require, weights)
        async with self._before_following():
            before = await self._ledger.read(speech_models.load)
            now = self._clock()
            wanted = change(before)
            if wanted == before and not weights:
                return before  # there is no candidate to end
            chosen = replace(wanted, update_time=now)
            entry = self._audit.entry(action, ("weights", weights or before.candidate))
            await self._ask(chosen)

            def write(cursor: Cursor) -> None:
                hold(cursor, speech_models.SPEECH_MODELS.name, "")
                if speech_models.load(cursor) != before:  # workers take minutes to start
                    raise Conflict(
                        "Weights for speech were chosen at another server meanwhile.",
                        hint="`vestibule models compare` says which are used. Choose again, if you want others.",
                    )
                speech_models.store(cursor, chosen, now)
                self._audit.append(cursor, entry)

            try:
                await self._ledger.write(write)
            except VestibuleError:
                self.wake()  # go to what the ledger says
                raise
            self._failed, self._problem, self._failures, self._chosen = None, None, 0, chosen
        self.on_change()
        return chosen

    @asynccontextmanager
    async def _before_following(self) -> AsyncIterator[None]:
        """Have the workers alone; what only follows is broken off."""
        self._choosing += 1
        try:
            if self._following is not None:
                self._following.reschedule(asyncio.get_running_loop().time())
            async with self._alone:
                yield
        finally:
            self._choosing -= 1

    async def _change(self, chosen: SpeechModelsRow) -> None:
        """Have the workers of a choice, unless they are there."""
        if self._known and models_of(chosen) == models_of(self.in_use):
            self.in_use = chosen
        else:
            await self._ask(chosen)

    async def _ask(self, chosen: SpeechModelsRow) -> None:
        """Have the workers of a choice, even if they are there: somebody may have deleted them from the cluster."""
        generation, known = self._restarts(), self._known
        self._known = False  # until it is done or has failed: after a cancellation nobody knows
        try:
            await self._gateway.use_speech_models(models_of(chosen), timeout_s=min(CHANGE_LIMIT_S, time_left_s()))
        except VestibuleError:
            self._known = known
            raise
        self._known, self._generation = True, generation
        log.info("speech_models_changed", weights=self._name(chosen), candidate=chosen.candidate)
        self.in_use = chosen

    async def _without_candidate(self, chosen: SpeechModelsRow) -> None:
        """Use the chosen weights at least, where their candidate may be what fails."""
        if chosen.candidate and chosen.weights != self.in_use.weights:
            with suppress(VestibuleError):
                await self._change(replace(chosen, candidate="", share=0.0))

    def _note(self, chosen: SpeechModelsRow, error: VestibuleError) -> None:
        if self._problem is None or self._problem.reason != error.reason:
            weights = {"weights": self._name(chosen), "candidate": chosen.candidate, "used": self.weights}
            log.warning("speech_models_not_changed", **weights, **describe(error))
        self._failed, self._problem = chosen, error
        self._again_at = self._steady() + self._policy.delay(self._failures)
        self._failures += 1

    async def _is_there(self, weights: str) -> bool:
        try:
            if weights:
                await asyncio.to_thread(self._require, weights)
        except WeightsError:
            return False
        return True

    def _name(self, row: SpeechModelsRow) -> str:
        return row.weights or self._of_settings
