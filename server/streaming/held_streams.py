"""Renews what this server has of the streams, and ends what it does not have any more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from models.errors import Unavailable, VestibuleError
from models.reasons import Reason
from server.ledger import streams
from server.ledger.streams import taken_over
from server.ledger.transactional import Ledger
from server.ledger.types import Clock
from server.observability.log import describe, get_logger
from server.streaming.admission import Admission, erased

log = get_logger("streams")

HELD_S: Final = 30.0
"""How long a server has its streams without renewing that."""
END_S: Final = 25.0
"""After so long without renewing, its streams end. The rest is for the end itself."""
RENEW_S: Final = 10.0
LOOK_S: Final = 1.0
"""How often a server looks which of its streams were resumed at another one, or erased."""


class HeldStreams:
    """For servers that share a ledger. While this one cannot renew what it has of the streams, they end in time.

    Otherwise another server would count them as broken, while this one still takes in their audio.

    Args:
        admission: Has the open connections.
        monotonic: Seconds of a clock that never goes back.
    """

    def __init__(
        self, ledger: Ledger, admission: Admission, clock: Clock, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._ledger = ledger
        self._admission = admission
        self._clock = clock
        self._monotonic = monotonic
        self._renewed = monotonic()

    async def run(self) -> None:
        """Do a round every ``LOOK_S``, and look at the clock, until cancelled. What fails is logged and tried again."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._rounds())
            group.create_task(self._watch_clock())

    async def _rounds(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.round()
            except VestibuleError as error:
                log.warning("streams_not_renewed", **describe(error))

    async def _watch_clock(self) -> None:
        """A round may wait for a ledger that does not answer, so this one is beside them."""
        while True:
            await asyncio.sleep(LOOK_S)
            self.expire()

    def expire(self) -> None:
        """End all streams, if what this server has of them was not renewed for ``END_S``."""
        if self._monotonic() - self._renewed <= END_S:
            return
        away = Unavailable("This server does not reach the ledger.", reason=Reason.LEDGER_IO, retry_after_s=1.0)
        for stream_id, connection in self._admission.connections.items():
            self._admission.end_connection(stream_id, connection, away)

    async def round(self) -> None:
        """Look once; renew when it is due.

        Raises:
            VestibuleError: The ledger does not answer.
        """
        now, held = self._monotonic(), self._admission.connections
        if not held:
            self._renewed = now
            return
        if now - self._renewed >= RENEW_S:
            until = self._clock() + timedelta(seconds=HELD_S)
            await self._ledger.write(lambda cursor: streams.renew(cursor, held, until))
            self._renewed = now
        there = await self._ledger.read(lambda cursor: streams.holders_of(cursor, held.keys()))
        for stream_id, connection in held.items():
            if stream_id not in there:
                self._admission.end_connection(stream_id, connection, erased())
            elif there[stream_id] != connection:
                self._admission.end_connection(stream_id, connection, taken_over())
