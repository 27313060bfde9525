"""The weekly report as HTML for mail clients and phones, without script, pictures or anything from elsewhere."""

from __future__ import annotations

from functools import cache
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from server.reports.weekly import WeeklyReport
from server.reports.wording import Wording

MOST_RECOMMENDATIONS: Final = 3
MARKS: Final = {
    "HIGH": "background:#fbe3c4;color:#5c3700",
    "CRITICAL": "background:#f6cfcf;color:#6b0f0f",
    "NORMAL": "background:#eceff2;color:#323d49",
    "": "background:#eceff2;color:#323d49",
}


def page(report: WeeklyReport, *, test: bool = False) -> str:
    """The page."""
    wording = Wording(report)
    made = _template().render(
        report=report,
        w=wording,
        f=wording.funnel,
        t=wording.texts,
        test=test,
        subject=wording.subject(test=test),
        preview=f"{wording.sessions()} {wording.changed()}",
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
    environment.filters["breakable"] = lambda text: str(text).replace("_", "_\u200b")
    return environment.get_template("page.html.j2")
