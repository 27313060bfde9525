"""The CLI as an analyst: the live ledger through Quack, or the file itself while no server holds it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import click

from server.cli.output import Failure

if TYPE_CHECKING:
    import duckdb

    from server.settings import Settings


class Reader(Protocol):
    """A connection to the ledger, live or not."""

    def execute(self, sql: str, /) -> duckdb.DuckDBPyConnection:
        """Run one query; returns where to fetch rows and column names from."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


def quack_token(settings: Settings) -> str:
    """The token of the endpoint: the one that was set, or the one that the server generated.

    Raises:
        Failure: There is none, or it may not be read.
    """
    given = settings.quack.token.get_secret_value()
    if given:
        return given
    path = settings.state_dir / "quack.token"
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        hint = "Start `vestibule serve` once, or point VESTIBULE_STATE_DIR at the state folder of the server."
        raise Failure("There is no Quack token in the state folder.", hint=hint) from None
    except PermissionError:
        raise Failure("The Quack token may not be read by this user.", hint="Ask the operator for it.") from None


def attach_statements(port: int, token: str) -> str:
    """What an analyst types into any DuckDB client to attach the live ledger."""
    from server.ledger.quack import attach_statement

    return attach_statement(port).replace("'...'", "'" + token.replace("'", "''") + "'")


@contextmanager
def opened_ledger(settings: Settings) -> Iterator[Reader]:
    """The ledger for reading.

    Asks the running server; when none answers and nobody holds the file, opens the file itself, read-only.

    Raises:
        Failure: Neither works, or a statement inside fails.
        InvalidInput: The live endpoint refuses a statement.
    """
    import duckdb

    connection = _open(settings)
    try:
        yield connection
    except duckdb.Error as error:
        raise Failure(str(error).strip().splitlines()[0]) from error
    finally:
        connection.close()


def _open(settings: Settings) -> Reader:
    import duckdb

    from server.ledger.client import connect

    try:
        return connect(settings.quack.port, quack_token(settings))
    except (duckdb.Error, Failure) as live_error:
        if not settings.ledger_path.exists():
            raise _no_ledger(settings, live_error) from live_error
        try:
            connection = duckdb.connect(settings.ledger_path, read_only=True)
        except duckdb.Error as file_error:
            raise _no_ledger(settings, live_error) from file_error
        click.echo("No server answers; reading the ledger file itself.", err=True)
        return connection


def _no_ledger(settings: Settings, error: Exception) -> Failure:
    if isinstance(error, Failure):
        return error
    return Failure(
        f"No ledger answers at quack:localhost:{settings.quack.port}, and the file cannot be opened either.",
        hint="Is the server running with quack.enabled? See `vestibule status`; "
        "VESTIBULE_QUACK__PORT and VESTIBULE_STATE_DIR must be those of the server.",
        details=[str(error).strip().splitlines()[0]],
    )
