"""What of PromQL the tests need: which metrics and labels an expression names, and what of it there is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from prometheus_client.metrics import MetricWrapperBase

from ray_tasks.serve_metrics import SERVE_METRICS
from ray_tasks.worker_metrics import WORKER_METRICS
from server.observability.metrics import Metrics

ROOT = Path(__file__).resolve().parents[3]
DEPLOY = ROOT / "deploy"
OF_PROMETHEUS = {"up": frozenset[str]()}
EVERYWHERE = frozenset({"job", "instance"})

_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')
_SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)\s*\{([^}]*)\}")
_MATCHER = re.compile(r"([a-zA-Z_]\w*)\s*(?:=~|!~|!=|=)")
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_WORD = re.compile(r"[a-zA-Z_:$][\w:]*\b(?!\s*\()")
_OPERATORS = frozenset({"and", "or", "unless", "bool", "offset"})


@dataclass(frozen=True, slots=True)
class Expression:
    """What an expression names.

    Attributes:
        metrics: Names of the metrics.
        matched: For each metric with a selector, the labels in it.
        grouped: The labels by which it groups or joins.
    """

    metrics: frozenset[str]
    matched: tuple[tuple[str, frozenset[str]], ...]
    grouped: frozenset[str]


def parse(text: str) -> Expression:
    """Find the names by what is around them; ``promtool`` checks the grammar."""
    bare = _TEXT.sub('""', text)
    matched = tuple((name, frozenset(_MATCHER.findall(inside))) for name, inside in _SELECTOR.findall(bare))
    groups = [label.strip() for inside in _GROUPING.findall(bare) for label in inside.split(",") if label.strip()]
    rest = re.sub(r"\{[^}]*\}|\[[^\]]*\]", "", _GROUPING.sub("", bare))
    words = {word for word in _WORD.findall(re.sub(r"\boffset\s+\w+", "", rest)) if word not in _OPERATORS}
    return Expression(frozenset(words), matched, frozenset(groups))


@cache
def known_metrics() -> dict[str, frozenset[str]]:
    """The labels of every series that a server, its workers and Ray export, by name."""
    known = dict(OF_PROMETHEUS)
    for metric in vars(Metrics()).values():
        if isinstance(metric, MetricWrapperBase):
            name = metric._name + "_total" * (metric._type == "counter")
            known |= _series(name, str(metric._type), tuple(metric._labelnames))
    for ours in WORKER_METRICS:
        known |= _series(ours.exported_name, ours.kind, ours.tags)
    for of_ray in SERVE_METRICS:
        known |= _series(of_ray.name, of_ray.kind, of_ray.tags)
    return known


def _series(name: str, kind: str, labels: tuple[str, ...]) -> dict[str, frozenset[str]]:
    has = frozenset(labels)
    if kind != "histogram":
        return {name: has}
    return {f"{name}_bucket": has | {"le"}, f"{name}_sum": has, f"{name}_count": has}


def unknown_names(text: str) -> list[str]:
    """The metrics of an expression that nothing exports, and the labels that they do not have."""
    found, known = parse(text), known_metrics()
    wrong = sorted(found.metrics - known.keys())
    wrong += [f"{m}{{{label}}}" for m, labels in found.matched for label in labels - known.get(m, labels) - EVERYWHERE]
    made = frozenset(re.findall(r'label_replace\(.*?,\s*"(\w+)"', text))
    anywhere = frozenset[str]().union(*(known.get(m, frozenset()) for m in found.metrics))
    return wrong + sorted(f"by ({label})" for label in found.grouped - anywhere - made - EVERYWHERE)
