"""A FunnelService that stores refusals for itself alone."""

from __future__ import annotations

from typing import Any

from ray_tasks.types import Gateway
from server.access.audit import AuditTrail
from server.ledger.embedded import EmbeddedLedger
from server.ledger.types import Clock
from server.records.refusal_events import RefusalEvents
from server.services.funnel import FunnelService
from server.services.funnel_analysis import Analysis


def funnel_service(
    ledger: EmbeddedLedger,
    gateway: Gateway,
    clock: Clock,
    audit: AuditTrail,
    analysis: Analysis | None = None,
    **more: Any,
) -> FunnelService:
    """One with these arguments; ``more`` are the others."""
    return FunnelService(
        ledger, gateway, clock, audit, analysis, views=ledger, refusals=RefusalEvents(ledger, clock), **more
    )
