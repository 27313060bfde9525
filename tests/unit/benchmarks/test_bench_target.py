"""`make bench` runs every benchmark that needs no argument, and names the others."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def needs_arguments(script: Path) -> bool:
    calls = [node for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    return any(map(_is_required, calls))


def _is_required(call: ast.Call) -> bool:
    """Whether the call adds an argument that must be given."""
    if not (isinstance(call.func, ast.Attribute) and call.func.attr == "add_argument"):
        return False
    first, options = call.args[0], {word.arg: word.value for word in call.keywords}
    required, count = options.get("required"), options.get("nargs")
    if isinstance(required, ast.Constant) and required.value is True:
        return True
    positional = isinstance(first, ast.Constant) and not str(first.value).startswith("-")
    return positional and not (isinstance(count, ast.Constant) and count.value in ("?", "*"))


def test_the_benchmarks_that_are_left_out_are_those_that_need_arguments() -> None:
    listed = re.search(r"^BENCH_BY_HAND := (.+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert listed is not None
    scripts = [script for script in (ROOT / "benchmarks").glob("*.py") if not script.name.startswith("_")]
    assert len(scripts) > len(listed[1].split())
    assert sorted(listed[1].split()) == sorted(script.stem for script in scripts if needs_arguments(script))
