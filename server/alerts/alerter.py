"""Collects dead letters and sends them through one channel, at most one alert in a time."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final

from models.errors import Unavailable, VestibuleError
from models.retry import RetryPolicy
from models.retrying import repeat
from server.alerts.types import Alert, Channel
from server.ledger.types import DeadLetterRow
from server.observability.log import describe, get_logger

log = get_logger("alerts")

SHOWN: Final = 20
"""Letters that an alert names; it counts all."""

Outcome = Callable[[str, str], None]
"""Called with the name of the channel, and ``sent`` or ``failed``."""


class Alerter:
    """The letters of one channel. ``notify`` never waits; ``run`` sends.

    Args:
        channel: Sends.
        policy: How a failed alert is repeated.
        every_s: Time between two alerts. Letters that come meanwhile are in the next one.
        on_end: Learns how each alert ended.
        sleep: Waits.
    """

    def __init__(
        self,
        channel: Channel,
        policy: RetryPolicy,
        every_s: float,
        on_end: Outcome,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._channel = channel
        self._policy = policy
        self._every_s = every_s
        self._on_end = on_end
        self._sleep = sleep
        self._counts: Counter[tuple[str, str]] = Counter()
        self._letters: list[DeadLetterRow] = []
        self._waiting = asyncio.Event()

    def notify(self, letter: DeadLetterRow) -> None:
        """Let the next alert tell of a letter. Call it on the event loop."""
        self._counts[(letter.kind, letter.reason)] += 1
        if len(self._letters) < SHOWN:
            self._letters.append(letter)
        self._waiting.set()

    async def run(self) -> None:
        """Send alerts until cancelled."""
        while True:
            await self._waiting.wait()
            await self._send(self._take())
            await self._sleep(self._every_s)

    def _take(self) -> Alert:
        alert = Alert(self._counts, tuple(self._letters))
        self._counts, self._letters = Counter(), []
        self._waiting.clear()
        return alert

    async def _send(self, alert: Alert) -> None:
        alert_id = str(uuid.uuid4())
        try:
            await repeat(
                lambda: self._channel.send(alert, alert_id), self._policy, again=_may_succeed, sleep=self._sleep
            )
        except VestibuleError as error:
            log.error("alert_failed", channel=self._channel.name, letters=alert.number, **describe(error))
            self._on_end(self._channel.name, "failed")
            return
        log.info("alert_sent", channel=self._channel.name, letters=alert.number)
        self._on_end(self._channel.name, "sent")


def _may_succeed(error: BaseException) -> bool:
    return isinstance(error, Unavailable)
