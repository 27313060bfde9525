"""The page of the funnel."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from vestibule.v1.funnel_pb2 import FunnelStage, GetReportRequest, Severity

from models.errors import InvalidInput
from models.reasons import Reason
from server.console.page import length, percent, texts_of
from server.console.texts import Texts
from server.console.visit import Visit

CHART_WIDTH: Final = 600
"""Units of the chart; a browser scales it to the page."""


@dataclass(frozen=True, slots=True)
class StageShown:
    """One stage as the page shows it.

    Attributes:
        rate: Share that dropped out before it, in [0, 1]; None for the first stage.
        median: Median time from the stage before, as text; empty if nobody made the step.
        severity: ``normal``, ``high``, ``critical``, or ``unspecified`` for too little data; empty for the first stage.
        bar: Length of its bar in the chart.
    """

    name: str
    sessions: int
    under_way: int
    dropped: int
    rate: float | None
    median: str
    severity: str
    bar: float

    @property
    def could(self) -> int:
        """Sessions that could have made the step, and have ended."""
        return self.sessions + self.dropped


async def show(visit: Visit) -> Response:
    """Where sessions drop out."""
    asked, texts = visit.request.query_params, texts_of(visit.request)
    filters = {name: asked.get(name, "") for name in ("from", "to", "client")}
    reply = await visit.call("FunnelService", "GetReport", report_request(visit.request))
    stages = stages_shown(list(reply.stages))
    where = worst(stages)
    rate = percent(where.rate or 0.0, texts.language) if where else ""
    return visit.page(
        "funnel.html",
        stages=stages,
        some=any(stage.sessions for stage in stages),
        headline=headline(stages, texts, rate),
        worst=where,
        filters=filters,
        chart_width=CHART_WIDTH,
    )


def report_request(request: Request) -> GetReportRequest:
    """What the address of the page asks for.

    Raises:
        InvalidInput: INVALID_ARGUMENT, a time is no date, or the first is not before the second.
    """
    asked = request.query_params
    wanted = GetReportRequest(client_id=asked.get("client", ""))
    start, end = _time(asked.get("from", "")), _time(asked.get("to", ""))
    if start is not None and end is not None and start >= end:
        raise wrong_time()
    if start is not None:
        wanted.start_time.FromDatetime(start)
    if end is not None:
        wanted.end_time.FromDatetime(end)
    return wanted


def wrong_time() -> InvalidInput:
    """A time in the address that cannot be used."""
    return InvalidInput(
        "A time cannot be used.", reason=Reason.INVALID_ARGUMENT, hint="Give dates as 2026-11-27, the first before."
    )


def stages_shown(stages: list[FunnelStage]) -> list[StageShown]:
    """The stages, each with its bar."""
    most = max((stage.session_count for stage in stages), default=0)
    return [_shown(stage, first=number == 0, most=most) for number, stage in enumerate(stages)]


def headline(stages: list[StageShown], texts: Texts, percent: str) -> str:
    """The one sentence that a reader needs: where most people drop out.

    Args:
        stages: All of them.
        texts: In the language of the page.
        percent: The rate of ``worst(stages)`` as text.
    """
    found = worst(stages)
    if found is not None:
        stage = texts.or_word(f"stage_{found.name}", found.name)
        return texts("funnel_largest", stage=stage, dropped=found.dropped, could=found.could, rate=percent)
    enough = any(stage.severity not in {"", "unspecified"} for stage in stages)
    return texts("funnel_nobody" if enough else "funnel_too_little")


def worst(stages: list[StageShown]) -> StageShown | None:
    """The step with the highest rate, of those with enough data; None if nobody dropped out at any of them."""
    known = [stage for stage in stages if stage.severity not in {"", "unspecified"} and stage.dropped]
    return max(known, key=lambda stage: stage.rate or 0.0, default=None)


def _shown(stage: FunnelStage, *, first: bool, most: int) -> StageShown:
    return StageShown(
        name=stage.name,
        sessions=stage.session_count,
        under_way=stage.under_way_count,
        dropped=stage.dropped_count,
        rate=None if first else stage.drop_off_rate,
        median=length(stage.median_time.ToTimedelta().total_seconds()) if stage.HasField("median_time") else "",
        severity="" if first else Severity.Name(stage.severity).removeprefix("SEVERITY_").lower(),
        bar=CHART_WIDTH * stage.session_count / most if most else 0.0,
    )


def _time(text: str) -> datetime | None:
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise wrong_time() from None
