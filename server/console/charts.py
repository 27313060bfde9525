"""What charts are drawn from. Templates draw them as SVG that is as wide as the page; a table beside says the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, isfinite
from typing import Final

from server.console.formats import Formats

ROW: Final = 44
"""Height of a row of a chart, in pixels."""


@dataclass(frozen=True, slots=True)
class Span:
    """A share with its interval, in [0, 1].

    Attributes:
        label: What it is of.
        shape: Of its mark, ``dot`` or ``square``, so that colours are not needed.
    """

    label: str
    mid: float
    low: float
    high: float
    shape: str = "dot"


@dataclass(frozen=True, slots=True)
class RowShown:
    """A row of a chart; places are percent of its width.

    Attributes:
        caps: Where the interval ends; a side without a bound has none.
    """

    label: str
    text: str
    y: int
    mid: float
    low: float
    high: float
    caps: tuple[float, ...]
    shape: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Intervals below each other on one axis.

    Attributes:
        height: In pixels.
        ticks: Place in percent of the width, and text.
        text: The chart in words, for a screen reader.
        zero: Place of a line for no change; None for none.
    """

    rows: tuple[RowShown, ...]
    height: int
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
    top = round_top([span.high for span in spans])

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
            y=ROW * number + 34,
            mid=place(span.mid),
            low=place(span.low),
            high=place(span.high),
            caps=tuple(place(bound) for bound in (span.low, span.high) if isfinite(bound)),
            shape=span.shape,
        )
        for number, (span, text) in enumerate(zip(spans, texts, strict=True))
    )
    words = f"{title}. " + " ".join(f"{row.label}: {row.text}." for row in rows)
    return Chart(rows, ROW * len(rows) + 30, tuple(ticks), words, zero)


def round_top(values: Sequence[float]) -> float:
    """The end of an axis: the largest of the values, rounded up to a tenth; 1 at most."""
    largest = max((value for value in values if isfinite(value)), default=1.0)
    return min(1.0, max(0.1, ceil(round(largest * 10, 6)) / 10))
