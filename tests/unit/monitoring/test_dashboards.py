"""The dashboards show what there is, and Grafana can load them."""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from tests.unit.monitoring.promql import DEPLOY, known_metrics, parse, unknown_names

FILES = sorted((DEPLOY / "grafana").glob("*.json"))
LEAST_SCHEMA = 36
"""The first in which a data source is named by type and uid."""
WIDTH = 24

dashboards = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


def read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def charts(file: Path) -> list[dict[str, Any]]:
    """All panels with data."""
    return [panel for panel in read(file)["panels"] if panel["type"] != "row"]


def expressions(file: Path) -> list[str]:
    return [target["expr"] for panel in charts(file) for target in panel["targets"]]


def labels_of_result(text: str) -> set[str]:
    """Those by which it groups; none if a sum of all is around the groups."""
    return set() if re.match(r"(sum|max|min|count)\(", text) else set(parse(text).grouped - {"le"})


def test_there_are_dashboards() -> None:
    assert [file.stem for file in FILES] == ["vestibule-models", "vestibule-server"]
    uids = [read(file)["uid"] for file in FILES]
    assert len(set(uids)) == len(uids)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("sum by (method) (rate(vestibule_rpcs_total[$__rate_interval]))", []),
        ("sum(rate(vestibule_rpc_total[5m]))", ["vestibule_rpc_total"]),
        ("vestibule_rpc_seconds", ["vestibule_rpc_seconds"]),
        ('vestibule_rpcs_total{reason="x"} offset 5m > 0', ["vestibule_rpcs_total{reason}"]),
        ("sum by (reason, le) (vestibule_rpcs_total or vector(0))", ["by (le)", "by (reason)"]),
        ('sum by (job) (up{job="a_name"}) / on (instance) vestibule_no', ["vestibule_no"]),
    ],
)
def test_a_wrong_name_is_found(text: str, wrong: list[str]) -> None:
    assert unknown_names(text) == wrong


@dashboards
def test_every_metric_and_label_exists(file: Path) -> None:
    assert {text: wrong for text in expressions(file) if (wrong := unknown_names(text))} == {}


@dashboards
def test_every_legend_names_labels_that_the_result_has(file: Path) -> None:
    for panel in charts(file):
        for target in panel["targets"]:
            labels = set(re.findall(r"\{\{\s*(\w+)\s*\}\}", target["legendFormat"]))
            assert labels == labels_of_result(target["expr"]), target["expr"]


@dashboards
def test_a_counter_is_shown_as_a_rate(file: Path) -> None:
    for text in expressions(file):
        for name in parse(text).metrics:
            if name.endswith(("_total", "_bucket", "_count", "_sum")):
                assert re.search(rf"(rate|increase)\({name}\b", text), text
    sums = [text for text in expressions(file) if re.search(r"\bray_\w+_sum\b", text)]
    assert sums == [], "Ray makes the sum of a histogram from the middles of its buckets"


@dashboards
def test_grafana_can_load_it(file: Path) -> None:
    board = read(file)
    assert board["uid"] == file.stem
    assert len(board["uid"]) <= 40
    assert board["schemaVersion"] >= LEAST_SCHEMA
    assert board["title"]
    assert "id" not in board, "Grafana gives one; a file with it replaces another dashboard"
    source, *_ = board["templating"]["list"]
    assert (source["name"], source["type"], source["query"]) == ("datasource", "datasource", "prometheus")
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    titles = [panel["title"] for panel in board["panels"]]
    assert all(titles)


def test_one_server_of_several_can_be_chosen() -> None:
    file = DEPLOY / "grafana" / "vestibule-server.json"
    _, instance = read(file)["templating"]["list"]
    assert (instance["name"], instance["includeAll"], instance["allValue"]) == ("instance", True, ".*")
    assert {*re.findall(r"vestibule_\w+", instance["query"]["query"])} <= known_metrics().keys()
    for text in expressions(file):
        assert len(re.findall(r"\bvestibule_\w+\{", text)) == text.count('instance=~"$instance"') > 0, text


@pytest.mark.parametrize("counted", ["vestibule_waiting_jobs", "vestibule_waiting_records"])
def test_what_every_server_counts_in_the_ledger_that_they_share_is_counted_once(counted: str) -> None:
    texts = [text for file in FILES for text in expressions(file) if counted in parse(text).metrics]
    assert texts
    assert all(re.search(rf"max (by \(kind\) )?\({counted}|max\({counted}", text) for text in texts)


@dashboards
def test_every_panel_has_a_unit_a_source_and_targets(file: Path) -> None:
    for panel in charts(file):
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["targets"], panel["title"]
        refs = [target["refId"] for target in panel["targets"]]
        assert len(set(refs)) == len(refs), panel["title"]
        for source in [panel["datasource"], *(target["datasource"] for target in panel["targets"])]:
            assert source == {"type": "prometheus", "uid": "${datasource}"}, panel["title"]


@dashboards
def test_no_panel_covers_another(file: Path) -> None:
    places = [(panel["title"], panel["gridPos"]) for panel in read(file)["panels"]]
    for title, place in places:
        assert 0 <= place["x"] < place["x"] + place["w"] <= WIDTH, title
    for (one, a), (two, b) in combinations(places, 2):
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        above = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert beside or above, (one, two)


def test_every_metric_of_the_workers_is_on_a_dashboard() -> None:
    shown = {name for file in FILES for text in expressions(file) for name in parse(text).metrics}
    ours = {re.sub("_(bucket|sum|count)$", "", name) for name in known_metrics() if name.startswith("ray_vestibule_")}
    assert {name for name in ours if not any(found.startswith(name) for found in shown)} == set()
