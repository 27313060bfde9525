"""Decides before every query of an analyst whether it may run.

The syntax tree must pass the policy. Then the query is tried out in a process of its own, and only one that ended there
within its limits runs in the endpoint. DuckDB alone cannot bound it: its memory limit does not count the strings that
functions make, planning evaluates constants, and a query of a Quack client cannot be stopped.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

import duckdb

from server.analytics.admission import SHARE_OF_TRIAL, Places, Reservations
from server.analytics.endpoint_config import QueryLimits
from server.analytics.refusals import Cause, Refused
from server.analytics.sql_policy import judge, too_long
from server.analytics.trials import Outcome, TrialTimes

QUICK_S = 0.3
"""Most queries need less CPU time, and are not held up by those that need more."""

PATIENCE = 5.0
"""How many times its CPU time a query may take on the clock, when the machine has other work."""

QUICK_PATIENCE = 10.0
"""The same for a query that is tried out quickly; one that is late is tried again with all the time."""

REMEMBERED_REFUSALS = 256

TOO_MANY = Refused(Cause.BUSY, "Too many queries run at the moment.")

_ERRORS_OF_VALUES = frozenset({"ConversionException", "InvalidInputException", "OutOfRangeException"})
"""Errors that a query may end with in the endpoint too, so that the analyst reads DuckDB's own message."""


class Tries(Protocol):
    """Tries a query out where it can do no harm."""

    def run(self, query: str, times: TrialTimes) -> Outcome:
        """Run the query, for this time at most."""
        ...


class QueryGuard:
    """Decides about queries of analysts. Safe to call from several threads.

    Args:
        parse: Makes the syntax tree, ``json_serialize_sql``.
        trials: Tries queries out.
        limits: What one query, and all together, may use.
        admitted: Called with the seconds of CPU that an admitted query should need at most.
        on_refused: Called with the cause of a refusal, never with the query.
    """

    def __init__(
        self,
        parse: Callable[[str], str],
        trials: Tries,
        limits: QueryLimits,
        *,
        admitted: Callable[[float], None] = lambda seconds: None,
        on_refused: Callable[[Cause], None] = lambda cause: None,
    ) -> None:
        self._parse = parse
        self._trials = trials
        self._limits = limits
        self._admitted = admitted
        self._on_refused = on_refused
        self._quick = Places(running=4, waiting=32)
        self._slow = Places(running=2, waiting=16)
        self._reservations = Reservations(limits.total_bytes)
        self._refusals: OrderedDict[str, Refused] = OrderedDict()
        self._lock = threading.Lock()

    def allows(self, query: str) -> bool:
        """Whether the query may run."""
        if _ASKS_FOR_REFUSAL.fullmatch(query):
            return True
        refused = self.refusal(query)
        if refused:
            self.refuse(query, refused)
        return refused is None

    def refuse(self, query: str, refused: Refused) -> None:
        """Report a refusal, and remember it for a client that asks."""
        with self._lock:
            self._refusals[digest_of(query)] = refused
            while len(self._refusals) > REMEMBERED_REFUSALS:
                self._refusals.popitem(last=False)
        self._on_refused(refused.cause)

    def refusal_of(self, digest: str) -> str:
        """Why a query with this digest was refused lately, encoded; empty when none was."""
        with self._lock:
            refused = self._refusals.get(digest)
        return refused.encoded() if refused else ""

    def refusal(self, query: str) -> Refused | None:
        """Why the query may not run; None when it may."""
        if refused := too_long(query):
            return refused
        try:
            refused = judge(self._parse(query))
        except duckdb.Error as error:
            return Refused(Cause.NO_SQL, f"The query cannot be parsed ({type(error).__name__}).")
        return refused or self._try_out(query)

    def _try_out(self, query: str) -> Refused | None:
        seconds, late_s = self._limits.seconds, PATIENCE * self._limits.seconds
        quick_s = min(QUICK_S, seconds)
        outcome = self._run(self._quick, query, TrialTimes(quick_s, QUICK_PATIENCE * quick_s))
        if outcome is not None and outcome.result in ("time", "late") and seconds > QUICK_S:
            # Workers of Ray have the same priority as a trial. So one that takes long yields to them, too.
            outcome = self._run(self._slow, query, TrialTimes(seconds, late_s, idle=outcome.result == "time"))
        if outcome is None:
            return TOO_MANY
        if refused := self._judged(outcome):
            return refused
        if not self._reservations.take(outcome.bytes, outcome.seconds, wait_s=seconds):
            return TOO_MANY
        self._admitted(SHARE_OF_TRIAL * outcome.cpu_s)
        return None

    def _run(self, places: Places, query: str, times: TrialTimes) -> Outcome | None:
        """Try the query out; None when no place became free in time."""
        if not places.enter(PATIENCE * self._limits.seconds):
            return None
        try:
            return self._trials.run(query, times)
        finally:
            places.leave()

    def _judged(self, outcome: Outcome) -> Refused | None:
        if outcome.result == "time":
            return Refused(Cause.TIME, f"The query needs more than {self._limits.seconds:g} s of CPU time.")
        if outcome.result == "late":
            late_s = PATIENCE * self._limits.seconds
            return Refused(Cause.BUSY, f"The machine is too busy: the query did not end within {late_s:g} s.")
        if outcome.result == "memory":
            most = self._limits.query_bytes // 1024**2
            return Refused(Cause.MEMORY, f"The query needs more memory than {most} MiB.")
        if outcome.result == "error" and outcome.error not in _ERRORS_OF_VALUES:
            return Refused(Cause.PLAN, f"The query cannot be planned ({outcome.error}).")
        return Refused(Cause.ENDED, "The process that tried the query out ended.") if outcome.result == "died" else None


REFUSAL_FUNCTION = "vestibule_refusal"
_ASKS_FOR_REFUSAL = re.compile(rf"SELECT {REFUSAL_FUNCTION}\('[0-9a-f]{{64}}'\)")


def digest_of(query: str) -> str:
    """What a client names a refused query by."""
    return hashlib.sha256(query.encode()).hexdigest()


def ask_for_refusal(query: str) -> str:
    """The SQL that asks why a query was refused."""
    return f"SELECT {REFUSAL_FUNCTION}('{digest_of(query)}')"
