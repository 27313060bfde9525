"""Groups of sessions and times, as the page of the funnel shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from vestibule.v1 import funnel_pb2
from vestibule.v1.funnel_pb2 import (
    FunnelPeriod,
    FunnelQuantiles,
    FunnelSegment,
    FunnelSegmentKey,
    FunnelStage,
    GetReportResponse,
)

from server.analytics.funnel_ranges import bounds_of
from server.console.charts import Chart, LineChart, Span, interval_chart, line_chart, round_top
from server.console.filters import Filter
from server.languages.formats import Formats
from server.languages.texts import Texts

LONGEST_LABEL: Final = 40
"""Letters of a label in a chart; the table has all of them."""
_QUANTILES: Final = ("p25", "p50", "p75", "p90")
KINDS: Final = {
    "value": funnel_pb2.FUNNEL_SEGMENT_KIND_VALUE,
    "other": funnel_pb2.FUNNEL_SEGMENT_KIND_OTHER,
    "none": funnel_pb2.FUNNEL_SEGMENT_KIND_NONE,
}


@dataclass(frozen=True, slots=True)
class Cell:
    """A number in a table.

    Attributes:
        link: The list of the sessions behind it; empty for none.
        below: What stands below it in small letters.
    """

    text: str
    link: str = ""
    below: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table beside charts."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page: charts, and a table that says the same."""

    title: str
    intervals: Chart | None
    lines: tuple[LineChart, ...]
    table: Table


