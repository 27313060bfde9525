"""The view that lists the macros, because analysts and BI tools may not read DuckDB's own list of functions."""

from __future__ import annotations

from server.ledger.all_macros import ALL_MACROS
from server.ledger.table_schema import SqlMacro, SqlView


def _row(macro: SqlMacro) -> str:
    parameters = "\n".join(f"{name}: {meaning}" for name, _, meaning in macro.parameters)
    columns = "\n".join(f"{name}: {meaning}" for name, meaning in macro.columns.items())
    return f"({', '.join(map(_quoted, (macro.name, macro.signature(), parameters, columns, macro.comment)))})"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def statements() -> list[str]:
    """The SQL that creates all macros and the view."""
    macros = [statement for macro in ALL_MACROS for statement in macro.statements()]
    return [*macros, *V_MACROS.statements()]


V_MACROS = SqlView(
    "v_macros",
    "One row for each macro that may be called in a query, such as FROM funnel(['opened', 'sent']).",
    {
        "name": "Name of the macro.",
        "call": "How it is called, with its parameters in order and their defaults.",
        "parameters": "What each parameter means, one a line.",
        "columns": "What each column of its rows means, one a line.",
        "comment": "What it gives.",
    },
    f"""SELECT name, call, parameters, columns, comment
    FROM (VALUES {", ".join(map(_row, ALL_MACROS))}) AS macros (name, call, parameters, columns, comment)""",  # noqa: S608 - literals of ours
)
