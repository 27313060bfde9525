"""What `vestibule funnel` and its report ask for."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from server.cli.time_types import as_utc, check_span

if TYPE_CHECKING:
    from vestibule.v1.funnel_pb2 import GetReportRequest

    from server.cli.stopped_server import StoppedServer


MOST_STEPS = 12
MOST_VERSION = 1_000_000
_STEP = re.compile("[a-z][a-z0-9_]{0,63}|STARTED|IN_PROGRESS|AWAITING_APPROVAL|COMPLETED|ABANDONED|REJECTED")
_FLOW = re.compile("([a-z][a-z0-9_]{0,47})(?:@([1-9][0-9]{0,6}))?")
flow_option = click.option(
    "--flow",
    default="",
    metavar="NAME[@VERSION]",
    help="Only sessions of this flow, and without --steps the stages of its funnel.",
)
ORDERS = ("ordered", "strict", "any")


def funnel_request(
    start: datetime | None,
    end: datetime | None,
    client_id: str,
    steps: str | None = None,
    window: timedelta | None = None,
    order: str | None = None,
    flow: str = "",
) -> GetReportRequest:
    """The request for sessions of a time, of a client and of a flow, and for steps, which commas separate.

    Raises:
        click.UsageError: The time ends before it begins, the steps are no 1 to 12 different words, there is an order
            without steps or a window without steps and flow, or the flow is no name with or without a version.
            ``steps`` that are None are those of the flow; an empty text is an error.
    """
    from vestibule.v1.funnel_pb2 import FunnelOrder, GetReportRequest

    names = [] if steps is None else _names(steps)
    if (order and not names) or (window and not (names or flow)):
        raise click.UsageError("--order needs --steps, and --window needs --steps or --flow.")
    check_span(start, end)
    request = GetReportRequest(client_id=client_id)
    if start is not None:
        request.start_time.FromDatetime(as_utc(start))
    if end is not None:
        request.end_time.FromDatetime(as_utc(end))
    if flow:
        request.flow, request.flow_version = _flow(flow)
    request.steps.extend(names)
    if window is not None:
        request.window.FromTimedelta(window)
    if order:
        request.order = FunnelOrder.Value(f"FUNNEL_ORDER_{order.upper()}")
    return request


def _names(steps: str) -> list[str]:
    """The names of --steps, checked."""
    names = [step.strip() for step in steps.split(",")]
    if problem := _problem(names):
        raise click.UsageError(f"{problem} Give 1 to {MOST_STEPS} different names of events or stages, with commas.")
    return names


def _problem(names: list[str]) -> str:
    """What is wrong with the names of steps, in a sentence; empty for nothing."""
    if not any(names):
        return "--steps is empty."
    if not all(names):
        return "--steps has a comma with no name before or after it."
    for name in names:
        if not _STEP.fullmatch(name):
            return (
                f"{name} is no step: a step is the name of an event, of small letters, digits and underscores, "
                "or a stage such as IN_PROGRESS."
            )
        if names.count(name) > 1:
            return f"--steps has {name} twice."
    return f"--steps has {len(names)} names." if len(names) > MOST_STEPS else ""


def _flow(text: str) -> tuple[str, int]:
    """The name of a flow, and its version; 0 without one."""
    found = _FLOW.fullmatch(text)
    version = int(found[2] or 0) if found else 0
    if not found or version > MOST_VERSION:
        raise click.UsageError("--flow takes a name, or a name with a version such as site_visit@1.")
    return found[1], version


def client_pseudonym(stopped: StoppedServer) -> Callable[[str], str]:
    """What a stopped server calls a client of tokens, from the id that its issuer gave it."""

    def pseudonym(client_id: str) -> str:
        from server.access.audit import AuditTrail, load_or_create_key, load_or_create_subjects_key
        from server.ledger.types import utc_now

        state_dir = stopped.settings.state_dir
        keys = load_or_create_key(state_dir), load_or_create_subjects_key(state_dir)
        return AuditTrail(*keys, utc_now).client_pseudonym(client_id)

    return pseudonym
