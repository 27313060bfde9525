"""Commits many writes with one transaction, and finds the one that failed."""

from __future__ import annotations

import contextvars
import copy
import itertools
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from models.errors import VestibuleError
from server.ledger.transactions import Failure, Transactions

T = TypeVar("T")

MOST_RUNS: Final = 3
"""How often a function is run alone, while its failures say that another run may succeed."""

More = Callable[[], "list[Write[Any]]"]
"""Gives further writes for a transaction that is open."""


@dataclass(slots=True)
class Write(Generic[T]):
    """A function that waits for its transaction, with the future of its result.

    It runs with the context variables of whoever submitted it, so that it sees the caller of the RPC.

    Attributes:
        fn: Is given the cursor of its engine.
        on_commit: Is given the result after the commit, before the next transaction begins. It must not raise.
    """

    fn: Callable[[Any], T]
    future: Future[T]
    on_commit: Callable[[T], None] | None = None
    result: T | None = None
    runs_alone: int = 0
    context: contextvars.Context = field(default_factory=contextvars.copy_context)

    def run(self, cursor: Any) -> None:
        """Run the function and keep its result."""
        self.result = self.context.run(self.fn, cursor)

    def succeed(self) -> None:
        """Give the result to the caller."""
        if self.on_commit is not None:
            self.on_commit(self.result)  # type: ignore[arg-type]  # T may itself be None
        self.future.set_result(self.result)  # type: ignore[arg-type]  # T may itself be None


@dataclass(slots=True)
class Settled:
    """How a batch ended.

    Attributes:
        committed: Whether anything was committed.
        refused: Why the last commit was refused, if nothing was committed after it.
        fatal: Whether the engine refuses everything until it is opened again.
    """

    committed: bool = False
    refused: VestibuleError | None = None
    fatal: bool = False


@dataclass(frozen=True, slots=True)
class _Attempt:
    """How one transaction ended: its failure, and the place of the write that raised it; None for the commit."""

    failure: Failure | None = None
    failed_at: int | None = None


def settle(transactions: Transactions, batch: list[Write[Any]], more: More = lambda: []) -> Settled:
    """Commit a batch, and what ``more`` gives while its transaction is open.

    After a failure, commit the writes before the failed one, then that one alone, then the rest.

    DuckDB has no savepoints, so a failed statement rolls back the whole transaction. Splitting keeps the order of
    the writes, and only the caller of the failed one gets its error. A write that failed alone is run again where that
    may help. After a fatal error all that are left get it: they are not run again, because the commit that met it may
    be on the disk.
    """
    settled = Settled()
    waiting = deque([batch])
    while waiting:
        part = waiting.popleft()
        if not part:
            continue
        attempt = _attempt(transactions, part, more if part is batch else lambda: [])
        failure = attempt.failure
        if failure is None:
            settled.committed, settled.refused = True, None
            for write in part:
                write.succeed()
        elif failure.fatal and isinstance(failure.error, VestibuleError):
            settled.refused, settled.fatal = failure.error, True
            for write in itertools.chain(part, *waiting):
                write.future.set_exception(copy.copy(failure.error))  # each caller gets a traceback of its own
            return settled
        elif len(part) == 1 and failure.again and part[0].runs_alone < MOST_RUNS:
            waiting.appendleft(part)
        elif len(part) == 1:
            if attempt.failed_at is None and isinstance(failure.error, VestibuleError):
                settled.refused = failure.error
            part[0].future.set_exception(failure.error)
        elif attempt.failed_at is None:  # the commit failed, so any of them may be the cause
            waiting.extendleft([write] for write in reversed(part))
        else:
            at = attempt.failed_at
            waiting.extendleft((part[at + 1 :], [part[at]], part[:at]))
    return settled


def _attempt(transactions: Transactions, part: list[Write[Any]], more: More) -> _Attempt:
    """Run and commit; what comes meanwhile is appended to the part."""
    at: int | None = None
    if len(part) == 1:
        part[0].runs_alone += 1
    try:
        transactions.begin()
        for at, write in enumerate(part):
            write.run(transactions.cursor)
            if at == len(part) - 1:
                part.extend(more())
        at = None
        transactions.commit()
    except Exception as error:  # noqa: BLE001 - not swallowed: it goes to the caller whose function raised it
        failure = transactions.explain(error)
    else:
        return _Attempt()
    if not failure.fatal:
        transactions.roll_back()
    return _Attempt(failure, at)
