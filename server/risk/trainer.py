"""Keeps the newest model, and has a new one learnt on schedule."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

from models.private_files import write_atomically
from server.ledger.erasure import client_erased_since
from server.ledger.long_reads import Reads
from server.ledger.types import Clock
from server.observability.log import get_logger
from server.risk.fit_process import fit_in_process
from server.risk.model import RiskModel
from server.risk.reading import PastSessions, read_past, sessions_to_read
from server.setting_groups.risk import RiskSettings

log = get_logger("risk")

FILE: Final = "risk_model.json"
MOST_BYTES: Final = 1024 * 1024
LOOK_EVERY: Final = timedelta(hours=1)
"""How often, and at the start, it is checked whether there is much more to learn from."""
MUCH_MORE: Final = 2
"""So many times the sessions of the last model are much more."""


def forget_model(folder: Path) -> None:
    """Delete the newest model of an earlier start; a trainer that does no rounds would not notice erasures."""
    (folder / FILE).unlink(missing_ok=True)


class Fit(Protocol):
    """``fit_process.fit_in_process``."""

    async def __call__(  # noqa: D102
        self, past: PastSessions, idle_s: float, least: int, now: datetime, cpu_s: int
    ) -> RiskModel: ...


class RiskTrainer:
    """Has models learnt. The newest is in ``model``, and in a file for the next start.

    The file holds numbers and machine words as JSON, and nothing that can run. A wrong file is ignored. Whoever can
    write to it can change the risks, but cannot make the server run anything.

    Args:
        folder: Where the file is.
        idle_s: Idle time after which the server ends a session.
    """

    def __init__(
        self,
        ledger: Reads,
        clock: Clock,
        settings: RiskSettings,
        idle_s: float,
        folder: Path,
        fit: Fit = fit_in_process,
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._settings = settings
        self._idle_s = idle_s
        self._file = folder / FILE
        self._fit = fit
        self._tried: datetime | None = None
        self._looked: datetime | None = None
        self.model = self._kept()

    async def round(self) -> None:
        """Have a model learnt if one is due, or if there is much more to learn from than there was for the last one.

        A failure waits for the next time as a success does.

        A model with properties is forgotten when a client was erased, because they may be that client's.
        """
        await self._forget_erased()
        now = self._clock()
        if self._every and (not _within(now, self._last, self._every) or await self._much_more(now)):
            self._tried = now
            await self.train(now)

    @property
    def next_train_time(self) -> datetime | None:
        """When a model is learnt at the latest; None if none is learnt."""
        if not self._every:
            return None
        return self._clock() if self._last is None else self._last + self._every

    @property
    def _every(self) -> timedelta:
        return timedelta(hours=self._settings.train_every_h)

    @property
    def _last(self) -> datetime | None:
        return max((at for at in (self._tried, self.model and self.model.train_time) if at), default=None)

    async def _much_more(self, now: datetime) -> bool:
        """Whether the ledger has much more than what the model was learnt from; a look at it at most every hour."""
        model, given = self.model, self._settings
        failed = model is not None and self._tried is not None and self._tried > model.train_time
        if model is None or failed or _within(now, self._looked, LOOK_EVERY):
            return False
        self._looked = now
        there = await self._ledger.read(lambda cursor: sessions_to_read(cursor, now, given.days, self._idle_s))
        # With fewer than least_sessions of both kinds nothing could be learnt.
        return there >= MUCH_MORE * max(model.sessions, given.least_sessions)

    async def train(self, now: datetime) -> None:
        """Have a model learnt now.

        Raises:
            Unavailable: None was learnt.
            VestibuleError: The ledger could not be read.
        """
        given = self._settings
        past = await self._ledger.read(lambda cursor: read_past(cursor, now, given.days, self._idle_s))
        self.model = model = await self._fit(past, self._idle_s, given.least_sessions, now, given.cpu_seconds)
        stages = {str(name).lower(): str(stage.status).lower() for name, stage in model.stages.items()}
        log.info("risk_trained", sessions=model.sessions, **stages)
        try:
            await asyncio.to_thread(write_atomically, self._file, model.model_dump_json().encode())
        except OSError as error:
            log.warning("risk_model_not_kept", error=type(error).__name__)

    async def _forget_erased(self) -> None:
        model = self.model
        if model is None or not model.has_properties:
            return
        if await self._ledger.read(lambda cursor: client_erased_since(cursor, model.train_time)):
            self.model = self._tried = None
            await asyncio.to_thread(self._file.unlink, missing_ok=True)
            log.info("risk_model_forgotten")

    def _kept(self) -> RiskModel | None:
        try:
            if self._file.stat().st_size > MOST_BYTES:
                raise ValueError
            return RiskModel.model_validate_json(self._file.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            log.warning("risk_model_ignored", error=type(error).__name__)
            return None


def _within(now: datetime, last: datetime | None, period: timedelta) -> bool:
    """Whether the last time lies less than a period back. A clock that was set back is not trusted."""
    return last is not None and timedelta() <= now - last < period
