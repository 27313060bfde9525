"""Sentences of the weekly report in each language, the same in HTML, in plain text and in the subject."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from zoneinfo import ZoneInfo

from server.funnel.features import feature_name
from server.funnel.recommendations import condition_text
from server.funnel.steps import FUNNEL
from server.funnel.types import Condition, Interval
from server.funnel.wording import wording_in
from server.languages.texts import texts_of_package
from server.reports.changes import COMPLETED, Change
from server.reports.explanations import Explanation
from server.reports.incidents import Incident
from server.reports.news import CauseChange, NewValue
from server.reports.weekly import WeeklyReport
from server.times import machine_minute

MINUS: Final = "\N{MINUS SIGN}"
MOST_REASONS: Final = 8
MOST_INCIDENTS: Final = 12
_KINDS: Final = ("breaker", "upload_refused", "stream_refused", "no_speech", "worker_ended", "dead_letter")


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


class Wording:
    """What a weekly report says, in the language of its texts.

    Attributes:
        texts: The sentences.
        funnel: What the funnel report says in the same language.
    """

    def __init__(self, report: WeeklyReport) -> None:
        self._report = report
        self.texts = texts_of_package("server.reports", report.texts.language)
        self.funnel = wording_in(report.texts.language)

    def points(self, share: float, digits: int = 1) -> str:
        """A difference of shares in percentage points, with its sign."""
        value = round(100 * share, digits)
        sign = MINUS if value < 0 else "+" if value > 0 else ""
        return f"{sign}{self.funnel.decimal(abs(value), digits)}"

    def bounds(self, interval: Interval) -> str:
        """The bounds of a difference of shares, without the unit."""
        return self.texts("to", low=self.points(interval.low), high=self.points(interval.high))

    def points_range(self, interval: Interval) -> str:
        """The bounds of a difference of shares."""
        return self.texts("points", value=self.bounds(interval))

    def figure(self, change: Change) -> str:
        """What a change is about."""
        if change.step == COMPLETED:
            return self.texts("figure_completed")
        return self.texts("figure_left", stage=self._stage(change.step))

    def subject(self, *, test: bool = False) -> str:
        """The main figure in a line."""
        said = self.texts("subject", week=self._report.week.name, main=self._main())
        return self.texts("subject_test", subject=said) if test else said

    def _main(self) -> str:
        report, change = self._report, self._report.main_change
        if not report.report.sessions:
            return self.texts("main_none")
        if report.completion is None:
            return self.texts("main_too_little", sessions=self.funnel.number(report.report.sessions))
        rate = self.funnel.percent(report.completion.mid)
        if change is None:
            return self.texts("main", rate=rate)
        if not change.clear:
            return self.texts("main_unclear", rate=rate)
        key = "main_up" if change.difference.mid > 0 else "main_down"
        return self.texts(key, rate=rate, points=self.funnel.decimal(abs(100 * change.difference.mid)))

    def period(self) -> str:
        """Which week it is about."""
        first = self._report.week.monday
        return self.texts("period", first=first, last=first + timedelta(days=6), zone=self._report.zone)

    def early(self) -> str:
        """Which figures it is too early to compare; empty if there are none."""
        told = [
            self.texts(
                "early_step",
                stage=self.funnel.stage(found.count.to_stage),
                share=self.funnel.percent(found.count.waiting / found.count.entered),
            )
            for found in self._report.early
        ]
        return self.texts("early", stages=self.texts.listed(told)) if told else ""

    def change_head(self, change: Change) -> str:
        """A change in a word or two."""
        if change.clear:
            return self.texts("points", value=self.points(change.difference.mid))
        no_change = self.texts("no_change")
        return no_change[0].upper() + no_change[1:]

    def change_cell(self, change: Change) -> str:
        """A change in a cell of a table of plain text."""
        middle = self.points(change.difference.mid) if change.clear else self.texts("not_clear")
        return f"{middle} ({self.bounds(change.difference)})"

    def change_sentence(self, change: Change) -> str:
        """A change, or that there is none that is more than chance."""
        points = self.texts("points", value=self.points(change.difference.mid))
        said = points if change.clear else self.texts("no_change")
        return f"{said} ({self.points_range(change.difference)})"

    def sessions(self) -> str:
        """How many sessions were opened in both weeks."""
        now, before = self._report.report.sessions, self.funnel.number(self._report.before.sessions)
        if not now:
            return self.texts("sessions_none", before=before)
        return self.texts("sessions", now=self.funnel.number(now), before=before)

    @property
    def something_changed(self) -> bool:
        """Whether any figure changed by more than chance."""
        return any(change.clear for change in self._report.changes)

    def changed(self) -> str:
        """How many figures changed by more than chance."""
        report = self._report
        if not report.changes:
            return "" if report.early else self.texts("too_little_to_compare")
        clear = [self.figure(change) for change in report.changes if change.clear]
        return self.texts("changed", figures=", ".join(clear)) if clear else self.texts("nothing_changed")

    def reasons(self) -> list[ReasonLine]:
        """Why leaving may have changed, what goes with most of it first."""
        return list(self._reasons())[:MOST_REASONS]

    def _reasons(self) -> Iterator[ReasonLine]:
        report = self._report
        found = sorted(report.explanations.found, key=lambda each: -abs(each.effect.mid))
        yield from map(self._explained, found)
        explained = {(each.step, feature_name(each.condition.feature)) for each in found}
        for cause in report.causes:
            if not all((cause.step, name) in explained for name in cause.evidence.features):
                yield self._cause(cause)
        told = {(feature_name(each.condition.feature), each.condition.value) for each in found}
        for value in report.new_values:
            if (feature_name(value.condition.feature), value.condition.value) not in told:
                yield self._value(value)

    def _explained(self, found: Explanation) -> ReasonLine:
        """A changed mix, or a group whose own rate changed."""
        head, detail = (self._mix if found.kind == "mix" else self._rate)(found)
        if found.correlated:
            labels = self.texts.listed([self._label(name) for name in found.correlated])
            detail += f" {self.texts('correlated', features=labels)}"
        return ReasonLine(head, detail, self.points(found.effect.mid), self.bounds(found.effect))

    def _mix(self, found: Explanation) -> tuple[str, str]:
        (old, new), percent = found.shares, self.funnel.percent
        way = "more" if new > old else "fewer"
        if not old or not new:
            way = "gone" if old else "new"
        detail = self.texts("mix_shares", new=percent(new), stage=self._stage(found.step), old=percent(old))
        own, others = (found.rates[1], found.other_rates[1]) if new else (found.rates[0], found.other_rates[0])
        if own is not None and others is not None:
            rates = {"own": percent(own), "others": percent(others)}
            detail += f" {self.texts('mix_rates', rest=self._rest(found.partly), **rates)}"
        return self.texts(f"mix_{way}", condition=self._condition(found.condition)), detail

    def _rate(self, found: Explanation) -> tuple[str, str]:
        rates = (*found.rates, *found.other_rates)
        old, new, other_old, other_new = (self.funnel.percent(rate or 0.0) for rate in rates)
        way = "more" if (found.rates[1] or 0.0) > (found.rates[0] or 0.0) else "less"
        detail = self.texts(
            "rate_detail",
            stage=self._stage(found.step),
            new=new,
            old=old,
            other_new=other_new,
            other_old=other_old,
            share=self.funnel.percent(found.shares[1]),
            rest=self._rest(found.partly),
        )
        return self.texts(f"rate_{way}", condition=self._condition(found.condition)), detail

    def _cause(self, change: CauseChange) -> ReasonLine:
        """A cause that only one of the weeks names."""
        seen, time = change.evidence, "now" if change.named_now else "before"
        unsure = "_unsure" if change.sureness == "unsure" else ""
        rates = {"with": self.funnel.percent(seen.rate_with), "without": self.funnel.percent(seen.rate_without)}
        affected, rest = self.funnel.number(seen.affected), self._rest(seen.unknown > 0)
        detail = self.texts(f"cause_{time}", stage=self._stage(change.step), affected=affected, rest=rest, **rates)
        head = self.texts(f"cause_{'new' if change.named_now else 'gone'}{unsure}", condition=seen.condition)
        return ReasonLine(head, f"{detail} {self.texts(f'sure_{time}_{change.sureness}')}")

    def _value(self, value: NewValue) -> ReasonLine:
        """A value that came or went."""
        way = "value_new" if value.new else "value_gone"
        head = self.texts(way, condition=self._condition(value.condition))
        sessions, share = self.funnel.number(value.sessions), self.funnel.percent(value.share)
        return ReasonLine(head, self.texts(f"{way}_detail", sessions=sessions, share=share))

    def incident_rows(self) -> list[tuple[str, str, str]]:
        """What happened, with this week's and last week's numbers."""
        new, old = ({(each.kind, each.subject): each for each in week} for week in self._report.incidents)
        keys = sorted({**new, **old}, key=lambda key: (_KINDS.index(key[0]), -max(_of(new, key), _of(old, key)), key))
        return [
            (self._incident_name(*key), self._told(new.get(key)), self._told(old.get(key)))
            for key in keys[:MOST_INCIDENTS]
        ]

    def _incident_name(self, kind: str, subject: str) -> str:
        return self.texts(f"incident_{kind}", subject=subject or self.texts("unknown"))

    def _told(self, incident: Incident | None) -> str:
        if incident is None:
            return "0"
        number = self.funnel.number(incident.number)
        if incident.kind != "breaker":
            return number
        return self.texts("times", number=number, length=self.funnel.length(incident.seconds))

    def method(self) -> str:
        """What the changes rest on, and what they cannot say."""
        if not self._report.changes:
            return ""
        return self.texts("method", groups=self.funnel.number(self._report.explanations.compared))

    def command(self) -> str:
        """How to see more of the same sessions. A day of the command line is one of UTC, so these are times."""
        bounds = self._report.week.bounds(ZoneInfo(self._report.zone))
        start, end = map(machine_minute, bounds)
        return f"vestibule funnel report --from {start} --to {end}"

    def _stage(self, step: int) -> str:
        return self.funnel.stage(FUNNEL[step])

    def _rest(self, partly: bool) -> str:
        """The other sessions; those of which a value is known, if that is not so of all."""
        return self.funnel.texts("others_known" if partly else "others")

    def _condition(self, condition: Condition) -> str:
        return condition_text(condition, self._report.texts)

    def _label(self, name: str) -> str:
        return self._report.texts.of_cause([name]).label or name.removeprefix("app.")


def _of(week: dict[tuple[str, str], Incident], key: tuple[str, str]) -> int:
    return week[key].number if key in week else 0
