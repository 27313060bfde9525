"""The page of causes and recommendations."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response
from vestibule.v1.funnel_pb2 import FunnelAnalysis, FunnelEvidence, FunnelGain, FunnelRecommendation

from server.console.analyses import Analyses
from server.console.cause_address import sessions_address
from server.console.charts import Chart, Span, interval_chart
from server.console.filter_problem import with_form
from server.console.filters import Filter
from server.console.flows_page import flow_choices
from server.console.page import texts_of
from server.console.unknown_names import unknown_texts
from server.console.visit import Visit
from server.funnel.intervals import wilson
from server.funnel.types import Interval
from server.languages.formats import Formats
from server.languages.texts import Texts


@dataclass(frozen=True, slots=True)
class GroupShown:
    """The affected sessions, or the others.

    Attributes:
        rate: Share that left, with its interval.
        of: How many there are.
        address: Of the list of them; empty without one.
        left_address: The same of those that left.
    """

    label: str
    left: int
    of: int
    rate: Interval
    address: str = ""
    left_address: str = ""


@dataclass(frozen=True, slots=True)
class ChangeShown:
    """One change as the page shows it.

    Attributes:
        stage: The stage that more sessions should enter.
        groups: The affected and the others; empty for a rule of thumb.
        chart: Of the groups; None for a rule of thumb.
        gain: What it should bring, as a sentence.
    """

    found: FunnelRecommendation
    stage: str
    groups: tuple[GroupShown, ...]
    chart: Chart | None
    gain: str


class CausesPage:
    """Why people leave, and what to change first.

    Args:
        analyses: What is shown.
    """

    def __init__(self, analyses: Analyses) -> None:
        self._analyses = analyses

    async def show(self, visit: Visit) -> Response:
        """The page."""
        return await with_form(visit, self._shown, "causes_title", groups=False)

    async def _shown(self, visit: Visit) -> Response:
        chosen, texts = Filter.of(visit.request).analyzed, texts_of(visit.request)
        request = chosen.analysis(texts.language)
        reply = await self._analyses.of(visit, request)
        flows = await flow_choices(visit, chosen, texts)
        if reply is None:
            return visit.page("causes.html", chosen=chosen, flows=flows, pending=True)
        found, unknown = reply.analysis, unknown_texts(reply.warnings, request, texts)
        formats = Formats(texts.language)
        unsure = [texts.or_word(f"stage_{stage}", stage) for stage in found.unsure_stages]
        return visit.page(
            "causes.html",
            chosen=chosen,
            flows=flows,
            pending=False,
            found=found,
            unknown=unknown,
            headline=headline(found, texts, formats) if found.recommendations or not unknown else "",
            changes=[change_shown(each, chosen, texts, formats) for each in found.recommendations],
            together=_together(found.gain, texts, formats) if found.HasField("gain") else None,
            unsure=", ".join(unsure),
        )


def headline(found: FunnelAnalysis, texts: Texts, formats: Formats) -> str:
    """What to change first, in one sentence."""
    if found.recommendations:
        first = found.recommendations[0]
        gain = {"value": formats.count(first.completions.value), "range": formats.counts(first.completions)}
        if not first.HasField("evidence") and not first.completions.high:
            return texts("causes_first_alone", title=first.title)
        if not first.HasField("evidence"):
            return texts("causes_first_by_rule", title=first.title, value=formats.count(first.completions.high))
        return texts("causes_first", title=first.title, **gain)
    return texts("causes_too_little" if found.unsure_stages else "causes_nothing")


def change_shown(found: FunnelRecommendation, chosen: Filter, texts: Texts, formats: Formats) -> ChangeShown:
    """A change with the chart of its evidence."""
    stage = texts.or_word(f"stage_{found.to_stage}", found.to_stage)
    rise, most = formats.rise(found.improvement.value), formats.rise(found.improvement.high)
    if not found.HasField("evidence"):
        value = formats.count(found.completions.high)
        gain = texts("causes_gain_by_rule", value=value, rise=most)
        if not found.improvement.high:
            gain = texts("causes_gain_from_nothing", value=value)
        if not found.completions.high:
            gain = texts("causes_gain_alone")
        return ChangeShown(found, stage, (), None, gain)
    groups = groups_of(found.evidence, chosen, texts)
    spans = [
        Span(group.label, group.rate.mid, group.rate.low, group.rate.high, shape)
        for group, shape in zip(groups, ("dot", "square"), strict=True)
    ]
    chart = interval_chart(texts("causes_left", stage=stage), spans, formats)
    counts = formats.counts(found.completions)
    gain = texts("causes_gain", value=formats.count(found.completions.value), range=counts, rise=rise)
    return ChangeShown(found, stage, groups, chart, gain)


def groups_of(evidence: FunnelEvidence, chosen: Filter, texts: Texts) -> tuple[GroupShown, GroupShown]:
    """The affected, with links to their lists, and the others, each with its interval."""
    others = evidence.other_count
    left = round(evidence.rate_without * others)
    others_label = "causes_others_known" if evidence.unknown_count else "causes_others"
    return (
        GroupShown(
            texts("causes_affected"),
            evidence.left_count,
            evidence.affected_count,
            wilson(evidence.left_count, evidence.affected_count),
            sessions_address(chosen, evidence, "affected"),
            sessions_address(chosen, evidence, "left"),
        ),
        GroupShown(
            texts(others_label),
            left,
            others,
            wilson(left, others),
        ),
    )


def _together(gain: FunnelGain, texts: Texts, formats: Formats) -> Chart:
    spans = [
        Span(texts("causes_today"), gain.rate.value, gain.rate.low, gain.rate.high),
        Span(texts("causes_then"), gain.expected_rate.value, gain.expected_rate.low, gain.expected_rate.high, "square"),
    ]
    return interval_chart(texts("causes_together"), spans, formats)
