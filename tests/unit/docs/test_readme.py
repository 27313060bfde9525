"""The README is short, gives a reason for every file at the top, and its example is Python."""

from __future__ import annotations

import re

from tests.unit.docs.pages import ROOT, page

README = page("README.md")
LONGEST = 150
"""Lines of the README."""
LONGEST_EXAMPLE = 16
"""Lines of its example."""


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= LONGEST
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len([line for line in code.splitlines() if line]) <= LONGEST_EXAMPLE


def test_every_file_at_the_top_has_its_reason() -> None:
    section = README.partition("## Files at the top\n")[2]
    ignored = {line.strip().rstrip("/") for line in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()}
    for path in sorted(ROOT.iterdir()):
        name = path.name
        hidden = name.startswith(".") and name != ".ci"
        if hidden or name in ignored | {"README.md"} or name.endswith(".egg-info"):
            continue
        assert f"`{name}" in section, f"{name} has no reason in the README"


def test_the_python_example_is_python() -> None:
    """``tests/e2e`` runs it."""
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    compile(code, "README.md", "exec")
