"""What analysts may query: one SELECT on the documented views and macros, with functions that only compute.

DuckDB parses the query (``json_serialize_sql``); nothing here reads SQL text. Everything is an allow-list: a kind of
table, a table or a function that is not named below is refused, so what a later DuckDB adds is refused too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import duckdb

from server.analytics.refusals import Cause, Refused, refused_function
from server.analytics.sql_functions import ALLOWED
from server.ledger import all_macros, all_views, schema

LONGEST_QUERY = 20_000
"""In characters. It also bounds the depth of nesting."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
"""A name that DuckDB cannot read as a file."""

VIEWS = frozenset(view.name for view in all_views.ALL_VIEWS)
MACROS = frozenset(macro.name for macro in all_macros.ALL_MACROS)
"""Table macros, which read the views alone."""

TOO_DEEP = Refused(Cause.TOO_DEEP, "The query is nested too deeply.")
_READ_A_VIEW = f"Read one of {', '.join(sorted(VIEWS))}. DESCRIBE v_funnel shows the columns of one."

_OUR_TABLES = frozenset(table.name for table in schema.TABLES)
"""Tables may not be queried; the views show what analysts need."""

CATALOGUE = frozenset({"duckdb_columns", "duckdb_tables", "duckdb_views", "duckdb_indexes", "sqlite_master"})
INFORMATION_SCHEMA = frozenset({"schemata", "tables", "columns"})
"""Catalogue functions that clients read: names and comments, no rows."""

TABLE_FUNCTIONS = frozenset(
    {"duckdb_tables", "duckdb_views", "duckdb_columns", "duckdb_constraints"}
    | {"range", "generate_series", "unnest", "json_each", *MACROS}
)

_TABLE_KINDS = frozenset(
    {"BASE_TABLE", "SUBQUERY", "JOIN", "TABLE_FUNCTION", "EXPRESSION_LIST", "EMPTY", "SHOW_REF", "PIVOT"}
)
_QUERY_KINDS = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "CTE_NODE"})
_EXPRESSION_KINDS = frozenset(
    {"BETWEEN", "CASE", "CAST", "COLLATE", "COLUMN_REF", "COMPARISON", "CONJUNCTION", "CONSTANT", "FUNCTION", "LAMBDA"}
    | {"LAMBDA_REF", "OPERATOR", "POSITIONAL_REFERENCE", "STAR", "SUBQUERY", "WINDOW"}
)


_Scope = frozenset[str]
"""Names of the common table expressions that a part of the query can read, in lower case."""


@dataclass(slots=True)
class _Found:
    tables: list[tuple[dict[str, Any], _Scope]] = field(default_factory=list)
    functions: list[dict[str, Any]] = field(default_factory=list)
    ctes: set[str] = field(default_factory=set)
    strange: str = ""


def too_long(query: str) -> Refused | None:
    """The refusal of a query that is too long; None for any other."""
    if len(query) <= LONGEST_QUERY:
        return None
    return Refused(Cause.TOO_LONG, f"A query may have at most {LONGEST_QUERY} characters.")


def judge(serialized: str) -> Refused | None:
    """Decide about a query.

    Args:
        serialized: What ``json_serialize_sql`` made of it.

    Returns:
        Why it may not run; None when it may.
    """
    try:
        return _judge(json.loads(serialized))
    except RecursionError:
        return TOO_DEEP


def _judge(parsed: Any) -> Refused | None:
    if parsed.get("error_type") == "parser":
        if "expression depth" in parsed.get("error_message", ""):
            return TOO_DEEP
        return Refused(Cause.NO_SQL, "The query is no valid SQL.")
    if parsed.get("error") is not False:
        return Refused(Cause.NOT_SELECT, "Only SELECT statements may be run.")
    statements = parsed.get("statements", [])
    if len(statements) != 1:
        return Refused(Cause.STATEMENTS, "Exactly one statement may be run at a time.")
    found = _look_through(statements)
    strange = Refused(Cause.KIND, found.strange) if found.strange else None
    return strange or _refuse_cte(found) or _refuse_table(found) or _refuse_function(found)


