"""The report as one HTML file, without script, pictures or anything from elsewhere."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from server.funnel import wording
from server.funnel.report import FunnelReport
from server.times import shown_length

_FILTERS = ("percent", "percent_range", "number", "severity_text", "why", "worth", "marks")
_SENTENCES = ("headline", "basis", "first_change", "together", "caution")


def page(report: FunnelReport, title: str = "Funnel report") -> str:
    """The page. It reads on a phone and in a mail client: numbers in tables, styles at their elements."""
    return _template().render(report=report, title=title)


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader(__package__, ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {name: getattr(wording, name) for name in _FILTERS}
    environment.filters["shown_length"] = shown_length
    environment.globals |= {name: getattr(wording, name) for name in _SENTENCES}
    return environment.get_template("page.html.j2")
