"""DuckDB's client-server protocol: how it is served here, and how any DuckDB client attaches."""

from __future__ import annotations

import hmac
import socket
from collections.abc import Callable
from importlib import resources

import duckdb
from duckdb.func import FunctionNullHandling

from models.reasons import Reason
from server.ledger.columns import DuckDb

SHORTEST_TOKEN = 16
_ASK = "vestibule_may_query"
_CHECK = "vestibule_check_token"
# Without httpfs, quack lacks cryptography and answers every query with 500.
_EXTENSIONS = ("httpfs", "quack")

_EXAMPLES = """FROM live.v_funnel;
-- More than one view in a query: let the server run it.
FROM live.query('SELECT client_id, count(*) FROM v_sessions JOIN v_turns USING (session_id) GROUP BY ALL');"""

# Without autoloading the endpoint answers every request with 500.
_SETTINGS = (
    "SET GLOBAL autoinstall_known_extensions = false",
    "SET GLOBAL allow_community_extensions = false",
    "SET GLOBAL python_enable_replacements = false",
    f"SET GLOBAL quack_authorization_function = '{_ASK}'",
    f"SET GLOBAL quack_authentication_function = '{_CHECK}'",
)


def load_extensions(connection: DuckDb) -> None:
    """Load what the protocol needs.

    Raises:
        duckdb.Error: An extension is missing.
    """
    for name in _EXTENSIONS:
        _load(connection, name)


def _load(connection: DuckDb, name: str) -> None:
    """Load an extension from its wheel; without a wheel, as DuckDB does."""
    file = _installed(name)
    if file is None:
        connection.install_extension(name)
        connection.load_extension(name)
    else:
        connection.load_extension(file)  # loaded in place, so that nothing is copied into the home folder


def _installed(name: str) -> str | None:
    """The path of an extension in its wheel; None when the wheel is not installed."""
    try:
        package = resources.files(f"duckdb_extension_{name}")
    except ModuleNotFoundError:
        return None
    file = package / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
    return str(file) if file.is_file() else None


def free_port() -> int:
    """A port of loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def address_of(port: int) -> str:
    """Where the endpoint of this machine listens."""
    return f"quack:localhost:{port}"


def attach_statement(port: int) -> str:
    """What an analyst copies into any DuckDB, with the token instead of the three dots."""
    return (
        f"{_load_statements()}\n"
        "CREATE SECRET (TYPE quack, TOKEN '...');\n"
        f"ATTACH '{address_of(port)}' AS live;\n" + _EXAMPLES
    )


def _load_statements() -> str:
    """Loads the extensions from their wheels, which needs no network and a DuckDB of the same release."""
    fetched = " ".join(f"INSTALL {name}; LOAD {name};" for name in _EXTENSIONS)
    files = [_installed(name) for name in _EXTENSIONS]
    if None in files:
        return fetched
    loads = [f"LOAD '{str(file).replace(chr(39), 2 * chr(39))}';" for file in files]
    return "\n".join([f"-- DuckDB {duckdb.__version__} on this machine; any other takes instead: {fetched}", *loads])


def serve(
    connection: DuckDb,
    port: int,
    token: str,
    on_token: Callable[[str], None],
    may_query: Callable[[str, str], bool],
) -> None:
    """Listen on loopback, and fix the settings of this DuckDB for good.

    Args:
        connection: Its whole database is served. The extensions are loaded.
        port: On loopback.
        token: What clients must present.
        on_token: Called when a client presents a token, with the reason of a refusal; empty when it may attach.
        may_query: Called with the id of a client's connection and each of its queries.

    Raises:
        duckdb.Error: The port is taken.
    """

    def check_token(_connection_id: str | None, given: str | None, _expected: str | None) -> bool:
        right = hmac.compare_digest((given or "").encode(), token.encode())
        on_token("" if right else Reason.CREDENTIALS_INVALID)
        return right

    special = FunctionNullHandling.SPECIAL  # the function is called for NULL too
    connection.create_function(
        _CHECK,
        check_token,
        ["VARCHAR", "VARCHAR", "VARCHAR"],
        "BOOLEAN",
        null_handling=special,
        side_effects=True,
    )
    connection.create_function(_ASK, may_query, ["VARCHAR", "VARCHAR"], "BOOLEAN", side_effects=True)
    for setting in _SETTINGS:
        connection.execute(setting)
    connection.execute("CALL quack_serve(?, token := ?)", [address_of(port), token])
    connection.execute("SET GLOBAL lock_configuration = true")
