"""Sentences of the weekly report, the same in HTML, in plain text and in the subject."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from server.funnel.features import feature_name
from server.funnel.recommendations import condition_text
from server.funnel.steps import FUNNEL
from server.funnel.types import Condition, Interval
from server.funnel.wording import wording_in
from server.reports.changes import COMPLETED, Change
from server.reports.explanations import Explanation
from server.reports.incidents import Incident
from server.reports.news import CauseChange, NewValue
from server.reports.weekly import WeeklyReport
from server.times import shown_length

SAY = wording_in("en")
number, percent = SAY.number, SAY.percent

MINUS = "\u2212"
NO_CHANGE = "no clear change"


def points(share: float, digits: int = 1) -> str:
    """A difference of shares in percentage points, with its sign."""
    value = round(100 * share, digits)
    sign = MINUS if value < 0 else "+" if value > 0 else ""
    return f"{sign}{abs(value):.{digits}f}"


def points_range(interval: Interval) -> str:
    """The bounds of a difference of shares."""
    return f"{bounds(interval)} points"


def bounds(interval: Interval) -> str:
    """The same without the unit."""
    return f"{points(interval.low)} to {points(interval.high)}"


def figure(change: Change) -> str:
    """What a change is about."""
    return "Completed" if change.step == COMPLETED else f"Left before {FUNNEL[change.step]}"


def subject(report: WeeklyReport, *, test: bool = False) -> str:
    """The main figure in a line."""
    return ("[Test] " if test else "") + f"Vestibule {report.week.name}: {_main(report)}"


def _main(report: WeeklyReport) -> str:
    if not report.report.sessions:
        return "no sessions"
    rate = report.completion
    if rate is None:
        return f"{number(report.report.sessions)} sessions, too little data for a rate"
    change = report.main_change
    if change is None:
        return f"{percent(rate.mid)} completed"
    if not change.clear:
        return f"{percent(rate.mid)} completed, {NO_CHANGE}"
    way = "up" if change.difference.mid > 0 else "down"
    return f"{percent(rate.mid)} completed, {way} {abs(100 * change.difference.mid):.1f} points"


def period(report: WeeklyReport) -> str:
    """Which week it is about."""
    first, last = report.week.monday, report.week.monday + timedelta(days=6)
    return f"{first.day} {first:%B} to {last.day} {last:%B %Y} ({report.zone})"


def early_sentence(report: WeeklyReport) -> str:
    """Which figures it is too early to compare; empty if there are none."""
    if not report.early:
        return ""
    told = [
        f"{found.count.to_stage} ({percent(found.count.waiting / found.count.entered)} of the sessions wait)"
        for found in report.early
    ]
    return (
        f"Too early to compare what is left before {' and '.join(told)}, more than in the week before, and what is "
        "completed. A later day of the report (VESTIBULE_REPORTS__DAY) gives them time."
    )


def change_head(change: Change) -> str:
    """A change in a word or two."""
    return f"{points(change.difference.mid)} points" if change.clear else NO_CHANGE.capitalize()


def change_cell(change: Change) -> str:
    """A change in a cell of a table of plain text."""
    return f"{points(change.difference.mid) if change.clear else 'not clear'} ({bounds(change.difference)})"


def change_sentence(change: Change) -> str:
    """A change, or that there is none that is more than chance."""
    if not change.clear:
        return f"{NO_CHANGE} ({points_range(change.difference)})"
    return f"{points(change.difference.mid)} points ({points_range(change.difference)})"


def sessions_sentence(report: WeeklyReport) -> str:
    """How many sessions were opened in both weeks."""
    opened = number(report.report.sessions) if report.report.sessions else "No"
    return f"{opened} sessions were opened, {number(report.before.sessions)} in the week before."


def something_changed(report: WeeklyReport) -> bool:
    """Whether any figure changed by more than chance."""
    return any(change.clear for change in report.changes)


def changed_sentence(report: WeeklyReport) -> str:
    """How many figures changed by more than chance."""
    if not report.changes:
        return "" if report.early else "There is too little data in one of the two weeks to compare them."
    clear = [figure(change) for change in report.changes if change.clear]
    if not clear:
        return "Nothing changed by more than chance."
    return f"Changed by more than chance: {', '.join(clear)}."


MOST_REASONS: Final = 8


@dataclass(frozen=True, slots=True)
class ReasonLine:
    """One line of why leaving may have changed.

    Attributes:
        head: What is different.
        detail: The numbers, in a sentence or two.
        effect: What goes with it, in points of leaving; empty where that is not known.
        bounds: Of the effect.
    """

    head: str
    detail: str
    effect: str = ""
    bounds: str = ""

    @property
    def worse(self) -> bool:
        """Whether more people left with it."""
        return self.effect.startswith("+")


def reasons(report: WeeklyReport) -> list[ReasonLine]:
    """Why leaving may have changed, what goes with most of it first."""
    found = sorted(report.explanations.found, key=lambda each: -abs(each.effect.mid))
    told = {(each.condition.feature, each.condition.value) for each in found}
    values = [
        value_line(value, report)
        for value in report.new_values
        if (value.condition.feature, value.condition.value) not in told
    ]
    explained = {(each.step, feature_name(each.condition.feature)) for each in found}
    causes = [cause_line(each) for each in report.causes if not _explained(each, explained)]
    lines = [*(explained_line(each, report) for each in found), *causes, *values]
    return lines[:MOST_REASONS]


def _explained(change: CauseChange, explained: set[tuple[int, str]]) -> bool:
    return all((change.step, name) in explained for name in change.evidence.features)


def explained_line(found: Explanation, report: WeeklyReport) -> ReasonLine:
    """A changed mix, or a group whose own rate changed."""
    head, detail = (_mix if found.kind == "mix" else _rate)(found, report)
    if found.correlated:
        labels = ", ".join(_label(name, report) for name in found.correlated)
        detail += f" Often seen together with it, so that either may be what matters: {labels}."
    return ReasonLine(head, detail, points(found.effect.mid), bounds(found.effect))


def _mix(found: Explanation, report: WeeklyReport) -> tuple[str, str]:
    (old, new), condition = found.shares, _condition(found.condition, report)
    way = "More sessions" if new > old else "Fewer sessions"
    if not old or not new:
        way = "Gone: sessions" if old else "New: sessions"
    detail = f"{percent(new)} of the sessions before {FUNNEL[found.step]}, {percent(old)} in the week before."
    own, others = found.rates[1] if new else found.rates[0], found.other_rates[1] if new else found.other_rates[0]
    if own is not None and others is not None:
        detail += f" {percent(own)} of them left, {percent(others)} of the others."
    return f"{way} where {condition}", detail


def _rate(found: Explanation, report: WeeklyReport) -> tuple[str, str]:
    old, new, other_old, other_new = (percent(rate or 0.0) for rate in (*found.rates, *found.other_rates))
    way = "more" if (found.rates[1] or 0.0) > (found.rates[0] or 0.0) else "less"
    return (
        f"Leaving {way} often where {_condition(found.condition, report)}",
        f"Before {FUNNEL[found.step]}, {new} of them left, {old} in the week before; of all others {other_new} and "
        f"{other_old}. They are {percent(found.shares[1])} of the sessions.",
    )


def cause_line(change: CauseChange) -> ReasonLine:
    """A cause that only one of the weeks names."""
    seen = change.evidence
    with_it, without = percent(seen.rate_with), percent(seen.rate_without)
    rates = f"{with_it} left of {number(seen.affected)} sessions with it, {without} of the others"
    if change.named_now:
        sure = _SURE_NOW[change.sureness]
        head = f"{'Only named' if change.sureness == 'unsure' else 'New'} this week: {seen.condition} goes with leaving"
        return ReasonLine(head, f"Before {FUNNEL[change.step]}, {rates}.{sure}")
    sure = _SURE_BEFORE[change.sureness]
    head = f"{'No longer named' if change.sureness == 'unsure' else 'Gone'}: {seen.condition} went with leaving"
    return ReasonLine(head, f"Before {FUNNEL[change.step]}, in the week before, {rates}.{sure}")


_SURE_NOW: Final = {
    "clear": " In the week before they hardly differed.",
    "absent": " There were no such sessions in the week before.",
    "unsure": " It may have been there in the week before, too: the difference may be chance.",
}
_SURE_BEFORE: Final = {
    "clear": " Now they hardly differ.",
    "absent": " There are no such sessions any more.",
    "unsure": " It may still be there: the difference may be chance.",
}


def value_line(value: NewValue, report: WeeklyReport) -> ReasonLine:
    """A value that came or went."""
    condition = _condition(value.condition, report)
    of = f"{number(value.sessions)} sessions, {percent(value.share)}"
    if value.new:
        return ReasonLine(f"New this week: {condition}", f"{of}. Nothing shows that it changed how many left.")
    return ReasonLine(f"Gone this week: {condition}", f"In the week before: {of}.")


def incident_rows(report: WeeklyReport, most: int = 12) -> list[tuple[str, str, str]]:
    """What happened, with this week's and last week's numbers."""
    new, old = ({(each.kind, each.subject): each for each in week} for week in report.incidents)
    keys = sorted({**new, **old}, key=lambda key: (_KINDS.index(key[0]), -max(_of(new, key), _of(old, key)), key))
    return [(incident_name(*key), _told(new.get(key)), _told(old.get(key))) for key in keys[:most]]


_KINDS = ("breaker", "upload_refused", "stream_refused", "no_speech", "worker_ended", "dead_letter")
_NAMES = {
    "breaker": "Breaker {} open",
    "upload_refused": "Sessions with a refused upload: {}",
    "stream_refused": "Sessions with a refused stream: {}",
    "no_speech": "Sessions with speech that was not understood",
    "worker_ended": "Workers ended: {}",
    "dead_letter": "Dead letters: {}",
}


def incident_name(kind: str, subject: str) -> str:
    """What an incident is called."""
    return _NAMES[kind].format(subject or "unknown")


def _of(week: dict[tuple[str, str], Incident], key: tuple[str, str]) -> int:
    return week[key].number if key in week else 0


def _told(incident: Incident | None) -> str:
    if incident is None:
        return "0"
    if incident.kind == "breaker":
        times = "time" if incident.number == 1 else "times"
        return f"{number(incident.number)} {times}, {shown_length(incident.seconds)}"
    return number(incident.number)


def method(report: WeeklyReport) -> str:
    """What the changes rest on, and what they cannot say."""
    if not report.changes:
        return ""
    return (
        "A change is called one only if its interval leaves zero out; the intervals of all figures hold together in 95 "
        f"of 100 weeks. {number(report.explanations.compared)} groups were compared for why. What is named goes with "
        "leaving, which is a correlation: something else that came in the same week may be the reason. Only an "
        "experiment shows that a change helps."
    )


def command(report: WeeklyReport) -> str:
    """How to see more."""
    return f"vestibule funnel report --from {report.week.monday} --to {report.week.after.monday}"


def _condition(condition: Condition, report: WeeklyReport) -> str:
    return condition_text(condition, report.texts)


def _label(name: str, report: WeeklyReport) -> str:
    return report.texts.of_cause([name]).label or name.removeprefix("app.")
