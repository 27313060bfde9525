"""Records decisions about access in the audit, with bounds: to RPCs, and at the other doors (metrics, Quack, SQL).

Equal decisions (who, from where, which method or door, how decided) of one window are one row with a count. A flood of
denied calls from many addresses is folded into one row a method and reason, so it cannot fill the disk. A window that
a kill cuts short is lost; nothing else depends on these rows.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from models.errors import VestibuleError
from server.access.audit import AuditAction, AuditEntry, AuditTrail, Outcome
from server.access.caller import Caller
from server.access.doors import Door
from server.ledger.transactional import Ledger
from server.ledger.types import Clock
from server.observability.log import describe, get_logger

log = get_logger("audit")

MOST_DENIED: Final = 100
"""Rows of one window about denied calls; with 60 s about 30 MB of ledger a day under a flood."""
MOST_ALLOWED: Final = 1000
"""The same for allowed calls, whose callers have credentials."""
ANALYST: Final = "analyst"
"""Subject of whoever has the token of the endpoint for analysts."""
MANY: Final = "many"
"""Subject of a row that stands for callers who are not told apart any more."""


@dataclass(frozen=True, slots=True)
class _Decision:
    subject: str
    client_id: str
    host: str
    target: tuple[str, str]
    outcome: Outcome
    reason: str


@dataclass(slots=True)
class _Tally:
    first: datetime
    count: int = 0


class AccessLog:
    """Counts decisions, and writes a row for each kind of them once a window. Any thread may count.

    Args:
        window_s: Length of the window in seconds.
        allowed: Whether allowed calls are recorded too.
        admit: Called before rows are written; raises while a disk lacks room. The counts are kept then.
    """

    def __init__(
        self,
        ledger: Ledger,
        trail: AuditTrail,
        clock: Clock,
        *,
        window_s: float,
        allowed: bool = True,
        admit: Callable[[], None] = lambda: None,
    ) -> None:
        self._ledger = ledger
        self._trail = trail
        self._clock = clock
        self._window_s = window_s
        self._allowed = allowed
        self._admit = admit
        self._seen: dict[_Decision, _Tally] = {}
        self._kinds = {Outcome.DENIED: 0, Outcome.ALLOWED: 0}
        self._lock = threading.Lock()
        self._one_write = asyncio.Lock()
        self._last_write: asyncio.Task[None] | None = None

    def record(self, caller: Caller, method: str, *, denied: str = "") -> None:
        """Count one decision about a call. Never fails.

        Args:
            caller: Who; with an empty subject when nobody was known.
            method: Full name of the RPC.
            denied: The reason; empty when the call was allowed.
        """
        subject = self._trail.stored_subject(caller.subject)
        self._count(subject, caller.client_id, caller.peer.host, ("method", method), denied)

    def at_door(self, door: Door, denied: str, host: str = "") -> None:
        """Count one decision at a door that is no RPC. Never fails.

        Whoever has the token of the analysts may use SQL, so that is all that is known of the subject.

        Args:
            door: Which one.
            denied: The reason, a word of ours; empty when access was allowed.
            host: Network address, where the door knows it.
        """
        known = not denied or door is Door.SQL
        self._count(ANALYST if known else "", "", host, ("door", door), denied)

    def at_metrics(self, host: str, denied: str) -> None:
        """Count one refusal by the endpoint of the metrics. Never fails."""
        self.at_door(Door.METRICS, denied, host)

    def at_port(self, network: str) -> None:
        """Count one refusal of a network address that floods the gRPC port. Never fails."""
        self.at_door(Door.PORT, "flood", network)

    def _count(self, subject: str, client_id: str, host: str, target: tuple[str, str], denied: str) -> None:
        if not denied and not self._allowed:
            return
        outcome = Outcome.DENIED if denied else Outcome.ALLOWED
        decision = _Decision(subject, client_id, host, target, outcome, denied)
        with self._lock:
            if decision not in self._seen:
                if self._kinds[outcome] >= (MOST_DENIED if denied else MOST_ALLOWED):
                    decision = _folded(decision)
                else:
                    self._kinds[outcome] += 1
            self._seen.setdefault(decision, _Tally(self._clock())).count += 1

    async def run(self) -> None:
        """Write the rows of each window until cancelled."""
        while True:
            await asyncio.sleep(self._window_s)
            try:
                await self.flush()
            except VestibuleError as error:
                log.warning("access_not_recorded", **describe(error))

    async def flush(self) -> None:
        """Write what was counted now. A call that is cancelled ends at once, and the write goes on.

        Raises:
            Unavailable, Overloaded: The ledger took no write, or its disk lacks room; the counts are kept.
        """
        self._last_write = asyncio.create_task(self._write_counts())
        await asyncio.shield(self._last_write)

    async def _write_counts(self) -> None:
        async with self._one_write:  # the last write of a server has to see what a failed one before it put back
            await self._write_seen()

    async def _write_seen(self) -> None:
        self._admit()
        with self._lock:
            seen, self._seen = self._seen, {}
            self._kinds = dict.fromkeys(self._kinds, 0)
        entries = [_entry(decision, found) for decision, found in seen.items()]
        if not entries:
            return

        try:
            await self._ledger.write(lambda cursor: self._trail.append(cursor, *entries))
        except VestibuleError:
            with self._lock:
                for decision, found in seen.items():
                    self._put_back(decision, found)
            raise

    def _put_back(self, decision: _Decision, found: _Tally) -> None:
        """Count again what could not be written; without room for one more row, in the row of ``MANY``."""
        if decision not in self._seen and len(self._seen) >= MOST_DENIED + MOST_ALLOWED:
            decision = _folded(decision)
        tally = self._seen.setdefault(decision, _Tally(found.first))
        tally.first = min(tally.first, found.first)
        tally.count += found.count


def _folded(decision: _Decision) -> _Decision:
    return replace(decision, subject=MANY, client_id="", host="")


def _entry(decision: _Decision, seen: _Tally) -> AuditEntry:
    who = (decision.subject, decision.client_id, decision.host)
    return AuditEntry(
        *who, AuditAction.ACCESS, seen.first, decision.target, decision.outcome, decision.reason, seen.count
    )
