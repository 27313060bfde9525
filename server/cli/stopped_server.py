"""Commands that call a server, and work on its files while no server runs. All of them choose in the same way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from models.errors import InvalidInput, NotFound, Unavailable
from models.reasons import Reason
from server.cli.channel import open_channel
from server.cli.output import STARTING, Failure
from server.cli.remote import CALL_TIMEOUT_S, Endpoint, endpoint
from server.cli.tls_problems import tls_problem

if TYPE_CHECKING:
    from server.ledger.embedded import EmbeddedLedger
    from server.ledger.transactional import Ledger, TransactionalLedger
    from server.settings import Settings

Command = TypeVar("Command", bound=Callable[..., Any])
Opened = TypeVar("Opened", bound="TransactionalLedger[Any]")


@dataclass(frozen=True, slots=True)
class StoppedServer:
    """The files of a server that does not answer.

    Attributes:
        target: Address at which it was looked for.
        named: Whether the files were named, and no server was looked for.
    """

    settings: Settings
    target: str
    named: bool

    def require_ledger(self) -> None:
        """Make sure that there is a ledger.

        Raises:
            NotFound: LEDGER_NOT_FOUND.
        """
        if not self.settings.ledger.database:
            self.require(self.settings.ledger_path)

    def require_views(self) -> None:
        """Make sure that there is a file with views: the ledger, or the mirror of PostgreSQL.

        Raises:
            NotFound: LEDGER_NOT_FOUND.
        """
        self.require(self.settings.ledger_path)

    def require(self, path: Path) -> None:
        """Make sure that there is this file.

        Raises:
            NotFound: LEDGER_NOT_FOUND.
        """
        if not path.exists():
            raise NotFound(
                f"There is no {path.name} in {path.parent}.",
                reason=Reason.LEDGER_NOT_FOUND,
                hint="Name the server's folders with --data-dir and --state-dir, or the server with --address.",
            )

    @contextmanager
    def opened(self, *, migrates: bool = True) -> Iterator[Ledger]:
        """The ledger.

        Args:
            migrates: Whether to bring an older one up to date, and to make one that does not exist.

        Raises:
            Failure: LEDGER_LOCKED, a server holds it all the same.
        """
        if not self.settings.ledger.database:
            with self.opened_views(migrates=migrates) as file:
                yield file
            return
        from server.ledger.opened import require_driver

        require_driver()
        from server.ledger.postgres.ledger import PostgresLedger, Use

        database = self.settings.ledger.database
        with self._closing(partial(PostgresLedger.open, database, use=Use.ALONE, migrates=migrates)) as ledger:
            yield ledger

    @contextmanager
    def opened_views(self, *, migrates: bool = True) -> Iterator[EmbeddedLedger]:
        """The file with views: the ledger, which is made if it does not exist, or the mirror of PostgreSQL.

        Args:
            migrates: Whether to bring an older one up to date.

        Raises:
            Failure: LEDGER_LOCKED, a server holds it all the same.
        """
        from server.ledger.embedded import EmbeddedLedger

        with self._closing(partial(EmbeddedLedger.open, self.settings.ledger_path, migrates=migrates)) as ledger:
            yield ledger

    @contextmanager
    def _closing(self, open_: Callable[[], Opened]) -> Iterator[Opened]:
        try:
            ledger = open_()
        except Unavailable as error:
            if error.reason is not Reason.LEDGER_LOCKED:
                raise
            hint = f"A server holds it, but none answers at {self.target}. {STARTING} "
            hint += "Else name it with --address, and see --tls-ca."
            if self.named:
                hint = "A server runs on these files: leave --data-dir out, and the server does it."
            raise Failure(error.message, reason=error.reason, hint=hint) from error
        try:
            yield ledger
        finally:
            ledger.close()


def files_options(command: Command) -> Command:
    """Add the options that name the files; their values go to ``stopped_server``."""
    folder = click.Path(file_okay=False, path_type=Path)
    state = click.option("--state-dir", type=folder, help="The server's folder with its keys. Default: the setting.")
    data = click.option(
        "--data-dir", type=folder, help="Work on the ledger in this folder, and call no server. Needs --state-dir."
    )
    return state(data(command))


def stopped_server(address: str | None, state_dir: Path | None, data_dir: Path | None) -> StoppedServer | None:
    """The files to work on, or None for a server.

    ``--data-dir`` names files, ``--address`` a server. Without either it is the server at the configured address, or
    the files if none answers there; the person is told so. A ledger and its state folder belong together: the state
    folder has the end of the chain of the audit, the spool, and copies of the ledger. So whoever names one of the
    folders names both.

    Raises:
        click.UsageError: Both a server and files were named.
        InvalidInput: FOLDER_UNNAMED.
        Conflict: RESTORE_UNFINISHED.
    """
    from server.cli.analyst import ledger_settings
    from server.runtime.folders import refuse_unfinished_restore

    if address is not None and data_dir is not None:
        raise click.UsageError("--address names a server and --data-dir files: give one of them.")
    if address is not None:
        return None
    if data_dir is not None and state_dir is None:
        raise one_folder("--data-dir", "--state-dir")
    server = endpoint(address)
    if data_dir is None:
        if _answers(server):
            return None
        if state_dir is not None:
            raise one_folder("--state-dir", "--data-dir")
        click.echo(f"No server answers at {server.target}. Trying its ledger file.", err=True)
    settings = ledger_settings(None, state_dir, data_dir)
    refuse_unfinished_restore(settings.data_dir, settings.state_dir)
    return StoppedServer(settings, server.target, named=data_dir is not None)


def one_folder(given: str, missing: str) -> InvalidInput:
    """The error for one of the two folders of a server that was named without the other."""
    return InvalidInput(
        f"{given} was given without {missing}.",
        reason=Reason.FOLDER_UNNAMED,
        hint="A ledger and its state folder belong together: the state folder has the end of its audit and its spool. "
        "Name both; for a copy, copy both. Without both, those of the settings are used.",
    )


def _answers(server: Endpoint) -> bool:
    """Whether a server listens there, of whatever health.

    Raises:
        Failure: One listens, but its TLS is not what the settings say.
    """
    import grpc
    from grpc_health.v1.health_pb2 import HealthCheckRequest
    from grpc_health.v1.health_pb2_grpc import HealthStub

    with open_channel(server.target, tls=server.tls, credential="") as channel:
        try:
            HealthStub(channel).Check(HealthCheckRequest(), timeout=CALL_TIMEOUT_S)
        except grpc.RpcError as error:
            if problem := tls_problem(server.target, server.tls):
                raise problem from error
            return isinstance(error, grpc.Call) and error.code() is not grpc.StatusCode.UNAVAILABLE
    return True
