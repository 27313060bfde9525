"""`vestibule health`."""

from __future__ import annotations

import click

from server.cli.output import Failure
from server.cli.remote import address_option, endpoint, translated

TIMEOUT_S = 5.0
"""Less than the time that deploy/ gives a health check, so that the command says why before it is ended."""


@click.command(short_help="Tell whether the server takes calls, for health checks of a container.")
@address_option
def health(address: str | None) -> None:
    """Ask the standard health service, which needs no key. Exits with 1 unless the server takes calls.

    A server that starts, or that waits for Ray or for room on its disk, answers NOT_SERVING. It mends itself, so let
    nobody restart it for that. `vestibule status` says what does not work.

    \b
    Examples:
      vestibule health
      vestibule health --address 127.0.0.1:6000
    """
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    from server.cli.channel import open_channel

    server = endpoint(address)
    with (
        open_channel(server.target, tls=server.tls, credential="") as channel,
        translated(server.target, server.tls),
    ):
        reply = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S)
    status = health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status)
    if reply.status != health_pb2.HealthCheckResponse.SERVING:
        raise Failure(f"The server answers {status}.", hint="`vestibule status` says which part does not work.")
    click.echo(status)
