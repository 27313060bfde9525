"""`vestibule sql`."""

from __future__ import annotations

import csv
import re
import sys
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from models.errors import VestibuleError
from server.cli.analyst import analyst_settings, attach_statements, ledger_options, opened_ledger, quack_token
from server.cli.output import Failure, show_json, show_table

if TYPE_CHECKING:
    from server.cli.analyst import Reader

STARTING_POINT = "SELECT * FROM v_funnel;"
_ARROW = "`->` and `->>` bind weaker than AND, OR, NOT and comparisons: write (properties->>'key') = 'value'."
_MISREAD = re.compile(r"Failed to cast value to numerical|json_extract(_string)?\(JSON, BOOLEAN\)")
"""What DuckDB says of a condition such as ``a = 1 AND properties->>'key' = 'value'``, which it reads as
``(a = 1 AND properties) ->> ('key' = 'value')``."""


class _QueryCommand(click.Command):
    """Takes an argument that begins with a comment, such as a recipe, for the query, not for an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """See ``click.Command``."""
        if "--" not in args:
            queries = [arg for arg in args if self._is_query(arg)]
            args = [arg for arg in args if not self._is_query(arg)] + (["--", *queries] if queries else [])
        return super().parse_args(ctx, args)

    def _is_query(self, arg: str) -> bool:
        options = {name for parameter in self.params for name in parameter.opts}
        return arg.startswith("--") and len(arg.split()) > 1 and arg.partition("=")[0] not in options


@click.command(cls=_QueryCommand, short_help="Query the live ledger in SQL, read-only.")
@click.argument("query", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON document, a list of rows.")
@click.option("--csv", "as_csv", is_flag=True, help="CSV with a header.")
@click.option("--attach", "show_attach", is_flag=True, help="Print the statements for another DuckDB client and exit.")
@ledger_options
def sql(
    query: str | None,
    as_json: bool,
    as_csv: bool,
    show_attach: bool,
    port: int | None,
    state_dir: Path | None,
    data_dir: Path | None,
) -> None:
    """Run QUERY on the ledger of the running server; without QUERY, start a prompt.

    With `-`, or when input is piped in, the query is read from standard input. Several statements run one after the
    other. Only the documented views may be read; docs/reference/views.md lists them. When no server runs, the ledger
    file is read under the same rules.

    \b
    Examples:
      vestibule sql "SELECT state, count(*) FROM v_sessions GROUP BY state"
      vestibule sql "SELECT * FROM v_dead_letters" --json
      vestibule sql "DESCRIBE v_funnel"
      vestibule sql < recipes.sql
      vestibule sql --attach
    """
    if as_json and as_csv:
        raise click.UsageError("Give --json or --csv, not both.")
    settings = analyst_settings(port, state_dir, data_dir, must_know=show_attach)
    if show_attach:
        click.echo(attach_statements(settings.quack.port, quack_token(settings)))
        return
    if query == "-" or (query is None and not sys.stdin.isatty()):
        query = sys.stdin.read()
    with opened_ledger(settings, live_only=port is not None) as connection:
        if query is None:
            _prompt(connection)
        else:
            statements = _statements(query)
            if len(statements) > 1 and (as_json or as_csv):
                raise click.UsageError("--json and --csv take one statement.")
            for statement in statements:
                if len(statements) > 1:
                    _show_title(statement)
                _show(connection, statement, as_json=as_json, as_csv=as_csv)


def _statements(text: str) -> list[str]:
    """The statements of a text, each with the comments before it; the text itself where DuckDB cannot take it apart."""
    import duckdb

    if ";" not in text.strip().rstrip(";"):
        return [text]
    try:
        parts = [statement.query.strip() for statement in duckdb.extract_statements(text)]
    except duckdb.Error:  # whoever runs the text says what is wrong with it
        return [text]
    return parts if parts and all(parts) else [text]


def _show(connection: Reader, query: str, *, as_json: bool = False, as_csv: bool = False) -> None:
    columns, rows = _answer(connection, query)
    if as_json:
        show_json([dict(zip(columns, row, strict=True)) for row in rows])
    elif as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    else:
        show_table(columns, rows, empty="No rows.", missing="NULL")
    if re.match(r"\s*show\s+tables\b", query, re.IGNORECASE):  # DuckDB's answer has tables too
        from server.analytics.sql_policy import VIEWS

        click.echo(f"Only the views may be read: {', '.join(sorted(VIEWS))}.", err=True)


def _show_title(statement: str) -> None:
    """The comments before a statement, and an empty line before them, so that its table can be told from others."""
    click.echo()
    for line in takewhile(lambda line: line.startswith("--"), statement.splitlines()):
        click.echo(line)


def _answer(connection: Reader, query: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The names of the columns, and the rows.

    Raises:
        Failure: It does not.
    """
    import duckdb

    try:
        result = connection.execute(query)
        return [column[0] for column in result.description or ()], result.fetchall()
    except duckdb.Error as error:
        failure = Failure(str(error).strip().splitlines()[0])
        raised: Exception = error
    except VestibuleError as error:
        failure, raised = Failure.of(error), error
    if "->" in query and _MISREAD.search(failure.message):
        failure.hint = _ARROW
    raise failure from raised


def _prompt(connection: Reader) -> None:
    import contextlib

    with contextlib.suppress(ImportError):  # arrow keys and history, where Python was built with it
        import readline  # noqa: F401
    click.echo(f"Read-only. End each statement with ';'. Start with {STARTING_POINT} Leave with Ctrl-D.")
    pending = ""
    while True:
        try:
            pending += input("vestibule> " if not pending else "      ...> ") + "\n"
        except (EOFError, KeyboardInterrupt):
            click.echo()
            return
        if not pending.strip().endswith(";"):
            continue
        try:
            for statement in _statements(pending):
                _show(connection, statement)
        except Failure as failure:
            failure.show()
        pending = ""
