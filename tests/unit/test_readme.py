"""The README tells the truth: reasons, commands, views, files and the example are compared with the repository."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from prometheus_client.metrics import MetricWrapperBase

from models import errors
from models.errors import VestibuleError
from server.cli.main import cli
from server.ledger.views import FIRST_VIEWS
from server.observability.metrics import Metrics
from server.rpc.interceptors.errors import status_code

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")

# Functions of ours that take a reason as their first argument, with the class of error that they make.
MAKERS = {"failed": errors.UpstreamFailed, "Notice": None}
REASON = re.compile(r"[A-Z][A-Z0-9_]+\Z")


def classes() -> dict[str, type[VestibuleError]]:
    found = {n: c for n, c in vars(errors).items() if isinstance(c, type) and issubclass(c, VestibuleError)}
    assert len(found) > 15
    return found


def reasons() -> dict[str, set[str]]:
    """Every reason that the code can give, with the gRPC statuses that go with it where they can be seen."""
    found: dict[str, set[str]] = {}
    for error in classes().values():
        found.setdefault(error.default_reason, set()).add(status_code(error("")).name)
    for layer in ("models", "ray_tasks", "server"):
        for file in (ROOT / layer).rglob("*.py"):
            for reason, error_name in _literals(ast.parse(file.read_text(encoding="utf-8"))):
                made_by = classes().get(error_name)
                statuses = found.setdefault(reason, set())
                if made_by is not None:
                    statuses.add(status_code(made_by("", reason=reason)).name)
    return found


def _literals(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            maker = ast.unparse(node.func).rpartition(".")[2]
            for keyword in node.keywords:
                if keyword.arg == "reason" and (reason := _reason(keyword.value)):
                    yield reason, maker
            if maker in MAKERS and node.args and (reason := _reason(node.args[0])):
                made = MAKERS[maker]
                yield reason, made.__name__ if made else ""
        elif isinstance(node, ast.Tuple):  # a row of a table that maps foreign errors to ours
            names = [e.id for e in node.elts if isinstance(e, ast.Name) and e.id in classes()]
            for element in node.elts:
                reason = _reason(element)
                if names and reason:
                    yield reason, names[0]


def _reason(node: ast.expr) -> str:
    good = isinstance(node, ast.Constant) and isinstance(node.value, str) and REASON.match(node.value)
    return str(node.value) if good and isinstance(node, ast.Constant) else ""


def table(heading: str) -> list[list[str]]:
    """Cells of the first table below a heading."""
    part = README.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = [[c.strip() for c in line.strip("|").split(" | ")] for line in part.splitlines() if line.startswith("|")]
    assert len(rows) > 2, f"no table below '{heading}'"
    return rows[2:]


def documented_reasons() -> dict[str, set[str]]:
    return {row[0].strip("`"): set(row[1].split(", ")) - {""} for row in table("Errors")}


def test_every_reason_is_documented() -> None:
    assert sorted(set(reasons()) - set(documented_reasons())) == []


def test_no_reason_is_invented() -> None:
    assert sorted(set(documented_reasons()) - set(reasons())) == []


def test_reasons_have_the_status_that_clients_see() -> None:
    documented = documented_reasons()
    wrong = {
        r: (sorted(s), sorted(documented[r])) for r, s in reasons().items() if r in documented and s != documented[r]
    }
    assert wrong == {}


def test_reasons_are_sorted_and_explained() -> None:
    rows = table("Errors")
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)
    assert [row[0] for row in rows if not row[2].endswith(".")] == []


def test_every_command_is_documented() -> None:
    section = README.partition("## The command line\n")[2].partition("\n## ")[0]
    for name, command in cli.commands.items():
        assert re.search(rf"`(vestibule )?{name}\b", section), name
        if isinstance(command, click.Group):
            for inner in command.commands:
                assert re.search(rf"`[^`]*\b{inner}\b", section), f"{name} {inner}"


@pytest.mark.parametrize("view", FIRST_VIEWS, ids=lambda view: view.name)
def test_every_view_is_documented(view: object) -> None:
    assert f"| `{getattr(view, 'name')}` |" in README  # noqa: B009 - the type is not exported


def test_every_metric_is_documented_and_none_is_invented() -> None:
    rows = []
    for metric in vars(Metrics()).values():
        if isinstance(metric, MetricWrapperBase):
            name = metric._name + "_total" * (metric._type == "counter")
            labels = ", ".join(f"`{label}`" for label in metric._labelnames)
            rows.append([f"`{name}`", metric._type, labels, metric._documentation])
    assert table("Metrics") == rows


def test_every_file_at_the_top_has_its_reason() -> None:
    given = {"protos", "server", "ray_tasks", "models", "tests", "pyproject.toml", "README.md"}  # the fixed ones
    section = README.partition("## Files at the top\n")[2].partition("\n## ")[0]
    ignored = {line.strip().rstrip("/") for line in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()}
    for path in sorted(ROOT.iterdir()):
        name = path.name
        hidden = name.startswith(".") and name != ".ci"
        if hidden or name in given | ignored or name.endswith(".egg-info"):
            continue
        assert f"`{name}" in section, f"{name} has no reason in the README"


def test_named_files_exist() -> None:
    for path in re.findall(r"`((?:protos|models|ray_tasks|server|tests|benchmarks)/[\w./]*)`", README):
        assert (ROOT / path).exists(), path


def test_the_python_example_is_python() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    compile(code, "README.md", "exec")
