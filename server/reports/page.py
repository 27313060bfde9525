"""The weekly report as HTML for mail clients and phones, without script, pictures or anything from elsewhere."""

from __future__ import annotations

from functools import cache
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from server.reports import wording
from server.reports.weekly import WeeklyReport

MOST_RECOMMENDATIONS: Final = 3
MARKS: Final = {
    "HIGH": "background:#fbe3c4;color:#5c3700",
    "CRITICAL": "background:#f6cfcf;color:#6b0f0f",
    "NORMAL": "background:#eceff2;color:#323d49",
    "": "background:#eceff2;color:#323d49",
}
_OF_THE_FUNNEL = ("percent", "percent_range", "number", "severity", "why")
_OWN = (
    *("points", "points_range", "period", "sessions_sentence", "changed_sentence", "early_sentence", "reasons"),
    *("bounds", "figure", "something_changed", "change_head", "incident_rows", "method", "command"),
)


def page(report: WeeklyReport, *, test: bool = False) -> str:
    """The page."""
    made = _template().render(
        report=report,
        test=test,
        subject=wording.subject(report, test=test),
        preview=f"{wording.sessions_sentence(report)} {wording.changed_sentence(report)}",
        marks=MARKS,
        most_recommendations=MOST_RECOMMENDATIONS,
    )
    return made.lstrip().replace(" %", "\u00a0%")  # no line begins with a percent sign


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader(__package__, ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {name: getattr(wording.SAY, name) for name in _OF_THE_FUNNEL}
    environment.filters |= {name: getattr(wording, name) for name in _OWN}
    environment.filters["breakable"] = lambda text: str(text).replace("_", "_\u200b")
    return environment.get_template("page.html.j2")
