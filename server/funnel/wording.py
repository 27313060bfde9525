"""Numbers and sentences of a report, the same on the terminal and on the page."""

from __future__ import annotations

from server.funnel.drop_offs import DropOff
from server.funnel.optimizer import FunnelReport
from server.funnel.types import Interval

TOO_LITTLE = "too little data"


def percent(share: float) -> str:
    """A share, 0 to 1, in percent: whole ones, and one digit below ten."""
    value = 100 * share
    digits = 1 if abs(round(value, 1)) < 10 and round(value, 1) != round(value) else 0
    return f"{value:.{digits}f} %"


def percent_range(interval: Interval) -> str:
    """The bounds of an interval of shares."""
    return f"{percent(interval.low).removesuffix(' %')} to {percent(interval.high)}"


def number(value: float) -> str:
    """A count, with commas between the thousands."""
    return f"{round(value):,}"


def time_text(seconds: float | None) -> str:
    """A time in its own unit; empty when there is none."""
    if seconds is None:
        return ""
    for size, unit in ((86_400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"


def severity_text(found: DropOff) -> str:
    """The severity in lower case, or that there is too little data."""
    return found.severity.lower() or TOO_LITTLE


def headline(report: FunnelReport) -> str:
    """What matters most, in a sentence or two."""
    if not report.sessions:
        return "There are no sessions."
    worst = report.worst
    if worst is None:
        if not any(found.count.counted for found in report.drop_offs):
            return "Every session is under way, or so new that nobody knows yet who left."
        lost = any(found.count.dropped for found in report.drop_offs)
        return "There is too little data to say where people leave." if lost else "Nobody is known to have left."
    count = worst.count
    first, *others = worst.categories
    points = f"{first} first, then {' and '.join(others)}" if others else first
    return (
        f"Most people leave on the way into {count.to_stage}: {percent(worst.rate.mid)} "
        f"({percent_range(worst.rate)}), {number(count.dropped)} of {number(count.counted)} sessions. "
        f"By rule, a drop-off there points to {points}."
    )


def basis(report: FunnelReport) -> str:
    """What the report rests on, in a sentence or two."""
    until = f", watched until {report.observed_until:%Y-%m-%d %H:%M} UTC" if report.observed_until else ""
    text = f"{number(report.sessions)} sessions{until}."
    waiting = sum(found.count.waiting for found in report.drop_offs)
    if waiting:
        text += " Those that wait are under way, or so new that nobody knows yet who left: they do not count as lost."
    return text
