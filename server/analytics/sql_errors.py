"""Explains to an analyst why a query was refused.

The live endpoint says only "Authorization failed". So the query is given to a DuckDB in this process that has our
tables and views without rows. Its messages can hold only the query itself and documented names.
"""

from __future__ import annotations

import json
from typing import Final

import duckdb

from server.analytics.refusals import Cause, Refused
from server.analytics.sql_policy import judge, too_long
from server.ledger.migrate import migrate
from server.ledger.types import utc_now

_CONFIG: Final[dict[str, str | bool | int | float | list[str]]] = {
    "enable_external_access": False,
    "python_enable_replacements": False,
    "memory_limit": "256MB",
    "threads": 1,
}


def problem_of(query: str) -> Refused | None:
    """Why a query would be refused anywhere: its syntax, what is not allowed, an unknown name.

    Returns:
        None when the query is correct, so that it was too slow or too large.
    """
    if refused := too_long(query):
        return refused
    if "\x00" in query:
        return Refused(Cause.NO_SQL, "A query may hold no NUL character.", "Remove that character.")
    with duckdb.connect(":memory:", config=_CONFIG) as blank:
        migrate(blank, utc_now)
        try:
            (serialized,) = blank.execute("SELECT json_serialize_sql(?::VARCHAR)", [query]).fetchone() or ("{}",)
            if refused := judge(serialized):
                return Refused(refused.cause, _where(serialized)) if refused.cause is Cause.NO_SQL else refused
            blank.execute(f"EXPLAIN {query}")
        except duckdb.Error as error:
            return Refused(Cause.PLAN, f"The query cannot be planned. {_said(error)}")
    return None


def _where(serialized: str) -> str:
    """The error of DuckDB's parser."""
    parsed = json.loads(serialized)
    at = str(parsed.get("position", ""))
    place = f" (character {int(at) + 1})" if at.isdigit() else ""
    return f"The query is no valid SQL: {parsed.get('error_message', '')}{place}."


def _said(error: duckdb.Error) -> str:
    """DuckDB's message without the quoted line, which would show our EXPLAIN."""
    return " ".join(str(error).partition("\nLINE ")[0].split())