def _look_through(statements: list[Any]) -> _Found:
    found = _Found()
    for node, scope in _nodes(statements):
        if "cte_map" in node:
            kind, known = node.get("type"), _QUERY_KINDS
            found.ctes |= {entry["key"] for entry in node["cte_map"]["map"]}
        elif "class" in node:
            kind, known = node["class"], _EXPRESSION_KINDS
        elif "sample" in node and "alias" in node:
            kind, known = node.get("type"), _TABLE_KINDS
            if kind in ("BASE_TABLE", "SHOW_REF"):
                found.tables.append((node, scope))
        else:
            kind, known = None, frozenset[str]()
        if kind is not None and kind not in known:
            found.strange = f"A {str(kind).replace('_', ' ').lower()} may not be used."
        if "function_name" in node:
            found.functions.append({**node, "in_from": False})
        if node.get("type") == "TABLE_FUNCTION":
            found.functions.append({**node["function"], "in_from": True})
    return found


def _nodes(tree: Any) -> Iterator[tuple[dict[str, Any], _Scope]]:
    """Every object of the tree with its scope, without recursion, so that any depth is safe.

    A common table expression can be read in its query and by those that follow it there, not by itself.
    """
    waiting: list[tuple[Any, _Scope]] = [(tree, frozenset())]
    while waiting:
        node, scope = waiting.pop()
        if isinstance(node, dict):
            yield node, scope
            for entry in node.get("cte_map", {}).get("map", ()):
                waiting.append((entry["value"], scope))
                scope |= {entry["key"].lower()}
            waiting.extend((value, scope) for key, value in node.items() if key != "cte_map")
        elif isinstance(node, list):
            waiting.extend((part, scope) for part in node)


def _refuse_cte(found: _Found) -> Refused | None:
    for name in sorted(found.ctes):
        # Should DuckDB ever see another scope than ``_nodes`` does, the name would mean a table or a file.
        if not _NAME.fullmatch(name) or name.lower() in _OUR_TABLES | _tables_of_duckdb():
            return Refused(
                Cause.CTE_NAME,
                "A common table expression needs a plain name that is none of our tables and none of DuckDB's.",
            )
    return None


@cache
def _tables_of_duckdb() -> frozenset[str]:
    """What a plain name may mean in an empty database."""
    with duckdb.connect() as connection:
        rows = connection.execute(
            "SELECT view_name FROM duckdb_views() WHERE schema_name <> 'information_schema' "
            "UNION SELECT table_name FROM duckdb_tables()"
        ).fetchall()
    return CATALOGUE | {str(name).lower() for (name,) in rows}


def _refuse_table(found: _Found) -> Refused | None:
    for table, scope in found.tables:
        name, schema_name, catalogue = (table[key].lower() for key in ("table_name", "schema_name", "catalog_name"))
        if table["type"] == "SHOW_REF":
            if name.strip('"') not in ("", "tables") or (name == "" and table["query"] is None):
                return Refused(Cause.SHOW, "Only tables can be shown.")
            continue
        plain = not schema_name and not catalogue
        ours = not catalogue and schema_name in ("", "main") and (name in VIEWS or name in CATALOGUE)
        described = not catalogue and schema_name == "information_schema" and name in INFORMATION_SCHEMA
        if not (ours or described or (plain and name in scope)):
            return Refused(Cause.TABLE, "Only the documented views may be read.", _READ_A_VIEW)
    return None


def _refuse_function(found: _Found) -> Refused | None:
    for function in found.functions:
        name = function["function_name"].lower()
        allowed = TABLE_FUNCTIONS if function["in_from"] else ALLOWED | TABLE_FUNCTIONS
        qualified = function.get("catalog") or function.get("schema", "") not in ("", "main")
        if name not in allowed or qualified:
            return refused_function(name if _NAME.fullmatch(name) else "")
    return None
