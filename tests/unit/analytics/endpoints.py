"""Endpoints for analysts, as tests start them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from server.analytics.endpoint import mark_between_commits
from server.analytics.endpoint_config import DEFAULT_LIMITS, EndpointConfig, QueryLimits
from server.analytics.supervisor import Decisions, Supervisor
from server.ledger.writer import Ledger


def endpoint_of(
    ledger: Ledger,
    port: int,
    token: str,
    *,
    limits: QueryLimits = DEFAULT_LIMITS,
    on_decision: Decisions = lambda door, denied: None,
    on_ended: Callable[[str], None] = lambda reason: None,
) -> Supervisor:
    """An endpoint on an open ledger, with its snapshots beside the ledger."""
    folder = str(ledger.path.parent / "analysts")
    config = EndpointConfig(str(ledger.path), folder, port, token, limits)
    return Supervisor(config, partial(mark_between_commits, ledger), on_decision=on_decision, on_ended=on_ended)
