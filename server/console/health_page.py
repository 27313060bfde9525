"""The page of the server's health."""

from __future__ import annotations

from starlette.responses import Response
from vestibule.v1 import admin_pb2

from server.console.page import texts_of
from server.console.visit import Visit
from server.languages.formats import Formats
from server.times import shown_time


async def show(visit: Visit) -> Response:
    """What runs, and which breakers are open."""
    status = await visit.call("AdminService", "GetStatus", admin_pb2.GetStatusRequest())
    breakers = await visit.call("AdminService", "ListBreakers", admin_pb2.ListBreakersRequest())
    formats = Formats(texts_of(visit.request).language)
    shown = [
        {
            "name": breaker.name,
            "state": admin_pb2.BreakerState.Name(breaker.state).removeprefix("BREAKER_STATE_").lower(),
            "failures": breaker.failure_count,
            "opens_at": breaker.failure_threshold,
            "open_for": formats.length(breaker.open_for.ToTimedelta().total_seconds())
            if breaker.open_for.ByteSize()
            else "",
            "last_reason": breaker.last_failure_reason,
        }
        for breaker in breakers.breakers
    ]
    bad = sum(not part.healthy for part in status.components)
    return visit.page(
        "health.html", status=status, started=shown_time(status.start_time.ToDatetime()), breakers=shown, bad=bad
    )
