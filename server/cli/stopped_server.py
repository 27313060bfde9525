"""Commands that call a server, and work on its files while no server runs. All of them choose in the same way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from models.errors import NotFound, Unavailable
from models.reasons import Reason
from server.cli.channel import open_channel
from server.cli.output import STARTING, Failure
from server.cli.remote import CALL_TIMEOUT_S, Endpoint, endpoint
from server.cli.tls_problems import tls_problem

if TYPE_CHECKING:
    from pathlib import Path

    from server.ledger.writer import Ledger
    from server.settings import Settings


@dataclass(frozen=True, slots=True)
class StoppedServer:
    """The files of a server that does not answer.

    Attributes:
        target: Address at which it was looked for.
    """

    settings: Settings
    target: str

    def require_ledger(self) -> None:
        """Make sure that there is a ledger.

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
        """The ledger, which is made if it does not exist.

        Args:
            migrates: Whether to bring an older one up to date.

        Raises:
            Failure: LEDGER_LOCKED, a server holds it all the same.
        """
        from server.ledger.types import utc_now
        from server.ledger.writer import Ledger

        try:
            ledger = Ledger.open(self.settings.ledger_path, utc_now, migrates=migrates)
        except Unavailable as error:
            if error.reason is not Reason.LEDGER_LOCKED:
                raise
            hint = f"A server holds it, but none answers at {self.target}. {STARTING} "
            hint += "Else name it with --address, and see --tls-ca."
            raise Failure(error.message, reason=error.reason, hint=hint) from error
        try:
            yield ledger
        finally:
            ledger.close()


def stopped_server(address: str | None, state_dir: Path | None, data_dir: Path | None) -> StoppedServer | None:
    """The files to work on, if no server was named and none answers at the configured address; else None.

    The person is told so.
    """
    from server.cli.analyst import ledger_settings

    if address is not None:
        return None
    server = endpoint(address)
    if _answers(server):
        return None
    click.echo(f"No server answers at {server.target}, so the ledger file is used.", err=True)
    return StoppedServer(ledger_settings(None, state_dir, data_dir), server.target)


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
