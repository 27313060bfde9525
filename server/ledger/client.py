"""An analyst's connection to a running server, for the command line, the demo and the tests."""

from __future__ import annotations

from types import TracebackType

import duckdb

from models.errors import InvalidInput
from server.ledger.policy import judge
from server.ledger.quack import address_of, load_extension

_REFUSED = "Authorization failed"


class LiveConnection:
    """Runs SQL in the server, on the documented views.

    The text goes there as it is. DuckDB's own way, ``ATTACH`` and names such as ``live.v_funnel``, works for one view a
    query only; ``local`` is such a connection, where the ledger is attached as ``live``.
    """

    def __init__(self, local: duckdb.DuckDBPyConnection) -> None:
        self.local = local

    def execute(self, sql: str) -> duckdb.DuckDBPyConnection:
        """Run one SELECT; returns where to fetch rows and column names from.

        Raises:
            InvalidInput: SQL_REFUSED, with what is not allowed.
            duckdb.Error: What the server's DuckDB says about the query.
        """
        statement = sql.strip().rstrip(";")
        failure = ""
        try:
            return self.local.execute("FROM live.query(?)", [statement])
        except duckdb.Error as error:
            if _REFUSED not in str(error):
                raise
            failure = self._why(statement)
        raise InvalidInput(failure, reason="SQL_REFUSED", hint="`SHOW TABLES` lists the views.")

    def close(self) -> None:
        """Let go of the server."""
        self.local.close()

    def __enter__(self) -> LiveConnection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _why(self, statement: str) -> str:
        """The server says no more than that it refuses, so ask the same policy here."""
        row = self.local.execute("SELECT json_serialize_sql(?::VARCHAR)", [statement]).fetchone()
        found = judge(row[0]).refused if row else ""
        return found or "The server refuses the query: a name is misspelt, or it takes too long or too much memory."


def connect(port: int, token: str) -> LiveConnection:
    """Attach to the server of this machine.

    Args:
        port: Of its Quack endpoint.
        token: Of its Quack endpoint.

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
    return LiveConnection(local)
