"""What the pages ask of Prometheus is there: every metric, every label, and in a form that promtool parses."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.unit.docs.pages import ROOT, page, pages
from tests.unit.monitoring.promql import known_metrics, unknown_names
from tests.unit.monitoring.test_prometheus import needs_promtool, promtool

_FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"`([^`\n]+)`")
_NAME = re.compile(r"(?<![\w/])(?:vestibule|ray_vestibule|ray_serve|ray_component)_[a-z]\w*(?<!_)\b")
_BY = re.compile(r"`([^`\n]+)`[^`;|]* by `(\w+)`")
"""A label that stands after its metric."""

DOCS = ROOT / "docs"
PAGES = [
    file
    for file in pages()
    if file.is_relative_to(DOCS)
    and not file.is_relative_to(DOCS / "reference")
    and _NAME.search(file.read_text(encoding="utf-8"))
]
SETTINGS = page("docs/reference/settings.md")


def queries(text: str) -> list[str]:
    """The PromQL of a page: code with the name of a metric, and the names in blocks of code.

    A setting in small letters is the name of a file with a secret.
    """
    found = _CODE.findall(_FENCE.sub("", text)) + _NAME.findall("\n".join(_FENCE.findall(text)))
    return [code for code in found if any(f"`{name.upper()}`" not in SETTINGS for name in _NAME.findall(code))]


def wrong_names(text: str) -> dict[str, list[str]]:
    """What nothing exports, by query. A histogram may be named without its suffix, but not counted so."""
    known = known_metrics()
    asked = {query: unknown_names(query) for query in queries(text) if f"{query}_bucket" not in known}
    for code, label in _BY.findall(text):
        if _NAME.search(code):
            asked[f"{code} by {label}"] = unknown_names(f"sum by ({label}) ({code})")
    return {query: wrong for query, wrong in asked.items() if wrong}


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.stem)
def test_every_metric_and_label_of_a_page_exists(file: Path) -> None:
    assert wrong_names(file.read_text(encoding="utf-8")) == {}


def test_what_is_wrong_on_a_page_is_found() -> None:
    text = """`vestibule_jobs` and `rate(vestibule_final_seconds[5m])`, `vestibule_jobs_total` by `colour`,
`vestibule_final_seconds`, `vestibule_metrics_token`, `vestibule_jobs_total{kind="x"}` by `outcome`
```sh
curl | grep vestibule_none | grep ray_vestibule_
```
"""
    assert wrong_names(text) == {
        "vestibule_jobs": ["vestibule_jobs"],
        "rate(vestibule_final_seconds[5m])": ["vestibule_final_seconds"],
        "vestibule_none": ["vestibule_none"],
        "vestibule_jobs_total by colour": ["by (colour)"],
    }


@needs_promtool
def test_promtool_can_parse_every_query_of_the_page_on_metrics(tmp_path: Path) -> None:
    asked = queries(page("docs/operating/metrics.md"))
    assert any("histogram_quantile(" in query for query in asked)
    made = [{"record": f"page:{number}", "expr": query} for number, query in enumerate(asked)]
    rule_file = tmp_path / "page.yml"
    rule_file.write_text(yaml.safe_dump({"groups": [{"name": "page", "rules": made}]}), encoding="utf-8")
    promtool("check", "rules", rule_file)
