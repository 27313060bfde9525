"""The CLI as an analyst: reads the live ledger through Quack, or the file while no server holds it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import click

from models.errors import Unavailable, VestibuleError
from models.reasons import Reason
from server.cli.credentials import host_of
from server.cli.output import STARTING, Failure
from server.cli.remote import CALL_TIMEOUT_S, connected, reachable
from server.validators import is_loopback

if TYPE_CHECKING:
    import duckdb
    from vestibule.v1.admin_pb2 import GetStatusResponse

    from server.settings import Settings


Command = TypeVar("Command", bound=Callable[..., Any])

_PORT = re.compile(r"\bport (\d+)")
"""Finds the port in the server's status of its endpoint for analysts."""


def ledger_options(command: Command) -> Command:
    """Add the options that locate the ledger; their values go to ``ledger_settings``."""
    port = click.option(
        "--port", type=click.IntRange(1, 65535), help="Port of the live ledger. Default: as set, or as the server says."
    )
    return port(folder_options(command))


def folder_options(command: Command) -> Command:
    """Add the options that name the server's folders."""
    folder = click.Path(file_okay=False, path_type=Path)
    data = click.option("--data-dir", type=folder, help="The server's folder with the ledger. Default: the setting.")
    state = click.option("--state-dir", type=folder, help="The server's folder with its keys. Default: the setting.")
    return state(data(command))


def ledger_settings(port: int | None, state_dir: Path | None, data_dir: Path | None) -> Settings:
    """The settings, overridden by the options. Another folder than that of the settings has an embedded ledger."""
    from server.cli.config import load_settings

    overrides: dict[str, Any] = {} if port is None else {"quack": {"port": port}}
    if data_dir is not None and data_dir.absolute() != load_settings().data_dir.absolute():
        overrides["ledger"] = {"url": ""}
    folders = {"state_dir": state_dir, "data_dir": data_dir}
    return load_settings(overrides | {name: path for name, path in folders.items() if path is not None})


def analyst_settings(
    port: int | None,
    state_dir: Path | None,
    data_dir: Path | None,
    address: str | None = None,
    *,
    must_know: bool = False,
) -> Settings:
    """The settings with the port of the live ledger.

    It is that of the option, of the server at ``address``, or of the settings. If they give an address on loopback
    and no port, or 0, the server there is asked. If it does not answer, that of the settings stays, unless it
    is 0 and the port must be known (``must_know``).

    Raises:
        Failure: The server at ``address`` does not answer, or the one that was asked has no endpoint for analysts.
        click.ClickException: The port must be known and is 0, and no server tells it.
        VestibuleError: The same; the files of TLS cannot be read.
    """
    settings = ledger_settings(port, state_dir, data_dir)
    if port is not None:
        return settings
    if address is not None:
        return ledger_settings(_port_of_server(_status_of(address, state_dir)), state_dir, data_dir)
    must_ask = must_know and not settings.quack.port
    if not _asks(settings):
        if must_ask:
            raise Failure(
                f"The port for analysts is set to 0, and the server at {settings.address} cannot be asked for it.",
                hint="Run `vestibule status` on the server's machine: the line quack has it. Give it with --port.",
            )
        return settings
    try:
        status = _status_of(settings.address, state_dir)
    except (click.ClickException, VestibuleError):
        if must_ask:
            raise
        return settings  # nobody answers, or this analyst may not ask
    return ledger_settings(_port_of_server(status), state_dir, data_dir)


def _asks(settings: Settings) -> bool:
    """Whether the settings leave it to the server where analysts attach, and the server can be asked."""
    given = "port" in settings.quack.model_fields_set
    if settings.quack.port if given else "address" not in settings.model_fields_set:
        return False
    try:
        target = reachable(settings.address)
    except click.UsageError:
        return False  # it has port 0, which means any: nobody knows which
    return is_loopback(host_of(target))  # the port of another machine is not one of this machine


def _status_of(address: str, state_dir: Path | None) -> GetStatusResponse:
    from vestibule.v1.admin_pb2 import GetStatusRequest
    from vestibule.v1.admin_pb2_grpc import AdminServiceStub

    with connected(address, state_dir) as channel:
        return AdminServiceStub(channel).GetStatus(GetStatusRequest(), timeout=CALL_TIMEOUT_S)


def _port_of_server(status: GetStatusResponse) -> int:
    for component in status.components:
        found = _PORT.search(component.detail)
        if component.name == "quack" and found:
            return int(found[1])
    raise Failure(
        "That server has no endpoint for analysts.", hint="See `vestibule status`, or name the ledger with --port."
    )


