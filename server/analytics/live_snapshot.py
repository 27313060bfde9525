"""Keeps what analysts read nearly live: before a query the snapshot is renewed, if it lags behind the ledger."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

LONGEST_LAG_S = 1.0
CHEAP_S = 0.25
LAG_FOR_COST = 4.0
"""A renewal that is not cheap is used for longer, so that renewing takes at most a fifth of the time."""

IDLE_S = 600.0
"""Snapshots that nobody reads are deleted after this time. The next query then needs a whole copy."""


class Copies(Protocol):
    """Makes snapshots."""

    def renew(self) -> Path | None:
        """A new snapshot; None when the last one is still exact."""
        ...

    def clear(self) -> None:
        """Delete all snapshots."""
        ...


class Reader(Protocol):
    """Reads the snapshot."""

    def attach(self, snapshot: Path) -> None:
        """Read this one from now on."""
        ...

    def detach(self) -> None:
        """Let go of the snapshot."""
        ...


class LiveSnapshot:
    """Renews the snapshot for all readers of it. Safe to call from several threads.

    Args:
        copies: Makes snapshots.
        readers: Are given each new one, at the same time.
        clock: Seconds, monotonic.
    """

    def __init__(
        self, copies: Copies, readers: tuple[Reader, ...], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._copies = copies
        self._readers = readers
        self._clock = clock
        self._pool = ThreadPoolExecutor(len(readers), thread_name_prefix="attach")
        self._lock = threading.Lock()
        self._exact_s: float | None = None
        self._cost_s = 0.0
        self._used_s = clock()
        self._may_hold = True

    def ensure_fresh(self) -> None:
        """Make sure that the snapshot shows everything that was committed up to a second ago.

        Raises:
            VestibuleError: No snapshot can be made, or not be read.
            OSError: The disk refuses.
        """
        with self._lock:
            began_s = self._used_s = self._clock()
            self._may_hold = True
            if self._exact_s is not None and began_s - self._exact_s < self._allowed_lag_s():
                return
            self._exact_s = None
            snapshot = self._copies.renew()
            if snapshot is not None:
                self._hand_out(snapshot)
                self._cost_s = self._clock() - began_s
            self._exact_s = began_s

    def expire(self) -> None:
        """Have the next query renew the snapshot, whatever a renewal costs."""
        with self._lock:
            self._exact_s = None

    def _hand_out(self, snapshot: Path) -> None:
        try:
            list(self._pool.map(lambda reader: reader.attach(snapshot), self._readers))
        except BaseException:
            self._copies.clear()  # or the next renewal would find nothing to do
            raise

    def _allowed_lag_s(self) -> float:
        return 0.0 if self._cost_s < CHEAP_S else min(LONGEST_LAG_S, LAG_FOR_COST * self._cost_s)

    def drop_if_idle(self) -> None:
        """Delete the snapshots when nobody has asked for a while."""
        with self._lock:
            if self._may_hold and self._clock() - self._used_s > IDLE_S:
                self._may_hold, self._exact_s = False, None
                for reader in self._readers:
                    reader.detach()
                self._copies.clear()
