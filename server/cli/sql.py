"""`vestibule sql`."""

from __future__ import annotations

import csv
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from models.errors import VestibuleError
from server.cli.analyst import analyst_settings, attach_statements, ledger_options, opened_ledger, quack_token
from server.cli.output import Failure, show_json, show_table

if TYPE_CHECKING:
    from server.cli.analyst import Reader

STARTING_POINT = "SELECT * FROM v_funnel;"


# A query may begin with a comment, which looks like an option.
@click.command(short_help="Query the live ledger in SQL, read-only.", context_settings={"ignore_unknown_options": True})
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

    With `-`, or when input is piped in, the query is read from standard input. Only the documented views may be read;
    docs/reference/views.md lists them. When no server runs, the ledger file is read under the same rules.

    \b
    Examples:
      vestibule sql "SELECT state, count(*) FROM v_sessions GROUP BY state"
      vestibule sql "SELECT * FROM v_dead_letters" --json
      vestibule sql "DESCRIBE v_funnel"
      vestibule sql --attach
    """
    if query is not None and query.startswith("--") and "\n" not in query:
        raise click.NoSuchOption(query)
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
            _show(connection, query, as_json=as_json, as_csv=as_csv)


def _show(connection: Reader, query: str, *, as_json: bool = False, as_csv: bool = False) -> None:
    result = connection.execute(query)
    columns = [column[0] for column in result.description or ()]
    rows: list[tuple[Any, ...]] = result.fetchall()
    if as_json:
        show_json([dict(zip(columns, row, strict=True)) for row in rows])
    elif as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    else:
        show_table(columns, rows, empty="No rows.")
    if re.match(r"\s*show\s+tables\b", query, re.IGNORECASE):  # DuckDB's answer has tables too
        from server.analytics.sql_policy import VIEWS

        click.echo(f"Only the views may be read: {', '.join(sorted(VIEWS))}.", err=True)


def _prompt(connection: Reader) -> None:
    import contextlib

    import duckdb

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
            _show(connection, pending)
        except duckdb.Error as error:
            click.echo(f"Error: {str(error).strip()}", err=True)
        except VestibuleError as error:
            Failure.of(error).show()
        pending = ""
