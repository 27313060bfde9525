"""The live endpoint: analysts attach with any DuckDB client, while the server writes.

It listens on loopback, requires a token, and the query guard decides about every query.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources

import duckdb

from models.errors import InternalError, Unavailable
from models.reasons import Reason
from server.analytics.query_guard import LIMIT_S, QueryGuard
from server.ledger.columns import Cursor
from server.ledger.writer import Ledger

SHORTEST_TOKEN = 16
_ASK = "vestibule_may_query"
# Without httpfs, quack lacks cryptography and answers every query with 500.
_EXTENSIONS = ("httpfs", "quack")

_EXAMPLES = """FROM live.v_funnel;
-- More than one view in a query: let the server run it.
FROM live.query('SELECT client_id, count(*) FROM v_sessions JOIN v_turns USING (session_id) GROUP BY ALL');"""

# The last statement locks the settings above it. Without autoloading the endpoint answers every request with 500.
_SETTINGS = (
    "SET GLOBAL autoinstall_known_extensions = false",
    "SET GLOBAL allow_community_extensions = false",
    "SET GLOBAL python_enable_replacements = false",
    f"SET GLOBAL quack_authorization_function = '{_ASK}'",
    "SET GLOBAL lock_configuration = true",
)


def load_extension(connection: Cursor, name: str) -> None:
    """Load an extension from its wheel; without a wheel, as DuckDB does.

    Raises:
        duckdb.Error: Neither has it.
    """
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


class QuackEndpoint:
    """Serves one ledger to analysts, read-only.

    Args:
        ledger: The open ledger. Starting fixes its DuckDB settings until it is closed.
        port: On loopback.
        token: At least 16 characters; it allows reading the views.
        limit_s: How long one query may take.
        on_refused: Called with the reason of a refusal, never with the query.
    """

    def __init__(
        self,
        ledger: Ledger,
        port: int,
        token: str,
        *,
        limit_s: float = LIMIT_S,
        on_refused: Callable[[str], None] = lambda reason: None,
    ) -> None:
        self._ledger = ledger
        self.port = port
        self._token = token
        self._guard = QueryGuard(ledger.cursor, limit_s=limit_s, on_refused=on_refused)
        self._connection: Cursor | None = None

    def start(self) -> None:
        """Start to listen.

        Raises:
            InternalError: QUACK_TOKEN_SHORT; QUACK_LOCKED when the ledger's settings were fixed by another endpoint.
            Unavailable: QUACK_UNAVAILABLE when the extension is missing or the port is taken.
        """
        if len(self._token) < SHORTEST_TOKEN:
            raise InternalError("The Quack token is too short.", reason=Reason.QUACK_TOKEN_SHORT)
        connection = self._ledger.cursor()
        failure = ""
        try:
            for name in _EXTENSIONS:
                load_extension(connection, name)
            self._fix_settings(connection)
            connection.execute("CALL quack_serve(?, token := ?)", [address_of(self.port), self._token])
        except duckdb.Error as error:
            failure = type(error).__name__
        if failure:
            connection.close()
            raise Unavailable(
                f"Analysts cannot attach on port {self.port} ({failure}).",
                reason=Reason.QUACK_UNAVAILABLE,
                hint="Is the port free, and is the quack extension of this DuckDB installed?",
            )
        self._connection = connection

    def stop(self) -> None:
        """Stop listening. Safe to repeat."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.execute("CALL quack_stop(?)", [address_of(self.port)])
            connection.close()

    def _fix_settings(self, connection: Cursor) -> None:
        locked = connection.execute("SELECT current_setting('lock_configuration')").fetchone()
        if locked and locked[0]:
            raise InternalError("Another endpoint has served this ledger.", reason=Reason.QUACK_LOCKED)
        connection.create_function(
            _ASK,
            lambda connection_id, query: self._guard.allows(query),
            ["VARCHAR", "VARCHAR"],
            "BOOLEAN",
            side_effects=True,
        )
        for setting in _SETTINGS:
            connection.execute(setting)
