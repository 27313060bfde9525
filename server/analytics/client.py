"""An analyst's connection to a running server, or to the ledger file of a stopped one, under the same policy."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import duckdb

from models.errors import InvalidInput
from models.reasons import Reason
from server.analytics.quack import address_of, load_extension
from server.analytics.query_guard import LIMIT_S, QueryGuard
from server.analytics.sql_errors import problem_of
from server.analytics.sql_policy import VIEWS

_REFUSED = "Authorization failed"
_HINT = f"One SELECT on these views: {', '.join(sorted(VIEWS))}. `DESCRIBE v_funnel` shows the columns of one."
# DuckDB needs a package that is not installed to return this type.
_ZONED = "TIMESTAMP WITH TIME ZONE"


class LiveConnection:
    """Runs SQL in the server, on the documented views.

    The query is sent as text. DuckDB's own way, names such as ``live.v_funnel``, works for one view a query only.

    Args:
        local: A connection in which the ledger is attached as ``live``.
        limit_s: Longest time of a query on the server.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        local: duckdb.DuckDBPyConnection,
        limit_s: float = LIMIT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.local = local
        self._limit_s = limit_s
        self._clock = clock

    def execute(self, sql: str) -> duckdb.DuckDBPyConnection:
        """Run one SELECT; returns the relation with its rows and column names.

        Raises:
            InvalidInput: SQL_REFUSED, with what is not allowed.
            duckdb.Error: What the server's DuckDB says about the query.
        """
        statement = sql.strip().rstrip(";")
        failure = ""
        began_s = self._clock()
        try:
            return _rows(self.local, "live.query", statement)
        except duckdb.Error as error:
            if _REFUSED not in str(error):
                raise
            failure = problem_of(statement) or self._too_much(self._clock() - began_s)
        raise InvalidInput(failure, reason=Reason.SQL_REFUSED, hint=_HINT)

    def close(self) -> None:
        """Close the connection."""
        self.local.close()

    def __enter__(self) -> LiveConnection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _too_much(self, took_s: float) -> str:
        """The likely reason of a refusal: time if the query ran for the limit, otherwise memory."""
        if took_s >= self._limit_s:
            return f"The query takes longer than {self._limit_s:g} s, or waited that long for other slow queries."
        return "The query needs more memory than the server gives it."


class FileConnection:
    """Runs SQL on the ledger file of a stopped server, under the policy of the live endpoint."""

    def __init__(self, local: duckdb.DuckDBPyConnection) -> None:
        self._local = local
        self._guard = QueryGuard(local.cursor)

    def execute(self, sql: str) -> duckdb.DuckDBPyConnection:
        """Run one SELECT; returns the relation with its rows and column names.

        Raises:
            InvalidInput: SQL_REFUSED, with what is not allowed.
            duckdb.Error: What DuckDB says about the query.
        """
        statement = sql.strip().rstrip(";")
        if refused := self._guard.refusal(statement):
            raise InvalidInput(problem_of(statement) or refused, reason=Reason.SQL_REFUSED, hint=_HINT)
        return _rows(self._local, "query", statement)

    def close(self) -> None:
        """Close the file."""
        self._local.close()


def open_file(path: Path) -> FileConnection:
    """Open the ledger for reading.

    Raises:
        duckdb.Error: When it is no ledger, or a server holds it.
    """
    config: dict[str, str | bool | int | float | list[str]] = {
        "enable_external_access": False,
        "python_enable_replacements": False,
        "lock_configuration": True,
    }
    return FileConnection(duckdb.connect(path, read_only=True, config=config))


def _rows(local: duckdb.DuckDBPyConnection, function: str, statement: str) -> duckdb.DuckDBPyConnection:
    """Run the statement through a table function; times with a zone come as text."""
    result = local.execute(f"FROM {function}(?)", [statement])
    columns = [(str(name), str(kind)) for name, kind, *_ in result.description or ()]
    if not any(_ZONED in kind for _, kind in columns):
        return result
    given = ", ".join(f"c{index}" for index in range(len(columns)))
    shown = ", ".join(
        f"c{index}{'::VARCHAR' if _ZONED in kind else ''} AS " + '"' + name.replace('"', '""') + '"'
        for index, (name, kind) in enumerate(columns)
    )
    return local.execute(f"SELECT {shown} FROM {function}(?) AS t({given})", [statement])  # noqa: S608 -- names, quoted


def connect(port: int, token: str, limit_s: float = LIMIT_S) -> LiveConnection:
    """Attach to the server of this machine.

    Args:
        port: Port of its Quack endpoint.
        token: Token of its Quack endpoint.
        limit_s: Longest time of a query there.

    Raises:
        duckdb.Error: When nobody listens there, or the token is wrong.
    """
    local = duckdb.connect(":memory:")
    try:
        for name in ("httpfs", "quack"):
            load_extension(local, name)
        quoted = token.replace("'", "''")
        local.execute(f"CREATE SECRET (TYPE quack, TOKEN '{quoted}')")
        local.execute(f"ATTACH '{address_of(port)}' AS live")
    except duckdb.Error:
        local.close()
        raise
    return LiveConnection(local, limit_s)
