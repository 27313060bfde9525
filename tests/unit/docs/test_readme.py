"""The README names what is in the repository: views, files and an example that compiles."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from server.ledger.views import FIRST_VIEWS

ROOT = Path(__file__).resolve().parents[3]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("view", FIRST_VIEWS, ids=lambda view: view.name)
def test_every_view_is_documented(view: object) -> None:
    assert f"| `{getattr(view, 'name')}` |" in README  # noqa: B009 - the type is not exported


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
