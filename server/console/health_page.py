"""The page of the server's health."""

from __future__ import annotations

from starlette.responses import Response
from vestibule.v1 import admin_pb2

from server.console.formats import length, moment
from server.console.visit import Visit


async def show(visit: Visit) -> Response:
    """What runs, and which breakers are open."""
    status = await visit.call("AdminService", "GetStatus", admin_pb2.GetStatusRequest())
    breakers = await visit.call("AdminService", "ListBreakers", admin_pb2.ListBreakersRequest())
    shown = [
        {
            "name": breaker.name,
            "state": admin_pb2.BreakerState.Name(breaker.state).removeprefix("BREAKER_STATE_").lower(),
            "failures": breaker.failure_count,
            "opens_at": breaker.failure_threshold,
            "open_for": length(breaker.open_for.ToTimedelta().total_seconds()) if breaker.open_for.ByteSize() else "",
            "last_reason": breaker.last_failure_reason,
        }
        for breaker in breakers.breakers
    ]
    bad = sum(not part.healthy for part in status.components)
    return visit.page(
        "health.html", status=status, started=moment(status.start_time.ToDatetime()), breakers=shown, bad=bad
    )
