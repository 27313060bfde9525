"""Reads the layers as syntax trees, for the tests of the architecture."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LAYERS = ("models", "ray_tasks", "server")
"""From the lowest to the highest; below all of them are the generated stubs."""
STUBS = ("vestibule", "buf")


@dataclass(frozen=True)
class Import:
    """One import: dotted name, line, and whether only the type checker sees it."""

    target: str
    line: int
    type_checking: bool


@dataclass(frozen=True)
class Module:
    """One file of ours."""

    path: str
    name: str
    package: str
    tree: ast.Module


@cache
def modules() -> tuple[Module, ...]:
    found = []
    for layer in LAYERS:
        for file in sorted((ROOT / layer).rglob("*.py")):
            path = file.relative_to(ROOT)
            parts = list(path.with_suffix("").parts)
            is_package = parts[-1] == "__init__"
            name = ".".join(parts[:-1] if is_package else parts)
            package = name if is_package else name.rpartition(".")[0]
            found.append(Module(path.as_posix(), name, package, ast.parse(file.read_text(encoding="utf-8"))))
    return tuple(found)


@cache
def imports(module: Module) -> tuple[Import, ...]:
    return tuple(_imports(module.tree, module, type_checking=False))


@cache
def nodes(module: Module) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(module.tree))


def _imports(node: ast.AST, module: Module, *, type_checking: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        inside = type_checking or (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test))
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(alias.name, child.lineno, inside)
        elif isinstance(child, ast.ImportFrom):
            base = child.module or ""
            if child.level:
                parts = module.package.split(".")
                base = ".".join([*parts[: len(parts) - child.level + 1], *([base] if base else [])])
            for alias in child.names:
                yield Import(f"{base}.{alias.name}", child.lineno, inside)
        yield from _imports(child, module, type_checking=inside)


def first(dotted: str) -> str:
    return dotted.partition(".")[0]


def where(module: Module, line: int) -> str:
    return f"{module.path}:{line}"


def places(matches: Iterator[str]) -> list[str]:
    return sorted(set(matches))
