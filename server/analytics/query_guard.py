"""Decides before every query of an analyst whether it may run, and whether it ends in time.

DuckDB 1.5 cannot stop a query of a Quack client: there is no time limit, and the query goes on when the endpoint stops.
So a query that may be long is first tried on a connection that can be interrupted, and refused when it does not end in
time there. A query that the planner estimates to be short is allowed at once.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import duckdb

from server.analytics.sql_policy import LONGEST_QUERY, judge
from server.ledger.columns import Cursor

LIMIT_S = 10.0
CHEAP_ROWS = 2_000_000
"""A query is not tried first when no operator is estimated above this; it then takes far less than a second."""
TRIALS = 2
_PAIRING = ("CROSS_PRODUCT", "NESTED_LOOP", "BLOCKWISE", "PIECEWISE", "IE_JOIN", "POSITIONAL")


class QueryGuard:
    """Decides about queries of analysts. Safe to call from several threads.

    Args:
        open_cursor: Opens a connection to the ledger, which is closed here.
        limit_s: How long a query may take.
        on_refused: Called with the reason of a refusal, never with the query.
    """

    def __init__(
        self,
        open_cursor: Callable[[], Cursor],
        *,
        limit_s: float = LIMIT_S,
        on_refused: Callable[[str], None] = lambda reason: None,
    ) -> None:
        self._open_cursor = open_cursor
        self._limit_s = limit_s
        self._on_refused = on_refused
        self._trials = threading.BoundedSemaphore(TRIALS)

    def allows(self, query: str) -> bool:
        """Whether the query may run. Any error means no."""
        reason = self.refusal(query)
        if reason:
            self._on_refused(reason)
        return not reason

    def refusal(self, query: str) -> str:
        """Why the query may not run; empty when it may."""
        if len(query) > LONGEST_QUERY:
            return f"A query may have at most {LONGEST_QUERY} characters."
        cursor = self._open_cursor()
        try:
            (serialized,) = cursor.execute("SELECT json_serialize_sql(?::VARCHAR)", [query]).fetchone() or ("{}",)
            verdict = judge(serialized)
            if verdict.refused:
                return verdict.refused
            if verdict.multiplies or _most_rows(cursor, query) > CHEAP_ROWS:
                return self._try_out(cursor, query)
        except duckdb.Error as error:
            return f"The query cannot be planned ({type(error).__name__})."
        finally:
            cursor.close()
        return ""

    def _try_out(self, cursor: Cursor, query: str) -> str:
        if not self._trials.acquire(timeout=self._limit_s):
            return "Too many long queries run at the moment."
        try:
            with _interrupted_after(cursor, self._limit_s):
                cursor.execute("BEGIN TRANSACTION READ ONLY")
                cursor.execute(f"EXPLAIN ANALYZE {query}")
        except duckdb.InterruptException:
            return f"The query takes longer than {self._limit_s:g} s."
        except duckdb.OutOfMemoryException:
            return "The query needs too much memory."
        finally:
            self._trials.release()
            cursor.rollback()
        return ""


@contextmanager
def _interrupted_after(cursor: Cursor, limit_s: float) -> Iterator[None]:
    timer = threading.Timer(limit_s, cursor.interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()  # the cursor must not be closed while it runs


def _most_rows(cursor: Cursor, query: str) -> float:
    """The largest number of rows of an operator in the plan, as estimated."""
    rows = cursor.execute(f"EXPLAIN (FORMAT JSON) {query}").fetchall()
    return max((_rows(node) for plan in rows for node in _operators(json.loads(plan[1]))), default=0.0)


def _operators(plan: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    waiting = list(plan)
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(node.get("children", []))


def _rows(node: dict[str, Any]) -> float:
    """Rows of one operator; a cross product has the product of its inputs."""
    guessed = float(str(node.get("extra_info", {}).get("Estimated Cardinality", "0")).lstrip("~") or 0)
    if not any(word in node["name"] for word in _PAIRING):
        return guessed
    pairs = 1.0
    for child in node.get("children", []):
        pairs *= max(1.0, _output(child))
    return max(guessed, pairs)


def _output(node: dict[str, Any]) -> float:
    """Rows that an operator returns; without an estimate, the most that its inputs allow."""
    own = _rows(node)
    return own if own else max((_output(child) for child in node.get("children", [])), default=1.0)