class Reader(Protocol):
    """A connection to the ledger or to its file.

    Attributes:
        of_file: Whether it is to the file.
    """

    of_file: bool

    def execute(self, sql: str, /) -> duckdb.DuckDBPyConnection:
        """Run one query; returns the connection with its rows and column names."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


class _NoToken(Failure):
    """The state folder has no token for analysts."""


def quack_token(settings: Settings) -> str:
    """The token of the endpoint for analysts: the setting, or the one that the server generated.

    Raises:
        Failure: There is no token, or it may not be read.
    """
    given = settings.quack.token.get_secret_value()
    if given:
        return given
    path = settings.state_dir / "quack.token"
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        hint = (
            f"{STARTING} Else start `vestibule serve` once, or point VESTIBULE_STATE_DIR at the server's state folder."
        )
        raise _NoToken("The state folder has no token for analysts, quack.token.", hint=hint) from None
    except PermissionError:
        hint = "Ask the operator for it, and set VESTIBULE_QUACK__TOKEN."
        raise Failure("This user may not read the token for analysts, quack.token.", hint=hint) from None


def attach_statements(port: int, token: str) -> str:
    """The statements that attach the live ledger in any DuckDB client."""
    from server.analytics.quack import attach_statement

    return attach_statement(port).replace("'...'", "'" + token.replace("'", "''") + "'")


@contextmanager
def opened_ledger(settings: Settings, *, live_only: bool = False) -> Iterator[Reader]:
    """Open the ledger for reading: that of the running server, or the file when no server answers.

    Args:
        settings: Locate both.
        live_only: Whether to use the server only, because a certain one was named.

    Raises:
        Failure: Neither can be opened, or a statement fails.
        InvalidInput: A statement is refused.
    """
    import duckdb

    connection = _open(settings, live_only)
    try:
        yield connection
    except duckdb.Error as error:
        raise Failure(str(error).strip().splitlines()[0]) from error
    finally:
        connection.close()


def _open(settings: Settings, live_only: bool) -> Reader:
    import duckdb

    from server.analytics.client import connect, open_file
    from server.analytics.endpoint_config import QueryLimits

    try:
        return connect(settings.quack.port, quack_token(settings), patient=live_only)
    except (duckdb.Error, Failure) as live_error:
        if live_only or not settings.ledger_path.exists():
            raise _no_ledger(settings, live_error, live_only) from live_error
        try:
            limits = QueryLimits(settings.quack.query_s, settings.quack.query_bytes, settings.quack.total_bytes)
            connection = open_file(settings.ledger_path, limits)
        except (duckdb.Error, Unavailable) as file_error:
            try:  # a server has the file, so its endpoint may be started again just now
                return connect(settings.quack.port, quack_token(settings), patient=True)
            except (duckdb.Error, Failure):
                if isinstance(live_error, _NoToken) and isinstance(file_error, Unavailable):
                    raise _no_endpoint_yet(settings) from live_error
                raise _no_ledger(settings, live_error, live_only) from file_error
        click.echo(f"No server answers, so the file {settings.ledger_path.name} is read.", err=True)
        return connection


def _no_endpoint_yet(settings: Settings) -> Failure:
    return Failure(
        f"A server has the ledger in {settings.data_dir}, and {settings.state_dir} has no token for analysts yet.",
        hint=f"{STARTING} Else the server runs with quack.enabled off, or VESTIBULE_STATE_DIR is not its state folder.",
    )


def _no_ledger(settings: Settings, error: Exception, live_only: bool) -> Failure:
    if isinstance(error, Failure):
        if live_only or settings.ledger_path.exists():
            return error
        return Failure(
            f"There is no running server for {settings.state_dir}, and no ledger in {settings.data_dir}.",
            reason=Reason.LEDGER_NOT_FOUND,
            hint=f"{STARTING} Else start `vestibule serve` once, or name the server's folders with --state-dir and "
            "--data-dir.",
        )
    if "Authorization failed" in str(error):
        return Failure(
            f"The server at quack:localhost:{settings.quack.port} lets nobody attach.",
            hint="The disk of its state folder may have no room for a copy of the ledger: see `vestibule status`.",
        )
    file = "" if live_only else ", and the ledger file cannot be opened either"
    nobody = f"No ledger answers at quack:localhost:{settings.quack.port}"
    if not settings.quack.port:
        nobody = f"No server answers at {settings.address}"
    return Failure(
        f"{nobody}{file}.",
        hint=f"{STARTING} Else: is it running with quack.enabled? See `vestibule status`; --port and --state-dir, or "
        "VESTIBULE_QUACK__PORT and VESTIBULE_STATE_DIR, must be those of the server.",
        details=[str(error).strip().splitlines()[0]],
    )
