"""Keeps the mirror of PostgreSQL up to date, in which analysts and reports read."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Protocol

from models.errors import VestibuleError
from server.ledger import mirrored
from server.ledger.embedded import EmbeddedLedger
from server.ledger.mirrored import Increment, Position
from server.observability.log import describe, get_logger
from server.records.status import Component

log = get_logger("mirror")

ROUND_S: Final = 1.0
NOTED_S: Final = 60.0
"""How often the position is written where nothing changed."""
LATE_S: Final = 30.0
"""From when on the status says that the mirror is behind."""


class Source(Protocol):
    """Reads what changed; ``server.ledger.postgres.increments.IncrementReader``."""

    def read(self, since: Position | None, folder: Path) -> Increment:
        """Write what changed since a position into files of a folder. Blocking.

        Raises:
            VestibuleError: The source does not answer.
        """
        ...

    def interrupt(self) -> None:
        """End what another thread reads at the moment, with an error there."""
        ...

    def forget_deleted(self, read: Position) -> None:
        """Forget which rows were deleted before a position, and leave no byte of that. Blocking.

        Raises:
            VestibuleError: The source does not answer.
        """
        ...


class Mirror:
    """Copies what changed, round after round.

    Args:
        source: Where the truth is.
        target: The file of the mirror. Nobody else writes to it.
        folder: Where what was read lies until it is written. Its owner alone can enter it.
        monotonic: Seconds of a clock that never goes back.
    """

    def __init__(
        self, source: Source, target: EmbeddedLedger, folder: Path, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._source = source
        self._target = target
        self._folder = folder
        self._monotonic = monotonic
        self._up_to = monotonic()
        self._noted = -NOTED_S
        self._position: Position | None = None
        self._alone = asyncio.Lock()

    @property
    def lag_s(self) -> float:
        """Seconds since the moment whose state it shows; those since the start before the first round."""
        return self._monotonic() - self._up_to

    @property
    def component(self) -> Component:
        """Its state, for the status report."""
        healthy = self.lag_s < LATE_S
        return Component("mirror", healthy, f"Analysts and reports see PostgreSQL as it was {self.lag_s:.0f} s ago.")

    async def run(self) -> None:
        """Copy until cancelled. What fails is logged and tried again with the next round."""
        while True:
            await self.attempt()
            await asyncio.sleep(ROUND_S)

    async def attempt(self) -> None:
        """A round whose failure is logged: the server works without its mirror."""
        try:
            await self.round()
        except (VestibuleError, OSError) as error:
            log.warning("mirror_failed", **describe(error))
        except Exception as error:  # noqa: BLE001 - the edge: a failure must not end the rounds
            log.error("unexpected_error", **describe(error))

    async def round(self) -> None:
        """Copy what changed since the last round; the whole ledger where that is not known.

        Raises:
            VestibuleError: PostgreSQL does not answer, or the mirror's disk refuses. The mirror is as it was.
            OSError: The folder's disk refuses. The mirror is as it was.
        """
        async with self._alone:
            began = self._monotonic()
            if self._position is None:
                self._position = await self._target.read(mirrored.position)
            with TemporaryDirectory(dir=self._folder) as folder:
                found = await self._read(Path(folder))
                if found.tables or began - self._noted >= NOTED_S:
                    await self._target.write(lambda cursor: mirrored.apply(cursor, found))
                    self._noted = began
            self._position, self._up_to = found.position, began

    async def _read(self, folder: Path) -> Increment:
        """Read in a thread. A cancelled read is ended, and waited for: it writes into the folder."""
        reading = asyncio.ensure_future(asyncio.to_thread(self._source.read, self._position, folder))
        try:
            return await asyncio.shield(reading)
        except asyncio.CancelledError:
            await asyncio.to_thread(self._source.interrupt)
            await asyncio.gather(reading, return_exceptions=True)
            raise

    async def forget_deleted(self) -> None:
        """Copy what was deleted, and leave no byte of it here or in what PostgreSQL remembers of deleted rows.

        Raises:
            VestibuleError: As ``round``. It can be repeated.
            OSError: As ``round``.
        """
        await self.round()
        async with self._alone:  # a source has one connection
            assert self._position is not None
            await asyncio.to_thread(self._source.forget_deleted, self._position)
        await self._target.rewrite()
