"""The report as one HTML file, without script, pictures or anything from elsewhere."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from server.funnel.report import FunnelReport
from server.funnel.trend import HEIGHT, WIDTH, trend
from server.funnel.wording import wording_in


def page(report: FunnelReport) -> str:
    """The page. It reads on a phone and in a mail client: numbers in tables, styles at their elements.

    A mail client that removes SVG shows the numbers of the lines in the table below them.
    """
    wording = wording_in(report.language)
    made = _template().render(
        report=report,
        trend=trend(report),
        line_width=WIDTH,
        line_height=HEIGHT,
        w=wording,
        t=wording.texts,
        name=wording.texts("title"),
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
