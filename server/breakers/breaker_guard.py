"""One call that a circuit breaker has admitted: when it began, and what its end says about the upstream."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import TracebackType

from models.errors import DeadlineExceeded, VestibuleError
from models.tracing.spans import NO_SPAN
from server.breakers.types import Outcome

SLOW_ANSWER = "SLOW_ANSWER"
"""Stands for a reason where an answer was slow."""


class BreakerGuard:
    """One admitted call; made by ``AsyncBreaker.guard``. Use it once, with ``async with``.

    Args:
        admit: Lets the call start; returns the number of the period in which it begins, or raises ``BreakerOpen``.
        settle: Is told that period, and can ask what the call says about the upstream, and the reason of a failure.
        judge: What an error says about the upstream.
        clock: Seconds, never going back.
        slow_s: An answer that takes longer counts as a failure; 0 means that none does.

    Attributes:
        late_counts: Whether a deadline that passes says something about the upstream; set it to False for one of the
            caller that is shorter than the usual timeout.
        failure_counts: Asked once a call has failed: whether that says something about the upstream. It does not if
            the call may itself be the cause.
        span: Of the call.
    """

    def __init__(
        self,
        admit: Callable[[], int],
        settle: Callable[[int, Callable[[], tuple[Outcome, str]]], None],
        judge: Callable[[Exception], Outcome],
        clock: Callable[[], float],
        slow_s: float,
    ) -> None:
        self.late_counts = True
        self.failure_counts: Callable[[], bool] = lambda: True
        self.span = NO_SPAN
        self._admit = admit
        self._settle = settle
        self._judge = judge
        self._clock = clock
        self._slow_s = slow_s
        self._period = 0
        self._began_s = 0.0
        self._took_s: float | None = None

    def answered(self) -> None:
        """Say that the answer has begun: what follows is not waited for, so it does not make the call slow."""
        if self._took_s is None:
            self._took_s = self._clock() - self._began_s

    async def __aenter__(self) -> BreakerGuard:
        self._period = self._admit()
        self._began_s = self._clock()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.answered()
        self._settle(self._period, partial(self._outcome, error))

    def _outcome(self, error: BaseException | None) -> tuple[Outcome, str]:
        """What the call says about the upstream, and the reason of a failure."""
        if error is None:
            slow = 0 < self._slow_s < (self._took_s or 0.0)
            return (Outcome.FAILURE, SLOW_ANSWER) if slow else (Outcome.ANSWER, "")
        # An error that is no Exception: the call was cancelled, or the reader of a stream went away.
        if not isinstance(error, Exception):
            return Outcome.NOTHING, ""
        if isinstance(error, DeadlineExceeded) and not self.late_counts:
            return Outcome.NOTHING, ""
        reason = error.reason if isinstance(error, VestibuleError) else type(error).__name__
        outcome = self._judge(error)
        if outcome is Outcome.FAILURE and not self.failure_counts():
            outcome = Outcome.NOTHING
        return outcome, reason
