"""What charts are drawn from. Templates draw them as SVG that is as wide as the page; a table beside says the same."""

from __future__ import annotations

from collections.abc import Sequence
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
    """A row of a chart; places are percent of its width."""

    label: str
    text: str
    y: int
    mid: float
    low: float
    high: float
    shape: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Intervals below each other on one axis.

    Attributes:
        height: In pixels.
        ticks: Place in percent of the width, and text.
        text: The chart in words, for a screen reader.
    """

    rows: tuple[RowShown, ...]
    height: int
    ticks: tuple[tuple[float, str], ...]
    text: str


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

    rows = tuple(
        RowShown(
            label=span.label,
            text=f"{formats.percent(span.mid)} ({formats.percents(span)})",
            y=ROW * number + 34,
            mid=place(span.mid),
            low=place(span.low),
            high=place(span.high),
            shape=span.shape,
        )
        for number, span in enumerate(spans)
    )
    ticks = tuple((100 * part, formats.percent(top * part).replace(",0", "").replace(".0", "")) for part in (0, 0.5, 1))
    text = f"{title}. " + " ".join(f"{row.label}: {row.text}." for row in rows)
    return Chart(rows, ROW * len(rows) + 30, ticks, text)


def round_top(values: Sequence[float]) -> float:
    """The end of an axis: the largest of the values, rounded up to a tenth; 1 at most."""
    largest = max((value for value in values if isfinite(value)), default=1.0)
    return min(1.0, max(0.1, ceil(round(largest * 10, 6)) / 10))
