"""What charts are drawn from. Templates draw them as SVG that is as wide as the page; a table beside says the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, isfinite
from typing import Final

from server.languages.formats import Formats

LINE_TOP: Final = 12
LINE_HEIGHT: Final = 96
"""Where the axis of a line begins, and how high it is, in pixels."""


@dataclass(frozen=True, slots=True)
class Span:
    """A share with its interval, in [0, 1].

    Attributes:
        label: What it is of.
        shape: Of its mark, ``dot`` or ``square``, so that colours are not needed.
        other: A second share to compare with, which gets a square; None for none.
    """

    label: str
    mid: float
    low: float
    high: float
    shape: str = "dot"
    other: float | None = None


@dataclass(frozen=True, slots=True)
class RowShown:
    """A row of a chart; places are percent of its width.

    Attributes:
        caps: Where the interval ends; a side without a bound has none.
    """

    label: str
    text: str
    mid: float
    low: float
    high: float
    caps: tuple[float, ...]
    shape: str
    other: float | None


@dataclass(frozen=True, slots=True)
class Chart:
    """Intervals below each other on one axis.

    Attributes:
        ticks: Place in percent of the width, and text.
        text: The chart in words, for a screen reader.
        zero: Place of a line for no change; None for none.
    """

    rows: tuple[RowShown, ...]
    ticks: tuple[tuple[float, str], ...]
    text: str
    zero: float | None = None


def interval_chart(title: str, spans: Sequence[Span], formats: Formats) -> Chart:
    """Shares with their intervals, on an axis from 0 to a round number.

    Args:
        title: What the chart shows.
        spans: Its rows.
        formats: Of the language.
    """
    top = round_top([value for span in spans for value in (span.high, span.other or 0.0)])

    def place(share: float) -> float:
        return round(100 * min(max(share / top, 0.0), 1.0), 2)

    texts = [f"{formats.percent(span.mid)} ({formats.percents(span)})" for span in spans]
    ticks = [(100 * part, f"{100 * top * part:.0f}\N{NO-BREAK SPACE}%") for part in (0.0, 0.5, 1.0)]
    return _chart(title, spans, texts, place, ticks)


def change_chart(title: str, spans: Sequence[Span], texts: Sequence[str], formats: Formats) -> Chart:
    """Changes of shares with their intervals, around a line for no change.

    Args:
        title: What the chart shows.
        spans: Its rows; a bound may be infinite.
        texts: Each row in words.
        formats: Of the language.
    """
    bounds = [abs(value) for span in spans for value in (span.low, span.mid, span.high) if isfinite(value)]
    limit = max(0.05, ceil(round(max(bounds, default=0.0) * 20, 6)) / 20)

    def place(change: float) -> float:
        return round(50 + 50 * min(max(change / limit, -1.0), 1.0), 2)

    ticks = [(0.0, formats.signed(-100 * limit, 0)), (50.0, "0"), (100.0, formats.signed(100 * limit, 0))]
    return _chart(title, spans, texts, place, ticks, zero=50.0)


def _chart(
    title: str,
    spans: Sequence[Span],
    texts: Sequence[str],
    place: Callable[[float], float],
    ticks: Sequence[tuple[float, str]],
    zero: float | None = None,
) -> Chart:
    rows = tuple(
        RowShown(
            label=span.label,
            text=text,
            mid=place(span.mid),
            low=place(span.low),
            high=place(span.high),
            caps=tuple(place(bound) for bound in (span.low, span.high) if isfinite(bound)),
            shape=span.shape,
            other=None if span.other is None else place(span.other),
        )
        for span, text in zip(spans, texts, strict=True)
    )
    words = f"{title}. " + " ".join(f"{row.label}: {row.text}." for row in rows)
    return Chart(rows, tuple(ticks), words, zero)


@dataclass(frozen=True, slots=True)
class PointShown:
    """A point of a line, at ``x`` percent of the width; heights are pixels from the top."""

    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class LineChart:
    """Shares over time.

    Attributes:
        points: Those that are known.
        pieces: Pairs of points that follow each other, to draw the line; it has a gap where a share is not known.
        top: Text at the upper end of the axis.
        begin: Text of the first place.
        end: Text of the last one.
    """

    title: str
    points: tuple[PointShown, ...]
    pieces: tuple[tuple[PointShown, PointShown], ...]
    top: str
    begin: str
    end: str
    text: str


def line_chart(
    title: str, places: Sequence[str], shares: Sequence[Span | None], formats: Formats, top: float
) -> LineChart:
    """Shares over time, with their intervals.

    Args:
        title: What the chart shows.
        places: The times, as texts.
        shares: One for each time; None where nothing is known.
        formats: Of the language.
        top: End of the axis, so that charts beside each other have the same one.
    """

    def height(share: float) -> float:
        return round(LINE_TOP + LINE_HEIGHT * (1 - min(max(share / top, 0.0), 1.0)), 1)

    def point(number: int, share: Span | None) -> PointShown | None:
        if share is None:
            return None
        x = round(100 * (number + 0.5) / len(shares), 2)
        return PointShown(x, height(share.mid), height(share.low), height(share.high))

    points = [point(number, share) for number, share in enumerate(shares)]
    pieces = tuple((one, other) for one, other in pairwise(points) if one and other)
    told = [f"{place}: {formats.percent(share.mid)}" for place, share in zip(places, shares, strict=True) if share]
    known = tuple(found for found in points if found)
    end = places[-1] if len(places) > 1 else ""
    top_text = f"{100 * top:.0f}\N{NO-BREAK SPACE}%"
    return LineChart(title, known, pieces, top_text, places[0] if places else "", end, f"{title}. {'; '.join(told)}.")


def round_top(values: Sequence[float]) -> float:
    """The end of an axis: the largest of the values, rounded up to a tenth; 1 at most."""
    largest = max((value for value in values if isfinite(value)), default=1.0)
    return min(1.0, max(0.1, ceil(round(largest * 10, 6)) / 10))
