"""What reads the ledger for analysts starts fast: with the server, after each restart, and for each look at a file."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import accumulate

import pytest

from tests.source_tree import ROOT, Module, first, imports


@pytest.mark.parametrize("process", ["endpoint_process", "trial_process"])
def test_it_imports_no_heavy_library(process: str) -> None:
    """Each costs tenths of a second of CPU. What functions import later is not looked at."""
    reached: set[str] = set()
    new = {f"server.analytics.{process}"}
    while new:
        reached |= new
        new = {target for name in new for target in _imported(name)} - reached
    assert "server.analytics.catalogue" in reached
    assert not {first(name) for name in reached} & {"asyncio", "grpc", "numpy", "pydantic", "structlog", "yaml"}


def _imported(name: str) -> Iterator[str]:
    """What a module of ours imports while it is imported, with the packages that these are in."""
    path = ROOT.joinpath(*name.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    if not file.exists():
        return
    tree = ast.parse(file.read_text(encoding="utf-8"))
    at_once: list[ast.stmt] = [each for each in tree.body if isinstance(each, ast.Import | ast.ImportFrom)]
    package = name if path.is_dir() else name.rpartition(".")[0]
    for found in imports(Module(str(file), name, package, ast.Module(at_once, []))):
        yield from accumulate(found.target.split("."), lambda outer, inner: f"{outer}.{inner}")
