"""`vestibule breakers`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from server.cli.output import show_json, show_table
from server.cli.remote import CALL_TIMEOUT_S, address_option, connected

if TYPE_CHECKING:
    from vestibule.v1.admin_pb2 import Breaker

COLUMNS = ("name", "state", "failures in a row", "opens at", "stays open for (s)")


@click.group(invoke_without_command=True, short_help="Show the circuit breakers, or close one.")
@address_option
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@click.pass_context
def breakers(context: click.Context, address: str | None, as_json: bool) -> None:
    """The circuit breakers in front of remote services. Without a command, lists them.

    \b
    Examples:
      vestibule breakers
      vestibule breakers reset llm_api
    """
    if context.invoked_subcommand is None:
        context.invoke(list_breakers, address=address, as_json=as_json)
    # Options before the command apply to it: `vestibule breakers --address ... reset NAME`.
    context.default_map = {name: {"address": address, "as_json": as_json} for name in ("list", "reset")}


@breakers.command("list")
@address_option
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def list_breakers(address: str | None = None, as_json: bool = False) -> None:
    """List them with their states."""
    from vestibule.v1.admin_pb2 import ListBreakersRequest
    from vestibule.v1.admin_pb2_grpc import AdminServiceStub

    with connected(address) as channel:
        reply = AdminServiceStub(channel).ListBreakers(ListBreakersRequest(), timeout=CALL_TIMEOUT_S)
    _show(reply.breakers, as_json)


@breakers.command()
@click.argument("name")
@address_option
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def reset(name: str, address: str | None, as_json: bool) -> None:
    """Close the breaker NAME now, without waiting for its reset time."""
    from vestibule.v1.admin_pb2 import ResetBreakerRequest
    from vestibule.v1.admin_pb2_grpc import AdminServiceStub

    with connected(address) as channel:
        reply = AdminServiceStub(channel).ResetBreaker(ResetBreakerRequest(name=name), timeout=CALL_TIMEOUT_S)
    _show([reply.breaker], as_json)


def _show(found: Iterable[Breaker], as_json: bool) -> None:
    from vestibule.v1.admin_pb2 import BreakerState

    rows = [
        (
            b.name,
            BreakerState.Name(b.state).removeprefix("BREAKER_STATE_").lower().replace("_", "-"),
            b.failure_count,
            b.failure_threshold,
            b.reset_timeout.ToTimedelta().total_seconds(),
        )
        for b in found
    ]
    if as_json:
        keys = ("name", "state", "failure_count", "failure_threshold", "reset_timeout_s")
        show_json([dict(zip(keys, row, strict=True)) for row in rows])
    else:
        show_table(COLUMNS, rows, empty="There are no breakers.")
