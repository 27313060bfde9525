"""The page of the funnel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response
from vestibule.v1.funnel_pb2 import (
    FUNNEL_NAME_KIND_EVENT,
    DropOff,
    Estimate,
    FunnelAnalysis,
    FunnelStage,
    Severity,
)

from server.console.analyses import Analyses
from server.console.charts import Chart, Span, interval_chart
from server.console.filter_problem import with_form
from server.console.filters import Filter
from server.console.flows_page import flow_choices
from server.console.groups import Groups
from server.console.page import texts_of
from server.console.unknown_names import unknown_texts
from server.console.visit import Visit
from server.languages.formats import Formats
from server.languages.texts import Texts
from server.services.funnel_warnings import named_in

CHART_WIDTH: Final = 600
"""Units of the chart; a browser scales it to the page."""


@dataclass(frozen=True, slots=True)
class StageShown:
    """One stage as the page shows it.

    Attributes:
        name: As the server names it.
        label: In the language of the page.
        rate: Share that dropped out before it, with its interval where that is known; None for the first stage and an
            optional one.
        median: Median time from the stage before, as text; empty if nobody made the step.
        severity: ``normal``, ``high``, ``critical``, or ``unspecified`` for too little data; empty without a rate.
        bar: Length of its bar in the chart.
        dropped: Sessions that dropped out before it, among all that have ended.
        rate_dropped: Sessions that dropped out, among those that the rate counts.
        rate_of: Sessions that the rate counts.
    """

    name: str
    label: str
    sessions: int
    under_way: int
    dropped: int
    rate: Estimate | None
    median: str
    severity: str
    bar: float
    rate_dropped: int
    rate_of: int

    @property
    def has_interval(self) -> bool:
        """Whether the interval of the rate is known."""
        return self.rate is not None and self.rate.high > 0


class FunnelPage:
    """Where sessions drop out.

    Args:
        analyses: Have the intervals.
    """

    def __init__(self, analyses: Analyses) -> None:
        self._analyses = analyses

    async def show(self, visit: Visit) -> Response:
        """The page."""
        return await with_form(visit, self._shown, "funnel_title", groups=True)

    async def _shown(self, visit: Visit) -> Response:
        chosen, texts = Filter.of(visit.request), texts_of(visit.request)
        formats = Formats(texts.language)
        request = chosen.report()
        reply = await visit.call("FunnelService", "GetReport", request)
        analysis = None
        of_stages = chosen.of_stages
        if of_stages and reply.stages[0].session_count:
            with_analysis = await self._analyses.of(visit, chosen.analysis(texts.language))
            analysis = with_analysis.analysis if with_analysis else None
        stages = stages_shown(reply.stages, texts, analysis)
        absent = {named_in(request, warning) for warning in reply.warnings if warning.kind == FUNNEL_NAME_KIND_EVENT}
        known = [stage for stage in stages if stage.name not in absent]
        return visit.page(
            "funnel.html",
            stages=stages,
            some=any(stage.sessions for stage in stages),
            unknown=unknown_texts(reply.warnings, request, texts),
            headline=headline(known, texts, formats) if worst(known) or known == stages else "",
            worst=worst(known),
            chosen=chosen,
            flows=await flow_choices(visit, chosen, texts),
            pending=of_stages and analysis is None,
            chart_width=CHART_WIDTH,
            rates=_rate_chart(stages, texts, formats),
            waiting=any(map(_waits, reply.stages)),
            sections=Groups(chosen, [stage.label for stage in stages], texts).sections(reply),
            comparisons=_comparisons(chosen, texts),
            first=analysis.recommendations[0].title if analysis and analysis.recommendations else "",
        )


def _waits(stage: FunnelStage) -> bool:
    """Whether sessions are under way, or have a known end that the rate does not count yet."""
    known = stage.session_count + stage.dropped_count
    return bool(stage.under_way_count) or (stage.HasField("drop_off") and stage.counted_count < known)


def stages_shown(
    stages: Sequence[FunnelStage], texts: Texts, analysis: FunnelAnalysis | None = None
) -> list[StageShown]:
    """The stages, each with its bar, and with the intervals of an analysis. Of an optional one there is no rate.

    Args:
        stages: All of them, or steps.
        texts: In the language of the page.
        analysis: Has wider intervals where sessions of one person are alike.
    """
    most = max((stage.session_count for stage in stages), default=0)
    drop_offs = {found.to_stage: found for found in analysis.drop_offs} if analysis else {}
    return [
        _shown(stage, drop_offs.get(stage.name), texts, first=number == 0, most=most)
        for number, stage in enumerate(stages)
    ]


def headline(stages: Sequence[StageShown], texts: Texts, formats: Formats) -> str:
    """The one sentence that a reader needs: before which stage the largest share drops out."""
    found = worst(stages)
    if found is not None and found.rate is not None:
        dropped, could = formats.count(found.rate_dropped), formats.count(found.rate_of)
        rate = formats.percent(found.rate.value)
        return texts("funnel_largest", stage=found.label, dropped=dropped, could=could, rate=rate)
    enough = any(stage.severity not in {"", "unspecified"} for stage in stages)
    return texts("funnel_nobody" if enough else "funnel_too_little")


def worst(stages: Sequence[StageShown]) -> StageShown | None:
    """The step with the highest rate, of those with enough data; None if nobody dropped out at any of them."""
    known = [stage for stage in stages if stage.severity not in {"", "unspecified"} and stage.rate_dropped]
    return max(known, key=lambda stage: stage.rate.value if stage.rate else 0.0, default=None)


def _shown(stage: FunnelStage, drop_off: DropOff | None, texts: Texts, *, first: bool, most: int) -> StageShown:
    rate, severity = stage.drop_off, stage.severity
    counted, dropped = stage.counted_count, round(stage.counted_count * stage.drop_off_rate)
    if drop_off is not None:
        rate, severity = drop_off.drop_off_rate, drop_off.severity
        dropped, counted = drop_off.dropped_count, drop_off.continued_count + drop_off.dropped_count
    label, no_rate = texts.or_word(f"stage_{stage.name}", stage.name), first or stage.optional
    return StageShown(
        name=stage.name,
        label=texts("funnel_optional", stage=label) if stage.optional else label,
        sessions=stage.session_count,
        under_way=stage.under_way_count,
        dropped=stage.dropped_count,
        rate=None if no_rate else rate,
        median=Formats(texts.language).length(stage.median_time.ToTimedelta().total_seconds())
        if stage.HasField("median_time")
        else "",
        severity="" if no_rate else Severity.Name(severity).removeprefix("SEVERITY_").lower(),
        bar=CHART_WIDTH * stage.session_count / most if most else 0.0,
        rate_dropped=dropped,
        rate_of=counted,
    )


def _comparisons(chosen: Filter, texts: Texts) -> list[tuple[str, str]]:
    """Addresses that show the same sessions by week or in groups."""
    choices = [("times", "yes"), ("time", "week"), ("by", "client"), ("by", "variant"), ("by", "language")]
    return [(f"{chosen.link('/funnel', **{name: value})}#compare", texts(f"{name}_{value}")) for name, value in choices]


def _rate_chart(stages: Sequence[StageShown], texts: Texts, formats: Formats) -> Chart | None:
    """The drop-off rates with their intervals; None where no interval is known."""
    spans = [
        Span(texts("before", stage=stage.label), stage.rate.value, stage.rate.low, stage.rate.high)
        for stage in stages
        if stage.rate is not None and stage.has_interval and stage.rate_of
    ]
    return interval_chart(texts("funnel_rates"), spans, formats) if spans else None
