"""Numbers and sentences of a report, the same on the terminal and on the page."""

from __future__ import annotations

from server.funnel.drop_offs import DropOff
from server.funnel.recommendations import Recommendation
from server.funnel.report import FunnelReport
from server.funnel.types import Interval
from server.times import shown_time

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
    text = (
        f"Most people leave on the way into {count.to_stage}: {percent(worst.rate.mid)} "
        f"({percent_range(worst.rate)}), {number(count.dropped)} of {number(count.counted)} sessions."
    )
    if any(found.evidence and found.to_stage == count.to_stage for found in report.recommendations):
        return text
    if not worst.categories:
        return text
    first, *others = worst.categories
    points = f"{first} first, then {' and '.join(others)}" if others else first
    return f"{text} By rule, a drop-off there points to {points}."


def first_change(report: FunnelReport) -> str:
    """What to change first and why, in a few sentences; empty without a recommendation."""
    first = report.first
    if first is None:
        return ""
    doubt = " This is a correlation: only an experiment shows whether the change helps." if first.evidence else ""
    return f"Change first: {first.title}. {why(first)} {worth(first)}{doubt}"


def why(found: Recommendation) -> str:
    """The evidence of a recommendation in a sentence or two."""
    seen = found.evidence
    if seen is None:
        return f"By rule: nothing in the data explains why people leave on the way into {found.to_stage}."
    text = (
        f"On the way into {found.to_stage}, {percent(seen.rate_with)} of the {number(seen.affected)} sessions where "
        f"{seen.condition} left, and {percent(seen.rate_without)} of the others. Among sessions that are alike in all "
        f"else that is known, the odds of leaving are {seen.odds.mid:.1f} times as high ({seen.odds.low:.1f} to "
        f"{seen.odds.high:.1f})."
    )
    if seen.correlated:
        text += f" Often seen together with it, so that either may be what matters: {', '.join(seen.correlated)}."
    return text


def worth(found: Recommendation) -> str:
    """What a recommendation should bring, in a sentence."""
    gain, rise = found.completions, found.improvement
    if found.evidence is None:
        return f"At most {number(gain.high)} more completions (+{percent(rise.high)}), if it is then severe no more."
    return (
        f"If they left no more often than the others: {number(gain.mid)} more completions ({number(gain.low)} to "
        f"{number(gain.high)}), +{percent(rise.mid)}."
    )


def marks(found: Recommendation) -> str:
    """Category, effort, and whether it is a quick win or has a high impact."""
    words = [found.category, f"{found.effort} effort"]
    words += ["quick win"] * found.quick_win + ["high impact"] * found.high_impact
    return ", ".join(words)


def together(report: FunnelReport) -> str:
    """What all changes together should bring, in a sentence; empty without a recommendation."""
    found = report.roi
    if found is None:
        return ""
    return (
        f"Together: {percent(found.rate.mid)} of sessions complete today ({percent_range(found.rate)}), "
        f"{percent(found.rate_then.mid)} may ({percent_range(found.rate_then)}): {number(found.completions.mid)} more "
        f"({number(found.completions.low)} to {number(found.completions.high)}), +{percent(found.improvement.mid)}."
    )


def caution(report: FunnelReport) -> str:
    """What the report cannot say."""
    text = ""
    if report.compared:
        text = (
            f"{number(report.compared)} conditions on {number(report.searched)} sessions were compared. What is named "
            "goes with leaving, which is a correlation; only an experiment shows that a change helps."
        )
    if report.unsure_steps:
        stages = " and ".join(report.steps[step] for step in report.unsure_steps)
        text += f" There is too little data on the way into {stages}: a strong cause may go unseen there."
    if report.left_out:
        text += f" Left out, because they follow from how far a session came: {', '.join(report.left_out)}."
    return text.strip()


def basis(report: FunnelReport) -> str:
    """What the report rests on, in a sentence or two."""
    until = f", watched until {shown_time(report.observed_until)}" if report.observed_until else ""
    text = f"{number(report.sessions)} sessions{until}."
    waiting = sum(found.count.waiting for found in report.drop_offs)
    if waiting:
        text += " Those that wait are under way, or so new that nobody knows yet who left: they do not count as lost."
    return text
