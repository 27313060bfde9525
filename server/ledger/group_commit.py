"""Commits many writes with one transaction, and finds the one that failed."""

from __future__ import annotations

import contextvars
import copy
import itertools
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import duckdb

from models.errors import VestibuleError
from server.ledger.columns import DuckDb, RunAgain
from server.ledger.errors import translate

T = TypeVar("T")

More = Callable[[], "list[Write[Any]]"]
"""Gives further writes for a transaction that is open."""


@dataclass(slots=True)
class Write(Generic[T]):
    """A function that waits for its transaction, with the future of its result.

    It runs with the context variables of whoever submitted it, so that it sees the caller of the RPC.

    Attributes:
        on_commit: Is given the result after the commit, before the next transaction begins. It must not raise.
    """

    fn: Callable[[DuckDb], T]
    future: Future[T]
    on_commit: Callable[[T], None] | None = None
    result: T | None = None
    again: bool = False
    context: contextvars.Context = field(default_factory=contextvars.copy_context)

    def run(self, cursor: DuckDb) -> None:
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
        fatal: Whether DuckDB refuses everything until the file is opened again.
    """

    committed: bool = False
    refused: VestibuleError | None = None
    fatal: bool = False


@dataclass(frozen=True, slots=True)
class _Attempt:
    """How one transaction ended: the error, and the place of the write that raised it; None for the commit."""

    error: BaseException | None = None
    failed_at: int | None = None
    fatal: bool = False


def settle(connection: DuckDb, batch: list[Write[Any]], more: More = lambda: []) -> Settled:
    """Commit a batch, and what ``more`` gives while its transaction is open.

    After a failure, commit the writes before the failed one, then that one alone, then the rest.

    DuckDB has no savepoints, so a failed statement rolls back the whole transaction. Splitting keeps the order of
    the writes, and only the caller of the failed one gets its error. After a fatal error all that are left get it: they
    are not run again, because the commit that met it may be on the disk.
    """
    settled = Settled()
    waiting = deque([batch])
    while waiting:
        part = waiting.popleft()
        if not part:
            continue
        attempt = _attempt(connection, part, more if part is batch else lambda: [])
        error = attempt.error
        if error is None:
            settled.committed, settled.refused = True, None
            for write in part:
                write.succeed()
        elif attempt.fatal and isinstance(error, VestibuleError):
            settled.refused, settled.fatal = error, True
            for write in itertools.chain(part, *waiting):
                write.future.set_exception(copy.copy(error))  # each caller gets a traceback of its own
            return settled
        elif len(part) == 1 and isinstance(error, RunAgain) and not part[0].again:
            part[0].again = True
            waiting.appendleft(part)
        elif len(part) == 1:
            if attempt.failed_at is None and isinstance(error, VestibuleError):
                settled.refused = error
            part[0].future.set_exception(error)
        elif attempt.failed_at is None:  # the commit failed, so any of them may be the cause
            waiting.extendleft([write] for write in reversed(part))
        else:
            at = attempt.failed_at
            waiting.extendleft((part[at + 1 :], [part[at]], part[:at]))
    return settled


def _attempt(connection: DuckDb, part: list[Write[Any]], more: More) -> _Attempt:
    """Run and commit; what comes meanwhile is appended to the part."""
    at: int | None = None
    fatal = False
    try:
        connection.begin()
        for at, write in enumerate(part):
            write.run(connection)
            if at == len(part) - 1:
                part.extend(more())
        at = None
        connection.commit()
    except duckdb.Error as error:
        failure: BaseException = translate(error)
        fatal = isinstance(error, duckdb.FatalException)
    except Exception as error:  # noqa: BLE001 - not swallowed: it goes to the caller whose function raised it
        failure = error
    else:
        return _Attempt()
    if not fatal:
        _roll_back(connection)
    return _Attempt(failure, at, fatal)


def _roll_back(connection: DuckDb) -> None:
    try:
        connection.rollback()
    except duckdb.Error:
        # a failed commit has already ended its transaction
        return