class Groups:
    """Makes the parts of the page from a report.

    Args:
        chosen: What the address asks for.
        labels: The stages in the language of the page.
    """

    def __init__(self, chosen: Filter, labels: Sequence[str], texts: Texts) -> None:
        self._chosen = chosen
        self._labels = labels
        self._texts = texts
        self._formats = Formats(texts.language)

    def sections(self, report: GetReportResponse) -> list[Section]:
        """The parts; none where the report has neither groups nor times."""
        found = []
        if self._chosen["times"]:
            found.append(self._times(report.stages))
        if report.segments:
            found.append(self._by_group(report.segments))
        if report.segments and self._chosen["time"]:
            found.append(self._by_group_and_time(report.segments, report.periods))
        elif report.periods:
            found.append(self._by_time(report.periods))
        return found

    def label(self, key: FunnelSegmentKey) -> str:
        """The name of a group."""
        if key.kind == funnel_pb2.FUNNEL_SEGMENT_KIND_OTHER:
            return self._texts("group_other")
        if key.kind == funnel_pb2.FUNNEL_SEGMENT_KIND_NONE or not key.value:
            return self._texts("group_none")
        if self._chosen["by"] == "event":
            return self._texts.or_word({"true": "yes", "false": "no"}.get(key.value, ""), key.value)
        bounds = bounds_of(key.value) if self._chosen["by"] == "property" else None
        return self._texts("group_range", least=bounds[0], greatest=bounds[1]) if bounds else key.value

    def _by_group(self, segments: Sequence[FunnelSegment]) -> Section:
        title = self._texts("groups_title", stage=self._labels[-1])
        spans = [
            span
            for segment in segments
            if (span := _conversion(segment.stages[-1], _short(self.label(segment.key)))) is not None
        ]
        heads = (self._texts(f"by_{self._chosen['by']}"), self._texts("groups_rate"), *self._labels)
        rows = tuple(
            (
                self.label(segment.key),
                (self._rate(segment.stages), *self._counts(segment.stages, **_address(segment.key))),
            )
            for segment in segments
        )
        chart = interval_chart(title, spans, self._formats) if spans else None
        return Section(title, chart, (), Table(title, heads, rows))

    def _by_time(self, periods: Sequence[FunnelPeriod]) -> Section:
        times = [_day(period) for period in periods]
        steps = [step for step in range(1, len(self._labels)) if not periods[0].stages[step].optional]
        shares = [[_drop_off(period.stages[step]) for period in periods] for step in steps]
        top = round_top([span.high for line in shares for span in line if span])
        lines = tuple(
            line_chart(self._texts("before", stage=self._labels[step]), times, line, self._formats, top)
            for step, line in zip(steps, shares, strict=True)
        )
        rows = tuple(
            (time, (self._rate(period.stages), *self._counts(period.stages, period=time)))
            for time, period in zip(times, periods, strict=True)
        )
        title = self._texts("times_title")
        heads = (self._time_head(), self._texts("groups_rate"), *self._labels)
        return Section(title, None, lines, Table(title, heads, rows))

    def _by_group_and_time(self, segments: Sequence[FunnelSegment], periods: Sequence[FunnelPeriod]) -> Section:
        times = [_day(period) for period in periods]
        shares: list[list[Span | None]] = []
        for segment in segments:
            known = {_day(period): _conversion(period.stages[-1], "") for period in segment.periods}
            shares.append([known.get(time) for time in times])
        top = round_top([span.high for line in shares for span in line if span])
        labels = [self.label(segment.key) for segment in segments]
        lines = tuple(
            line_chart(_short(label), times, line, self._formats, top)
            for label, line in zip(labels, shares, strict=True)
        )
        rows = tuple((time, tuple(self._share(line[number]) for line in shares)) for number, time in enumerate(times))
        title = self._texts("groups_by_time", stage=self._labels[-1])
        return Section(title, None, lines, Table(title, (self._time_head(), *labels), rows))

    def _time_head(self) -> str:
        return self._texts("time_head", time=self._texts(f"time_{self._chosen['time']}"))

    def _times(self, stages: Sequence[FunnelStage]) -> Section:
        """How long the steps took, each from the required one before it."""
        required = [next(n for n in range(at, -1, -1) if not stages[n].optional) for at in range(len(stages))]
        title = self._texts("quantiles_title")
        heads = (self._texts("quantiles_step"), *(self._texts(f"quantile_{name}") for name in _QUANTILES))
        rows = tuple(
            (
                self._texts("quantiles_from", one=self._labels[required[number]], other=label),
                tuple(self._time(stages[number + 1].times, name) for name in _QUANTILES),
            )
            for number, label in enumerate(self._labels[1:])
        )
        whole = (
            self._texts("quantiles_from", one=self._labels[0], other=self._labels[-1]),
            tuple(self._time(stages[-1].times_from_first, name) for name in _QUANTILES),
        )
        return Section(title, None, (), Table(title, heads, (*rows, whole)))

    def _time(self, times: FunnelQuantiles, name: str) -> Cell:
        if not times.HasField(name):  # type: ignore[arg-type]
            return Cell("")
        return Cell(self._formats.length(getattr(times, name).ToTimedelta().total_seconds()))

    def _counts(self, stages: Sequence[FunnelStage], **group: str) -> list[Cell]:
        cells = []
        for position, stage in enumerate(stages, start=1):
            link = self._chosen.link("/funnel/sessions", step=position, number="reached", **group)
            cells.append(Cell(self._formats.count(stage.session_count), link if stage.session_count else ""))
        return cells

    def _rate(self, stages: Sequence[FunnelStage]) -> Cell:
        return self._share(_conversion(stages[-1], ""))

    def _share(self, span: Span | None) -> Cell:
        return Cell(self._formats.percent(span.mid), below=self._formats.percents(span)) if span else Cell("")


def segment_of(text: str, value: str) -> FunnelSegmentKey | None:
    """The group that an address names; None for none."""
    return FunnelSegmentKey(kind=KINDS[text], value=value) if text in KINDS else None


def _address(key: FunnelSegmentKey) -> dict[str, str]:
    kind = next(name for name, number in KINDS.items() if number == key.kind)
    return {"group": kind, "value": key.value} if key.value else {"group": kind}


def _day(period: FunnelPeriod) -> str:
    return f"{period.start_time.ToDatetime():%Y-%m-%d}"


def _conversion(stage: FunnelStage, label: str) -> Span | None:
    if not stage.HasField("conversion_rate"):
        return None
    rate = stage.conversion_rate
    return Span(label, rate.value, rate.low, rate.high)


def _drop_off(stage: FunnelStage) -> Span | None:
    if not stage.HasField("drop_off") or not stage.counted_count:
        return None
    rate = stage.drop_off
    return Span("", rate.value, rate.low, rate.high)


def _short(label: str) -> str:
    return label if len(label) <= LONGEST_LABEL else f"{label[: LONGEST_LABEL - 1]}\N{HORIZONTAL ELLIPSIS}"
