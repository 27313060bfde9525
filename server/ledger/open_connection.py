"""The connection of the writer. It is opened again when its engine refuses everything after a fatal error."""

from __future__ import annotations

import copy
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Final

from models.errors import VestibuleError
from server.ledger.group_commit import More, Settled, Write, settle
from server.ledger.transactions import Transactions
from server.observability.log import describe, get_logger

log = get_logger("ledger")

TRY_AGAIN_S: Final = 1.0
"""Pause between two attempts to open it."""


class OpenConnection(ABC):
    """Its methods are called on the writer's thread.

    Args:
        transactions: Just opened.
        monotonic: Seconds of a clock that never goes back.

    Attributes:
        transactions: The writer's own.
        broken: Why it is not open at the moment.
    """

    def __init__(self, transactions: Transactions, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.transactions = transactions
        self.broken: VestibuleError | None = None
        self._monotonic = monotonic
        self._next_try_s: float | None = None

    @abstractmethod
    def connect(self) -> Transactions:
        """Open it.

        Raises:
            VestibuleError: It cannot be opened at the moment.
        """

    def settle(self, batch: list[Write[Any]], more: More = lambda: []) -> Settled:
        """Commit a batch, see ``group_commit.settle``. After a fatal error it is to be opened again."""
        if self.broken is not None:
            for write in batch:
                write.future.set_exception(copy.copy(self.broken))
            return Settled()
        settled = settle(self.transactions, batch, more)
        if settled.fatal:
            self.broken = settled.refused
            self._next_try_s = None
        return settled

    @property
    def due(self) -> bool:
        """Whether it is not open, and to be opened now."""
        return self.broken is not None and (self._next_try_s is None or self._monotonic() >= self._next_try_s)

    @property
    def was_tried(self) -> bool:
        """Whether it was tried to open it since the fatal error."""
        return self._next_try_s is not None

    def open_again(self) -> None:
        """Open it after a fatal error. After a failure it is due again in a while."""
        if self.reconnect():
            log.warning("ledger_opened_again")

    def reconnect(self) -> bool:
        """Close it and open it; returns whether it is open."""
        self.transactions.close()
        try:
            self.transactions = self.connect()
        except VestibuleError as error:
            self.broken = error
        else:
            self.broken = None
            return True
        self._next_try_s = self._monotonic() + TRY_AGAIN_S
        log.error("ledger_not_open", **describe(self.broken))
        return False

    def close(self) -> None:
        """Close it for good.

        Raises:
            VestibuleError: Something was not written where it belongs. Nothing is lost.
        """
        self.transactions.close()
