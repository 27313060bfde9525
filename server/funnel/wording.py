"""Numbers and sentences of a report in each language, the same on the terminal and on the page.

The texts are in ``messages``; what they say of causes comes from ``texts.yaml``.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Final

from server.funnel.drop_offs import DropOff
from server.funnel.recommendations import Recommendation
from server.funnel.report import FunnelReport
from server.funnel.span import MOST_ASKED
from server.funnel.trend import Share, StepTrend
from server.funnel.types import Interval
from server.languages.formats import Count, Formats
from server.languages.texts import LANGUAGES, Texts, texts_of_package
from server.times import shown_time

MOST_VERSIONS: Final = 4
"""Versions of an app that are named; the rest is counted."""


class Wording:
    """What a report says, in one language.

    Attributes:
        texts: The sentences.
    """

    def __init__(self, texts: Texts) -> None:
        self.texts = texts
        self._formats = Formats(texts.language)

    def percent(self, share: float) -> str:
        """A share, 0 to 1, in percent: whole ones, and one digit below ten."""
        return self._percent(share, fine=_is_fine(share))

    def percent_range(self, interval: Interval) -> str:
        """The bounds of an interval of shares, neither of them with fewer digits than the estimate."""
        fine = _is_fine(interval.mid)
        low, high = (self._percent(bound, fine=fine or _is_fine(bound)) for bound in (interval.low, interval.high))
        return self.texts("to", low=low.removesuffix(" %"), high=high)

    def _percent(self, share: float, *, fine: bool) -> str:
        """With one digit if it is fine, unless that is a zero."""
        value = round(100 * share, 1)
        return f"{self._formats.decimal(100 * share, 1 if fine and value != round(value) else 0)} %"

    def number(self, value: float) -> Count:
        """A count."""
        return self._formats.count(value)

    def numbers(self, interval: Interval) -> str:
        """The bounds of an interval of counts."""
        return self.texts("to", low=self.number(interval.low), high=self.number(interval.high))

    def length(self, seconds: float) -> str:
        """A length of time."""
        return self._formats.length(seconds)

    def decimal(self, value: float, digits: int = 1) -> str:
        """A number with a fraction."""
        return self._formats.decimal(value, digits)

    def stage(self, name: str) -> str:
        """What a stage is called; a step that is no stage has its own name."""
        return self.texts.or_word(f"stage_{name}", name)

    def severity(self, found: DropOff) -> str:
        """The severity, or that there is too little data."""
        return self.texts(f"severity_{found.severity}")

    def headline(self, report: FunnelReport) -> str:
        """What matters most, in a sentence or two."""
        worst = report.worst
        if report.sessions and worst is None and report.unknown:
            return self.notes(report)[0]
        if not report.sessions or worst is None:
            return self.texts(_nothing_said(report))
        count = worst.count
        text = self.texts(
            "most_leave",
            stage=self.stage(count.to_stage),
            rate=self.percent(worst.rate.mid),
            range=self.percent_range(worst.rate),
            dropped=self.number(count.dropped),
            counted=self.number(count.counted),
        )
        # Where the data shows a cause anywhere, a rule of thumb beside it is a second, other advice.
        if not worst.categories or any(found.evidence for found in report.recommendations):
            return text
        first, *others = (self.texts(f"category_{name}") for name in worst.categories)
        if not others:
            return f"{text} {self.texts('by_rule_points', first=first)}"
        return f"{text} {self.texts('by_rule_points_then', first=first, others=self.texts.listed(others))}"

    def notes(self, report: FunnelReport) -> list[str]:
        """A sentence for each name in the request that nothing has."""
        told = [(self.texts(f"unknown_{found.kind}", name=found.name), found.suggestion) for found in report.unknown]
        return [f"{text} {self.texts('unknown_like', name=like)}" if like else text for text, like in told]

    def first_change(self, report: FunnelReport) -> str:
        """What to change first and why, in a few sentences; empty without a recommendation."""
        return f"{self.first_title(report)} {self.first_reasons(report)}".strip()

    def first_title(self, report: FunnelReport) -> str:
        """What to change first; empty without a recommendation."""
        return self.texts("change_first", title=report.first.title) if report.first else ""

    def first_reasons(self, report: FunnelReport) -> str:
        """Why that, in a few sentences; empty without a recommendation."""
        first = report.first
        if first is None:
            return ""
        said = [self.why(first), self.worth(first)]
        return " ".join([*said, self.texts("correlation")] if first.evidence else said)

    def why(self, found: Recommendation) -> str:
        """The evidence of a recommendation in a sentence or two."""
        seen, stage = found.evidence, self.stage(found.to_stage)
        if seen is None:
            return self.texts("why_by_rule", stage=stage)
        values = {
            "with": self.percent(seen.rate_with),
            "without": self.percent(seen.rate_without),
            "affected": self.number(seen.affected),
            "odds": self.decimal(seen.odds.mid),
            "low": self.decimal(seen.odds.low),
            "high": self.decimal(seen.odds.high),
            "others": self.texts("others_known" if seen.unknown else "others"),
        }
        text = self.texts("why", stage=stage, condition=seen.condition, **values)
        if not seen.correlated:
            return text
        return f"{text} {self.texts('correlated', features=self.texts.listed(seen.correlated))}"

    def worth(self, found: Recommendation) -> str:
        """What a recommendation should bring, in a sentence."""
        gain, rise = found.completions, found.improvement
        if found.evidence is None and not gain.high:
            return self.texts("worth_nothing_alone")
        if found.evidence is None and not rise.high:
            return self.texts("worth_from_nothing", value=self.number(gain.high))
        if found.evidence is None:
            return self.texts("worth_by_rule", value=self.number(gain.high), rise=self.percent(rise.high))
        bounds = {"low": self.number(gain.low), "high": self.number(gain.high)}
        return self.texts("worth", value=self.number(gain.mid), rise=self.percent(rise.mid), **bounds)

    def marks(self, found: Recommendation) -> str:
        """Category, effort, and whether it is a quick win or has a high impact."""
        keys = [f"category_{found.category}", f"effort_{found.effort}"]
        keys += ["quick_win"] * found.quick_win + ["high_impact"] * found.high_impact
        return ", ".join(map(self.texts, keys))

    def together(self, report: FunnelReport) -> str:
        """What all changes together should bring, in a sentence; empty without a recommendation."""
        found = report.roi
        if found is None:
            return ""
        rise = {"rise": self.percent(found.improvement.mid)} if found.rate.mid else {}
        return self.texts(
            "together" if rise else "together_from_nothing",
            rate=self.percent(found.rate.mid),
            range=self.percent_range(found.rate),
            then=self.percent(found.rate_then.mid),
            then_range=self.percent_range(found.rate_then),
            value=self.number(found.completions.mid),
            low=self.number(found.completions.low),
            high=self.number(found.completions.high),
            **rise,
        )

    def caution(self, report: FunnelReport) -> str:
        """What the report cannot say."""
        return " ".join(self._cautions(report))

    def _cautions(self, report: FunnelReport) -> Iterator[str]:
        if report.compared:
            counts = {"compared": self.number(report.compared), "searched": self.number(report.searched)}
            yield self.texts("compared", **counts)
        if report.unsure_steps:
            stages = [self.stage(report.steps[step]) for step in report.unsure_steps]
            yield self.texts("unsure", stages=self.texts.listed(stages))
        for count in (drop_off.count for drop_off in report.drop_offs):
            if count.step in report.unsure_steps and count.waiting > count.counted:
                counts = {"waiting": self.number(count.waiting), "entered": self.number(count.entered)}
                name = "unsure_waiting" if count.counted else "unsure_all_wait"
                yield self.texts(name, stage=self.stage(count.to_stage), **counts)
        if report.left_out:
            yield self.texts("left_out", features=", ".join(report.left_out))

    def basis(self, report: FunnelReport) -> str:
        """What the report rests on: from when to when, how many sessions, which versions of apps."""
        return " ".join(self._basis(report))

    def _basis(self, report: FunnelReport) -> Iterator[str]:
        span = report.span
        if span.first and span.last:
            yield self.texts("span", first=f"{span.first:%Y-%m-%d}", last=f"{span.last:%Y-%m-%d}")
        sessions = self.number(report.sessions)
        if report.observed_until:
            yield self.texts("basis", sessions=sessions, time=shown_time(report.observed_until))
        else:
            yield self.texts("basis_plain", sessions=sessions)
        if report.sessions:
            yield self.versions(report)
        if any(found.count.waiting for found in report.drop_offs):
            yield self.texts("waiting")

    def versions(self, report: FunnelReport) -> str:
        """Which versions of apps the sessions had, those of the most sessions first."""
        known = sum(version.sessions for version in report.span.versions)
        if not known:
            return self.texts("versions_unknown")
        first, rest = report.span.versions[:MOST_VERSIONS], report.span.versions[MOST_VERSIONS:]
        told = [self._version("version", version.sessions / known, value=version.value) for version in first]
        if rest:
            share = sum(version.sessions for version in rest) / known
            told.append(self._version("versions_more", share, number=self.number(len(rest))))
        partly = known < min(report.sessions, MOST_ASKED)
        return self.texts("versions_known" if partly else "versions", versions=", ".join(told))

    def rate(self, share: Share) -> str:
        """A share of the trend; a dash where nothing is known."""
        return "-" if share.rate is None else self.percent(share.rate)

    def line(self, step: StepTrend) -> str:
        """The line of a step in words."""
        rates = ", ".join(self.rate(share) for share in step.shares)
        return self.texts("trend_from", stage=self.texts("before_stage", stage=self.stage(step.to_stage)), rates=rates)

    def _version(self, key: str, share: float, **values: object) -> str:
        return self.texts(key, share=self.percent(share), **values)


def _is_fine(share: float) -> bool:
    """Whether a share is so small that its percentage has a digit after the point."""
    return abs(round(100 * share, 1)) < 10


def _nothing_said(report: FunnelReport) -> str:
    """The text of a report that can say nothing of where people leave."""
    if not report.sessions:
        return "no_sessions"
    if not any(found.count.counted for found in report.drop_offs):
        return "all_under_way"
    return "too_little" if any(found.count.dropped for found in report.drop_offs) else "nobody_left"


@cache
def wording_in(language: str) -> Wording:
    """What a report says in a language of ``LANGUAGES``."""
    return Wording(texts_of_package("server.funnel", language))


def percent(share: float) -> str:
    """A share in English; see ``Wording.percent``."""
    return wording_in(LANGUAGES[0]).percent(share)


def percent_range(interval: Interval) -> str:
    """The bounds of an interval of shares in English."""
    return wording_in(LANGUAGES[0]).percent_range(interval)
