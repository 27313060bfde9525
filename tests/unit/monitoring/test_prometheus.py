"""The rules and the configuration of Prometheus fit the server, and its own tool takes them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs.generate import metrics_page
from server.settings import Settings
from tests.unit.docs.pages import ROOT, anchors
from tests.unit.monitoring.promql import DEPLOY, unknown_names
from tests.unit.monitoring.test_dashboards import FILES, expressions

CONFIG = DEPLOY / "prometheus" / "prometheus.yml"
RULES = DEPLOY / "prometheus" / "rules.yml"
RULE_TESTS = Path(__file__).with_name("rules_test.yml")
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(
    PROMTOOL is None and not os.environ.get("CI"),
    reason="promtool is not installed; Debian has it, and CI runs this test",
)


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def promtool(*arguments: str | Path) -> None:
    """Run it; fails with what it says."""
    ran = subprocess.run(
        [str(PROMTOOL), *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_names_what_exists_and_says_what_to_do(rule: dict[str, Any]) -> None:
    assert unknown_names(rule["expr"]) == []
    assert rule["labels"]["severity"] in {"page", "ticket"}
    notes = rule["annotations"]
    assert set(notes) == {"summary", "action", "runbook"}
    path, _, anchor = notes["runbook"].partition("#")
    assert (ROOT / path).is_file()
    assert not anchor or anchor in anchors(ROOT / path)


def test_every_alert_has_a_test_in_which_it_fires() -> None:
    told = RULE_TESTS.read_text(encoding="utf-8")
    assert {rule["alert"] for rule in rules() if f'alertname="{rule["alert"]}"' not in told} == set()


def test_the_configuration_scrapes_the_port_of_the_server_and_that_of_the_manual() -> None:
    jobs = {job["job_name"]: job for job in yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["scrape_configs"]}
    targets = {name: job["static_configs"][0]["targets"] for name, job in jobs.items()}
    manual = (ROOT / "docs/operating/metrics.md").read_text(encoding="utf-8")
    of_ray = re.findall(r"VESTIBULE_RAY__METRICS_PORT=(\d+)", manual)
    assert targets["vestibule"] == [f"127.0.0.1:{Settings.model_fields['metrics_port'].default}"]
    assert {f"127.0.0.1:{port}" for port in of_ray} == set(targets["vestibule-ray"])


def test_what_the_dashboards_need_of_ray_is_kept() -> None:
    jobs = {job["job_name"]: job for job in yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["scrape_configs"]}
    (kept,) = [c["regex"] for c in jobs["vestibule-ray"]["metric_relabel_configs"] if c["action"] == "keep"]
    named = {name for file in FILES for text in expressions(file) for name in re.findall(r"\bray_\w+", text)}
    assert {name for name in named if not re.fullmatch(kept, name)} == set()
    assert len(named) > 10


def test_the_reference_lists_the_metrics_of_the_workers_and_of_serve() -> None:
    page = metrics_page()
    assert "`ray_vestibule_worker_errors_total`" in page
    assert "`ray_serve_deployment_queued_queries`" in page


@needs_promtool
def test_promtool_takes_the_rules_and_the_configuration() -> None:
    promtool("check", "rules", RULES)
    promtool("check", "config", "--syntax-only", CONFIG)


@needs_promtool
def test_the_alerts_fire_when_they_should_and_only_then() -> None:
    promtool("test", "rules", RULE_TESTS)


@needs_promtool
def test_promtool_can_parse_every_expression_of_the_dashboards(tmp_path: Path) -> None:
    texts = [text.replace("$__rate_interval", "5m") for file in FILES for text in expressions(file)]
    made = [{"record": f"panel:{number}", "expr": text} for number, text in enumerate(texts)]
    rule_file = tmp_path / "panels.yml"
    rule_file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": made}]}), encoding="utf-8")
    promtool("check", "rules", rule_file)
