"""An analyst's connection to a running server, or to the ledger file of a stopped one, under the same policy."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType

import duckdb

from models.errors import InvalidInput
from models.reasons import Reason
from server.analytics.endpoint_config import DEFAULT_LIMITS, EndpointConfig, QueryLimits
from server.analytics.quack import address_of, free_port, load_extensions
from server.analytics.query_guard import ask_for_refusal
from server.analytics.refusals import Cause, Refused
from server.analytics.sql_errors import problem_of
from server.analytics.supervisor import Supervisor

_REFUSED = "Authorization failed"
_GONE = (
    "Invalid connection id",
    "Could not connect to server",
    "Failure when receiving data",
    "Server returned nothing",
)
"""Errors of a process that was ended: it is another one now, there is none, or it ended while it answered."""
RESTART_S = 10.0
"""How long a client waits for the next process, which is there after about a second on an idle machine."""
_PAUSE_S = 0.1
# DuckDB needs a package that is not installed to return this type.
_ZONED = "TIMESTAMP WITH TIME ZONE"
_WITHOUT_ROWS = (Cause.PLAN, Cause.NO_SQL)
"""Causes that DuckDB's parser or planner can explain here, without any row."""


class RefusedQuery(InvalidInput):
    """SQL_REFUSED: what is not allowed, and what to do instead."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.message, reason=Reason.SQL_REFUSED, hint=refused.hint)
        self.cause = refused.cause


class LiveConnection:
    """Runs SQL in the process that serves analysts, on the documented views.

    The query is sent as text. DuckDB's own way, names such as ``live.v_funnel``, works for one view a query only.

    Args:
        local: A connection in which the ledger is attached as ``live``.
        attach: Attaches it again, after that process was started again.
        on_close: Called when the connection is closed.

    Attributes:
        of_file: Whether the ledger is the file of a stopped server.
    """

    of_file = False

    def __init__(
        self,
        local: duckdb.DuckDBPyConnection,
        attach: Callable[[duckdb.DuckDBPyConnection], None],
        on_close: Callable[[], None] = lambda: None,
    ) -> None:
        self.local = local
        self._attach = attach
        self._on_close = on_close
        self._attached = True

    def execute(self, sql: str) -> duckdb.DuckDBPyConnection:
        """Run one SELECT; returns the relation with its rows and column names.

        Raises:
            RefusedQuery: SQL_REFUSED, with what is not allowed and what to do instead.
            duckdb.Error: What DuckDB says about the query.
        """
        statement = sql.strip().rstrip(";")
        return self._answered(lambda: _rows(self.local, statement), statement)

    def run_here(self, sql: str, statement: str) -> None:
        """Run SQL in this process, on the rows of a statement that runs in the other one.

        Args:
            sql: Has ``{0}`` where the rows are read.
            statement: One SELECT.

        Raises:
            RefusedQuery: SQL_REFUSED, the statement is not allowed or needs too much.
            duckdb.Error: What DuckDB says.
        """
        self._answered(lambda: self.local.execute(sql.format(f"live.query({quoted(statement)})")), statement)

    def close(self) -> None:
        """Close the connection."""
        self.local.close()
        self._on_close()

    def __enter__(self) -> LiveConnection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _answered(self, run: Callable[[], duckdb.DuckDBPyConnection], statement: str) -> duckdb.DuckDBPyConnection:
        """Run it, once more if the process that serves analysts was started again."""
        try:
            if self._attached:
                try:
                    return run()
                except duckdb.Error as error:
                    if not any(gone in str(error) for gone in _GONE):
                        raise
            self._attach_again()
            return run()
        except duckdb.Error as error:
            if _REFUSED not in str(error):
                raise
        raise RefusedQuery(self._why_refused(statement))

    def _attach_again(self) -> None:
        self._attached = False
        self.local.execute("DETACH DATABASE IF EXISTS live")
        _until_answered(lambda: self._attach(self.local))
        self._attached = True

    def _why_refused(self, statement: str) -> Refused:
        try:
            row = self.local.execute("FROM live.query(?)", [ask_for_refusal(statement)]).fetchone()
        except duckdb.Error:
            row = None
        if not row or not row[0]:
            return Refused(Cause.UNKNOWN, "The query was refused.")
        refused = Refused.of_text(str(row[0]))
        if refused.cause in _WITHOUT_ROWS:
            return problem_of(statement) or refused
        return refused


def quoted(text: str) -> str:
    """The text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def open_file(path: Path, limits: QueryLimits = DEFAULT_LIMITS) -> LiveConnection:
    """Open the ledger file of a stopped server for reading, as the live endpoint does: in a process of its own.

    Raises:
        Unavailable: QUACK_UNAVAILABLE when it is no ledger, or a server holds it.
        duckdb.Error: The process that reads it does not answer.
    """
    port, token = free_port(), secrets.token_urlsafe(32)
    endpoint = Supervisor(EndpointConfig(str(path), "", port, token, limits), None)
    endpoint.start()
    try:
        connection = connect(port, token, on_close=endpoint.stop)
    except duckdb.Error:
        endpoint.stop()
        raise
    connection.of_file = True
    return connection


def _rows(local: duckdb.DuckDBPyConnection, statement: str) -> duckdb.DuckDBPyConnection:
    """Run the statement through a table function; times with a zone come as text."""
    result = local.execute("FROM live.query(?)", [statement])
    columns = [(str(name), str(kind)) for name, kind, *_ in result.description or ()]
    if not any(_ZONED in kind for _, kind in columns):
        return result
    given = ", ".join(f"c{index}" for index in range(len(columns)))
    shown = ", ".join(
        f"c{index}{'::VARCHAR' if _ZONED in kind else ''} AS " + '"' + name.replace('"', '""') + '"'
        for index, (name, kind) in enumerate(columns)
    )
    return local.execute(f"SELECT {shown} FROM live.query(?) AS t({given})", [statement])  # noqa: S608 -- names, quoted


def _until_answered(attach: Callable[[], None]) -> None:
    """Attach, waiting for a process that is started again.

    Raises:
        duckdb.Error: It is not there in time, or it refuses the token.
    """
    until_s = time.monotonic() + RESTART_S
    while True:
        try:
            return attach()
        except duckdb.IOException:
            if time.monotonic() > until_s:
                raise
        time.sleep(_PAUSE_S)


def connect(
    port: int, token: str, on_close: Callable[[], None] = lambda: None, *, patient: bool = False
) -> LiveConnection:
    """Attach to the server of this machine.

    Args:
        port: Port of its Quack endpoint.
        token: Token of its Quack endpoint.
        on_close: Called when the connection is closed.
        patient: Whether to wait up to ``RESTART_S`` seconds for an endpoint that is started again, as after an
            erasure.

    Raises:
        duckdb.Error: When nobody listens there, or the token is wrong.
    """
    local = duckdb.connect(":memory:")
    try:
        local.execute("SET enable_progress_bar = false")  # it would be printed into the rows of a slow query
        load_extensions(local)
        local.execute(f"CREATE SECRET (TYPE quack, TOKEN {quoted(token)})")
        attach = partial(_attach, local, port)
        _until_answered(attach) if patient else attach()
    except duckdb.Error:
        local.close()
        raise
    return LiveConnection(local, partial(_attach, port=port), on_close)


def _attach(local: duckdb.DuckDBPyConnection, port: int) -> None:
    local.execute(f"ATTACH '{address_of(port)}' AS live")
