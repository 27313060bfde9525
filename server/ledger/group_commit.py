"""Commits many writes with one transaction, and finds the one that failed."""

from __future__ import annotations

import contextvars
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import duckdb

from server.ledger.columns import Cursor, RunAgain
from server.ledger.errors import translate

T = TypeVar("T")


@dataclass(slots=True)
class Write(Generic[T]):
    """A function that waits for its transaction, with the future of its result.

    It runs with the context variables of whoever submitted it, so that it sees the caller of the RPC.
    """

    fn: Callable[[Cursor], T]
    future: Future[T]
    result: T | None = None
    again: bool = False
    context: contextvars.Context = field(default_factory=contextvars.copy_context)

    def run(self, cursor: Cursor) -> None:
        """Run the function and keep its result."""
        self.result = self.context.run(self.fn, cursor)

    def succeed(self) -> None:
        """Give the result to the caller."""
        self.future.set_result(self.result)  # type: ignore[arg-type]  # T may itself be None


def settle(connection: Cursor, batch: list[Write[Any]]) -> None:
    """Commit a batch. After a failure, commit the writes before the failed one, then that one alone, then the rest.

    DuckDB has no savepoints, so a failed statement rolls back the whole transaction. Splitting keeps the order of
    the writes, and only the caller of the failed one gets its error.
    """
    waiting = deque([batch])
    while waiting:
        part = waiting.popleft()
        if not part:
            continue
        failed_at, error = _attempt(connection, part)
        if error is None:
            for write in part:
                write.succeed()
        elif len(part) == 1 and isinstance(error, RunAgain) and not part[0].again:
            part[0].again = True
            waiting.appendleft(part)
        elif len(part) == 1:
            part[0].future.set_exception(error)
        elif failed_at is None:  # the commit failed, so any of them may be the cause
            waiting.extendleft([write] for write in reversed(part))
        else:
            waiting.extendleft((part[failed_at + 1 :], [part[failed_at]], part[:failed_at]))


def _attempt(connection: Cursor, part: list[Write[Any]]) -> tuple[int | None, BaseException | None]:
    """Run and commit; returns which write failed (None for the commit) and its error."""
    at: int | None = None
    try:
        connection.begin()
        for at, write in enumerate(part):  # noqa: B007 - read after the loop
            write.run(connection)
        at = None
        connection.commit()
    except duckdb.Error as error:
        failure: BaseException = translate(error)
    except Exception as error:  # noqa: BLE001 - not swallowed: it goes to the caller whose function raised it
        failure = error
    else:
        return None, None
    _roll_back(connection)
    return at, failure


def _roll_back(connection: Cursor) -> None:
    try:
        connection.rollback()
    except duckdb.Error:
        # a failed commit has already ended its transaction
        return
