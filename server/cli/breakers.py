"""`vestibule breakers`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypedDict

import click

from server.cli.output import length_text, show_json, show_table, time_json, time_text
from server.cli.remote import CALL_TIMEOUT_S, address_option, connected

if TYPE_CHECKING:
    from vestibule.v1.admin_pb2 import Breaker

COLUMNS = ("name", "state", "failures in a row", "opens at", "stays open for", "half-open in", "last failure")


class BreakerStatus(TypedDict):
    """One breaker; times are RFC 3339 in UTC.

    ``failure_count`` is the failures in a row, ``success_count`` the probes that succeeded in a row while it is half
    open. ``open_for_s`` is 0 unless it is open.
    """

    name: str
    state: str
    failure_count: int
    failure_threshold: int
    reset_timeout_s: float
    success_count: int
    success_threshold: int
    open_for_s: float
    last_failure_time: str | None
    last_failure_reason: str


def breaker_status(breaker: Breaker) -> BreakerStatus:
    """A message of the server as plain values."""
    from vestibule.v1.admin_pb2 import BreakerState

    failed = breaker.HasField("last_failure_time")
    return BreakerStatus(
        name=breaker.name,
        state=BreakerState.Name(breaker.state).removeprefix("BREAKER_STATE_").lower().replace("_", "-"),
        failure_count=breaker.failure_count,
        failure_threshold=breaker.failure_threshold,
        reset_timeout_s=breaker.reset_timeout.ToTimedelta().total_seconds(),
        success_count=breaker.success_count,
        success_threshold=breaker.success_threshold,
        open_for_s=breaker.open_for.ToTimedelta().total_seconds(),
        last_failure_time=time_json(breaker.last_failure_time) if failed else None,
        last_failure_reason=breaker.last_failure_reason,
    )


@click.group(invoke_without_command=True, short_help="Show the circuit breakers, close or open one.")
@address_option
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@click.pass_context
def breakers(context: click.Context, address: str | None, as_json: bool) -> None:
    """The circuit breakers: of the remote LLMs, and of the speech and vision workers. Without a command, lists them.

    \b
    Examples:
      vestibule breakers
      vestibule breakers reset llm_api
      vestibule breakers trip llm_api
    """
    if context.invoked_subcommand is None:
        context.invoke(list_breakers, address=address, as_json=as_json)
    # Options before the command apply to it: `vestibule breakers --address ... reset NAME`.
    context.default_map = {name: {"address": address, "as_json": as_json} for name in ("list", "reset", "trip")}


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


@breakers.command()
@click.argument("name")
@address_option
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def trip(name: str, address: str | None, as_json: bool) -> None:
    """Open the breaker NAME now, for its whole reset time. Health probes begin after it."""
    from vestibule.v1.admin_pb2 import TripBreakerRequest
    from vestibule.v1.admin_pb2_grpc import AdminServiceStub

    with connected(address) as channel:
        reply = AdminServiceStub(channel).TripBreaker(TripBreakerRequest(name=name), timeout=CALL_TIMEOUT_S)
    _show([reply.breaker], as_json)


def _show(found: Iterable[Breaker], as_json: bool) -> None:
    states = list(found)
    if as_json:
        show_json([breaker_status(state) for state in states])
    else:
        show_table(COLUMNS, map(_row, states), empty="There are no breakers.")


def _row(breaker: Breaker) -> tuple[object, ...]:
    state = breaker_status(breaker)
    return (
        state["name"],
        state["state"],
        state["failure_count"],
        state["failure_threshold"],
        length_text(breaker.reset_timeout),
        length_text(breaker.open_for) if state["open_for_s"] else "",
        f"{time_text(breaker.last_failure_time)} {state['last_failure_reason']}" if state["last_failure_time"] else "",
    )
