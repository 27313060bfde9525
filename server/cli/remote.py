"""The CLI as a client of a running server: a channel, and gRPC's errors in plain words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from models.errors import InvalidInput
from models.reasons import Reason
from server.cli.channel import open_channel
from server.cli.client_tls import ClientTls, TlsOptions, client_tls
from server.cli.credentials import configured_credential, given_key_hint
from server.cli.output import STARTING, Failure
from server.cli.tls_problems import tls_problem
from server.validators import host_and_port

if TYPE_CHECKING:
    import grpc

CALL_TIMEOUT_S = 15.0
"""Timeout of a unary call, the same as in the service config beside the protos."""

_TLS_CA, _PLAINTEXT = "vestibule.tls_ca", "vestibule.plaintext"
_HINTS = {
    Reason.CREDENTIALS_MISSING: "Set VESTIBULE_API_KEY to a key, or VESTIBULE_STATE_DIR to the server's state folder.",
    Reason.CREDENTIALS_INVALID: "VESTIBULE_API_KEY must be a key of this server; without one, VESTIBULE_STATE_DIR must "
    "be its state folder.",
}
"""For people at the command line, in place of the hint for programmers."""
_OF_THE_KEY = frozenset(
    {Reason.SCOPE_MISSING, Reason.CREDENTIALS_INVALID, Reason.CREDENTIALS_EXPIRED, Reason.CREDENTIALS_REVOKED}
)
"""Refusals that another key would mend."""
Command = TypeVar("Command", bound=Callable[..., Any])


def address_option(command: Command) -> Command:
    """Add ``--address``, which is an argument of the command, and the options of TLS, which ``endpoint`` looks up."""
    for option in (
        click.option(
            "--plaintext",
            is_flag=True,
            expose_value=False,
            callback=_keep(_PLAINTEXT),
            help="Connect without TLS, also to another machine.",
        ),
        click.option(
            "--tls-ca",
            type=click.Path(path_type=Path),
            metavar="FILE",
            expose_value=False,
            callback=_keep(_TLS_CA),
            help="Trust the CAs in this PEM file. Default: VESTIBULE_CLIENT__CA, or those of the system.",
        ),
        click.option(
            "--address",
            metavar="HOST:PORT",
            help="Address of the server. Default: VESTIBULE_ADDRESS, or 127.0.0.1:50051.",
        ),
    ):
        command = option(command)
    return command


def _keep(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def keep(context: click.Context, _option: click.Parameter, value: Any) -> None:
        from server.settings import prepare_process

        prepare_process()  # before the command imports gRPC
        context.meta[name] = value

    return keep


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a server is, and how it is reached.

    Attributes:
        target: Host and port.
        tls: None means in plain text.
    """

    target: str
    tls: ClientTls | None


def endpoint(address: str | None) -> Endpoint:
    """The server that a command calls, by its options and the settings.

    Args:
        address: Host and port; None takes the setting.
    """
    from server.cli.config import load_settings

    settings = load_settings()
    target = reachable(address or settings.address)
    context = click.get_current_context(silent=True)
    given = context.meta if context else {}
    options = TlsOptions(given.get(_TLS_CA), bool(given.get(_PLAINTEXT)), own_address=address is None)
    return Endpoint(target, client_tls(target, settings, options))


@contextmanager
def connected(address: str | None, state_dir: Path | None = None) -> Iterator[grpc.Channel]:
    """A channel to the server; errors of calls become a Failure.

    Args:
        address: Host and port; None takes the setting.
        state_dir: The server's state folder, with its key for this machine; None takes the setting.
    """
    server = endpoint(address)
    credential = configured_credential(server.target, state_dir)
    with (
        open_channel(server.target, tls=server.tls, credential=credential) as channel,
        translated(server.target, server.tls),
    ):
        yield channel


@contextmanager
def translated(target: str, tls: ClientTls | None = None) -> Iterator[None]:
    """Turn gRPC's errors into a Failure."""
    import grpc

    try:
        yield
    except grpc.RpcError as error:
        if isinstance(error, grpc.Call | grpc.aio.AioRpcError):
            raise failure_of(error, target, tls) from error
        raise


def failure_of(error: grpc.Call | grpc.aio.AioRpcError, target: str, tls: ClientTls | None = None) -> Failure:
    """The message of a status, with the reason, hint and violations in its details."""
    import grpc
    from google.rpc import error_details_pb2
    from grpc_status import rpc_status

    message = error.details() or "The server gave no message."
    status = rpc_status.from_call(
        cast("grpc.Call", error)
    )  # Both kinds of error have the trailers, code and message that are read.
    if status is None:  # The status comes from gRPC itself or a proxy, not from the server.
        if error.code() is grpc.StatusCode.UNAVAILABLE:
            if problem := tls_problem(target, tls):
                return problem
            hint = f"{STARTING} Else run `vestibule serve`, or name another server with --address or VESTIBULE_ADDRESS."
            return Failure(f"No server answers at {target}.", reason=Reason.UNAVAILABLE, hint=hint)
        if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
            hint = "It may be busy, or a firewall on the way drops the connection: check the address and the port."
            return Failure(f"The server at {target} did not answer in time.", reason=error.code().name, hint=hint)
        return Failure(message, reason=error.code().name)
    reason, hint, lines = error.code().name, "", []
    for detail in status.details:
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        retry = error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            reason, hint = info.reason, _HINTS.get(info.reason, info.metadata.get("hint", ""))
            if "correlation_id" in info.metadata:
                lines.append(f"correlation id: {info.metadata['correlation_id']}")
        elif detail.Unpack(bad):
            lines += [f"{v.field}: {v.description}" for v in bad.field_violations]
        elif detail.Unpack(retry):
            lines.append(f"try again after {retry.retry_delay.ToTimedelta().total_seconds():g} s")
    if reason in _OF_THE_KEY:
        hint = given_key_hint(target) or hint
    told = [line for line in lines if line.replace(": ", " ", 1) + "." != hint]
    return Failure(status.message or message, reason=reason, hint=hint, details=told)


def reachable(address: str) -> str:
    """The address to connect to, for one that a server listens on: a wildcard becomes loopback.

    Raises:
        click.UsageError: It is not an address.
    """
    host, _, port = address.rpartition(":")
    wildcard = host in {"0.0.0.0", "[::]", "::", ""}  # noqa: S104 -- compared, not bound
    target = f"127.0.0.1:{port}" if wildcard else address
    try:
        host_and_port(target, least_port=1)
    except InvalidInput as error:
        raise click.UsageError(Failure.of(error).format_message()) from None
    return target
