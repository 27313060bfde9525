"""Sends a share of the finals to the candidate as well, and stores how far both texts differ."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextvars import Context
from dataclasses import replace
from enum import StrEnum
from typing import Final

from models.errors import Overloaded, VestibuleError
from ray_tasks.types import Gateway, SpeechStep, SpeechWindow
from server.ledger import model_comparisons
from server.ledger.model_comparisons import ComparisonRow
from server.ledger.speech_models import SpeechModelsRow
from server.ledger.transactional import Ledger
from server.ledger.types import Clock, TurnRow
from server.observability.log import describe, get_logger
from server.observability.metrics import Metrics
from server.records.status import Component
from server.speech_models.choice import SpeechModelChoice
from server.speech_models.differences import differences

log = get_logger("shadow")

TIMEOUT_S: Final = 30.0
"""Longest time of a call to the candidate, and so for which the audio of a final is held for it."""


class ShadowOutcome(StrEnum):
    """What came of a final that the candidate was to get."""

    COMPARED = "compared"
    SKIPPED_WAITING = "skipped_waiting"  # the candidate had one already
    SKIPPED_BUSY = "skipped_busy"  # the speech workers had no room for another stream
    FAILED = "failed"
    ERASED = "erased"  # the session was erased meanwhile


SKIPPED: Final = (ShadowOutcome.SKIPPED_WAITING, ShadowOutcome.SKIPPED_BUSY)


class FinalsShadow:
    """One call at a time. Nothing that happens here reaches the stream.

    Args:
        ledger: Keeps the comparisons.
        gateway: Has the candidate.
        choice: Says which candidate, and which share.
        metrics: Count what came of it.
        clock: The time now.
        chance: A random number in [0, 1) for each final.
        busy: Whether the speech workers have no room for another stream.
        steady: Seconds, never going back.

    Attributes:
        choice: The same.
        counts: How many finals had which outcome since the start of this server.
    """

    def __init__(
        self,
        ledger: Ledger,
        gateway: Gateway,
        choice: SpeechModelChoice,
        metrics: Metrics,
        clock: Clock,
        *,
        chance: Callable[[], float],
        busy: Callable[[], bool],
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = ledger
        self._gateway = gateway
        self.choice = choice
        self._metrics = metrics
        self._clock = clock
        self._chance = chance
        self._busy = busy
        self._steady = steady
        self._running: asyncio.Task[None] | None = None
        self._failed = (SpeechModelsRow(), "")
        """Of the last call to a candidate: what was in use then, and why it failed; empty if it did not."""
        self.counts = dict.fromkeys(ShadowOutcome, 0)
        metrics.show(metrics.shadow_finals, ShadowOutcome)

    @property
    def skipped(self) -> int:
        """Finals that the candidate did not get, because it or the workers had too much to do."""
        return sum(self.counts[outcome] for outcome in SKIPPED)

    @property
    def component(self) -> Component:
        """That of the choice, and whether the last call to its candidate failed."""
        part, (row, reason) = self.choice.component, self._failed
        if not reason or not row.candidate or row != self.choice.in_use:
            return part
        told = f"{part.detail} The last call to the candidate failed: {reason}."
        return replace(part, healthy=False, detail=told, reason=part.reason or reason)

    def offer(self, turn: TurnRow, window: SpeechWindow, step: SpeechStep, took_s: float) -> None:
        """Send a final to the candidate, too, if it is one of its share; returns at once.

        Args:
            turn: That was stored.
            window: What the workers were sent.
            step: What they answered, whose tags have no numbers yet.
            took_s: How long that call took.
        """
        row = self.choice.in_use
        if not row.candidate or self._chance() >= row.share:
            return
        if self._running is not None:
            self._count(ShadowOutcome.SKIPPED_WAITING)
        elif self._busy():
            self._count(ShadowOutcome.SKIPPED_BUSY)
        else:
            # No value is to be sealed twice. A context of its own, without the deadline and the caller of the stream.
            window = replace(window, scope=replace(window.scope, seal=None))
            work = self._compare(turn, window, step, took_s, row)
            self._running = asyncio.create_task(work, context=Context())
            self._running.add_done_callback(self._ended)

    async def close(self) -> None:
        """End what runs."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])

    def _ended(self, _work: asyncio.Task[None]) -> None:
        self._running = None

    async def _compare(
        self, turn: TurnRow, window: SpeechWindow, step: SpeechStep, took_s: float, row: SpeechModelsRow
    ) -> None:
        try:
            began = self._steady()
            other = await self._gateway.candidate_step(window, timeout_s=TIMEOUT_S)
            candidate_took_s = self._steady() - began
            del window  # the audio is not held while the ledger writes
            found = differences(step.text, other.text)
            compared = ComparisonRow(
                turn_id=turn.id,
                session_id=turn.session_id,
                weights=step.weights,  # what is in use may have changed meanwhile
                candidate=other.weights,
                create_time=self._clock(),
                language=turn.language,
                audio_s=step.audio_s,
                words=found.words,
                word_differences=found.word_differences,
                entities_equal=found.entities_equal,
                compute_s=step.compute_s,
                candidate_compute_s=other.compute_s,
                latency_s=took_s,
                candidate_latency_s=candidate_took_s,
                text=other.text.with_plain_tags(),
            )
            new = await self._ledger.write(lambda cursor: model_comparisons.insert_comparison(cursor, compared))
        except Overloaded:
            self._count(ShadowOutcome.SKIPPED_WAITING)
        except VestibuleError as error:
            if self._failed != (row, error.reason):
                log.warning("candidate_failed", candidate=row.candidate, **describe(error))
            self._failed = (row, error.reason)
            self._count(ShadowOutcome.FAILED)
        else:
            self._failed = (row, "")
            self._count(ShadowOutcome.COMPARED if new else ShadowOutcome.ERASED)

    def _count(self, outcome: ShadowOutcome) -> None:
        self.counts[outcome] += 1
        self._metrics.shadow_finals.labels(outcome).inc()
