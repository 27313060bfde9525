"""The calls to the workers that are under way. When a worker is lost, each of them may be the cause."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from models.errors import VestibuleError, WorkerLost
from models.reasons import Reason
from models.redaction.types import RedactionScope

TOGETHER_S = 15.0
"""Calls of which one ended so long before another did not die together."""

_CLUSTER_LOST = frozenset({Reason.CLUSTER_LOST, Reason.CLUSTER_UNAVAILABLE})


@dataclass(eq=False, slots=True)
class WorkerCall:
    """One call.

    Attributes:
        kind: The kind of worker.
        scope: Client and session of whoever made it.
        answered: Whether it ended with an answer. Then its content does not kill a worker.
        clients: If it failed: those that had calls under way at this kind of worker, its own client among them.
    """

    kind: str
    scope: RedactionScope
    answered: bool = False
    clients: frozenset[str] = frozenset()
    _lost: dict[WorkerCall, float] = field(default_factory=dict)
    """Calls that ended while this one ran, because workers or the cluster were lost, and when each did."""


class WorkerCalls:
    """Knows the calls of this server.

    Args:
        clock: Seconds, never going back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._open: set[WorkerCall] = set()

    @contextmanager
    def running(self, kind: str, scope: RedactionScope) -> Iterator[WorkerCall]:
        """Note a call as long as the block runs."""
        call = WorkerCall(kind, scope)
        self._open.add(call)
        try:
            yield call
            call.answered = True
        except VestibuleError as error:
            call.clients = frozenset(one.scope.client_id for one in (call, *self.beside(call))) - {""}
            if isinstance(error, WorkerLost) or error.reason in _CLUSTER_LOST:
                for other in self._open - {call}:
                    other._lost = self._recent(other) | {call: self._clock()}
            raise
        finally:
            self._open.discard(call)
            call._lost.clear()  # otherwise each call would keep those before it alive

    def beside(self, call: WorkerCall, *, everywhere: bool = False) -> frozenset[WorkerCall]:
        """The other calls that may have been under way when this one failed; to be asked before its block ends.

        Calls that die together end one after the other. So those that ended shortly before because workers were
        lost are among them.

        Args:
            call: The call.
            everywhere: Whether calls to other kinds of worker are meant, too.
        """
        others = (self._open | self._recent(call).keys()) - {call}
        return frozenset(other for other in others if everywhere or other.kind == call.kind)

    def _recent(self, call: WorkerCall) -> dict[WorkerCall, float]:
        now = self._clock()
        return {other: ended for other, ended in call._lost.items() if now - ended < TOGETHER_S}
